//! What planning found out, complete or not: what `plan` prints and what is kept
//! with a build's record.
//!
//! A dry run without network cannot know everything, and a repository can be
//! wrong in several ways at once. A [`Draft`] holds whatever is known, says what
//! was only assumed, and lists every problem. A draft without problems and
//! without gaps becomes a [`Plan`](super::Plan), which is all that the second
//! half of a build takes.

use std::collections::BTreeMap;

use common::{
    failure::Failure,
    flow::Stage,
    image::{Digest, Tag},
    names::{Component, WorkOrderId},
    nvr::Nvr,
    platform::{Architecture, Platform},
    request::{BuildMode, FailurePolicy, GitSource, Limits},
    work::{Descriptor, ManifestFormat, Parent},
};
use serde::{Deserialize, Serialize};

use super::{Recording, Tags, Target};

/// Name of the document in the store that holds a build's draft.
pub const PLAN: &str = "plan";

/// Everything that planning knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// What was asked for.
    pub source: GitSource,
    /// The commit, once it is known.
    pub commit: Option<String>,
    /// The ref that led to it. Example: `refs/heads/main`.
    pub full_ref: Option<String>,
    /// Kind of build.
    pub mode: BuildMode,
    /// Koji target, if any.
    pub target: Option<String>,
    /// Digest of the site's settings.
    pub settings_digest: Digest,
    /// Under which name it is built.
    pub component: Option<Component>,
    /// Name, version and release, as Koji would call it.
    pub nvr: Option<Nvr>,
    /// The release and where it comes from, in a sentence.
    pub release: Option<Decision>,
    /// Whether this is an automatic rebuild, and why.
    pub rebuild: Option<Decision>,
    /// How the platforms came about, one line for each thing that had a say.
    pub platform_arithmetic: Vec<String>,
    /// One entry for each platform, in the order of the index.
    pub platforms: Vec<PlannedPlatform>,
    /// Tags to set at every destination.
    pub tags: Option<Tags>,
    /// Where the image goes.
    pub destinations: Vec<Target>,
    /// Package repositories of the build, and the digest of each file.
    pub repositories: Vec<PlannedFile>,
    /// Files that are fetched before the build.
    pub artifacts: Vec<PlannedFile>,
    /// The build context, once it is made.
    pub context: Option<Descriptor>,
    /// Path of the Dockerfile in the context.
    pub dockerfile_path: Option<String>,
    /// What files of the repository other than the Dockerfile say, key by key.
    #[serde(default)]
    pub repository_keys: Vec<RepositoryKey>,
    /// Every step there is, in the order of execution.
    pub steps: Vec<PlannedStep>,
    /// What the site's rules say.
    pub verdicts: Vec<Verdict>,
    /// What the user should know and is no failure.
    pub notices: Vec<Notice>,
    /// What was taken for granted because it could not be asked.
    pub assumptions: Vec<Notice>,
    /// Everything that is wrong.
    pub problems: Vec<Failure>,
    /// How the build would be run.
    pub execution: Execution,
    /// What Koji is told of it; `None` for a build that Koji does not record, and
    /// while its name is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<Recording>,
}

/// Code of the assumption that stands for digests that nobody asked for.
pub(super) const PARENTS_NOT_ASKED: &str = "parents.not_asked";

impl Draft {
    /// Whether registries were asked for the parents. If they were, a parent
    /// without a digest is one that only the worker's engine has.
    pub fn asked_registries(&self) -> bool {
        !self.assumptions.iter().any(|assumption| assumption.code == PARENTS_NOT_ASKED)
    }
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The value.
    pub value: String,
    /// Where it comes from, in a sentence.
    pub because: String,
}

/// What is particular to one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPlatform {
    /// Koji's name.
    pub platform: Platform,
    /// OCI's name.
    pub architecture: Architecture,
    /// Parents as the repository names them, and by digest.
    pub parents: Vec<Parent>,
    /// The labels of the image, with everything that had a say.
    pub labels: BTreeMap<String, PlannedLabel>,
    /// The final Dockerfile.
    pub dockerfile: Option<String>,
    /// How it differs from the repository's (unified diff).
    pub dockerfile_diff: Option<String>,
    /// What its worker will get.
    pub work_order: Option<PlannedWorkOrder>,
}

/// A label and its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedLabel {
    /// The value that the image gets.
    pub value: String,
    /// Who had a say, the winner first.
    pub chain: Vec<Said>,
}

/// Who says what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who. Example: `site: labels.set.vendor`.
    pub from: String,
    /// The value there.
    pub value: String,
}

/// A work order without its ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWorkOrder {
    /// Its id at the first attempt.
    pub id: WorkOrderId,
    /// The engine's platform. Example: `linux/arm64`.
    pub engine_platform: String,
    /// Digest of the final Dockerfile.
    pub dockerfile_digest: Digest,
    /// Values for ARG instructions.
    pub build_args: BTreeMap<String, String>,
    /// Labels that the engine sets beside those of the Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// The label that the worker sets to its host's name.
    pub host_label: Option<String>,
    /// Bounds on the build.
    pub limits: Limits,
    /// What kind of manifest to make.
    pub manifest_format: ManifestFormat,
}

/// A file that is part of the build without being in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFile {
    /// Its path or name.
    pub path: String,
    /// Where it comes from.
    pub from: String,
    /// Digest of its content, once it is known.
    pub digest: Option<Digest>,
    /// Size in bytes, once it is known.
    pub size: Option<u64>,
    /// The platform, if it is for one alone.
    pub platform: Option<Platform>,
}

/// A value that a file of the repository gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryKey {
    /// Its path. Example: `platforms.only`.
    pub path: String,
    /// The value, as text.
    pub value: String,
    /// The file, and the line where it is known. Example: `container.yaml:3`.
    pub from: String,
}

/// One step of the catalogue as it applies to this build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its name. Example: `pin_parents`.
    pub name: String,
    /// What OSBS called it. Example: `pull_base_image`.
    pub former_name: Option<String>,
    /// Which of the former processes had it: `orchestrator` or `worker`.
    pub former_role: Option<String>,
    /// The stage it belongs to.
    pub stage: Stage,
    /// Whether it runs.
    pub runs: bool,
    /// Why not, when it does not run.
    pub reason: Option<Reason>,
}

/// Why a step does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For programs. Example: `composes.not_configured`.
    pub code: String,
    /// For people.
    pub sentence: String,
}

/// What a rule of the site says about this build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The rule. Example: `policy.allowed_targets`.
    pub rule: String,
    /// Whether it lets the build pass.
    pub allowed: bool,
    /// What it looked at, and what it wants.
    pub sentence: String,
}

/// Something to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// For programs. Example: `source.submodule_ignored`.
    pub code: String,
    /// For people.
    pub text: String,
}

/// Code of the assumption that tags lack what the repository says.
pub(super) const TAGS_NOT_KNOWN: &str = "tags.not_known";
/// Code of the assumption that the unique tag was made elsewhere.
pub(super) const UNIQUE_TAG_GIVEN: &str = "tags.unique_given";

impl Notice {
    /// A notice.
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        Self { code: code.to_owned(), text: text.into() }
    }
}

/// How the build is run, beside what is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Longest wait of a platform for a free worker, in seconds.
    pub queue_deadline_seconds: u64,
    /// How often a platform is tried when machines fail.
    pub attempts: u32,
    /// What a failed platform does to the others.
    pub failure_policy: FailurePolicy,
    /// Tags that are set with a destination alone.
    pub extra_tags: Vec<Tag>,
}
