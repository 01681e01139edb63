//! Answers of a hub, as far as the bridge needs them. Members that are not named
//! here are passed over; members of newer hubs may be missing.

use common::{
    koji::{KojiArchive, KojiBuildState, KojiChecksum, KojiUser},
    nvr::Nvr,
};
use jiff::Timestamp;
use proto::v1;
use serde::{Deserialize, Deserializer, de::Error as _};

/// The volume that a hub has from the start.
const DEFAULT_VOLUME: &str = "DEFAULT";

/// `getLastEvent`.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    pub(super) id: i64,
}

/// `getBuildTarget`.
#[derive(Debug, Deserialize)]
pub(super) struct Target {
    pub(super) build_tag: u32,
    pub(super) build_tag_name: String,
    pub(super) dest_tag_name: Option<String>,
}

/// `getTag`, `getBuildConfig`, and an entry of `listTags`.
#[derive(Debug, Deserialize)]
pub(super) struct Tag {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) arches: Option<String>,
}

/// `getRepo`.
#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    pub(super) id: u32,
}

/// `getBuild`, and an entry of `listBuilds`, which has `build_id` only.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Build {
    id: Option<u32>,
    build_id: Option<u32>,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) release: String,
    pub(super) state: i64,
    pub(super) task_id: Option<u32>,
    pub(super) owner_id: Option<i64>,
    pub(super) owner_name: Option<String>,
    pub(super) source: Option<String>,
    pub(super) extra: Option<serde_json::Value>,
    pub(super) cg_name: Option<String>,
    volume_name: Option<String>,
    completion_ts: Option<f64>,
}

impl Build {
    /// Its number; 0 when the hub does not tell.
    pub(super) fn number(&self) -> u64 {
        self.build_id.or(self.id).unwrap_or_default().into()
    }

    /// Its state; `None` for one that this program does not know.
    pub(super) fn state(&self) -> Option<KojiBuildState> {
        Some(match self.state {
            0 => KojiBuildState::Building,
            1 => KojiBuildState::Complete,
            2 => KojiBuildState::Deleted,
            3 => KojiBuildState::Failed,
            4 => KojiBuildState::Cancelled,
            _ => return None,
        })
    }

    /// Whether it is reserved or in progress.
    pub(super) fn is_building(&self) -> bool {
        self.state() == Some(KojiBuildState::Building)
    }

    /// Its name, version and release, unless they have other characters than NVRs
    /// have.
    pub(super) fn nvr(&self) -> Option<Nvr> {
        Nvr::new(&self.name, &self.version, &self.release).ok()
    }

    /// The volume; empty for the default one.
    pub(super) fn volume(&self) -> &str {
        self.volume_name.as_deref().filter(|name| *name != DEFAULT_VOLUME).unwrap_or_default()
    }

    /// When it was completed, to the microsecond.
    pub(super) fn completed_at(&self) -> Option<Timestamp> {
        let seconds = self.completion_ts.filter(|seconds| seconds.is_finite())?;
        #[expect(clippy::cast_possible_truncation, reason = "a cast of floats saturates")]
        Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok()
    }

    /// The task that belongs to it, also where an old hub has it in `extra` only.
    pub(super) fn task(&self) -> Option<u64> {
        let told = self.extra.as_ref().and_then(|extra| task_number(extra.get("container_koji_task_id")?));
        self.task_id.map(u64::from).or(told)
    }
}

/// A task's number, as a number or as text.
pub(super) fn task_number(value: &serde_json::Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// An entry of `listArchives`.
#[derive(Debug, Deserialize)]
pub(super) struct Archive {
    pub(super) filename: String,
    #[serde(deserialize_with = "size")]
    size: u64,
    pub(super) checksum: Option<String>,
    checksum_type: Option<i64>,
    extra: Option<serde_json::Value>,
    group_id: Option<String>,
    artifact_id: Option<String>,
    version: Option<String>,
}

impl Archive {
    /// The file and its size in bytes; `None` when its checksum is of no known kind.
    pub(super) fn into_archive(self) -> Option<(KojiArchive, u64)> {
        let digits = self.checksum.unwrap_or_default();
        let checksum = match self.checksum_type? {
            0 => KojiChecksum::Md5(digits),
            1 => KojiChecksum::Sha1(digits),
            2 => KojiChecksum::Sha256(digits),
            _ => return None,
        };
        let archive = KojiArchive {
            filename: self.filename,
            group_id: self.group_id.unwrap_or_default(),
            artifact_id: self.artifact_id.unwrap_or_default(),
            version: self.version.unwrap_or_default(),
            checksum,
            extra: self.extra.unwrap_or_default(),
        };
        Some((archive, self.size))
    }
}

/// `getTaskInfo`, and an entry of `getTaskChildren` and `listTasks`.
#[derive(Debug, Deserialize)]
pub(super) struct Task {
    pub(super) id: u32,
    pub(super) state: Option<i64>,
    pub(super) method: Option<String>,
    pub(super) owner: Option<i64>,
    pub(super) request: Option<crate::xmlrpc::Value>,
}

impl Task {
    /// Its state; `None` for one that this program does not know.
    pub(super) fn state(&self) -> Option<v1::KojiTaskState> {
        Some(match self.state? {
            0 => v1::KojiTaskState::Free,
            1 => v1::KojiTaskState::Open,
            2 => v1::KojiTaskState::Closed,
            3 => v1::KojiTaskState::Canceled,
            4 => v1::KojiTaskState::Assigned,
            5 => v1::KojiTaskState::Failed,
            _ => return None,
        })
    }
}

/// `getUser`.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    name: String,
    krb_principals: Option<Vec<Option<String>>>,
    krb_principal: Option<String>,
}

impl From<User> for KojiUser {
    fn from(user: User) -> Self {
        let mut principals: Vec<_> = user.krb_principals.into_iter().flatten().flatten().collect();
        principals.extend(user.krb_principal.filter(|principal| !principals.contains(principal)));
        Self { name: user.name, principals }
    }
}

/// An entry of `search`.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) id: u32,
    pub(super) name: String,
}

/// `checkUpload`.
#[derive(Debug, Deserialize)]
pub(super) struct Uploaded {
    #[serde(deserialize_with = "size")]
    pub(super) size: u64,
    /// When it was last written, in seconds of the hub's clock.
    pub(super) mtime: Option<f64>,
}

/// A size in bytes: hubs send large ones, and some hubs all, as text.
pub(crate) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Size {
        Number(u64),
        Text(String),
    }
    match Size::deserialize(deserializer)? {
        Size::Number(number) => Ok(number),
        Size::Text(text) => text.parse().map_err(|_| D::Error::custom(format!("'{text}' is no size"))),
    }
}
