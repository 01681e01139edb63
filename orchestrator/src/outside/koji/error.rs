//! What can go wrong with a question to Koji.

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    service::{ConnectError, ServiceAddress},
};
use proto::convert::{BadField, KojiFailure, KojiFailureKind, koji_failure};
use tonic::{Code, Status};

/// A question to Koji that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum KojiError {
    /// The bridge's address cannot be dialled.
    #[error("koji-bridge at {bridge} cannot be asked")]
    Address {
        /// The bridge.
        bridge: ServiceAddress,
        /// Why not.
        #[source]
        source: ConnectError,
    },
    /// The bridge or the hub cannot be reached, or broke off.
    #[error("koji-bridge at {bridge} cannot answer {call}: {message}")]
    Unavailable {
        /// The bridge.
        bridge: ServiceAddress,
        /// The call.
        call: &'static str,
        /// What the connection or the bridge says.
        message: String,
    },
    /// There was no answer in time.
    #[error("koji-bridge at {bridge} has not answered {call} within {after:?}")]
    Silent {
        /// The bridge.
        bridge: ServiceAddress,
        /// The call.
        call: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// The hub has no such thing.
    #[error("{call}: {message}")]
    NotFound {
        /// The call.
        call: &'static str,
        /// What the bridge says.
        message: String,
    },
    /// The hub or the bridge says no.
    #[error("Koji refuses {call}: {message}")]
    Refused {
        /// The call.
        call: &'static str,
        /// Why.
        message: String,
    },
    /// The bridge reached the hub, or tried to, and says in full how it failed.
    #[error("{}", .0.failure.message)]
    Told(Box<KojiFailure>),
    /// This bridge cannot do it.
    #[error("koji-bridge at {bridge} does not offer {call}")]
    NotOffered {
        /// The bridge.
        bridge: ServiceAddress,
        /// The call.
        call: &'static str,
    },
    /// The answer cannot be used.
    #[error("koji-bridge at {bridge} answers {call} with something else: {reason}")]
    BadAnswer {
        /// The bridge.
        bridge: ServiceAddress,
        /// The call.
        call: &'static str,
        /// What is wrong with it.
        reason: BadField,
    },
    /// The end of a task was waited for, and the bridge stopped telling.
    #[error("koji-bridge at {bridge} has stopped telling about task {task} before its end")]
    WatchEnded {
        /// The bridge.
        bridge: ServiceAddress,
        /// The task.
        task: u64,
    },
    /// A file is not what the hub said it was.
    #[error("'{name}' of task {task} should have {expected} bytes and came with {got}")]
    WrongSize {
        /// The task.
        task: u64,
        /// The file.
        name: String,
        /// Its size according to the hub, in bytes.
        expected: u64,
        /// What came, in bytes.
        got: u64,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Disk {
        /// The path.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl KojiError {
    /// The error that a call's status stands for.
    pub(super) fn from_status(bridge: &ServiceAddress, call: &'static str, status: &Status) -> Self {
        let (bridge, message) = (bridge.clone(), status.message().to_owned());
        if status.code() != Code::NotFound
            && let Some(told) = koji_failure(status)
        {
            return Self::Told(Box::new(told));
        }
        match status.code() {
            Code::NotFound => Self::NotFound { call, message },
            Code::Unimplemented => Self::NotOffered { bridge, call },
            Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::AlreadyExists
            | Code::OutOfRange => Self::Refused { call, message },
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => Self::Unavailable { bridge, call, message },
        }
    }
}

/// The failure of a call as the bridge tells it: its code is kept, and its class
/// says whether another try can help. What may have been carried out can be asked
/// for again, because the bridge looks before it repeats anything.
fn told(told: &KojiFailure) -> Failure {
    let mut failure = told.failure.clone();
    match told.kind {
        KojiFailureKind::Permanent if failure.class.is_worth_another_try() => {
            failure.class = FailureClass::Policy;
        }
        KojiFailureKind::Permanent => {}
        KojiFailureKind::Retryable | KojiFailureKind::Offline | KojiFailureKind::Ambiguous => {
            failure.class = FailureClass::Infrastructure;
        }
    }
    let fault = told.fault.as_ref().filter(|(_, text)| !failure.message.contains(text.as_str()));
    failure.causes.extend(fault.map(|(code, text)| format!("{}: fault {code}: {text}", told.method)));
    failure
}

impl From<KojiError> for Failure {
    fn from(error: KojiError) -> Self {
        if let KojiError::Told(failed) = &error {
            return told(failed);
        }
        let (class, code, advice) = match &error {
            KojiError::Address { .. }
            | KojiError::Unavailable { .. }
            | KojiError::Silent { .. }
            | KojiError::WatchEnded { .. } => (
                FailureClass::Infrastructure,
                "koji.unavailable",
                "see whether koji-bridge runs at koji.bridge and whether the hub is up",
            ),
            KojiError::WrongSize { .. } => {
                (FailureClass::Infrastructure, "koji.truncated_download", "try again")
            }
            // Asking again would be answered in the same way.
            KojiError::NotFound { .. } | KojiError::Refused { .. } | KojiError::Told(_) => (
                FailureClass::Policy,
                "koji.refused",
                "the hub's own words say why; permissions belong to the bridge's Koji user",
            ),
            KojiError::NotOffered { .. } => (
                FailureClass::Policy,
                "koji.not_offered",
                "use a koji-bridge that is configured for a hub and as new as the orchestrator",
            ),
            KojiError::BadAnswer { .. } => (
                FailureClass::Internal,
                "koji.bad_answer",
                "the versions of koji-bridge and orchestrator do not belong together",
            ),
            KojiError::Disk { .. } => (
                FailureClass::Infrastructure,
                "orchestrator.disk",
                "look at free space and permissions of the state directory",
            ),
        };
        Failure::from_error(class, code, &error).with_advice(advice)
    }
}
