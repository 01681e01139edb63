//! OpenShift's image streams, as far as a build keeps them up to date.
//!
//! The API is `image.openshift.io/v1`: an `ImageStream` names an image, an
//! `ImageStreamTag` follows one tag of it in a registry. Nothing here asks the
//! cluster to import anything.

use std::{path::PathBuf, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    image::Tag,
    retry::{Patience, Transient, retry},
    secret::{Secret, SecretFileError},
};
use reqwest::{Method, StatusCode, redirect};
use serde_json::{Value, json};
use url::Url;

use crate::config;

/// Largest answer that is read, in bytes: a stream lists its whole history.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// Most characters of an error's text that are passed on.
const MAX_MESSAGE: usize = 500;
/// Tries of a change that meets somebody else's: eight, over about a minute and
/// a half.
const PATIENCE: Patience =
    Patience { attempts: 8, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(30) };

/// A project in a cluster.
#[derive(Debug, Clone)]
pub struct OpenShift {
    client: reqwest::Client,
    namespace: Url,
    token_file: Option<PathBuf>,
    patience: Patience,
}

/// The cluster could not be asked, or refused.
#[derive(Debug, thiserror::Error)]
pub enum OpenShiftError {
    /// The address in the site's configuration cannot be used.
    #[error("openshift.url '{url}' cannot be used: {reason}")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client cannot be made.
    #[error("cannot set up the client for OpenShift")]
    Setup(#[source] reqwest::Error),
    /// The token cannot be read.
    #[error("cannot read the token for OpenShift")]
    Token(#[source] SecretFileError),
    /// The API cannot be reached, or broke off.
    #[error("cannot reach OpenShift: {method} {url}")]
    Transport {
        /// Method of the request.
        method: Method,
        /// What was asked for.
        url: Url,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// The API answered with an error.
    #[error("OpenShift answers {status} to {method} {url}: {message}")]
    Status {
        /// Method of the request.
        method: Method,
        /// What was asked for.
        url: Url,
        /// The status code.
        status: u16,
        /// What it says about it.
        message: String,
    },
    /// The API answered with something that is not understood.
    #[error("OpenShift's answer to {method} {url} cannot be understood: {reason}")]
    Answer {
        /// Method of the request.
        method: Method,
        /// What was asked for.
        url: Url,
        /// What is wrong with it.
        reason: String,
    },
}

impl Transient for OpenShiftError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            // 409: somebody else changed the same thing; what is there now is read again.
            Self::Status { status, .. } => {
                matches!(status, 409 | 429 | 502 | 503 | 504).then_some(Duration::ZERO)
            }
            Self::Transport { .. } => Some(Duration::ZERO),
            Self::Address { .. } | Self::Setup(_) | Self::Token(_) | Self::Answer { .. } => None,
        }
    }
}

impl From<OpenShiftError> for Failure {
    fn from(error: OpenShiftError) -> Self {
        use FailureClass::{Infrastructure, Policy};
        let (class, code, advice) = match &error {
            OpenShiftError::Address { .. } => {
                (Policy, "openshift.invalid_url", "correct openshift.url in the site's configuration")
            }
            OpenShiftError::Setup(_) => (Infrastructure, "openshift.setup", ""),
            OpenShiftError::Token(_) => {
                (Policy, "openshift.no_token", "put a service account's token into openshift.token_file")
            }
            OpenShiftError::Transport { .. } => (
                Infrastructure,
                "openshift.unreachable",
                "check openshift.url, the network and the certificate",
            ),
            OpenShiftError::Status { status: 401 | 403, .. } => (
                Policy,
                "openshift.unauthorized",
                "the service account needs the role image-builder or edit in openshift.namespace",
            ),
            OpenShiftError::Status { status: 409, .. } => {
                (Infrastructure, "openshift.conflict", "something else keeps changing the image stream")
            }
            OpenShiftError::Status { .. } => {
                (Infrastructure, "openshift.refused", "the log of the cluster's API says more")
            }
            OpenShiftError::Answer { .. } => {
                (Infrastructure, "openshift.answer", "is openshift.url the address of an OpenShift API?")
            }
        };
        Failure::from_error(class, code, &error).with_advice(advice)
    }
}

/// What a tag of a stream follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowedTag {
    /// The image, with its registry. Example: `registry.example.org/team/hello:latest`.
    pub image: String,
    /// Whether the cluster may reach that registry without TLS.
    pub insecure: bool,
}

impl OpenShift {
    /// The project that the site names; `None` for a site without OpenShift.
    ///
    /// # Errors
    /// The address is none, or the client cannot be made.
    pub fn of_site(site: &config::OpenShift) -> Result<Option<Self>, OpenShiftError> {
        let Some(address) = &site.url else { return Ok(None) };
        let invalid = |reason: String| OpenShiftError::Address { url: address.clone(), reason };
        let mut namespace: Url =
            address.parse().map_err(|error: url::ParseError| invalid(error.to_string()))?;
        namespace
            .path_segments_mut()
            .map_err(|()| invalid("it has no path".to_owned()))?
            .pop_if_empty()
            .extend(["apis", "image.openshift.io", "v1", "namespaces", site.namespace.as_str()]);
        let client = reqwest::Client::builder()
            // The bridge's build of reqwest has OpenSSL, too, and would prefer it.
            .tls_backend_rustls()
            .connect_timeout(Duration::from_secs(30))
            .timeout(Duration::from_secs(120))
            // A token goes to the address in the configuration and nowhere else.
            .redirect(redirect::Policy::none())
            .danger_accept_invalid_certs(site.insecure)
            .build()
            .map_err(OpenShiftError::Setup)?;
        Ok(Some(Self { client, namespace, token_file: site.token_file.clone(), patience: PATIENCE }))
    }

