//! What the hub knows: the tables of its database, as far as a container build
//! touches them.
//!
//! A call works on a copy of the state. When it ends well the copy is stored and
//! becomes the state; a fault throws it away, which is the rollback.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The whole database.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The last number that was given to anything but a build, task or session.
    pub last_id: u64,
    /// The last event.
    pub last_event: u64,
    /// When it was, in epoch seconds.
    pub last_event_time: f64,
    /// Users by number.
    pub users: BTreeMap<u64, User>,
    /// Content generators: name and the numbers of the users that may use it.
    pub content_generators: BTreeMap<String, ContentGenerator>,
    /// Build types by name. Example: `image`.
    pub build_types: BTreeMap<String, u64>,
    /// Tags by number.
    pub tags: BTreeMap<u64, Tag>,
    /// Targets by number.
    pub targets: BTreeMap<u64, Target>,
    /// Packages: number by name.
    pub packages: BTreeMap<String, u64>,
    /// Repositories by number.
    pub repositories: BTreeMap<u64, Repository>,
    /// Builds by number; numbers are in the order of creation.
    pub builds: BTreeMap<u64, Build>,
    /// Files of builds by number.
    pub archives: BTreeMap<u64, Archive>,
    /// Build roots by number.
    pub buildroots: BTreeMap<u64, Json>,
    /// Which builds a tag has, in the order of tagging: tag, build.
    pub tagged: Vec<(u64, u64)>,
    /// Which builds a tag has had: tag, build.
    pub tag_history: BTreeSet<(u64, u64)>,
    /// Tasks by number.
    pub tasks: BTreeMap<u64, Task>,
    /// Login sessions by number.
    pub sessions: BTreeMap<u64, LoginSession>,
    /// Name of an output that cannot be moved into the directory of its build: an
    /// import with it fails half-way, and what had been moved is lost.
    pub fails_at_output: Option<String>,
}

/// A user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Password, for `login`.
    pub password: Option<String>,
    /// Kerberos principals.
    pub principals: Vec<String>,
    /// Whether logins are refused.
    pub disabled: bool,
    /// Permissions. Example: `admin`.
    pub permissions: BTreeSet<String>,
}

/// A content generator.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContentGenerator {
    /// Its number.
    pub id: u64,
    /// Numbers of the users that may use it.
    pub users: BTreeSet<u64>,
}

/// A tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// Architectures, separated by blanks; `None` inherits them.
    pub arches: Option<String>,
    /// Whether nothing may be tagged into it.
    pub locked: bool,
    /// Permission that tagging needs.
    pub permission: Option<String>,
    /// Numbers of the tags that it inherits from, nearest first.
    pub parents: Vec<u64>,
    /// Its own package list.
    pub packages: BTreeMap<u64, PackageEntry>,
}

/// A package in the list of a tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PackageEntry {
    /// Number of its owner.
    pub owner: u64,
    /// Whether the package is blocked.
    pub blocked: bool,
}

/// A target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Number of the tag that builds draw from.
    pub build_tag: u64,
    /// Number of the tag that builds get.
    pub destination_tag: u64,
}

/// A repository of a tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Repository {
    /// The tag's number.
    pub tag: u64,
    /// State: 0 init, 1 ready, 2 expired, 3 deleted, 4 problem.
    pub state: u8,
    /// The event of its creation.
    pub event: u64,
    /// When it was made, in epoch seconds.
    pub created: f64,
}

/// States of builds, by Koji's numbers.
pub mod build_state {
    /// Reserved or in progress.
    pub const BUILDING: u8 = 0;
    /// Complete.
    pub const COMPLETE: u8 = 1;
    /// Deleted.
    pub const DELETED: u8 = 2;
    /// Failed.
    pub const FAILED: u8 = 3;
    /// Cancelled.
    pub const CANCELED: u8 = 4;
}

/// States of tasks, by Koji's numbers.
pub mod task_state {
    /// Waiting for a host.
    pub const FREE: u8 = 0;
    /// Running.
    pub const OPEN: u8 = 1;
    /// Ended well.
    pub const CLOSED: u8 = 2;
    /// Cancelled.
    pub const CANCELED: u8 = 3;
    /// Given to a host.
    pub const ASSIGNED: u8 = 4;
    /// Failed.
    pub const FAILED: u8 = 5;
}

