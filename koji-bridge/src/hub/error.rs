//! How a question to the hub ends other than well, in the one form that leaves
//! the bridge: what can be done about it, a stable code, and the hub's own words.

use common::failure::{Failure, FailureClass};
use proto::convert::{KojiFailure, KojiFailureKind, koji_status, koji_status_as};
use tonic::{Code, Status};

use crate::{
    login::LoginError,
    metadata::{Doing, explain_fault},
    session::{CallError, ErrorKind},
    xmlrpc::Fault,
};

/// A question that has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// A call did not end well.
    #[error("{call}")]
    Call {
        /// What it was made for.
        doing: Doing,
        /// The error.
        call: CallError,
    },
    /// The hub has nothing of that name or number.
    #[error("{message}")]
    NotFound {
        /// The method that was called.
        method: &'static str,
        /// Stable code.
        code: &'static str,
        /// What there is not.
        message: String,
    },
    /// The hub cannot do what was asked for.
    #[error("{message}")]
    NotOffered {
        /// The method that it lacks.
        method: &'static str,
        /// Stable code.
        code: &'static str,
        /// What it lacks.
        message: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// What was found does not let the call go on.
    #[error("{}", .0.failure)]
    Failed(Box<KojiFailure>),
}

impl From<CallError> for HubError {
    /// A plain question.
    fn from(call: CallError) -> Self {
        Self::Call { doing: Doing::Query, call }
    }
}

impl HubError {
    /// Takes a failure of a call that was made for something.
    pub(crate) fn during(doing: Doing) -> impl Fn(CallError) -> Self {
        move |call| Self::Call { doing, call }
    }

    /// A failure for good that no fault of the hub says.
    pub(crate) fn failed(method: &'static str, failure: Failure) -> Self {
        Self::of_kind(KojiFailureKind::Permanent, method, failure)
    }

    /// A failure that no fault of the hub says.
    pub(crate) fn of_kind(kind: KojiFailureKind, method: &'static str, failure: Failure) -> Self {
        Self::Failed(Box::new(KojiFailure { kind, method: method.to_owned(), fault: None, failure }))
    }

    /// A request that nobody would have to ask a hub about.
    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::failed("", Failure::new(FailureClass::User, code, message))
    }

    /// An answer that lacks what it should have.
    pub(crate) fn unexpected(method: &'static str, reason: impl Into<String>) -> Self {
        CallError::Unexpected { method, reason: reason.into() }.into()
    }

    /// Whether the hub's answer was there, but could not be read.
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Call { call: CallError::Unreadable { .. }, .. })
    }

    /// The failure as it leaves the bridge.
    pub fn into_failure(self) -> KojiFailure {
        match self {
            Self::Call { doing, call } => call_failure(doing, &call),
            Self::NotFound { method, code, message } => {
                let failure = Failure::new(FailureClass::User, code, message);
                KojiFailure {
                    kind: KojiFailureKind::Permanent,
                    method: method.to_owned(),
                    fault: None,
                    failure,
                }
            }
            Self::NotOffered { method, code, message, advice } => {
                let failure = Failure::new(FailureClass::Policy, code, message).with_advice(advice);
                KojiFailure {
                    kind: KojiFailureKind::Permanent,
                    method: method.to_owned(),
                    fault: None,
                    failure,
                }
            }
            Self::Failed(failed) => *failed,
        }
    }
}

impl From<HubError> for Status {
    fn from(error: HubError) -> Self {
        let code = match &error {
            HubError::NotFound { .. } => Some(Code::NotFound),
            HubError::NotOffered { .. } => Some(Code::Unimplemented),
            HubError::Call { call, .. } if call.fault().is_some_and(is_missing_method) => {
                Some(Code::Unimplemented)
            }
            _ => None,
        };
        let failure = error.into_failure();
        match code {
            Some(code) => koji_status_as(code, &failure),
            None => koji_status(&failure),
        }
    }
}

/// Whether a hub says that it is too old for a method.
pub(crate) fn is_missing_method(fault: &Fault) -> bool {
    fault.says("Invalid method:")
}