    /// The same with another patience.
    #[cfg(test)]
    pub(crate) fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Makes the stream unless it is there; true if it was made.
    ///
    /// # Errors
    /// The cluster cannot be asked, or refuses.
    pub async fn ensure_stream(&self, stream: &str) -> Result<bool, OpenShiftError> {
        retry(self.patience, "make an image stream", || async {
            if self.get(&["imagestreams", stream]).await?.is_some() {
                return Ok(false);
            }
            let document = json!({
                "apiVersion": "image.openshift.io/v1",
                "kind": "ImageStream",
                "metadata": { "name": stream },
            });
            self.send(Method::POST, &["imagestreams"], document).await.map(|()| true)
        })
        .await
    }

    /// Makes a tag of the stream follow an image, looked at on the cluster's own
    /// schedule, unless it does already; true if something was changed.
    ///
    /// # Errors
    /// The cluster cannot be asked, or refuses.
    pub async fn ensure_tag(
        &self,
        stream: &str,
        tag: &Tag,
        follow: &FollowedTag,
    ) -> Result<bool, OpenShiftError> {
        let name = format!("{stream}:{tag}");
        let path = ["imagestreamtags", name.as_str()];
        retry(self.patience, "make a tag of an image stream", || async {
            let now = self.get(&path).await?;
            if now.as_ref().is_some_and(|now| follow.is_followed_by(now)) {
                return Ok(false);
            }
            self.send(Method::PUT, &path, follow.document(&name, now.as_ref())).await.map(|()| true)
        })
        .await
    }

    /// A document; `None` where there is none.
    async fn get(&self, path: &[&str]) -> Result<Option<Value>, OpenShiftError> {
        match self.call(Method::GET, path, None).await {
            Err(OpenShiftError::Status { status: 404, .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    async fn send(&self, method: Method, path: &[&str], document: Value) -> Result<(), OpenShiftError> {
        self.call(method, path, Some(document)).await.map(drop)
    }

    async fn call(
        &self,
        method: Method,
        path: &[&str],
        document: Option<Value>,
    ) -> Result<Value, OpenShiftError> {
        let mut url = self.namespace.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        let mut request = self.client.request(method.clone(), url.clone());
        // Read each time, since the cluster replaces the tokens of service accounts.
        if let Some(file) = &self.token_file {
            request = request.bearer_auth(Secret::from_file(file).map_err(OpenShiftError::Token)?.expose());
        }
        if let Some(document) = document {
            request = request.json(&document);
        }
        let transport = |source| {
            let (method, url) = (method.clone(), url.clone());
            OpenShiftError::Transport { method, url, source }
        };
        let mut response = request.send().await.map_err(transport)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                let reason = format!("it is larger than {MAX_ANSWER} bytes");
                return Err(OpenShiftError::Answer { method, url, reason });
            }
            body.extend_from_slice(&chunk);
        }
        let answer = serde_json::from_slice::<Value>(&body);
        if status.is_success() {
            return answer.map_err(|error| {
                let reason = error.to_string();
                OpenShiftError::Answer { method, url, reason }
            });
        }
        let message = message(status, answer.ok().as_ref());
        Err(OpenShiftError::Status { method, url, status: status.as_u16(), message })
    }
}

/// What a `Status` document says, else what the number means.
fn message(status: StatusCode, answer: Option<&Value>) -> String {
    let said = answer.and_then(|answer| answer["message"].as_str());
    let text = said.unwrap_or_else(|| status.canonical_reason().unwrap_or("no explanation"));
    text.chars().take(MAX_MESSAGE).collect()
}

impl FollowedTag {
    /// Whether an `ImageStreamTag` is as it should be.
    fn is_followed_by(&self, now: &Value) -> bool {
        let tag = &now["tag"];
        let flag = |name: &str| tag["importPolicy"][name].as_bool().unwrap_or_default();
        tag["from"]["kind"] == "DockerImage"
            && tag["from"]["name"] == self.image.as_str()
            && flag("scheduled")
            && flag("insecure") == self.insecure
    }

    /// The `ImageStreamTag` as it should be, in the place of what is there now.
    fn document(&self, name: &str, now: Option<&Value>) -> Value {
        let mut metadata = json!({ "name": name });
        // So that the cluster refuses it if somebody else was faster.
        if let Some(version) = now.and_then(|now| now["metadata"]["resourceVersion"].as_str()) {
            metadata["resourceVersion"] = version.into();
        }
        json!({
            "apiVersion": "image.openshift.io/v1",
            "kind": "ImageStreamTag",
            "metadata": metadata,
            "tag": {
                "from": { "kind": "DockerImage", "name": self.image },
                "importPolicy": { "scheduled": true, "insecure": self.insecure },
            },
        })
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
