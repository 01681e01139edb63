//! Programs that are told about builds by HTTP.
//!
//! A message is a POST of JSON. It can come twice, so it carries an id; it can
//! come from anybody, so it can be signed. A webhook that answers with a redirect
//! is not followed: the site has named who is to be told.

#[cfg(test)]
mod tests;

use std::{path::Path, time::Duration};

use bytes::Bytes;
use common::{
    failure::{Failure, FailureClass},
    retry::{Patience, Transient, retry},
    secret::{Secret, SecretFileError},
};
use hmac::{Hmac, KeyInit as _, Mac as _, digest::InvalidLength};
use jiff::Timestamp;
use reqwest::{header::CONTENT_TYPE, redirect};
use sha2::Sha256;
use url::Url;

use super::http;
use crate::config::Webhook;

/// Header with the id of a message; the same whenever the message comes.
const EVENT_ID: &str = "Reactor-Event-Id";
/// Header with the signature: `sha256=` and 64 hexadecimal digits, the HMAC-SHA-256
/// (RFC 2104) of the body as it came, with the secret as the key.
const SIGNATURE: &str = "Reactor-Signature";

/// Longest time of one try.
const DEADLINE: Duration = Duration::from_secs(30);
/// Four tries over about a quarter of a minute: the end of a build waits for it.
const PATIENCE: Patience =
    Patience { attempts: 4, first_wait: Duration::from_secs(2), longest_wait: Duration::from_secs(30) };

/// Tells one webhook.
#[derive(Debug)]
pub struct WebhookClient {
    client: reqwest::Client,
    url: Url,
    keyed: Option<Hmac<Sha256>>,
    patience: Patience,
    deadline: Duration,
}

/// A webhook could not be told.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The client cannot be made.
    #[error("cannot set up the client for webhooks")]
    Setup(#[source] reqwest::Error),
    /// The address is no web address.
    #[error("the webhook at {0} is not reached by http or https")]
    Address(String),
    /// The secret cannot be read.
    #[error("cannot read the secret of the webhook at {webhook}")]
    Secret {
        /// Scheme, host and port. The rest of the address may be a secret.
        webhook: String,
        /// Why not.
        #[source]
        source: SecretFileError,
    },
    /// The webhook cannot be reached, or broke off.
    #[error("cannot reach the webhook at {webhook}")]
    Transport {
        /// Scheme, host and port.
        webhook: String,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// The webhook wants to be somewhere else.
    #[error("the webhook at {webhook} answers {status}, a redirect")]
    Redirect {
        /// Scheme, host and port.
        webhook: String,
        /// The status code.
        status: u16,
    },
    /// The webhook answered with an error.
    #[error("the webhook at {webhook} answers {status}")]
    Status {
        /// Scheme, host and port.
        webhook: String,
        /// The status code.
        status: u16,
        /// How long it wants us to wait before another try.
        retry_after: Option<Duration>,
    },
    /// It took too long.
    #[error("the webhook at {webhook} had not answered after {} seconds", .limit.as_secs())]
    Deadline {
        /// Scheme, host and port.
        webhook: String,
        /// How long one try may take.
        limit: Duration,
    },
}

impl WebhookClient {
    /// A client for one webhook of the site. Reads its secret.
    ///
    /// # Errors
    /// The address is no web address, the secret cannot be read, or the client
    /// cannot be made.
    pub fn of_site(webhook: &Webhook) -> Result<Self, WebhookError> {
        let url = webhook.url.clone();
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebhookError::Address(origin(&url)));
        }
        let keyed = webhook.secret_file.as_deref().map(keyed).transpose();
        let keyed = keyed.map_err(|source| WebhookError::Secret { webhook: origin(&url), source })?;
        common::service::install_crypto_provider();
        let client = reqwest::Client::builder()
            // koji-bridge brings another library, which reqwest would prefer.
            .tls_backend_rustls()
            .connect_timeout(DEADLINE)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("reactor/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(WebhookError::Setup)?;
        Ok(Self { client, url, keyed, patience: PATIENCE, deadline: DEADLINE })
    }

    /// The same with other patience, and another deadline for one try.
    #[must_use]
    pub fn with_patience(self, patience: Patience, deadline: Duration) -> Self {
        Self { patience, deadline, ..self }
    }

    /// Tells the webhook. What can pass is tried again after a wait, with the same
    /// id and the same bytes.
    ///
    /// # Errors
    /// It cannot be reached, refuses, or redirects.
    pub async fn tell(&self, id: &str, content_type: &str, body: &Bytes) -> Result<(), WebhookError> {
        let once = || async {
            let sending = self.once(id, content_type, body.clone());
            let limit = self.deadline;
            let late = |_| Err(WebhookError::Deadline { webhook: origin(&self.url), limit });
            tokio::time::timeout(limit, sending).await.unwrap_or_else(late)
        };
        retry(self.patience, "telling a webhook", once).await
    }

    async fn once(&self, id: &str, content_type: &str, body: Bytes) -> Result<(), WebhookError> {
        let webhook = origin(&self.url);
        let mut request =
            self.client.post(self.url.clone()).header(CONTENT_TYPE, content_type).header(EVENT_ID, id);
        if let Some(keyed) = &self.keyed {
            let signature = keyed.clone().chain_update(&body).finalize().into_bytes();
            request = request.header(SIGNATURE, format!("sha256={}", hex::encode(signature)));
        }
        // The address is not in the error: it may be a secret.
        let failed = |source: reqwest::Error| WebhookError::Transport {
            webhook: webhook.clone(),
            source: source.without_url(),
        };
        // What the webhook has to say beside its status is not read.
        let response = request.body(body).send().await.map_err(failed)?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let retry_after = http::retry_after(response.headers(), Timestamp::now());
        let status = status.as_u16();
        match status {
            300..=399 => Err(WebhookError::Redirect { webhook, status }),
            _ => Err(WebhookError::Status { webhook, status, retry_after }),
        }
    }
}

