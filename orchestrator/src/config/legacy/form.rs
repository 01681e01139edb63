//! The configuration of version 1, as OSBS of 2018 has it: every key, its type,
//! what is required. Unknown keys are errors on every level, which the original
//! did not insist on at the top. Keys that nothing reads any more take any value,
//! and the value is not kept, because one of them is a password.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::config::{SigningIntent, layers::Document};

/// A value that is not kept.
#[derive(Debug, JsonSchema)]
#[schemars(with = "serde_json::Value")]
pub(crate) struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// A key that is there must have a value; an explicit null is none.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    match Option::<T>::deserialize(deserializer)? {
        Some(value) => Ok(Some(value)),
        None => Err(serde::de::Error::custom("it has no value")),
    }
}

macro_rules! top_level {
    ($($(#[doc = $doc:literal])* $key:ident: $type:ty as $name:literal,)*) => {
        /// Configuration of OSBS, version 1 (2018).
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct Version1 {
            $(
                $(#[doc = $doc])*
                #[serde(deserialize_with = "present")]
                #[schemars(with = $name)]
                pub(crate) $key: Option<$type>,
            )*
        }

        impl Version1 {
            /// Reads every key for itself. Bad ones go to `bad`.
            pub(crate) fn read_each(document: Document<'_>, bad: &mut Vec<(String, String)>) -> Self {
                Self {
                    $($key: read_one(document, stringify!($key), bad),)*
                }
            }
        }
    };
}

top_level! {
    /// Version of the form: 1.
    version: String as "u8",
    /// Clusters of workers by platform, the preferred one first. Now `pools`.
    clusters: BTreeMap<String, Vec<Cluster>> as "BTreeMap<String, Vec<Cluster>>",
    /// Retired: workers dial the orchestrator.
    clusters_client_config_dir: Unread as "serde_json::Value",
    /// Koji. Now `koji`; how to log in is up to koji-bridge.
    koji: Koji as "Koji",
    /// Retired: images are pushed to registries.
    pulp: Unread as "serde_json::Value",
    /// The compose service. Now `composes`.
    odcs: Odcs as "Odcs",
    /// Mail. Now `mail`.
    smtp: Smtp as "Smtp",
    /// Retired.
    pdc: Unread as "serde_json::Value",
    /// Retired.
    arrangement_version: Unread as "serde_json::Value",
    /// Now `artifacts.allowed_domains`.
    artifacts_allowed_domains: Vec<String> as "Vec<String>",
    /// Now `labels.set`.
    image_labels: BTreeMap<String, String> as "BTreeMap<String, String>",
    /// Now `labels.info_url`.
    image_label_info_url_format: String as "String",
    /// Now `labels.equal`.
    image_equal_labels: Vec<Vec<String>> as "Vec<Vec<String>>",
    /// Now `openshift`.
    openshift: OpenShift as "OpenShift",
    /// Retired: images of several platforms always get an index.
    group_manifests: Unread as "serde_json::Value",
    /// Now `platforms`.
    platform_descriptors: Vec<Descriptor> as "Vec<Descriptor>",
    /// Retired.
    prefer_schema1_digest: Unread as "serde_json::Value",
    /// Retired.
    content_versions: Unread as "serde_json::Value",
    /// Registries that images go to. Now `publication.registries` and `registries`.
    registries: Vec<Registry> as "Vec<Registry>",
    /// Now `repositories.proxy`.
    yum_proxy: String as "String",
    /// Now `source_registry` and `registries`.
    source_registry: SourceRegistry as "SourceRegistry",
    /// Now `artifacts.sources_command`.
    sources_command: String as "String",
    /// Now `publication.packages_may_differ`.
    package_comparison_exceptions: Vec<String> as "Vec<String>",
    /// Known to later versions of OSBS. Now `koji.missing_parent`.
    skip_koji_check_for_base_image: bool as "bool",
    /// Known to later versions of OSBS. Now `koji.parent_digest`.
    fail_on_digest_mismatch: bool as "bool",
    /// Known to later versions of OSBS. Retired: members of an index are always compared.
    deep_manifest_list_inspection: Unread as "serde_json::Value",
    /// Retired: settings name the files of secrets.
    required_secrets: Unread as "serde_json::Value",
    /// Retired: workers dial the orchestrator.
    worker_token_secrets: Unread as "serde_json::Value",
}

/// A cluster that worker builds ran in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) max_concurrent_builds: u32,
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
}

/// Koji.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Koji {
    pub(crate) hub_url: String,
    pub(crate) root_url: String,
    pub(crate) auth: KojiAuth,
    /// Known to later versions of OSBS.
    #[serde(default, deserialize_with = "present")]
    pub(crate) reserve_build: Option<bool>,
    #[serde(default, rename = "use_fast_upload")]
    pub(crate) _use_fast_upload: Option<bool>,
    #[serde(default, rename = "insecure_download")]
    pub(crate) _insecure_download: Option<bool>,
}

/// How to log in to Koji: a certificate, Kerberos, or neither.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KojiAuth {
    #[serde(default, rename = "proxyuser")]
    pub(crate) _proxyuser: Option<String>,
    #[serde(default)]
    pub(crate) ssl_certs_dir: Option<PathBuf>,
    #[serde(default, rename = "krb_cache_path")]
    pub(crate) _krb_cache_path: Option<String>,
    #[serde(default)]
    pub(crate) krb_principal: Option<String>,
    #[serde(default)]
    pub(crate) krb_keytab_path: Option<String>,
}

