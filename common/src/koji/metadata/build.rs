//! The build of a document: its name, source, times, and what it says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Image;
use crate::nvr::Nvr;

/// What was built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// Name of the package.
    pub name: String,
    /// Version; no dash.
    pub version: String,
    /// Release; no dash.
    pub release: String,
    /// The source as `<git url>#<commit id>`; null when there is none.
    pub source: Option<String>,
    /// When the build began, in seconds since 1970.
    pub start_time: u64,
    /// When it ended, in seconds since 1970. Koji's completion time, unless the
    /// build was reserved.
    pub end_time: u64,
    /// Name of the Koji user whose build it is; null means the one who imports.
    pub owner: Option<String>,
    /// Epoch; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The Koji task that asked for it; absent when there is none, and for hubs
    /// before 1.33 to no use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<u64>,
    /// The reserved build; absent without reservation, needed with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<u64>,
    /// Whether no files belong to it, as builds of 2018 could say; hubs ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_only: Option<bool>,
    /// What it says of itself.
    pub extra: BuildExtra,
}

impl Build {
    /// A build without source, owner, task and reservation.
    pub fn new(nvr: &Nvr, start_time: u64, end_time: u64, extra: BuildExtra) -> Self {
        Self {
            name: nvr.name().to_owned(),
            version: nvr.version().to_owned(),
            release: nvr.release().to_owned(),
            source: None,
            start_time,
            end_time,
            owner: None,
            epoch: None,
            task_id: None,
            build_id: None,
            metadata_only: None,
            extra,
        }
    }
}

/// What a container build says of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BuildExtra {
    /// What is particular to images. It is also what makes the build an image
    /// build for Koji.
    pub image: Image,
    /// Name of the Koji user who imports.
    pub submitter: String,
    /// The Koji task that asked for the build; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_koji_task_id: Option<u64>,
    /// The Koji task that made the root file systems; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem_koji_task_id: Option<u64>,
    /// How it was built; absent in builds of 2018.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub osbs_build: Option<OsbsBuild>,
    /// What the user wants kept beside the build, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_user_metadata: Option<serde_json::Map<String, Value>>,
    /// What became of operator manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_manifests: Option<AppRegistry>,
    /// File name of the archive of operator manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_manifests_archive: Option<String>,
    /// Build types beside `image`, each with what is particular to it. Every one
    /// must exist on the hub. Example: `operator-manifests`. Never `image`: a hub
    /// refuses what says it twice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub typeinfo: BTreeMap<String, Value>,
}

/// How a build was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsbsBuild {
    /// `container_build` or `source_container_build`.
    pub kind: String,
    /// What built it. Example: `podman`.
    pub engine: String,
    /// What else it is. Examples: `flatpak`, `operator_bundle`.
    pub subtypes: Vec<String>,
}

/// What became of operator manifests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AppRegistry {
    /// What an app registry said to a push; absent without a push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appregistry: Option<Value>,
}
