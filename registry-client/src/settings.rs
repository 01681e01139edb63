//! What a site says about its registries.

use std::{collections::BTreeMap, path::PathBuf};

use common::image::Host;
use serde::{Deserialize, Serialize};

/// Settings of all registries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrySettings {
    /// By host, as image references name it.
    pub hosts: BTreeMap<Host, HostSettings>,
    /// For every host that is not named.
    pub defaults: HostSettings,
}

impl RegistrySettings {
    /// The settings of one host.
    pub fn of(&self, host: &Host) -> &HostSettings {
        self.hosts.get(host).unwrap_or(&self.defaults)
    }
}

/// Settings of one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostSettings {
    /// Speak HTTP without TLS. Never a fallback: with this off, only HTTPS is spoken.
    pub plain_http: bool,
    /// PEM file with certificates of authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Docker's `config.json`, a `.dockercfg`, or a directory that has one of them. Without it, access is anonymous.
    pub credentials_file: Option<PathBuf>,
    /// Upload blobs in pieces of this many bytes, for proxies that bound the length of a request. Without it a
    /// blob is sent in one request.
    pub upload_chunk_bytes: Option<u64>,
}
