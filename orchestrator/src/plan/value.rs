//! The plan: what will be built and where it will go, as a value.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use common::{
    image::{Host, Repository, Tag},
    names::Component,
    platform::{Architecture, Platform},
    request::{FailurePolicy, Limits},
    work::{Descriptor, ManifestFormat, Parent},
};
use serde::{Deserialize, Serialize};

use super::{PlannedStep, Reason, Recording, Tags};
use crate::repository::CommitId;

/// Everything that is decided before anything is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The commit that is built.
    pub commit: CommitId,
    /// Under which name.
    pub component: Component,
    /// One entry for each platform, in the order of the index.
    pub platforms: Vec<PlatformPlan>,
    /// The build context, the same for every platform.
    pub context: Descriptor,
    /// Path of the Dockerfile in the context.
    pub dockerfile_path: String,
    /// Values for ARG instructions.
    pub build_args: BTreeMap<String, String>,
    /// The label that each worker sets to the name of its host.
    pub host_label: Option<String>,
    /// The version that the image's labels say.
    pub version: Option<String>,
    /// The release that they say.
    pub release: Option<String>,
    /// Labels that may differ from platform to platform.
    pub labels_may_differ: Vec<String>,
    /// Packages that may differ from platform to platform, with * and ?.
    #[serde(default)]
    pub packages_may_differ: Vec<String>,
    /// Labels that are set here or in the Dockerfile; all others come from the
    /// parent images.
    pub own_labels: Vec<String>,
    /// The image stream that follows the image.
    pub image_stream: Option<String>,
    /// Bounds on each platform's build.
    pub limits: Limits,
    /// How long a work order may wait for a worker.
    pub queue_deadline: Duration,
    /// How often a platform is tried when machines fail.
    pub attempts: u32,
    /// What a failed platform does to the others.
    pub failure_policy: FailurePolicy,
    /// What kind of manifests to make.
    pub format: ManifestFormat,
    /// Tags to set at every destination.
    pub tags: Tags,
    /// Where the image goes.
    pub targets: Vec<Target>,
    /// What Koji is told of it; `None` for a build that Koji does not record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<Recording>,
    /// Every step there is, and whether it runs.
    pub steps: Vec<PlannedStep>,
}

impl Plan {
    /// Whether a step runs; if not, why.
    pub fn reason_against(&self, step: &str) -> Option<&Reason> {
        self.steps.iter().find(|planned| planned.name == step).and_then(|planned| planned.reason.as_ref())
    }
}

/// What is particular to one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformPlan {
    /// Koji's name.
    pub platform: Platform,
    /// OCI's name.
    pub architecture: Architecture,
    /// The final Dockerfile, parents pinned.
    pub dockerfile: String,
    /// Parents as this Dockerfile names them.
    pub parents: Vec<Parent>,
}

/// A destination with everything settled: absolute paths, known host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An OCI layout.
    Layout {
        /// Absolute path of the directory.
        directory: PathBuf,
    },
    /// A repository in a registry.
    Registry {
        /// The registry.
        host: Host,
        /// The repository.
        repository: Repository,
        /// One more tag, asked for with the destination.
        tag: Option<Tag>,
    },
}

impl Target {
    /// The tag that was asked for with this destination.
    pub fn extra_tag(&self) -> Option<&Tag> {
        match self {
            Self::Layout { .. } => None,
            Self::Registry { tag, .. } => tag.as_ref(),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Layout { directory } => write!(f, "oci:{}", directory.display()),
            Self::Registry { host, repository, .. } => write!(f, "docker://{host}/{repository}"),
        }
    }
}