fn call_failure(doing: Doing, call: &CallError) -> KojiFailure {
    let method = match call {
        CallError::Refused { method, .. }
        | CallError::Committed { method }
        | CallError::Lost { method, .. }
        | CallError::Offline { method, .. }
        | CallError::Unreachable { method, .. }
        | CallError::Unreadable { method, .. }
        | CallError::Unexpected { method, .. }
        | CallError::Damaged { method, .. }
        | CallError::Unsendable { method, .. } => method,
        CallError::Login(_) => "login",
        CallError::Cancelled => "",
    };
    let class = match call {
        CallError::Unsendable { .. } => FailureClass::User,
        CallError::Login(
            LoginError::Refused { .. } | LoginError::Unauthorized { .. } | LoginError::Unsupported,
        ) => FailureClass::Policy,
        _ => FailureClass::Infrastructure,
    };
    let failure = match call {
        CallError::Refused { fault, .. } => explain_fault(fault.code, &fault.text, doing).failure(),
        // The bridge has looked already, and looks again when it is asked again.
        CallError::Committed { .. } | CallError::Lost { .. } => {
            let advice = "repeat the request: the bridge looks at the hub before it does anything";
            Failure::from_error(class, call.code(), call).with_advice(advice)
        }
        _ => Failure::from_error(class, call.code(), call).with_advice(call.advice()),
    };
    let kind = match call.kind() {
        ErrorKind::Permanent => KojiFailureKind::Permanent,
        ErrorKind::Retryable => KojiFailureKind::Retryable,
        ErrorKind::Offline => KojiFailureKind::Offline,
        ErrorKind::Ambiguous => KojiFailureKind::Ambiguous,
    };
    let fault = call.fault().map(|fault| (fault.code, fault.text.clone()));
    KojiFailure { kind, method: method.to_owned(), fault, failure }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proto::convert::koji_failure;

    use super::*;

    fn refused(code: i64, text: &str) -> CallError {
        CallError::Refused { method: "getBuild", fault: Fault::new(code, text) }
    }

    #[test]
    fn each_end_has_its_status() {
        let (method, reason) = ("CGImport", String::new());
        let offline = CallError::Offline { method, since: Timestamp::UNIX_EPOCH, text: reason.clone() };
        for (call, code, kind, stable) in [
            (refused(1000, "x"), Code::PermissionDenied, KojiFailureKind::Permanent, "koji.refused"),
            (
                refused(1000, "Invalid method: x"),
                Code::Unimplemented,
                KojiFailureKind::Permanent,
                "koji.hub_too_old",
            ),
            (refused(1001, "x"), Code::Unavailable, KojiFailureKind::Retryable, "koji.upload_locked"),
            (
                CallError::Committed { method },
                Code::Aborted,
                KojiFailureKind::Ambiguous,
                "koji.outcome_unknown",
            ),
            (offline, Code::Unavailable, KojiFailureKind::Offline, "koji.offline"),
            (
                CallError::Unreachable { method, reason: reason.clone() },
                Code::Unavailable,
                KojiFailureKind::Retryable,
                "koji.unreachable",
            ),
            // Trying again would not help, so the status must not say so.
            (
                CallError::Unreadable { method, reason },
                Code::FailedPrecondition,
                KojiFailureKind::Permanent,
                "koji.answer_unreadable",
            ),
            (CallError::Cancelled, Code::Unavailable, KojiFailureKind::Retryable, "koji.session_closed"),
        ] {
            let shown = format!("{call:?}");
            let status = Status::from(HubError::from(call));
            let failure = koji_failure(&status).unwrap();
            assert_eq!(
                (status.code(), failure.kind, failure.failure.code.as_str()),
                (code, kind, stable),
                "{shown}"
            );
        }
        let absent = HubError::NotFound { method: "getBuild", code: "koji.no_build", message: "no".into() };
        assert_eq!(Status::from(absent).code(), Code::NotFound);
    }
}
