//! What can go wrong with an engine, and whose fault each is.

use std::{fmt, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    platform::Architecture,
};

/// The instruction of a Dockerfile that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStep {
    /// As the engine announced it. Example: `Step 5/7 : RUN make`.
    pub announced: String,
    /// Line of the Dockerfile it begins on, from 1, where it can be told.
    pub line: Option<usize>,
}

impl fmt::Display for FailedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} (line {line} of the Dockerfile)", self.announced),
            None => f.write_str(&self.announced),
        }
    }
}

/// Why the engine did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message names its fields")]
pub enum EngineError {
    #[error("cannot reach the container engine at {endpoint}")]
    Unreachable { endpoint: String, source: bollard::errors::Error },
    #[error("the engine did not answer in time while {doing}")]
    Silent { doing: String },
    #[error("the engine refused {doing} (status {status}): {message}")]
    Refused { doing: String, status: u16, message: String },
    #[error("the connection to the engine broke while {doing}")]
    Broken { doing: String, source: bollard::errors::Error },
    #[error("no space is left on the engine's disk while {doing}: {message}")]
    NoSpace { doing: String, message: String },
    #[error("the parent image {parent} does not exist: {message}")]
    ParentNotFound { parent: String, message: String },
    #[error("the registry of the parent image {parent} refuses the worker: {message}")]
    ParentUnauthorized { parent: String, message: String },
    #[error("the parent image {parent} is made for {found}, and {wanted} is wanted")]
    ParentArchitecture { parent: String, found: Architecture, wanted: Architecture },
    #[error("cannot pull the parent image {parent}: {message}")]
    ParentPull { parent: String, message: String },
    #[error("the Dockerfile is not valid: {message}")]
    DockerfileInvalid { message: String },
    #[error("{}{message}", step.as_ref().map(|step| format!("{step}: ")).unwrap_or_default())]
    InstructionFailed { step: Option<FailedStep>, message: String, exit_code: Option<i64> },
    #[error("the engine could not run the build's container: {message}")]
    ContainerFailed { message: String },
    #[error("programs for {wanted} do not run on the engine, which is {engine}: {detail}")]
    NotEmulated { wanted: Architecture, engine: Architecture, detail: String },
    #[error("{step} was killed for using more memory than the limit of {limit} bytes")]
    OutOfMemory { step: FailedStep, limit: u64 },
    #[error("the build took longer than its limit of {} s", limit.as_secs())]
    TimeLimit { limit: Duration },
    #[error("the engine ended the build without an image; its last words: {last_words}")]
    NoImage { last_words: String },
    #[error("{} container(s) of the build are still there after {} s: {}", containers.len(), waited.as_secs(), containers.join(", "))]
    BuildSurvived { containers: Vec<String>, waited: Duration },
    #[error("cannot read the build context in {path}")]
    Context { path: String, source: std::io::Error },
}

impl EngineError {
    /// Puts an error of the client into words. `doing` completes the sentence
    /// "while …".
    pub(crate) fn of_call(doing: &str, error: bollard::errors::Error) -> Self {
        use bollard::errors::Error as E;
        let doing = doing.to_owned();
        let text = error.to_string();
        if super::classify::is_no_space(&text) {
            return Self::NoSpace { doing, message: text };
        }
        match error {
            E::DockerResponseServerError { status_code, message } => {
                Self::Refused { doing, status: status_code, message }
            }
            E::DockerStreamError { error } => Self::Refused { doing, status: 200, message: error },
            E::RequestTimeoutError => Self::Silent { doing },
            source @ E::SocketNotFoundError(_) => Self::Unreachable { endpoint: text, source },
            source => Self::Broken { doing, source },
        }
    }

    /// Whether the same call could succeed in a moment.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Broken { .. }
            | Self::ParentPull { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// The failure that leaves this crate.
    pub fn failure(&self) -> Failure {
        use FailureClass::{Infrastructure, Parent, Source, Timeout};
        let (class, code, advice) = match self {
            Self::Unreachable { .. } => (
                Infrastructure,
                "engine.unreachable",
                "start the engine on the worker's host (systemctl start docker), or name its socket with --engine",
            ),
            Self::Silent { .. } => {
                (Infrastructure, "engine.timeout", "look at the engine's log on the worker's host")
            }
            Self::Refused { .. } => {
                (Infrastructure, "engine.refused", "look at the engine's log on the worker's host")
            }
            Self::Broken { .. } => {
                (Infrastructure, "engine.connection_lost", "look at the engine's log on the worker's host")
            }
            Self::NoSpace { .. } => (
                Infrastructure,
                "engine.no_space",
                "free space with 'docker system prune', or give the engine's data directory a larger disk",
            ),
            Self::ParentNotFound { .. } => {
                (Parent, "parent.not_found", "check the FROM instruction and the registry")
            }
            Self::ParentUnauthorized { .. } => (
                Infrastructure,
                "parent.unauthorized",
                "give the worker credentials for this registry with --registry-config",
            ),
            Self::ParentArchitecture { .. } => (
                Parent,
                "parent.wrong_architecture",
                "use a parent image that exists for this platform, or leave the platform out",
            ),
            Self::ParentPull { .. } => (
                Infrastructure,
                "parent.pull_failed",
                "check that the engine reaches the registry, and its list of insecure registries if it speaks plain HTTP",
            ),
            Self::DockerfileInvalid { .. } => (Source, "build.dockerfile_invalid", "correct the Dockerfile"),
            Self::InstructionFailed { .. } => {
                (Source, "build.instruction_failed", "the end of the build log says what went wrong")
            }
            Self::ContainerFailed { .. } => (
                Infrastructure,
                "engine.container_failed",
                "the engine on the worker's host is broken or overloaded; its own log says more",
            ),
            Self::NotEmulated { .. } => (
                Infrastructure,
                "engine.platform_not_emulated",
                "on the worker's host install emulation and register it in binfmt_misc: \
                 apt-get install qemu-user-static (it registers itself), or use a worker of that architecture",
            ),
            Self::OutOfMemory { .. } => (
                Source,
                "build.out_of_memory",
                "let the instruction use less memory, or raise the memory limit",
            ),
            Self::TimeLimit { .. } => {
                (Timeout, "build.time_limit", "make the build faster, or raise the time limit")
            }
            Self::NoImage { .. } => {
                (Infrastructure, "engine.no_image", "look at the engine's log on the worker's host")
            }
            Self::BuildSurvived { .. } => (
                Infrastructure,
                "engine.build_survived",
                "remove the containers by hand with 'docker rm -f', and look at the engine's log",
            ),
            Self::Context { .. } => {
                (Infrastructure, "worker.scratch_failed", "check the worker's scratch directory")
            }
        };
        Failure::from_error(class, code, self).with_advice(advice)
    }
}
