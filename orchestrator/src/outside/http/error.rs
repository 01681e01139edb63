//! Why a file could not be fetched.

use std::{io, path::PathBuf, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    retry::Transient,
};
use url::Url;

/// A file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The client cannot be made.
    #[error("cannot set up the HTTP client")]
    Setup(#[source] reqwest::Error),
    /// The server cannot be reached, or broke off.
    #[error("cannot fetch {url}")]
    Transport {
        /// What was fetched.
        url: Url,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// The server answered with an error.
    #[error("{url} answers {status}")]
    Status {
        /// What was fetched.
        url: Url,
        /// The status code.
        status: u16,
        /// How long the server wants us to wait before another try.
        retry_after: Option<Duration>,
    },
    /// The file is larger than it may be.
    #[error("{url} is larger than {limit} bytes")]
    TooLarge {
        /// What was fetched.
        url: Url,
        /// The limit in bytes.
        limit: u64,
    },
    /// The address is in no place that the site allows.
    #[error("{url} is in no place that this site allows")]
    NotAllowed {
        /// The address.
        url: Url,
    },
    /// A redirect leads where one may not go.
    #[error("{url} redirects to {to}, which {reason}")]
    Redirect {
        /// What was fetched.
        url: Url,
        /// Where it leads.
        to: String,
        /// Why that is refused.
        reason: &'static str,
    },
    /// It took too long.
    #[error("{url} was not there after {} seconds", .limit.as_secs())]
    Deadline {
        /// What was fetched.
        url: Url,
        /// How long one try may take.
        limit: Duration,
    },
    /// The answer cannot be understood.
    #[error("the answer of {url} cannot be understood: {reason}")]
    Answer {
        /// What was asked.
        url: Url,
        /// What is wrong with it.
        reason: String,
    },
    /// The file cannot be kept.
    #[error("cannot write {}", .path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl HttpError {
    /// Whether the other side did not even see the request, or refused to look at
    /// it: only then a request that changes something may be sent again.
    pub fn is_unheard(&self) -> bool {
        match self {
            Self::Transport { source, .. } => source.is_connect(),
            Self::Status { status, .. } => matches!(status, 429 | 503),
            _ => false,
        }
    }

    /// The status, when the server answered with an error.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// Whether a status can go away by itself.
fn passes(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

impl Transient for HttpError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Transport { .. } | Self::Deadline { .. } => Some(Duration::ZERO),
            Self::Status { status, retry_after, .. } => {
                passes(*status).then(|| retry_after.unwrap_or_default())
            }
            _ => None,
        }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        use FailureClass::{Infrastructure, Policy, Source, Timeout};

        let (class, code, advice) = match &error {
            HttpError::Setup(_) => (Infrastructure, "http.setup", ""),
            HttpError::Transport { .. } => (Infrastructure, "http.unreachable", "try again later"),
            HttpError::Status { status, .. } if passes(*status) => {
                (Infrastructure, "http.server_error", "try again later")
            }
            HttpError::Status { status: 401 | 403, .. } => {
                (Source, "http.forbidden", "the file has to be readable without a login")
            }
            HttpError::Status { status: 404 | 410, .. } => {
                (Source, "http.not_found", "correct the address, or put the file there")
            }
            HttpError::Status { .. } => (Source, "http.status", "look at the address"),
            HttpError::TooLarge { .. } => (Source, "http.too_large", "use a smaller file"),
            HttpError::NotAllowed { .. } => {
                (Policy, "http.not_allowed", "use a place that the site allows, or ask for this one")
            }
            HttpError::Redirect { .. } => {
                (Policy, "http.redirect_refused", "name the file where it really is")
            }
            HttpError::Deadline { .. } => (Timeout, "http.deadline", "try again later"),
            HttpError::Answer { .. } => (Infrastructure, "http.bad_answer", ""),
            HttpError::Disk { .. } => (
                Infrastructure,
                "orchestrator.disk",
                "look at free space and permissions of the state directory",
            ),
        };
        Failure::from_error(class, code, &error).with_advice(advice)
    }
}