/// A build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Build {
    /// Number of its package.
    pub package: u64,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Release.
    pub release: String,
    /// Epoch.
    pub epoch: Option<i64>,
    /// State, see [`build_state`].
    pub state: u8,
    /// Number of its task.
    pub task: Option<u64>,
    /// Number of its owner.
    pub owner: u64,
    /// Source.
    pub source: Option<String>,
    /// Extra.
    pub extra: Option<Json>,
    /// Name of the content generator that reserved or imported it.
    pub content_generator: Option<String>,
    /// Token of its reservation.
    pub token: Option<String>,
    /// Build types and what is kept for each.
    pub types: BTreeMap<String, Json>,
    /// Times in epoch seconds.
    pub start_time: Option<f64>,
    /// When it was completed.
    pub completion_time: Option<f64>,
    /// When its row was made.
    pub creation_time: f64,
    /// The event of its creation.
    pub creation_event: u64,
}

impl Build {
    /// Name, version and release with dashes.
    pub fn nvr(&self) -> String {
        format!("{}-{}-{}", self.name, self.version, self.release)
    }
}

/// A file of a build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Archive {
    /// Number of its build.
    pub build: u64,
    /// Number of its build root.
    pub buildroot: Option<u64>,
    /// Build type. Example: `image`.
    pub build_type: String,
    /// File name.
    pub filename: String,
    /// Size in bytes.
    pub size: u64,
    /// Checksum in hexadecimal digits.
    pub checksum: String,
    /// 0 md5, 1 sha1, 2 sha256.
    pub checksum_type: u8,
    /// Archive type by extension: number and name. Example: 4, `tar`.
    pub archive_type: (u64, String),
    /// Only the record is kept, the file is not.
    pub metadata_only: bool,
    /// Architecture of an image.
    pub arch: Option<String>,
    /// Extra.
    pub extra: Option<Json>,
}

/// A task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// Method. Example: `tagBuild`.
    pub method: String,
    /// Parameters, as JSON.
    pub request: Json,
    /// State, see [`task_state`].
    pub state: u8,
    /// Number of its owner.
    pub owner: u64,
    /// Number of its channel. Example: 1, `default`.
    pub channel: u64,
    /// Priority; lower numbers come sooner.
    pub priority: i64,
    /// Result of a closed task, fault of a failed one.
    pub result: Result<Json, (i64, String)>,
    /// When it was made.
    pub created: f64,
    /// When a host began with it.
    pub started: Option<f64>,
    /// When it ends by itself; `None` for one that nobody ends.
    pub ends_at: Option<f64>,
    /// When it ended.
    pub completed: Option<f64>,
    /// Task whose child it is.
    pub parent: Option<u64>,
}

/// A login session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoginSession {
    /// The user's number.
    pub user: u64,
    /// Its key.
    pub key: String,
    /// The session whose child it is.
    pub master: Option<u64>,
    /// Number of the last call that changed something.
    pub call_number: Option<u64>,
    /// Whether it has expired.
    pub expired: bool,
    /// Whether it was closed.
    pub closed: bool,
    /// Whether it has the exclusive lock of its user.
    pub exclusive: bool,
    /// How it logged in: 0 password, 2 certificate, 3 GSSAPI.
    pub authtype: u8,
    /// When it began, in epoch seconds.
    pub started: f64,
}

impl State {
    /// The next number for whatever has no numbers of its own.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A new event.
    pub fn next_event(&mut self) -> u64 {
        self.last_event += 1;
        self.last_event_time = super::engine::now();
        self.last_event
    }

    /// A user's number by name.
    pub fn user_id(&self, name: &str) -> Option<u64> {
        self.users.iter().find(|(_, user)| user.name == name).map(|(id, _)| *id)
    }

    /// A tag's number by name.
    pub fn tag_id(&self, name: &str) -> Option<u64> {
        self.tags.iter().find(|(_, tag)| tag.name == name).map(|(id, _)| *id)
    }

    /// A build's number by name, version and release.
    pub fn build_id(&self, name: &str, version: &str, release: &str) -> Option<u64> {
        let same = |build: &Build| build.name == name && build.version == version && build.release == release;
        self.builds.iter().find(|(_, build)| same(build)).map(|(id, _)| *id)
    }
}
