//! What can go wrong with stored log text.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use common::{
    failure::{Failure, FailureClass},
    names::{BuildId, WorkOrderId},
};

use super::super::error::StoreError;

/// Why log text could not be stored or read. Can be cloned, since everything
/// that was to be synced at once gets the same answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// Text between what is stored and what came is missing.
    #[error(
        "the log of work order {order} is stored up to byte {expected}, but what came begins at byte {found}"
    )]
    Gap {
        /// The work order.
        order: WorkOrderId,
        /// Bytes that are stored: where the text should go on at the latest.
        expected: u64,
        /// Where it went on.
        found: u64,
    },
    /// A stored record cannot be read, and good ones follow it.
    #[error("{} is damaged at byte {position}: {reason}", path.display())]
    Corrupt {
        /// The segment file.
        path: PathBuf,
        /// Where the record begins in the file.
        position: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A file could not be used.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried. Example: `write`.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(#[from] StoreError),
    /// The log store was closed.
    #[error("the log store is closed; the log of build {0} cannot be used")]
    Closed(BuildId),
    /// The disk did not answer in time. The text may still be stored.
    #[error("the log of build {build} was not stored within {seconds} s")]
    Timeout {
        /// The build.
        build: BuildId,
        /// How long it was waited for.
        seconds: u64,
    },
}

impl LogError {
    /// For `map_err` on a use of a file.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source: Arc::new(source) }
    }

    /// Stable code for programs. Example: `logs.gap`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Gap { .. } => "logs.gap",
            Self::Corrupt { .. } => "logs.corrupt",
            Self::Io { .. } => "logs.io",
            Self::Directory(error) => error.code(),
            Self::Closed(_) => "logs.closed",
            Self::Timeout { .. } => "logs.timeout",
        }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        use FailureClass::{Infrastructure, Internal};
        let (class, advice) = match &error {
            LogError::Directory(directory) => return directory.clone().into(),
            LogError::Gap { .. } => (Internal, "send again from the byte that is stored"),
            LogError::Corrupt { .. } => {
                (Infrastructure, "check the disk; the log before that place can still be read")
            }
            LogError::Io { .. } => {
                (Infrastructure, "check the disk that holds the state directory: space, permissions, faults")
            }
            LogError::Closed(_) => (Infrastructure, "the orchestrator is shutting down; try again later"),
            LogError::Timeout { .. } => (Infrastructure, "the disk is overloaded or hangs; try again later"),
        };
        Failure::from_error(class, error.code(), &error).with_advice(advice)
    }
}
