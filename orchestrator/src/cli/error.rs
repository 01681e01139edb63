//! What can go wrong in a command, with what the person can do about it.

use common::{ParseError, failure::Failure, secret::SecretFileError, service::ConnectError};
use tonic::{Code, Status};

use crate::{app::AppError, cli::exit::Exit, config::ConfigError};

/// A command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// An argument is not what it should be.
    #[error("{0}")]
    Usage(String),
    /// The request cannot be planned; every problem that it has.
    #[error("{}", problems(.0))]
    Request(Box<Failure>),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file with a secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// An address cannot be dialled at all.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Nobody answers at the service's address.
    #[error("cannot reach the service at {server}: {reason}")]
    Unreachable {
        /// The address.
        server: String,
        /// What the transport says.
        reason: String,
    },
    /// The service refused a call.
    #[error("{call}: {} ({:?})", .status.message(), .status.code())]
    Refused {
        /// What was asked of it. Example: "submitting the build".
        call: &'static str,
        /// Its answer.
        status: Status,
    },
    /// The service could not be started in this process.
    #[error(transparent)]
    Start(#[from] AppError),
    /// The system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was tried, on what.
        what: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

impl CliError {
    /// How the command ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Request(_) | Self::Connect(ConnectError::NoPort(_)) => Exit::Usage,
            Self::Config(_) | Self::Secret(_) | Self::Connect(_) => Exit::Config,
            Self::Unreachable { .. } | Self::Start(_) => Exit::Unreachable,
            Self::Refused { status, .. } => Exit::of_refusal(status.code()),
            Self::System { .. } => Exit::Failed,
        }
    }

    /// What the person can do, if there is more to say than the message does.
    pub(crate) fn advice(&self) -> Option<String> {
        match self {
            Self::Usage(_) => Some("`--help` shows what can be said".to_owned()),
            // The advice of each problem stands beside it.
            Self::Request(failure) => {
                (failure.others.is_empty() && !failure.advice.is_empty()).then(|| failure.advice.clone())
            }
            Self::Config(_) => {
                Some("`orchestrator serve --print-config` shows the settings and who set them".to_owned())
            }
            Self::Unreachable { server, .. } => Some(format!(
                "is `orchestrator serve` running at {server}? Start it, or name another with --server or REACTOR_SERVER"
            )),
            Self::Refused { status, .. } => advice(status.code()).map(str::to_owned),
            Self::Secret(_) | Self::Connect(_) | Self::Start(_) | Self::System { .. } => None,
        }
    }

    /// Whether another try at the same thing could end differently soon.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => is_passing(status.code()),
            _ => false,
        }
    }
}

/// One problem in one line, several in a list.
fn problems(failure: &Failure) -> String {
    if failure.others.is_empty() {
        return format!("{} [{}]", failure.message, failure.code);
    }
    let all = failure.clone().each();
    let mut text = format!("the request has {} problems:", all.len());
    for problem in all {
        text.push_str(&format!("\n  {problem}"));
    }
    text
}

/// Exhaustive on purpose: a new code forces a decision.
fn is_passing(code: Code) -> bool {
    match code {
        // Broken connections come as Unknown or Internal, depending on the moment.
        Code::Unavailable
        | Code::Unknown
        | Code::Internal
        | Code::Aborted
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::ResourceExhausted => true,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => false,
    }
}

fn advice(code: Code) -> Option<&'static str> {
    match code {
        Code::Unauthenticated => Some("name the file with the service's token with --token-file"),
        Code::PermissionDenied => Some("the token does not give this right; ask the site's operator"),
        Code::NotFound => Some("`orchestrator builds list` shows the builds that there are"),
        Code::Unimplemented => Some("the service is of another version, or another service listens there"),
        Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::DeadlineExceeded => {
            Some("try again later; the service's log says more")
        }
        Code::Internal | Code::Unknown | Code::DataLoss => Some("the service's log says more"),
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange => None,
    }
}

impl From<ParseError> for CliError {
    fn from(error: ParseError) -> Self {
        Self::Usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_exit_and_says_what_to_do() {
        let refused = |code| CliError::Refused { call: "reading the build", status: Status::new(code, "no") };
        let unreachable = CliError::Unreachable { server: "h:1".into(), reason: "refused".into() };
        for (error, exit, text, advice) in [
            (CliError::Usage("bad".into()), Exit::Usage, "bad", "--help"),
            (unreachable, Exit::Unreachable, "at h:1: refused", "`orchestrator serve` running at h:1"),
            (refused(Code::NotFound), Exit::Usage, "reading the build: no (NotFound)", "builds list"),
            (refused(Code::Unauthenticated), Exit::Config, "Unauthenticated", "--token-file"),
            (refused(Code::ResourceExhausted), Exit::TryAgain, "ResourceExhausted", "later"),
        ] {
            assert_eq!(error.exit(), exit, "{error}");
            assert!(error.to_string().contains(text), "{error}");
            assert!(error.advice().unwrap().contains(advice), "{error}");
        }
    }

    #[test]
    fn a_request_tells_all_its_problems() {
        let problem = |code: &str| {
            let failure = Failure::new(common::failure::FailureClass::User, code, "it is bad");
            failure.with_advice("make it good")
        };
        let one = CliError::Request(Box::new(problem("request.a")));
        assert_eq!((one.exit(), one.to_string().as_str()), (Exit::Usage, "it is bad [request.a]"));
        assert_eq!(one.advice().unwrap(), "make it good");
        let two = Failure::all([problem("request.a"), problem("request.b")]).unwrap();
        let two = CliError::Request(Box::new(two));
        assert_eq!(
            two.to_string(),
            "the request has 2 problems:\n  it is bad (make it good) [request.a]\n  it is bad (make it good) [request.b]"
        );
        assert_eq!(two.advice(), None);
        assert!(!two.is_passing());
    }

    #[test]
    fn what_will_not_pass_is_not_tried_again() {
        for (code, passing) in [
            (Code::Unavailable, true),
            (Code::Unknown, true),
            (Code::NotFound, false),
            (Code::Unauthenticated, false),
        ] {
            assert_eq!(is_passing(code), passing, "{code:?}");
        }
    }
}
