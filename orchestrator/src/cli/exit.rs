//! Exit codes: what each end of a command tells the shell. Scripts depend on
//! them, so they are kept in one place.

use std::process::ExitCode;

use tonic::Code;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Ok,
    /// The build failed or was cancelled, or the service refused the call for
    /// the state that things are in.
    Failed,
    /// The command line, or something that it names, is wrong.
    Usage,
    /// The configuration is wrong, or does not give the rights that are needed.
    Config,
    /// The service, or something that it needs, cannot be reached.
    Unreachable,
    /// Nothing is wrong that will not pass: try again later.
    TryAgain,
    /// Stopped by Ctrl-C (SIGINT).
    Interrupted,
    /// Stopped by SIGTERM.
    Terminated,
}

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Unreachable => 4,
            // EX_TEMPFAIL of sysexits.h.
            Self::TryAgain => 75,
            // 128 and the number of the signal, as shells do.
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// What a refused call means for the exit code.
    pub fn of_refusal(code: Code) -> Self {
        match code {
            Code::Ok => Self::Ok,
            Code::InvalidArgument | Code::NotFound | Code::OutOfRange | Code::AlreadyExists => Self::Usage,
            Code::Unauthenticated | Code::PermissionDenied => Self::Config,
            Code::Unavailable => Self::Unreachable,
            Code::ResourceExhausted | Code::Aborted | Code::DeadlineExceeded => Self::TryAgain,
            Code::Cancelled
            | Code::Unknown
            | Code::FailedPrecondition
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_documentation() {
        let documented = include_str!("../../../docs/operating.md");
        for (exit, code) in [
            (Exit::Ok, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::Config, 3),
            (Exit::Unreachable, 4),
            (Exit::TryAgain, 75),
            (Exit::Interrupted, 130),
            (Exit::Terminated, 143),
        ] {
            assert_eq!(exit.code(), code, "{exit:?}");
            assert!(documented.contains(&format!("| {code} |")), "{code} is not documented");
        }
    }

    #[test]
    fn a_refusal_tells_whose_turn_it_is() {
        for (code, exit) in [
            (Code::InvalidArgument, Exit::Usage),
            (Code::NotFound, Exit::Usage),
            (Code::Unauthenticated, Exit::Config),
            (Code::PermissionDenied, Exit::Config),
            (Code::Unavailable, Exit::Unreachable),
            (Code::ResourceExhausted, Exit::TryAgain),
            (Code::DeadlineExceeded, Exit::TryAgain),
            (Code::FailedPrecondition, Exit::Failed),
            (Code::Internal, Exit::Failed),
        ] {
            assert_eq!(Exit::of_refusal(code), exit, "{code:?}");
        }
    }
}
