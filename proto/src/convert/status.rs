//! A failure as the status of a call that ends with it.

use common::failure::{Failure, FailureClass};
use tonic::{Code, Status};

/// The one place that decides which gRPC code a failure has. The message holds
/// the stable code, what failed, and what to do about it.
pub fn failure_status(failure: &Failure) -> Status {
    let code = match failure.class {
        FailureClass::User => Code::InvalidArgument,
        // The request was fine; what it points to is not in the state it needs.
        FailureClass::Source | FailureClass::Parent => Code::FailedPrecondition,
        FailureClass::Policy => Code::PermissionDenied,
        FailureClass::Infrastructure => Code::Unavailable,
        FailureClass::Capacity => Code::ResourceExhausted,
        FailureClass::Cancelled => Code::Cancelled,
        FailureClass::Timeout => Code::DeadlineExceeded,
        FailureClass::Internal => Code::Internal,
    };
    let advice = if failure.advice.is_empty() { String::new() } else { format!(" ({})", failure.advice) };
    Status::new(code, format!("{}: {}{advice}", failure.code, failure.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_code() {
        for (class, code) in [
            (FailureClass::User, Code::InvalidArgument),
            (FailureClass::Source, Code::FailedPrecondition),
            (FailureClass::Parent, Code::FailedPrecondition),
            (FailureClass::Policy, Code::PermissionDenied),
            (FailureClass::Infrastructure, Code::Unavailable),
            (FailureClass::Capacity, Code::ResourceExhausted),
            (FailureClass::Cancelled, Code::Cancelled),
            (FailureClass::Timeout, Code::DeadlineExceeded),
            (FailureClass::Internal, Code::Internal),
        ] {
            assert_eq!(failure_status(&Failure::new(class, "x.y", "m")).code(), code, "{class:?}");
        }
    }

    #[test]
    fn the_message_says_what_to_do() {
        let failure = Failure::new(FailureClass::User, "source.ref_not_found", "no branch 'mian'");
        assert_eq!(failure_status(&failure).message(), "source.ref_not_found: no branch 'mian'");
        let advised = failure_status(&failure.with_advice("try 'main'"));
        assert_eq!(advised.message(), "source.ref_not_found: no branch 'mian' (try 'main')");
    }
}