/// What signs with the secret in a file.
fn keyed(path: &Path) -> Result<Hmac<Sha256>, SecretFileError> {
    let secret = Secret::from_file(path)?;
    let invalid = |error: InvalidLength| SecretFileError { path: path.to_owned(), reason: error.to_string() };
    Hmac::new_from_slice(secret.expose().as_bytes()).map_err(invalid)
}

/// Scheme, host and port of an address.
fn origin(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// Whether a status can go away by itself.
fn passes(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

impl Transient for WebhookError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Transport { .. } | Self::Deadline { .. } => Some(Duration::ZERO),
            Self::Status { status, retry_after, .. } => {
                passes(*status).then(|| retry_after.unwrap_or_default())
            }
            Self::Setup(_) | Self::Address(_) | Self::Secret { .. } | Self::Redirect { .. } => None,
        }
    }
}

impl From<WebhookError> for Failure {
    fn from(error: WebhookError) -> Self {
        use FailureClass::{Infrastructure, Policy, Timeout};

        let (class, code, advice) = match &error {
            WebhookError::Setup(_) => (Infrastructure, "webhook.setup", ""),
            WebhookError::Address(_) => {
                (Policy, "webhook.invalid_url", "correct the address in webhooks of the site's configuration")
            }
            WebhookError::Secret { .. } => (
                Policy,
                "webhook.no_secret",
                "put the secret there, or correct its 'secret_file' in webhooks",
            ),
            WebhookError::Transport { .. } => {
                (Infrastructure, "webhook.unreachable", "look at the address in webhooks, and at the program")
            }
            WebhookError::Redirect { .. } => {
                (Policy, "webhook.redirected", "name the address where the program really is in webhooks")
            }
            WebhookError::Status { status, .. } if passes(*status) => {
                (Infrastructure, "webhook.server_error", "look at the program behind the webhook")
            }
            WebhookError::Status { .. } => {
                (Infrastructure, "webhook.refused", "look at the address in webhooks, and at its secret")
            }
            WebhookError::Deadline { .. } => {
                (Timeout, "webhook.deadline", "let the program answer first and work afterwards")
            }
        };
        Failure::from_error(class, code, &error).with_advice(advice)
    }
}
