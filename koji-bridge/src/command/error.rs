//! How a command ends, and what it says when that is not well.

use common::{
    failure::{Failure, FailureClass},
    secret::SecretFileError,
    service::settings::SettingsError,
};
use proto::convert::{KojiFailure, KojiFailureKind};

use super::output::{remark, visible};
use crate::{hub::HubError, serve::BridgeError, session::SessionError, upload::UploadError};

/// How a command ended; the shell sees the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It did what was asked.
    Ok,
    /// It failed, or the hub refused it for the state that things are in.
    Failed,
    /// The command line, or something that it names, is wrong.
    Usage,
    /// The settings are wrong, or give too few rights.
    Config,
    /// The hub cannot be reached.
    Unreachable,
    /// Nothing is wrong that will not pass.
    TryAgain,
}

impl Exit {
    /// The number that the shell sees.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Unreachable => 4,
            // EX_TEMPFAIL of sysexits.h.
            Self::TryAgain => 75,
        }
    }

    /// What a failure at the hub means for the exit code.
    pub(super) fn of(failed: &KojiFailure) -> Self {
        match failed.kind {
            KojiFailureKind::Retryable if failed.failure.code == "koji.unreachable" => Self::Unreachable,
            KojiFailureKind::Retryable | KojiFailureKind::Offline | KojiFailureKind::Ambiguous => {
                Self::TryAgain
            }
            KojiFailureKind::Permanent if failed.method == "login" => Self::Config,
            KojiFailureKind::Permanent => match failed.failure.class {
                FailureClass::User | FailureClass::Source => Self::Usage,
                FailureClass::Policy => Self::Config,
                _ => Self::Failed,
            },
        }
    }
}

/// A command that did not do what was asked.
#[derive(Debug, Clone)]
pub(super) struct CommandFailure {
    /// How the process ends.
    pub(super) exit: Exit,
    /// Why.
    pub(super) failure: Box<Failure>,
}

impl CommandFailure {
    pub(super) fn new(exit: Exit, failure: Failure) -> Self {
        Self { exit, failure: Box::new(failure) }
    }

    /// The settings have no hub.
    pub(super) fn no_hub(layer: &str) -> Self {
        let message = format!("{layer}: there is no section koji, so there is no hub to work with");
        let failure = Failure::new(FailureClass::User, "koji.no_hub", message)
            .with_advice("name the file with the bridge's settings with --config");
        Self::new(Exit::Config, failure)
    }

    /// Says it on standard error.
    pub(super) fn print(&self) {
        let problems = (*self.failure).clone().each();
        if let [one] = problems.as_slice() {
            remark(&format!("koji-bridge: {} [{}]", visible(&one.message), one.code));
            one.causes.iter().for_each(|cause| remark(&format!("because: {}", visible(cause))));
            if !one.advice.is_empty() {
                remark(&format!("hint: {}", visible(&one.advice)));
            }
            return;
        }
        remark(&format!("koji-bridge: there are {} problems:", problems.len()));
        problems.iter().for_each(|problem| remark(&format!("  {}", visible(&problem.to_string()))));
    }
}

impl From<KojiFailure> for CommandFailure {
    fn from(failed: KojiFailure) -> Self {
        Self::new(Exit::of(&failed), failed.failure)
    }
}

impl From<HubError> for CommandFailure {
    fn from(error: HubError) -> Self {
        error.into_failure().into()
    }
}

impl From<UploadError> for CommandFailure {
    fn from(error: UploadError) -> Self {
        error.into_failure().into()
    }
}

impl From<SettingsError> for CommandFailure {
    fn from(error: SettingsError) -> Self {
        let failure = Failure::from_error(FailureClass::User, "koji.settings", &error)
            .with_advice("correct the settings of the bridge at the place that the message names");
        Self::new(Exit::Config, failure)
    }
}

impl From<SessionError> for CommandFailure {
    fn from(error: SessionError) -> Self {
        let failure = Failure::from_error(FailureClass::User, "koji.settings", &error)
            .with_advice("correct koji.hub_url in the settings of the bridge");
        Self::new(Exit::Config, failure)
    }
}

impl From<BridgeError> for CommandFailure {
    fn from(error: BridgeError) -> Self {
        match error {
            BridgeError::Settings(error) => error.into(),
            BridgeError::Hub(error) => error.into(),
            error => {
                let failure = Failure::from_error(FailureClass::Infrastructure, "koji.login_gssapi", &error)
                    .with_advice("see that the program's own file can be started");
                Self::new(Exit::Failed, failure)
            }
        }
    }
}

impl From<SecretFileError> for CommandFailure {
    fn from(error: SecretFileError) -> Self {
        let failure = Failure::from_error(FailureClass::User, "koji.secret_file", &error)
            .with_advice("name a file that this user may read and that holds nothing but the secret");
        Self::new(Exit::Config, failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_tells_whose_turn_it_is() {
        use KojiFailureKind::{Ambiguous, Offline, Permanent, Retryable};
        for (kind, method, class, code, exit) in [
            (Permanent, "tagBuild", FailureClass::Policy, "koji.tag_locked", 3),
            (Permanent, "getBuild", FailureClass::User, "koji.no_build", 2),
            (Permanent, "login", FailureClass::Infrastructure, "koji.certificate_file", 3),
            (Permanent, "CGImport", FailureClass::Infrastructure, "koji.files_lost", 1),
            (Retryable, "getBuild", FailureClass::Infrastructure, "koji.unreachable", 4),
            (Retryable, "rawUpload", FailureClass::Infrastructure, "koji.upload_damaged", 75),
            (Offline, "getBuild", FailureClass::Infrastructure, "koji.offline", 75),
            (Ambiguous, "CGImport", FailureClass::Infrastructure, "koji.outcome_unknown", 75),
        ] {
            let failure = Failure::new(class, code, "no");
            let failed = KojiFailure { kind, method: method.to_owned(), fault: None, failure };
            assert_eq!(Exit::of(&failed).code(), exit, "{code}");
        }
    }
}
