//! Keys of version 1 that nothing reads any more, and what replaces them.

use std::{fmt, path::PathBuf};

use common::yaml::Places;
use serde::Serialize;

use crate::config::schema::without_numbers;

/// A key of version 1 that nothing reads any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retired {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The key. Example: `platform_descriptors[0].enable_v1`.
    pub key: String,
    /// What replaces it.
    pub replacement: String,
}

impl fmt::Display for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": '{}' is retired: {}", self.key, self.replacement)
    }
}

const BRIDGE: &str = "koji-bridge alone logs in to the hub; configure it there";
const KERBEROS: &str = "name openshift.token_file or openshift.certificate_directory";

/// Every retired key and what replaces it; `[]` is any entry of a list.
const KEYS: &[(&str, &str)] = &[
    ("pulp", "images are pushed to the registries of publication.registries, and stay there"),
    ("pdc", "modules are resolved by the compose service; see composes.api_url"),
    ("content_versions", "only images of version 2 are made; publication.manifest_format chooses their kind"),
    ("prefer_schema1_digest", "there are no manifests of schema 1 any more"),
    ("arrangement_version", "the orchestrator plans by its own version; `orchestrator plan` shows the steps"),
    ("group_manifests", "an image of several platforms always gets an index"),
    (
        "deep_manifest_list_inspection",
        "members of an index are always compared with what Koji recorded; koji.parent_digest says what comes of it",
    ),
    ("platform_descriptors[].enable_v1", "there are no images of version 1 any more"),
    ("clusters_client_config_dir", "workers dial the orchestrator; see service.worker_token_file"),
    ("worker_token_secrets", "workers dial the orchestrator; see service.worker_token_file"),
    ("required_secrets", "settings name the files of secrets; mount them and name them there"),
    ("openshift.build_json_dir", "there are no build templates; the plan is made of the settings"),
    ("openshift.auth.krb_principal", KERBEROS),
    ("openshift.auth.krb_keytab_path", KERBEROS),
    ("openshift.auth.krb_cache_path", KERBEROS),
    ("koji.use_fast_upload", "koji-bridge always uploads the fast way"),
    (
        "koji.insecure_download",
        "koji-bridge alone talks to the hub; which certificates it trusts is configured there",
    ),
    ("koji.auth.proxyuser", BRIDGE),
    ("koji.auth.ssl_certs_dir", BRIDGE),
    ("koji.auth.krb_principal", BRIDGE),
    ("koji.auth.krb_keytab_path", BRIDGE),
    ("koji.auth.krb_cache_path", BRIDGE),
];

/// The retired keys among `places`, in the order of their lines.
pub(crate) fn retired(path: &std::path::Path, places: &Places) -> Vec<Retired> {
    let mut found: Vec<Retired> = places
        .paths()
        .filter_map(|key| {
            let (_, replacement) = KEYS.iter().find(|(retired, _)| *retired == without_numbers(key))?;
            Some(Retired {
                path: path.to_owned(),
                line: places.line(key),
                key: key.to_owned(),
                replacement: (*replacement).to_owned(),
            })
        })
        .collect();
    found.sort_by_key(|retired| retired.line);
    found
}

/// Our key for one of version 1 that stands at the top of a file without
/// `version`.
pub(crate) fn successor(path: &str) -> Option<&'static str> {
    const SUCCESSORS: &[(&str, &str)] = &[
        ("artifacts_allowed_domains", "artifacts.allowed_domains"),
        ("clusters", "pools"),
        ("fail_on_digest_mismatch", "koji.parent_digest"),
        ("image_equal_labels", "labels.equal"),
        ("image_label_info_url_format", "labels.info_url"),
        ("image_labels", "labels.set"),
        ("odcs", "composes"),
        ("platform_descriptors", "platforms"),
        ("skip_koji_check_for_base_image", "koji.missing_parent"),
        ("smtp", "mail"),
        ("sources_command", "artifacts.sources_command"),
        ("yum_proxy", "repositories.proxy"),
    ];
    SUCCESSORS.iter().find(|(former, _)| *former == path).map(|(_, ours)| *ours)
}
