//! What Koji knows, as far as reactor asks for it.
//!
//! koji-bridge makes these from the hub's answers, the orchestrator plans with
//! them. The numbers and names are Koji's own.

pub mod metadata;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::nvr::Nvr;

/// What a bridge can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KojiCapability {
    /// Looks up targets.
    Targets,
    /// Looks up builds.
    Builds,
    /// Tells the next release.
    Releases,
    /// Finds repositories of tags.
    Repositories,
    /// Lists files of builds.
    Archives,
    /// Runs image tasks and hands out their files.
    ImageTasks,
    /// Reserves builds and gives them back.
    Reserve,
    /// Takes files for an import.
    Upload,
    /// Imports builds.
    Import,
    /// Tags builds.
    Tag,
    /// Looks up tasks and users.
    People,
}

impl KojiCapability {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::Targets,
        Self::Builds,
        Self::Releases,
        Self::Repositories,
        Self::Archives,
        Self::ImageTasks,
        Self::Reserve,
        Self::Upload,
        Self::Import,
        Self::Tag,
        Self::People,
    ];

    /// Its name in records and on terminals. Example: `image_tasks`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Targets => "targets",
            Self::Builds => "builds",
            Self::Releases => "releases",
            Self::Repositories => "repositories",
            Self::Archives => "archives",
            Self::ImageTasks => "image_tasks",
            Self::Reserve => "reserve",
            Self::Upload => "upload",
            Self::Import => "import",
            Self::Tag => "tag",
            Self::People => "people",
        }
    }
}

impl fmt::Display for KojiCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a bridge says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiBridge {
    /// Its version. Example: `0.1.0`.
    pub version: String,
    /// The hub's XML-RPC; empty without a hub.
    pub hub_url: String,
    /// The hub's files, without a slash at the end; empty without a hub.
    pub files_url: String,
    /// What it can do, as far as this program knows it.
    pub capabilities: Vec<KojiCapability>,
    /// The content generator that it imports as; empty without a hub.
    #[serde(default)]
    pub content_generator: String,
    /// Koji's web site, without a slash at the end; empty when it is not known.
    #[serde(default)]
    pub web_url: String,
}

/// A build target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiTarget {
    /// Its name. Example: `f44-container-candidate`.
    pub name: String,
    /// The tag that builds draw from.
    pub build_tag: String,
    /// The tag that finished builds get.
    pub destination_tag: String,
    /// Architectures of the build tag; empty when it has none.
    pub platforms: Vec<String>,
}

/// State of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KojiBuildState {
    /// Reserved or in progress.
    Building,
    /// Complete.
    Complete,
    /// Deleted.
    Deleted,
    /// Failed.
    Failed,
    /// Cancelled.
    Cancelled,
}

impl fmt::Display for KojiBuildState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Building => "building",
            Self::Complete => "complete",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// A build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiBuild {
    /// Its number.
    pub id: u64,
    /// Name, version, release.
    pub nvr: Nvr,
    /// Its state.
    pub state: KojiBuildState,
    /// Volume; empty for the default one.
    pub volume: String,
    /// Where its files are, without a slash at the end.
    pub files_url: String,
    /// The hub's `extra` field; null when it has none.
    pub extra: serde_json::Value,
    /// Where it is from and whose it is.
    #[serde(default)]
    pub origin: KojiOrigin,
    /// It is there, but the hub's answer about it cannot be read: number and NVR
    /// are known, nothing else.
    #[serde(default)]
    pub details_unavailable: bool,
}

/// Where a build in Koji is from and whose it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiOrigin {
    /// The task that made it.
    pub task: Option<u64>,
    /// Name of its owner; may be empty.
    pub owner: String,
    /// What it was built from; may be empty.
    pub source: String,
}

/// What a bridge needs to be told to reserve a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationRequest {
    /// What is to be reserved.
    pub nvr: Nvr,
    /// What the caller knows the reservation by.
    pub key: String,
    /// The Koji task that the build belongs to.
    pub task: Option<u64>,
}

