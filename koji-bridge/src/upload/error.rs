//! Why a file did not reach the hub.

use std::time::Duration;

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
    #[error("'{sum}' is no MD5 of {place}: it has 32 hexadecimal digits")]
    BadSum { place: Place, sum: String },
    #[error("the upload of {place} has a message that cannot be: {reason}")]
    BadMessage { place: Place, reason: String },
    #[error("other uploads are under way since {} s, {place} has to wait", waited.as_secs())]
    Busy { place: Place, waited: Duration },
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
    /// The same error, if it says how far an upload came: so far.
    pub(super) fn at(self, end: u64) -> Self {
        match self {
            Self::BrokenOff { place, reason, .. } => Self::BrokenOff { place, received: end, reason },
            other => other,
        }
    }

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
            Self::BadSum { .. } => (
                Permanent,
                FailureClass::User,
                "koji.upload_md5",
                "say the MD5 of the whole file in hexadecimal digits, or none",
            ),
            Self::BadMessage { .. } => (
                Permanent,
                FailureClass::User,
                "koji.upload_message",
                "send the header once and then data, at most 256 KiB in a message",
            ),
            Self::Busy { .. } => (
                Retryable,
                FailureClass::Infrastructure,
                "koji.upload_busy",
                "try again later; if it stays so, allow more uploads at a time (uploads.parallel)",
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
                "send the file again, from where FindUpload says; if it happens again, look at the hub's disk",
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
