//! Files from web servers: repository files, artifacts, and the JSON of ODCS.
//!
//! One client for all: every try has a deadline and a size limit, what can pass
//! is tried again after a wait, and a redirect is followed only to a place that
//! the first address could have named, too.

mod download;
mod error;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use common::retry::{Patience, retry};
use jiff::Timestamp;
use reqwest::{
    Response,
    header::{HeaderMap, LOCATION, RETRY_AFTER},
    redirect,
};
use url::Url;

pub use self::{download::Downloaded, error::HttpError};
use super::allowed::AllowedPlaces;

/// Redirects on one way at most.
const MAX_REDIRECTS: usize = 10;

/// How patient and how careful a client is.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// How often a file is tried.
    pub patience: Patience,
    /// Longest time of one try of a small file.
    pub deadline: Duration,
    /// Longest time of one try of a download.
    pub download_deadline: Duration,
    /// Longest silence of a server.
    pub silence: Duration,
    /// Whether certificates need not be valid.
    pub insecure: bool,
    /// Certificate and key to show.
    pub identity: Option<reqwest::Identity>,
}

impl Default for HttpSettings {
    /// Four tries, the waits 5, 10 and 20 seconds; two minutes for small files,
    /// an hour for downloads.
    fn default() -> Self {
        Self {
            patience: Patience {
                attempts: 4,
                first_wait: Duration::from_secs(5),
                longest_wait: Duration::from_secs(60),
            },
            deadline: Duration::from_secs(120),
            download_deadline: Duration::from_secs(3600),
            silence: Duration::from_secs(60),
            insecure: false,
            identity: None,
        }
    }
}

/// Fetches files. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    settings: HttpSettings,
}

impl Http {
    /// A client with the usual settings.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn new() -> Result<Self, HttpError> {
        Self::with(HttpSettings::default())
    }

    /// A client.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn with(settings: HttpSettings) -> Result<Self, HttpError> {
        common::service::install_crypto_provider();
        let mut builder = reqwest::Client::builder()
            // The bridge's build of reqwest has OpenSSL, too, and would prefer it.
            .tls_backend_rustls()
            .connect_timeout(Duration::from_secs(30).min(settings.silence))
            .read_timeout(settings.silence)
            // Redirects are followed here, where the site's list is known.
            .redirect(redirect::Policy::none())
            .tls_danger_accept_invalid_certs(settings.insecure);
        if let Some(identity) = &settings.identity {
            builder = builder.identity(identity.clone());
        }
        let client = builder.build().map_err(HttpError::Setup)?;
        Ok(Self { client, settings })
    }

    /// The content of a file of at most `limit` bytes, from wherever redirects
    /// lead.
    ///
    /// # Errors
    /// The server cannot be reached or refuses, or the file is too large.
    pub async fn get(&self, url: &Url, limit: u64) -> Result<Bytes, HttpError> {
        self.get_from(url, limit, &AllowedPlaces::any()).await
    }

    /// The content of a file of at most `limit` bytes. Neither its address nor a
    /// redirect may leave the allowed places.
    ///
    /// # Errors
    /// The place is not allowed, the server cannot be reached or refuses, or the
    /// file is too large.
    pub async fn get_from(&self, url: &Url, limit: u64, allowed: &AllowedPlaces) -> Result<Bytes, HttpError> {
        let once = || async {
            let fetch = async { content(url, self.open(url, allowed).await?, limit).await };
            within(self.settings.deadline, url, fetch).await
        };
        retry(self.settings.patience, "fetching a file", once).await
    }

    /// One request to an interface that speaks JSON; redirects are not followed,
    /// for it may carry a token. The answer has at most `limit` bytes. A request
    /// that is no GET is sent again only if nobody can have heard it.
    ///
    /// # Errors
    /// The server cannot be reached or refuses, or the answer is too large.
    pub async fn call(
        &self,
        method: reqwest::Method,
        url: &Url,
        token: Option<&common::secret::Secret>,
        body: Option<&serde_json::Value>,
        limit: u64,
    ) -> Result<Bytes, HttpError> {
        let once = || async {
            let fetch = async {
                let mut request = self.client.request(method.clone(), url.clone());
                if let Some(token) = token {
                    request = request.bearer_auth(token.expose());
                }
                if let Some(body) = body {
                    request = request.json(body);
                }
                let response = request.send().await.map_err(|source| transport(url, source))?;
                content(url, good(url, response)?, limit).await
            };
            within(self.settings.deadline, url, fetch).await.map_err(|error| {
                if method == reqwest::Method::GET || error.is_unheard() {
                    Heard::Harmless(error)
                } else {
                    Heard::Maybe(error)
                }
            })
        };
        retry(self.settings.patience, "asking a service", once).await.map_err(Heard::into_error)
    }

    /// Opens a file, redirects followed.
    async fn open(&self, url: &Url, allowed: &AllowedPlaces) -> Result<Response, HttpError> {
        if !matches!(url.scheme(), "http" | "https") || !allowed.allows(url) {
            return Err(HttpError::NotAllowed { url: shown(url) });
        }
        let mut at = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.client.get(at.clone()).send().await.map_err(|e| transport(&at, e))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return good(&at, response);
            }
            let to = response.headers().get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()));
            let to = to.unwrap_or_default().into_owned();
            let refused = |reason| HttpError::Redirect { url: shown(url), to: shown_text(&at, &to), reason };
            let next = at.join(&to).map_err(|_| refused("is no address"))?;
            if !matches!(next.scheme(), "http" | "https") {
                return Err(refused("is no web address"));
            }
            if !allowed.allows(&next) {
                return Err(refused("is in no place that this site allows"));
            }
            at = next;
        }
        let reason = "is one redirect too many";
        Err(HttpError::Redirect { url: shown(url), to: shown(&at).to_string(), reason })
    }
}

