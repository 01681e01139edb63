//! A failed call to the bridge as a status with details, and back.
//!
//! The details are those of the gRPC richer error model: a `google.rpc.Status`
//! in the trailer `grpc-status-details-bin`, with one `reactor.v1.KojiFailure`.
//! Tools such as grpcurl show it when they know the contract.

use common::failure::{Failure, FailureClass};
use prost::Message as _;
use prost_types::Any;
use tonic::{Code, Status};

use super::failure_status;
use crate::v1;

const TYPE_URL: &str = "type.googleapis.com/reactor.v1.KojiFailure";

/// What can be done about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KojiFailureKind {
    /// The hub refuses; it will again.
    Permanent,
    /// Nothing was carried out; another try may succeed.
    Retryable,
    /// The hub is offline or locked; nothing was carried out.
    Offline,
    /// The call may have been carried out, and looking did not tell.
    Ambiguous,
}

/// How a call to the bridge failed.
#[derive(Debug, Clone)]
pub struct KojiFailure {
    /// What can be done about it.
    pub kind: KojiFailureKind,
    /// Method of the hub that was called. Example: `CGImport`.
    pub method: String,
    /// Code and text of the hub's fault.
    pub fault: Option<(i64, String)>,
    /// The whole failure.
    pub failure: Failure,
}

/// google/rpc/status.proto.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// The status of a call that ends with this failure. Its code says what can be
/// done: UNAVAILABLE for another try later, ABORTED for another look, else that of
/// the failure's class.
pub fn koji_status(failed: &KojiFailure) -> Status {
    let told = failure_status(&failed.failure);
    let code = match failed.kind {
        KojiFailureKind::Retryable | KojiFailureKind::Offline => Code::Unavailable,
        KojiFailureKind::Ambiguous => Code::Aborted,
        // A class that stands for another try would promise what the kind denies.
        KojiFailureKind::Permanent if told.code() == Code::Unavailable => Code::FailedPrecondition,
        KojiFailureKind::Permanent => told.code(),
    };
    koji_status_as(code, failed)
}

/// The status of a call that ends with this failure and has a code of its own:
/// NOT_FOUND, where the hub has no such thing, and UNIMPLEMENTED, where it cannot
/// do what was asked.
pub fn koji_status_as(code: Code, failed: &KojiFailure) -> Status {
    let told = failure_status(&failed.failure);
    let (fault_code, fault_text) = failed.fault.clone().unwrap_or_default();
    let detail = v1::KojiFailure {
        kind: v1::koji_failure::Kind::from(failed.kind).into(),
        method: failed.method.clone(),
        fault_code,
        fault_text: super::status::cut(fault_text, MAX_FAULT_TEXT),
        failure: Some(super::status::shortened(&failed.failure).into()),
    };
    let any = Any { type_url: TYPE_URL.to_owned(), value: detail.encode_to_vec() };
    let status = RpcStatus { code: code as i32, message: told.message().to_owned(), details: vec![any] };
    Status::with_details(code, told.message(), status.encode_to_vec().into())
}

/// Longest text of a fault in characters; details travel as a header.
const MAX_FAULT_TEXT: usize = 500;

/// What the details of a status say; `None` for a status of another origin.
pub fn koji_failure(status: &Status) -> Option<KojiFailure> {
    let details = RpcStatus::decode(status.details()).ok()?.details;
    let any = details.into_iter().find(|any| any.type_url == TYPE_URL)?;
    let detail = v1::KojiFailure::decode(&any.value[..]).ok()?;
    let kind = v1::koji_failure::Kind::try_from(detail.kind).ok()?.try_into().ok()?;
    let fault = (detail.fault_code != 0).then_some((detail.fault_code, detail.fault_text));
    Some(KojiFailure { kind, method: detail.method, fault, failure: detail.failure?.try_into().ok()? })
}

impl From<KojiFailureKind> for v1::koji_failure::Kind {
    fn from(kind: KojiFailureKind) -> Self {
        match kind {
            KojiFailureKind::Permanent => Self::Permanent,
            KojiFailureKind::Retryable => Self::Retryable,
            KojiFailureKind::Offline => Self::Offline,
            KojiFailureKind::Ambiguous => Self::Ambiguous,
        }
    }
}

impl TryFrom<v1::koji_failure::Kind> for KojiFailureKind {
    type Error = super::BadField;

    fn try_from(kind: v1::koji_failure::Kind) -> Result<Self, super::BadField> {
        Ok(match kind {
            v1::koji_failure::Kind::Unspecified => return Err(super::BadField::missing("kind")),
            v1::koji_failure::Kind::Permanent => Self::Permanent,
            v1::koji_failure::Kind::Retryable => Self::Retryable,
            v1::koji_failure::Kind::Offline => Self::Offline,
            v1::koji_failure::Kind::Ambiguous => Self::Ambiguous,
        })
    }
}

impl KojiFailure {
    /// A refusal for good that no hub was asked about.
    pub fn permanent(failure: Failure) -> Self {
        Self { kind: KojiFailureKind::Permanent, method: String::new(), fault: None, failure }
    }

    /// Whether the same call may succeed later.
    pub fn is_worth_another_try(&self) -> bool {
        matches!(self.kind, KojiFailureKind::Retryable | KojiFailureKind::Offline)
    }

    /// Whose fault it is.
    pub fn class(&self) -> FailureClass {
        self.failure.class
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_as_a_status() {
        for (kind, code) in [
            (KojiFailureKind::Permanent, Code::FailedPrecondition),
            (KojiFailureKind::Retryable, Code::Unavailable),
            (KojiFailureKind::Offline, Code::Unavailable),
            (KojiFailureKind::Ambiguous, Code::Aborted),
        ] {
            let failure = Failure::new(FailureClass::Source, "koji.refused", "no").with_advice("ask");
            let fault = Some((1000, "Build already exists".to_owned()));
            let failed = KojiFailure { kind, method: "CGImport".to_owned(), fault, failure };
            let status = koji_status(&failed);
            assert_eq!(status.code(), code, "{kind:?}");
            let read = koji_failure(&status).unwrap();
            assert_eq!(
                (read.kind, read.fault, read.failure.code.as_str()),
                (kind, failed.fault, "koji.refused")
            );
        }
        assert!(koji_failure(&Status::internal("x")).is_none());
        let failure = Failure::new(FailureClass::User, "koji.no_build", "no build 7");
        let absent = koji_status_as(Code::NotFound, &KojiFailure::permanent(failure));
        assert_eq!((absent.code(), absent.message()), (Code::NotFound, "koji.no_build: no build 7"));
        assert!(koji_failure(&absent).is_some());
    }
}
