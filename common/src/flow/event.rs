//! The history of a build: an append-only list of events.
//!
//! Events are stored before anybody sees them. They are additive: a new kind or
//! field may come, an old one keeps its meaning.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    flow::{state::BuildState, step::Stage},
    image::{Digest, Tag},
    names::{WorkOrderId, WorkerId},
    nvr::Nvr,
    platform::Platform,
    request::BuildRequest,
};

/// An event with its place in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Position, from 1 without gaps.
    pub sequence: u64,
    /// When it was stored.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a build ends once, and events are not kept in memory")]
pub enum EventKind {
    /// The request was accepted; always the first event.
    Created {
        /// What was asked for.
        request: Box<BuildRequest>,
    },
    /// The build changed state.
    StateChanged {
        /// The new state.
        state: BuildState,
    },
    /// A step began an attempt.
    StepStarted {
        /// Full name, scope included. Example: `x86_64/build_image`.
        step: String,
        /// The stage it belongs to.
        stage: Stage,
        /// Which attempt, from 1.
        attempt: u32,
        /// Fingerprint of the step's inputs.
        input: String,
    },
    /// A step ended well.
    StepSucceeded {
        /// Full name.
        step: String,
        /// Fingerprint of the step's inputs.
        input: String,
        /// What it found out or made.
        output: serde_json::Value,
    },
    /// A step ended badly.
    StepFailed {
        /// Full name.
        step: String,
        /// Fingerprint of the step's inputs.
        input: String,
        /// Why.
        failure: Failure,
        /// Whether it is tried again.
        will_retry: bool,
    },
    /// A step was left out.
    StepSkipped {
        /// Full name.
        step: String,
        /// Code for programs.
        reason_code: String,
        /// Reason for people.
        reason: String,
    },
    /// A work order waits for a place, was given to a worker, or came back.
    WorkerChanged {
        /// The platform.
        platform: Platform,
        /// The work order.
        work_order: WorkOrderId,
        /// The worker; `None` while waiting.
        worker: Option<WorkerId>,
        /// What became of it.
        status: WorkerStatus,
        /// Why, where there is a reason to give.
        reason: String,
    },
    /// Something the user should know that is not a failure.
    Warning {
        /// Code for programs.
        code: String,
        /// Text for people.
        message: String,
    },
    /// Somebody asked for the build to stop.
    CancelRequested {
        /// Why.
        reason: String,
    },
    /// The build has ended; always the last event.
    Ended {
        /// The final state.
        state: BuildState,
        /// The primary cause when it did not succeed.
        failure: Option<Failure>,
        /// Failures after the primary one, in order of time.
        later_failures: Vec<Failure>,
        /// What was made when it succeeded.
        result: Option<BuildResult>,
        /// What Koji has of a build that did not succeed: an import stays. A
        /// successful build has it in its result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        koji: Option<KojiRecord>,
    },
}

/// What became of a work order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerStatus {
    /// No worker has a free place yet.
    Waiting,
    /// A worker has it.
    Assigned,
    /// The worker came back after its connection was lost, still holding it.
    Reattached,
    /// The worker is gone.
    Lost,
    /// The worker sent its result.
    Finished,
}

/// What a successful build made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildResult {
    /// Digest of the multi-arch index.
    pub index_digest: Digest,
    /// Media type of the index.
    pub index_media_type: String,
    /// One member for each platform, in the index's order.
    pub members: Vec<Member>,
    /// Where the index and its tags can be found.
    pub publications: Vec<Publication>,
    /// The record in Koji.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub koji: Option<KojiRecord>,
}

/// What Koji knows of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiRecord {
    /// Number of the build.
    pub build: u64,
    /// Its name, version and release.
    pub nvr: Nvr,
    /// The tag that it got.
    pub tag: Option<String>,
    /// Its page.
    pub web_url: Option<String>,
}

/// One platform's image in the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Koji's platform name.
    pub platform: Platform,
    /// OCI's architecture name.
    pub architecture: String,
    /// Digest of the manifest.
    pub manifest_digest: Digest,
    /// Digest of the configuration.
    pub image_id: Digest,
    /// Compressed size in bytes.
    pub size: u64,
}

/// One destination that has the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// The destination as a reference, absolute.
    pub destination: String,
    /// Tags that point to the index there.
    pub tags: Vec<Tag>,
}
