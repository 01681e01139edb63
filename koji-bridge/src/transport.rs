//! HTTP to a hub: one request, one answer, and errors that say how far the
//! request got. Nothing is repeated here, and no error names an address, because
//! an address may carry the key of a session.

use std::{error::Error, path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Certificate, Client, Identity, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE},
    redirect, tls,
};
use url::Url;

/// Largest answer that is read. An archive listing of thousands of files has a
/// few MiB.
const LARGEST_ANSWER: usize = 64 << 20;
/// Largest part of an error page that is looked at.
const LARGEST_PAGE: usize = 64 << 10;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);
/// How long a connection may idle. Web servers close theirs after 15 seconds.
const IDLE: Duration = Duration::from_secs(10);

/// Which library speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsLibrary {
    /// rustls, for everything that can do with it.
    Rustls,
    /// OpenSSL, with TLS 1.2 at most: a server can ask it for a certificate after
    /// it has seen the request.
    OpenSsl12,
}

/// How connections are made.
#[derive(Clone)]
pub(crate) struct Connections {
    /// Which library speaks TLS.
    pub(crate) library: TlsLibrary,
    /// Authorities of the hub; `None` for the system's.
    pub(crate) authorities: Option<Vec<Certificate>>,
    /// Who we are.
    pub(crate) identity: Option<Identity>,
    /// Whether TLS is used at all.
    pub(crate) secured: bool,
}

/// A request.
#[derive(Clone)]
pub(crate) struct HttpRequest {
    /// Where to; with a session in its query for hubs of old.
    pub(crate) url: Url,
    /// Headers of the session.
    pub(crate) headers: HeaderMap,
    /// `text/xml`, or `application/octet-stream` for a part of a file.
    pub(crate) content_type: &'static str,
    /// The body.
    pub(crate) body: Bytes,
    /// How long the whole exchange may take.
    pub(crate) timeout: Duration,
}

/// An answer with status 200.
pub(crate) struct HttpAnswer {
    /// The body.
    pub(crate) body: Bytes,
    /// The hub's version, if it tells (`Koji-Version`, since 1.34.1).
    pub(crate) version: Option<String>,
    /// The last token of Negotiate, if there is one.
    #[cfg_attr(not(any(feature = "gssapi", test)), expect(dead_code, reason = "Kerberos asks for it"))]
    pub(crate) challenge: Option<String>,
}

/// A request without an answer of status 200.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum TransportError {
    /// The client cannot be made.
    #[error("{0}")]
    Setup(String),
    /// The hub's certificate does not hold.
    #[error("the hub's certificate cannot be verified: {0}")]
    HubCertificate(String),
    /// The hub does not take our certificate.
    #[error("the hub's web server refuses the client certificate: {0}")]
    OurCertificate(String),
    /// TLS came to no agreement, as when the hub asks for a certificate late.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
    /// There was no connection, so nothing was sent.
    #[error("{0}")]
    NotConnected(String),
    /// The exchange broke off; the hub may have got the request.
    #[error("{0}")]
    Broken(String),
    /// Another status than 200.
    #[error("the web server answers {status}{}", shown(text))]
    Status {
        /// The status.
        status: StatusCode,
        /// The page's beginning, without markup.
        text: String,
        /// What `WWW-Authenticate` says of Negotiate.
        challenge: Option<String>,
    },
    /// The answer is larger than anything a hub should send.
    #[error("the answer is larger than {} MiB", LARGEST_ANSWER >> 20)]
    TooLarge,
}

impl TransportError {
    /// Whether the hub cannot have got the request.
    pub(crate) fn nothing_was_sent(&self) -> bool {
        !matches!(self, Self::Broken(_) | Self::Status { .. } | Self::TooLarge)
    }

    /// Whether the same request would fail again and again.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Setup(_) | Self::HubCertificate(_) | Self::OurCertificate(_) | Self::TooLarge => true,
            Self::Handshake(_) | Self::NotConnected(_) | Self::Broken(_) => false,
            Self::Status { status: StatusCode::BAD_REQUEST, text, .. } => blames_the_request(text),
            Self::Status { .. } => self.was_not_read(),
        }
    }

    /// Whether a hub says that it has not read the request to its end, so that
    /// nothing was carried out.
    pub(crate) fn was_not_read(&self) -> bool {
        matches!(self, Self::Status { status, .. } if status.is_redirection() || is_refusal(*status))
    }

    /// Whether the status is this one.
    pub(crate) fn has_status(&self, wanted: StatusCode) -> bool {
        matches!(self, Self::Status { status, .. } if *status == wanted)
    }
}

/// Words of a hub that answers 400 because of what the request says: too long,
/// empty, or no XML, which Python's parser tells with line and column. With other
/// words it answers so when the connection broke while it was reading.
fn blames_the_request(text: &str) -> bool {
    let text = text.to_lowercase();
    let says = |words: &str| text.contains(words);
    says("too long") || says("empty request") || says("xml") || (says(": line ") && says(", column "))
}

/// A status with which a hub says that it will not read the request.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::PAYLOAD_TOO_LARGE)
}

/// A client for one hub.
#[derive(Clone)]
pub(crate) struct Transport {
    connections: Connections,
    client: Client,
}

impl Transport {
    /// A client.
    pub(crate) fn new(connections: Connections) -> Result<Self, TransportError> {
        let client = client(&connections)?;
        Ok(Self { connections, client })
    }

    /// Forgets the connection, so that the next request makes a new one.
    pub(crate) fn reconnect(&mut self) {
        // What could be made once can be made again; if not, the old one will do.
        if let Ok(client) = client(&self.connections) {
            self.client = client;
        }
    }