/// A reserved build.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// Number of the build.
    pub build: u64,
    /// What is reserved.
    pub nvr: Nvr,
    /// Proof of the reservation.
    pub token: crate::secret::Secret,
}

/// A directory for uploads, and the ticket that opens it.
#[derive(Debug, Clone)]
pub struct UploadDirectory {
    /// Below the hub's upload area. Example: `koji-upload/1524681021.17.JTroFLPr`.
    pub directory: String,
    /// Opens uploads to it.
    pub ticket: crate::secret::Secret,
    /// Where workers reach the bridge's uploads; `None` where the orchestrator
    /// hands them on.
    pub worker_address: Option<crate::service::ServiceAddress>,
}

impl KojiBuild {
    /// Whether it is complete: neither in progress, failed, cancelled nor deleted.
    pub fn is_complete(&self) -> bool {
        self.state == KojiBuildState::Complete
    }
}

/// One file of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiArchive {
    /// File name.
    pub filename: String,
    /// Maven group; empty for other kinds.
    pub group_id: String,
    /// Maven artifact; empty for other kinds.
    pub artifact_id: String,
    /// Maven version; empty for other kinds.
    pub version: String,
    /// What its content adds up to.
    pub checksum: KojiChecksum,
    /// The hub's `extra` field; null when it has none.
    pub extra: serde_json::Value,
}

/// A checksum as Koji keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KojiChecksum {
    /// MD5, 32 hexadecimal digits.
    Md5(String),
    /// SHA-1, 40 hexadecimal digits.
    Sha1(String),
    /// SHA-256, 64 hexadecimal digits.
    Sha256(String),
}

/// A repository that Koji made of a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiRepository {
    /// Its number.
    pub id: u64,
    /// The tag.
    pub tag: String,
    /// Where packages are, with `$basearch` where the architecture belongs.
    /// Example: `https://kojipkgs.example.org/repos/f44-build/7/$basearch`.
    pub base_url: String,
}

/// State of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KojiTaskState {
    /// Waiting, assigned or running.
    Unfinished,
    /// Ended well.
    Closed,
    /// Cancelled.
    Cancelled,
    /// Failed.
    Failed,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiTask {
    /// Its number.
    pub id: u64,
    /// Its state.
    pub state: KojiTaskState,
    /// Why it failed; empty otherwise.
    pub reason: String,
}

/// A task that makes root file systems, as it is asked for (`buildImageOz`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageTask {
    /// Name of the image. Example: `fedora-44`.
    pub name: String,
    /// Version of the image. Example: `1.0`.
    pub version: String,
    /// Architectures, by Koji's names.
    pub platforms: Vec<String>,
    /// The target.
    pub target: String,
    /// Installation tree, with `$arch` where the architecture belongs.
    pub install_tree: String,
    /// The other options. Example: `disk_size`.
    pub options: BTreeMap<String, serde_json::Value>,
}

/// A file that a task has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskOutput {
    /// The task whose file it is.
    pub task: u64,
    /// Its name. Example: `fedora-44-1.0.x86_64.tar.xz`.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Volume that it is on; empty for the default one.
    pub volume: String,
}

/// Somebody with an account at the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiUser {
    /// The name of the account. Example: `mara`.
    pub name: String,
    /// Its Kerberos principals, in the hub's order; may be empty. Example:
    /// `mara@EXAMPLE.ORG`.
    #[serde(default)]
    pub principals: Vec<String>,
}

/// Who has to do with a build, as far as Koji knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiPeople {
    /// Owner of the task that asked for the build; `None` without a task.
    #[serde(default)]
    pub task_owner: Option<KojiUser>,
    /// Owners of the package in all tags of the build in Koji; empty for a build
    /// that Koji does not know.
    #[serde(default)]
    pub package_owners: Vec<KojiUser>,
}