/// An error of a request, and whether the request may be sent again.
#[derive(Debug, thiserror::Error)]
enum Heard {
    /// Nobody can have acted on it, or acting twice does nothing more.
    #[error(transparent)]
    Harmless(HttpError),
    /// The other side may have acted on it: once more could be once too often.
    #[error(transparent)]
    Maybe(HttpError),
}

impl Heard {
    fn into_error(self) -> HttpError {
        match self {
            Self::Harmless(error) | Self::Maybe(error) => error,
        }
    }
}

impl common::retry::Transient for Heard {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Maybe(_) => None,
            Self::Harmless(error) => error.retry_after(),
        }
    }
}

/// An address without what may be a secret: user name and password, query and
/// fragment. For logs, plans and failures.
pub fn shown(url: &Url) -> Url {
    let mut url = url.clone();
    // An address that cannot have them has none.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// The same for a text that was meant as an address.
pub fn shown_address(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.has_host() => shown(&url).to_string(),
        _ => {
            let end = text.find(['?', '#']).unwrap_or(text.len());
            let text = text.get(..end).unwrap_or_default();
            let (scheme, rest) = match text.find("://") {
                Some(at) => text.split_at(at + 3),
                None => ("", text),
            };
            let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
            format!("{scheme}{rest}")
        }
    }
}

/// A redirect's goal for people.
fn shown_text(at: &Url, to: &str) -> String {
    at.join(to).map_or_else(|_| "nowhere".to_owned(), |url| shown(&url).to_string())
}

fn transport(url: &Url, source: reqwest::Error) -> HttpError {
    // The address is in the error already, and may be another one there.
    HttpError::Transport { url: shown(url), source: source.without_url() }
}

async fn within<T>(
    limit: Duration,
    url: &Url,
    work: impl Future<Output = Result<T, HttpError>>,
) -> Result<T, HttpError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(HttpError::Deadline { url: shown(url), limit }),
    }
}

/// The response, if it is no error.
fn good(url: &Url, response: Response) -> Result<Response, HttpError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = retry_after(response.headers(), Timestamp::now());
    Err(HttpError::Status { url: shown(url), status: status.as_u16(), retry_after })
}

async fn content(url: &Url, mut response: Response, limit: u64) -> Result<Bytes, HttpError> {
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport(url, error))? {
        if content.len() as u64 + chunk.len() as u64 > limit {
            return Err(HttpError::TooLarge { url: shown(url), limit });
        }
        content.extend_from_slice(&chunk);
    }
    Ok(content.into())
}

/// What `Retry-After` asks for: seconds, or a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}
