//! Entries of lists and maps.

use std::path::PathBuf;

use common::image::Host;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::schema::text_schema;

/// What a site says about one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlatformSetting {
    /// OCI's name of the architecture; needed for platforms that are not built
    /// in. Example: `riscv64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Variant of the CPU. Example: `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Whether builds may ask for it.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// A place where builds of one platform run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Its name. Example: `worker`.
    pub name: String,
    /// Builds that it takes at a time.
    pub max_builds: u32,
    /// Whether it takes builds.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// How to reach one registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistrySetting {
    /// The registry. Example: `registry.example.org:5000`.
    #[schemars(schema_with = "text_schema")]
    pub host: Host,
    /// Speak HTTP without TLS.
    #[serde(default)]
    pub plain_http: bool,
    /// PEM file with the certificate authority that signed the registry's
    /// certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Credentials: a `config.json` or `.dockercfg` as Docker writes them, or
    /// a directory that has one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
}

fn yes() -> bool {
    true
}
