//! What the writer can be asked to do, and how it answers after the commit.

use common::{
    flow::{
        StepRecord,
        event::{Event, EventKind},
        state::{self, History},
    },
    names::BuildId,
    request::BuildRequest,
};
use tokio::sync::oneshot;

use super::{documents::Document, error::StoreError};

/// Largest event as JSON. Well below what one gRPC message may carry.
pub(super) const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// Where an answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What became of a request to create a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The build.
    pub id: BuildId,
    /// False when an earlier request with the same key had created it.
    pub new: bool,
}

/// An event with its text for the database.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) kind: EventKind,
    pub(super) json: String,
}

impl Body {
    pub(super) fn new(kind: EventKind, build: &BuildId) -> Result<Self, StoreError> {
        let json = serde_json::to_string(&kind)
            .map_err(|e| StoreError::database("write an event as JSON")(sqlx::Error::Encode(Box::new(e))))?;
        if json.len() > MAX_EVENT_BYTES {
            let (build, bytes, limit) = (build.clone(), json.len(), MAX_EVENT_BYTES);
            return Err(StoreError::EventTooLarge { build, bytes, limit });
        }
        Ok(Self { kind, json })
    }
}

/// What the writer can be asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Create a build.
    Create { request: Box<BuildRequest>, key: Option<String>, answer: Answer<Created> },
    /// Append events to a build.
    Append { build: BuildId, bodies: Vec<Body>, answer: Answer<Vec<Event>> },
    /// Append what a command means for the build as it is then.
    Decide { build: BuildId, command: state::Command, answer: Answer<History> },
    /// Store a document of a build.
    PutDocument { document: Document, answer: Answer<()> },
    /// Tell the newest record of a step.
    Recall { build: BuildId, step: String, answer: Answer<Option<StepRecord>> },
}

impl Command {
    /// Answers a command that was not even looked at.
    pub(super) fn refuse(self, error: StoreError) {
        match self {
            Self::Create { answer, .. } => Reply::new(answer, Err(error)),
            Self::Append { answer, .. } => Reply::new(answer, Err(error)),
            Self::Decide { answer, .. } => Reply::new(answer, Err(error)),
            Self::PutDocument { answer, .. } => Reply::new(answer, Err(error)),
            Self::Recall { answer, .. } => Reply::new(answer, Err(error)),
        }
        .send(Ok(()));
    }
}

/// An answer that waits for the commit.
pub(super) struct Reply(Box<dyn FnOnce(Result<(), StoreError>) + Send + Sync>);

impl Reply {
    /// `outcome` if the commit succeeds, the reason otherwise. Whoever asked
    /// may have gone away, which changes nothing.
    pub(super) fn new<T: Send + Sync + 'static>(answer: Answer<T>, outcome: Result<T, StoreError>) -> Self {
        Self(Box::new(move |committed| {
            let _ = answer.send(committed.and(outcome));
        }))
    }

    pub(super) fn send(self, committed: Result<(), StoreError>) {
        (self.0)(committed);
    }
}
