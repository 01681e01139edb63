//! What can go wrong in a command, with what the person can do about it.

use common::{ParseError, secret::SecretFileError, service::ConnectError};
use tonic::{Code, Status};

use crate::{
    app::AppError,
    cli::exit::Exit,
    config::{ConfigError, ConfigErrors},
};

/// A command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// An argument is not what it should be.
    #[error("{0}")]
    Usage(String),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
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
            Self::Usage(_) | Self::Connect(ConnectError::NoPort(_)) => Exit::Usage,
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
            Self::Config(errors) => errors.problems.first().map(|error| error.advice().to_owned()),
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

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error.into())
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
