//! Koji, asked through its bridge.

use common::{
    failure::{Failure, FailureClass},
    nvr::Nvr,
    service::ServiceAddress,
};
use serde::{Deserialize, Serialize};

/// A Koji hub, reached through koji-bridge. Cloning shares the connection.
#[derive(Debug, Clone)]
pub struct Koji {
    bridge: ServiceAddress,
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

/// A build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiBuild {
    /// Its number.
    pub id: u64,
    /// Name, version, release.
    pub nvr: Nvr,
    /// Whether it is complete: neither in progress, failed, cancelled nor deleted.
    pub complete: bool,
    /// Volume; empty for the default one.
    pub volume: String,
    /// The hub's `extra` field; null when it has none.
    pub extra: serde_json::Value,
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

impl Koji {
    /// Koji behind the bridge at an address. Nothing is connected yet.
    pub fn new(bridge: ServiceAddress) -> Self {
        Self { bridge }
    }

    /// A target by name; `None` when there is none.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn target(&self, _name: &str) -> Result<Option<KojiTarget>, Failure> {
        Err(self.unavailable())
    }

    /// A build by NVR; `None` when there is none.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn build(&self, _nvr: &Nvr) -> Result<Option<KojiBuild>, Failure> {
        Err(self.unavailable())
    }

    /// A build by number; `None` when there is none.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn build_by_id(&self, _id: u64) -> Result<Option<KojiBuild>, Failure> {
        Err(self.unavailable())
    }

    /// The release that the hub would give next to `name`-`version`.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn next_release(&self, _name: &str, _version: &str) -> Result<String, Failure> {
        Err(self.unavailable())
    }

    /// The files of a build, of one kind (`maven`, `image`) or of all.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn archives(&self, _build: u64, _kind: Option<&str>) -> Result<Vec<KojiArchive>, Failure> {
        Err(self.unavailable())
    }

    /// Where the files of a Maven build are, without a slash at the end.
    ///
    /// # Errors
    /// The bridge cannot answer.
    pub async fn maven_directory(&self, _build: &KojiBuild) -> Result<String, Failure> {
        Err(self.unavailable())
    }

    /// The newest repository of a tag; `None` when it has none.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn repository(&self, _tag: &str) -> Result<Option<KojiRepository>, Failure> {
        Err(self.unavailable())
    }

    fn unavailable(&self) -> Failure {
        let message = format!("koji-bridge at {} cannot be asked", self.bridge);
        Failure::new(FailureClass::Infrastructure, "koji.unavailable", message)
    }
}