    /// One request and its answer.
    pub(crate) async fn post(&self, request: &HttpRequest) -> Result<HttpAnswer, TransportError> {
        let sent = self
            .client
            .post(request.url.clone())
            .headers(request.headers.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static(request.content_type))
            // Said for an empty body, too: a hub takes no request without it.
            .header(CONTENT_LENGTH, request.body.len())
            .timeout(request.timeout)
            .body(request.body.clone())
            .send();
        let mut answer = sent.await.map_err(classify)?;
        let challenge = negotiate(answer.headers());
        let status = answer.status();
        if status != StatusCode::OK {
            // The page is for people only, so an error while reading it counts for nothing.
            let page = read(&mut answer, LARGEST_PAGE).await.unwrap_or_default();
            return Err(TransportError::Status { status, text: without_markup(&page), challenge });
        }
        let version = answer.headers().get("koji-version").and_then(|value| value.to_str().ok());
        let version = version.map(|text| text.chars().take(64).collect());
        let body = read(&mut answer, LARGEST_ANSWER).await?;
        Ok(HttpAnswer { body, version, challenge })
    }
}

/// A header with `Negotiate` and a token.
#[cfg(any(feature = "gssapi", test))]
pub(crate) fn authorization(headers: &mut HeaderMap, token: &str) -> Result<(), TransportError> {
    let mut value = HeaderValue::from_str(&format!("Negotiate {token}"))
        .map_err(|error| TransportError::Setup(error.to_string()))?;
    value.set_sensitive(true);
    headers.insert(reqwest::header::AUTHORIZATION, value);
    Ok(())
}

/// Authorities from a file in PEM.
pub(crate) async fn authorities(path: &Path) -> Result<Vec<Certificate>, String> {
    let fail = |reason: String| format!("the authorities in {} cannot be used: {reason}", path.display());
    let pem = tokio::fs::read(path).await.map_err(|error| fail(error.to_string()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(fail("there is no certificate in PEM form".to_owned())),
    }
}

fn client(connections: &Connections) -> Result<Client, TransportError> {
    let mut builder = Client::builder()
        .user_agent(concat!("koji-bridge/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        // Certificates cannot be asked for late in HTTP/2, and Koji's clients speak HTTP/1.1.
        .http1_only()
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(1);
    builder = match connections.library {
        TlsLibrary::Rustls => builder.tls_backend_rustls(),
        TlsLibrary::OpenSsl12 => builder.tls_backend_native().tls_version_max(tls::Version::TLS_1_2),
    };
    builder = match &connections.authorities {
        Some(authorities) => builder.tls_certs_only(authorities.iter().cloned()),
        // A system without authorities is good enough where there is no TLS.
        None if !connections.secured => builder.tls_certs_only([]),
        None => builder,
    };
    if let Some(identity) = &connections.identity {
        builder = builder.identity(identity.clone());
    }
    builder.build().map_err(|error| TransportError::Setup(with_causes(&error.without_url())))
}

async fn read(answer: &mut reqwest::Response, limit: usize) -> Result<Bytes, TransportError> {
    let mut body = BytesMut::new();
    while let Some(part) = answer.chunk().await.map_err(classify)? {
        if body.len() + part.len() > limit {
            return Err(TransportError::TooLarge);
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

/// What of `WWW-Authenticate` is about Negotiate: its token, or nothing after the
/// word.
fn negotiate(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    values
        .filter_map(|value| value.split_once(' ').or(Some((value, ""))))
        .find_map(|(scheme, token)| scheme.eq_ignore_ascii_case("negotiate").then(|| token.trim().to_owned()))
}

/// Words of the alerts by which a server refuses a certificate (RFC 8446, section
/// 6.2), as the one library and the other write them.
const ABOUT_CERTIFICATES: [&str; 12] = [
    "BadCertificate",
    "UnsupportedCertificate",
    "CertificateRevoked",
    "CertificateExpired",
    "CertificateUnknown",
    "CertificateRequired",
    "UnknownCA",
    "AccessDenied",
    "DecryptError",
    "certificate",
    "unknown ca",
    "access denied",
];

/// How far a failed exchange got. Both TLS libraries hide their errors in text.
fn classify(error: reqwest::Error) -> TransportError {
    let (timeout, connecting, setup) = (error.is_timeout(), error.is_connect(), error.is_builder());
    let text = with_causes(&error.without_url());
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if setup {
        TransportError::Setup(text)
    } else if says(&["invalid peer certificate", "certificate verify failed"]) {
        TransportError::HubCertificate(text)
    } else if text.contains("alert") && says(&ABOUT_CERTIFICATES) {
        TransportError::OurCertificate(text)
    } else if says(&["HandshakeFailure", "handshake failure", "ProtocolVersion", "protocol version"]) {
        TransportError::Handshake(text)
    } else if connecting {
        TransportError::NotConnected(text)
    } else if timeout {
        TransportError::Broken("there was no answer in time".to_owned())
    } else {
        TransportError::Broken(text)
    }
}

/// An error and what lies below it.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

/// The words of a page, in one line.
fn without_markup(page: &[u8]) -> String {
    let mut words = String::new();
    let mut inside = false;
    for character in String::from_utf8_lossy(page).chars() {
        match character {
            '<' => inside = true,
            '>' => {
                inside = false;
                words.push(' ');
            }
            _ if !inside => words.push(if character.is_control() { ' ' } else { character }),
            _ => {}
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

fn shown(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