/// The compose service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Odcs {
    pub(crate) api_url: String,
    pub(crate) auth: OdcsAuth,
    pub(crate) signing_intents: Vec<SigningIntent>,
    pub(crate) default_signing_intent: String,
    #[serde(default, deserialize_with = "present")]
    pub(crate) insecure: Option<bool>,
}

/// How to log in to the compose service: one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OdcsAuth {
    #[serde(default)]
    pub(crate) ssl_certs_dir: Option<PathBuf>,
    #[serde(default)]
    pub(crate) openidc_dir: Option<PathBuf>,
}

/// Mail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Smtp {
    pub(crate) host: String,
    pub(crate) from_address: String,
    #[serde(default, deserialize_with = "present")]
    pub(crate) additional_addresses: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) error_addresses: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) domain: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) send_to_submitter: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) send_to_pkg_owner: Option<bool>,
}

/// OpenShift.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenShift {
    pub(crate) url: String,
    #[serde(default, deserialize_with = "present")]
    pub(crate) insecure: Option<bool>,
    /// Retired: there are no build templates.
    #[serde(default, rename = "build_json_dir")]
    pub(crate) _build_json_dir: Option<Unread>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) auth: Option<OpenShiftAuth>,
}

/// How to log in to OpenShift: a certificate, Kerberos, or the token of the pod.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenShiftAuth {
    #[serde(default, deserialize_with = "present")]
    pub(crate) enable: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) ssl_certs_dir: Option<PathBuf>,
    #[serde(default, rename = "krb_cache_path")]
    pub(crate) _krb_cache_path: Option<String>,
    #[serde(default)]
    pub(crate) krb_principal: Option<String>,
    #[serde(default)]
    pub(crate) krb_keytab_path: Option<String>,
}

/// A platform's name for OCI. The original required neither.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Descriptor {
    pub(crate) platform: String,
    pub(crate) architecture: String,
    /// Retired: there is no version 1 of images.
    #[serde(default, rename = "enable_v1")]
    pub(crate) _enable_v1: Option<Unread>,
}

/// A registry that images go to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registry {
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) insecure: bool,
    #[serde(default, deserialize_with = "present")]
    pub(crate) auth: Option<RegistryAuth>,
}

/// Credentials of a registry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegistryAuth {
    pub(crate) cfg_path: PathBuf,
}

/// The registry of image names without a host.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceRegistry {
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) insecure: bool,
}

fn yes() -> bool {
    true
}

fn read_one<T: DeserializeOwned>(
    document: Document<'_>,
    key: &str,
    bad: &mut Vec<(String, String)>,
) -> Option<T> {
    match document.read(&[key]) {
        // Every key of this form needs a value, where it stands at all.
        Ok(None) if document.has_top_level(key) => bad.push((key.to_owned(), "it has no value".to_owned())),
        Ok(value) => return value,
        Err(reason) => bad.push((key.to_owned(), reason)),
    }
    None
}
