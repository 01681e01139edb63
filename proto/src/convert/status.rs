//! A failure as the status of a call that ends with it.

use common::failure::{Failure, FailureClass};
use tonic::{Code, Status};

/// Longest text of a status in bytes: it travels as a header, and receivers take
/// headers of 16 KiB only, in which other letters than ASCII count threefold.
const MAX_MESSAGE: usize = 4 * 1024;

/// Longest text about one problem in characters: it may echo what was sent.
const MAX_TOLD: usize = 1000;

/// A text with at most `most` characters.
pub(super) fn cut(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The one place that decides which gRPC code a failure has. The message holds
/// the stable code, what failed, and what to do about it; problems beside the
/// first have lines of their own.
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
    let mut message = told(failure);
    for (index, other) in failure.others.iter().enumerate() {
        let line = told(other);
        if message.len() + line.len() > MAX_MESSAGE {
            message.push_str(&format!("\nand {} more", failure.others.len() - index));
            break;
        }
        message.push('\n');
        message.push_str(&line);
    }
    Status::new(code, message)
}

/// The same failure, short enough for a header: its texts cut, the causes and
/// all but the first few of the others left out.
pub(super) fn shortened(failure: &Failure) -> Failure {
    const MOST_OTHERS: usize = 4;
    let cut = |text: &String| cut(text.clone(), MAX_TOLD / 2);
    Failure {
        message: cut(&failure.message),
        advice: cut(&failure.advice),
        causes: Vec::new(),
        others: failure.others.iter().take(MOST_OTHERS).map(shortened).collect(),
        ..failure.clone()
    }
}

fn told(failure: &Failure) -> String {
    let advice = if failure.advice.is_empty() { String::new() } else { format!(" ({})", failure.advice) };
    cut(format!("{}: {}{advice}", failure.code, failure.message), MAX_TOLD)
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

    #[test]
    fn a_status_does_not_send_back_what_was_sent() {
        let long = "ä".repeat(4 << 20);
        let failure = Failure::new(FailureClass::User, "x.y", format!("there is no {long}"));
        assert!(failure_status(&failure).message().len() < 2100);
        let field = super::super::BadField::new(long.clone(), long);
        assert!(Status::from(field).message().len() < 1700);
    }

    #[test]
    fn every_problem_has_its_line_as_far_as_there_is_room() {
        let problem = |code: &str| Failure::new(FailureClass::User, code, "m");
        let status = failure_status(&Failure::all([problem("a"), problem("b")]).unwrap());
        assert_eq!(status.message(), "a: m\nb: m");
        let many = (0..1000).map(|number| problem(&format!("request.rule_{number}")));
        let status = failure_status(&Failure::all(many).unwrap());
        assert!(status.message().len() < MAX_MESSAGE + 100);
        assert!(status.message().ends_with(" more"), "{}", status.message());
    }
}
