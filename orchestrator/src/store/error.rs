//! What can go wrong with the store of builds and events.

use std::{io, path::PathBuf, sync::Arc};

use common::{
    failure::{Failure, FailureClass},
    flow::{JournalError, state::Illegal},
    names::BuildId,
};

/// Why the store refused or failed. Can be cloned, since all commands of a
/// group that could not be committed get the same answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory.
    #[error("{} is in use by another orchestrator{holder}", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// Which process, where that is known. Example: ` (process 4711)`.
        holder: String,
    },
    /// A file or directory could not be used.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried. Example: `create`.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The database failed.
    #[error("the database failed while it was asked to {what}")]
    Database {
        /// What was tried. Example: `commit events`.
        what: &'static str,
        /// What the database said.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// The tables could not be brought up to date.
    #[error("cannot bring the database {} up to date", path.display())]
    Migration {
        /// The database.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: Arc<sqlx::migrate::MigrateError>,
    },
    /// There is no such build.
    #[error("there is no build '{0}'")]
    BuildNotFound(String),
    /// The beginning of an id fits several builds.
    #[error("'{prefix}' fits several builds: {}", candidates.iter().map(BuildId::as_str).collect::<Vec<_>>().join(", "))]
    BuildAmbiguous {
        /// What was asked for.
        prefix: String,
        /// Some builds that it fits, oldest first.
        candidates: Vec<BuildId>,
    },
    /// An idempotency key came again with another request.
    #[error("the idempotency key '{key}' was used for another request, which is build {build}")]
    KeyReused {
        /// The key.
        key: String,
        /// The build that has it.
        build: BuildId,
    },
    /// The event cannot follow what has happened so far.
    #[error("build {build} cannot have this event")]
    IllegalEvent {
        /// The build.
        build: BuildId,
        /// Why not.
        #[source]
        source: Illegal,
    },
    /// The event is too big to be stored and sent.
    #[error("build {build}: an event of {bytes} bytes is larger than {limit} bytes")]
    EventTooLarge {
        /// The build.
        build: BuildId,
        /// Size as JSON.
        bytes: usize,
        /// Largest size.
        limit: usize,
    },
    /// The document is larger than is stored.
    #[error("build {build}: the document '{name}' of {bytes} bytes is larger than {limit} bytes")]
    DocumentTooLarge {
        /// The build.
        build: BuildId,
        /// Which document.
        name: String,
        /// Its size.
        bytes: usize,
        /// Largest size.
        limit: usize,
    },
    /// A stored event cannot be read or cannot be true.
    #[error("build {build}, event {sequence}: the stored event is damaged: {reason}")]
    CorruptEvent {
        /// The build.
        build: BuildId,
        /// The event.
        sequence: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A page token that was not made here.
    #[error("'{0}' is not a page token")]
    BadPageToken(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The disk did not answer in time. The command may still be carried out.
    #[error("the store did not answer within {0} s")]
    Timeout(u64),
}

impl StoreError {
    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io { what, path: path.into(), source: Arc::new(source) }
    }

    /// For `map_err` on a query that was sent in order to `what`.
    pub(super) fn database(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { what, source: Arc::new(source) }
    }

    /// Stable code for programs. Example: `store.in_use`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "store.in_use",
            Self::Io { .. } => "store.io",
            Self::Database { .. } => "store.database",
            Self::Migration { .. } => "store.migration",
            Self::BuildNotFound(_) => "store.build_not_found",
            Self::BuildAmbiguous { .. } => "store.build_ambiguous",
            Self::KeyReused { .. } => "store.key_reused",
            Self::IllegalEvent { .. } => "store.illegal_event",
            Self::EventTooLarge { .. } => "store.event_too_large",
            Self::DocumentTooLarge { .. } => "store.document_too_large",
            Self::CorruptEvent { .. } => "store.corrupt_event",
            Self::BadPageToken(_) => "store.bad_page_token",
            Self::Closed => "store.closed",
            Self::Timeout(_) => "store.timeout",
        }
    }

    fn class_and_advice(&self) -> (FailureClass, &'static str) {
        use FailureClass::{Infrastructure, Internal, User};
        match self {
            Self::InUse { .. } => {
                (Infrastructure, "stop the other orchestrator or use another state directory")
            }
            Self::Io { .. } | Self::Database { .. } => {
                (Infrastructure, "check the disk that holds the state directory: space, permissions, faults")
            }
            Self::Migration { .. } => {
                (Infrastructure, "a newer version may have used this directory; run that version")
            }
            Self::BuildNotFound(_) => (User, "`orchestrator builds list` shows the builds that there are"),
            Self::BuildAmbiguous { .. } => (User, "give more of the id"),
            Self::KeyReused { .. } => (User, "use a new idempotency key for a new request"),
            Self::BadPageToken(_) => (User, "pass the token of the page before, unchanged"),
            Self::IllegalEvent { .. } | Self::EventTooLarge { .. } | Self::DocumentTooLarge { .. } => {
                (Internal, "")
            }
            Self::CorruptEvent { .. } => (Infrastructure, "check the disk and restore the database"),
            Self::Closed => (Infrastructure, "the orchestrator is shutting down; try again later"),
            Self::Timeout(_) => (Infrastructure, "the disk is overloaded or hangs; try again later"),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (class, advice) = error.class_and_advice();
        Failure::from_error(class, error.code(), &error).with_advice(advice)
    }
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        JournalError(Failure::from(error).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_when_and_why() {
        let build: BuildId = "bld_1".parse().unwrap();
        let error = StoreError::IllegalEvent { build, source: Illegal::AfterEnd(7) };
        let failure = Failure::from(error.clone());
        assert_eq!(failure.class, FailureClass::Internal);
        assert_eq!(failure.code, "store.illegal_event");
        assert_eq!(failure.causes, ["event 7: the build had already ended"]);
        let journal = JournalError::from(error).to_string();
        assert!(journal.contains("bld_1") && journal.contains("event 7"), "{journal}");
    }

    #[test]
    fn candidates_are_named() {
        let candidates = ["bld_11", "bld_12"].map(|id| id.parse().unwrap()).to_vec();
        let error = StoreError::BuildAmbiguous { prefix: "bld_1".into(), candidates };
        assert_eq!(error.to_string(), "'bld_1' fits several builds: bld_11, bld_12");
    }
}
