//! Files from web servers: repository files, artifacts.

use std::time::Duration;

use bytes::Bytes;
use common::failure::{Failure, FailureClass};
use url::Url;

/// Fetches files. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
}

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
    },
    /// The file is larger than it may be.
    #[error("{url} is larger than {limit} bytes")]
    TooLarge {
        /// What was fetched.
        url: Url,
        /// The limit in bytes.
        limit: u64,
    },
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        let (class, code) = match &error {
            HttpError::Setup(_) => (FailureClass::Infrastructure, "http.setup"),
            HttpError::Transport { .. } => (FailureClass::Infrastructure, "http.unreachable"),
            HttpError::Status { status, .. } if *status >= 500 || *status == 408 || *status == 429 => {
                (FailureClass::Infrastructure, "http.status")
            }
            HttpError::Status { .. } => (FailureClass::Source, "http.status"),
            HttpError::TooLarge { .. } => (FailureClass::Source, "http.too_large"),
        };
        Failure::from_error(class, code, &error)
    }
}

impl Http {
    /// A client.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn new() -> Result<Self, HttpError> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(30))
            .read_timeout(Duration::from_secs(60))
            .build()
            .map_err(HttpError::Setup)?;
        Ok(Self { client })
    }

    /// The content of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// The server cannot be reached or refuses, or the file is too large.
    pub async fn get(&self, url: &Url, limit: u64) -> Result<Bytes, HttpError> {
        let transport = |source| HttpError::Transport { url: url.clone(), source };
        let mut response = self.client.get(url.clone()).send().await.map_err(transport)?;
        let status = response.status();
        if !status.is_success() {
            return Err(HttpError::Status { url: url.clone(), status: status.as_u16() });
        }
        let mut content = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if content.len() as u64 + chunk.len() as u64 > limit {
                return Err(HttpError::TooLarge { url: url.clone(), limit });
            }
            content.extend_from_slice(&chunk);
        }
        Ok(content.into())
    }
}
