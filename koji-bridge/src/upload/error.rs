//! Why a file did not reach the hub.

use common::failure::{Failure, FailureClass};
use proto::convert::{KojiFailure, KojiFailureKind};

use super::Place;
use crate::{hub::HubError, session::CallError};

/// A file did not reach the hub.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message names its fields")]
pub enum UploadError {
    #[error("'{name}' in '{directory}' is no place for an upload: {reason}")]
    BadPlace { directory: String, name: String, reason: String },
    #[error("'{key}' is no key: letters, digits, '_' and '-', at most 128 of them")]
    BadKey { key: String },
    #[error("the ticket does not open '{directory}'")]
    NoEntry { directory: String },
    #[error("{place} cannot begin at byte {offset}: it has {size} bytes")]
    BeyondEnd { place: Place, offset: u64, size: u64 },
    #[error("{place} cannot go on at byte {offset}: the hub has {found} bytes of it")]
    Gap { place: Place, offset: u64, found: u64 },
    #[error("{place} should have {said} bytes, and {got} came")]
    WrongLength { place: Place, said: u64, got: u64 },
    #[error("the upload of {place} broke off after byte {received}: {reason}")]
    BrokenOff { place: Place, received: u64, reason: String },
    #[error("the hub has {found} bytes of {place}, and {expected} were sent")]
    WrongSize { place: Place, expected: u64, found: u64 },
    #[error("{place} adds up to {found} at the hub, and to {expected} here (MD5)")]
    WrongSum { place: Place, expected: String, found: String },
    #[error("the hub does not have {place} any more")]
    Gone { place: Place },
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl UploadError {
    /// What leaves the bridge.
    pub fn into_failure(self) -> KojiFailure {
        use KojiFailureKind::{Permanent, Retryable};
        let error = match self {
            Self::Hub(error) => return error.into_failure(),
            error => error,
        };
        let (kind, class, code, advice) = match &error {
            // Said above.
            Self::Hub(_) => (Permanent, FailureClass::Policy, "koji.refused", ""),
            Self::BadPlace { .. } => (
                Permanent,
                FailureClass::User,
                "koji.upload_place",
                "use the directory that PrepareUpload has answered with, and a plain file name",
            ),
            Self::BadKey { .. } => {
                (Permanent, FailureClass::User, "koji.upload_key", "use the id of the build as the key")
            }
            Self::NoEntry { .. } => (
                Permanent,
                FailureClass::Policy,
                "koji.upload_ticket",
                "use the ticket that PrepareUpload has answered with beside the directory",
            ),
            Self::BeyondEnd { .. } | Self::WrongLength { .. } => (
                Permanent,
                FailureClass::User,
                "koji.upload_length",
                "say the size of the whole file, and send that many bytes from the offset on",
            ),
            Self::Gap { .. } => (
                Permanent,
                FailureClass::User,
                "koji.upload_gap",
                "go on where FindUpload says that the hub's file ends",
            ),
            Self::BrokenOff { .. } => (
                Retryable,
                FailureClass::Infrastructure,
                "koji.upload_cut",
                "ask FindUpload how much arrived, and go on there",
            ),
            Self::WrongSize { .. } | Self::WrongSum { .. } | Self::Gone { .. } => (
                Retryable,
                FailureClass::Infrastructure,
                "koji.upload_damaged",
                "send the file again from its beginning; if it happens again, look at the hub's disk",
            ),
        };
        let failure = Failure::from_error(class, code, &error).with_advice(advice);
        KojiFailure { kind, method: "rawUpload".to_owned(), fault: None, failure }
    }
}

impl From<CallError> for UploadError {
    fn from(call: CallError) -> Self {
        Self::Hub(call.into())
    }
}
