//! Logging in to a hub: by client certificate, by Kerberos or by password, as
//! oneself or for another user. One try is made here; whether another follows is
//! for the session to say.

mod certificate;
mod error;
#[cfg(feature = "gssapi")]
mod gssapi;
#[cfg(any(feature = "gssapi", test))]
mod negotiate;

use bytes::Bytes;
use common::secret::Secret;
use reqwest::{StatusCode, header::HeaderMap};
use url::Url;

pub use error::LoginError;

use crate::{
    session::{HubSettings, LateCertificate, Login},
    transport::{Connections, HttpAnswer, HttpRequest, TlsLibrary, Transport, TransportError, authorities},
    xmlrpc::{Arguments, Call, Fault, Value, read_answer},
};
use certificate::ClientCertificate;

/// A session as a hub grants it.
pub(crate) struct Grant {
    /// Its number.
    pub(crate) id: i64,
    /// Its key.
    pub(crate) key: Secret,
    /// Whether the hub takes both in headers; else they go into the address.
    pub(crate) in_headers: bool,
}

/// What a login gives.
pub(crate) struct Entry {
    /// The session; none for nobody.
    pub(crate) grant: Option<Grant>,
    /// The client for the session's calls.
    pub(crate) transport: Transport,
    /// The hub's version, if it tells.
    pub(crate) version: Option<String>,
}

/// A login that did not come about.
#[derive(Debug)]
pub(crate) enum LoginFailure {
    /// The hub answered with a fault.
    Fault(Fault),
    /// There was no answer of the hub.
    Transport(TransportError),
    /// Another try would not help.
    Final(LoginError),
}

impl From<LoginError> for LoginFailure {
    fn from(error: LoginError) -> Self {
        Self::Final(error)
    }
}

/// How a login is tried.
pub(crate) struct Attempt<'a> {
    /// The hub and who logs in.
    pub(crate) settings: &'a HubSettings,
    /// The hub's address as it is used.
    pub(crate) hub: &'a Url,
    /// Headers of the session that is to be renewed.
    pub(crate) renew: Option<HeaderMap>,
    /// Whether the hub is known to ask for certificates late.
    pub(crate) late: &'a mut bool,
}

impl Attempt<'_> {
    /// Tries once. Reads the files of certificates first.
    pub(crate) async fn run(mut self) -> Result<Entry, LoginFailure> {
        let settings = self.settings;
        let authorities = match &settings.ca_file {
            None => None,
            Some(path) => Some(authorities(path).await.map_err(|reason| LoginError::Setup { reason })?),
        };
        let mut connections = Connections {
            library: TlsLibrary::Rustls,
            authorities,
            identity: None,
            secured: self.hub.scheme() == "https",
        };
        match &settings.login {
            Login::Anonymous => {
                let transport = made(connections)?;
                Ok(Entry { grant: None, transport, version: None })
            }
            Login::Password { user, password } => {
                let arguments = Arguments::none().with(user.as_str()).with(password.expose());
                let arguments = self.renewing(arguments.named("opts", Value::Nil));
                let request = self.request(self.hub.clone(), "login", arguments)?;
                let transport = made(connections)?;
                let answer = transport.post(&request).await.map_err(|error| self.refused(error))?;
                self.entry(answer, transport)
            }
            Login::Certificate { file, proxy_user } => {
                let certificate = ClientCertificate::read(file).await?;
                let request = self.ssl_login(proxy_user.as_deref())?;
                connections.identity = certificate.identity(TlsLibrary::Rustls).ok();
                let transport = match &connections.identity {
                    Some(_) => made(connections.clone()).ok(),
                    None => None,
                };
                // rustls reads no certificates of version 1, which old authorities still sign.
                let Some(transport) = transport else {
                    connections.library = TlsLibrary::OpenSsl12;
                    connections.identity = Some(certificate.identity(TlsLibrary::OpenSsl12)?);
                    let transport = made(connections)?;
                    let answer = transport.post(&request).await.map_err(|error| self.refused(error))?;
                    return self.entry(answer, transport);
                };
                let answer = self.with_certificate(&certificate, connections, &transport, &request).await?;
                self.entry(answer, transport)
            }
            Login::Gssapi { proxy_user, .. } => {
                let request = self.ssl_login(proxy_user.as_deref())?;
                let transport = made(connections)?;
                let answer = self.with_ticket(&transport, &request).await?;
                self.entry(answer, transport)
            }
        }
    }

    /// The login by certificate; over OpenSSL where the hub asks late.
    async fn with_certificate(
        &mut self,
        certificate: &ClientCertificate,
        connections: Connections,
        transport: &Transport,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, LoginFailure> {
        let rule = self.settings.late_certificate;
        let mut first = None;
        if rule == LateCertificate::Never || (rule == LateCertificate::Auto && !*self.late) {
            let error = match transport.post(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) if may_ask_late(&error) => error,
                Err(error) => return Err(self.refused(error)),
            };
            if rule == LateCertificate::Never {
                return Err(self.late_or_refused(error));
            }
            first = Some(error);
            tracing::info!("the hub asks for the client certificate late: trying TLS 1.2 with OpenSSL");
        }
        let identity = Some(certificate.identity(TlsLibrary::OpenSsl12)?);
        let late = made(Connections { library: TlsLibrary::OpenSsl12, identity, ..connections })?;
        match late.post(request).await {
            Ok(answer) => {
                *self.late = true;
                Ok(answer)
            }
            // When the one way fails as the other, the usual one tells more.
            Err(error) if may_ask_late(&error) => Err(self.late_or_refused(first.unwrap_or(error))),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// The error of a hub that says that it asks late, or of a handshake that can
    /// have failed for any reason.
    fn late_or_refused(&self, error: TransportError) -> LoginFailure {
        if says_that_it_asks_late(&error) {
            LoginError::LateCertificate { reason: error.to_string() }.into()
        } else {
            self.refused(error)
        }
    }

    #[cfg(feature = "gssapi")]
    async fn with_ticket(
        &self,
        transport: &Transport,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, LoginFailure> {
        let host = self.hub.host_str().unwrap_or_default();
        let kerberos = gssapi::Kerberos::new(host, &self.settings.login)?;
        negotiate::post(transport, request, kerberos).await.map_err(|failure| match failure {
            LoginFailure::Transport(error) => self.refused(error),
            other => other,
        })
    }

    #[cfg(not(feature = "gssapi"))]
    #[expect(clippy::unused_async, reason = "the other build waits")]
    async fn with_ticket(&self, _: &Transport, _: &HttpRequest) -> Result<HttpAnswer, LoginFailure> {
        Err(LoginError::Unsupported.into())
    }

    /// The call that certificates and tickets log in by.
    fn ssl_login(&self, proxy_user: Option<&str>) -> Result<HttpRequest, LoginFailure> {
        let mut url = self.hub.clone();
        let path = format!("{}/ssllogin", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let proxy_user = proxy_user.map_or(Value::Nil, Value::from);
        self.request(url, "sslLogin", self.renewing(Arguments::none().named("proxyuser", proxy_user)))
    }

    fn renewing(&self, arguments: Arguments) -> Arguments {
        match &self.renew {
            None => arguments,
            Some(_) => arguments.named("renew", true).named("exclusive", false),
        }
    }

    fn request(
        &self,
        url: Url,
        method: &'static str,
        arguments: Arguments,
    ) -> Result<HttpRequest, LoginFailure> {
        // What cannot be written is not repeated: it may be a password.
        let body = Call::new(method, arguments).to_xml().map_err(|_| LoginError::Setup {
            reason: "a user or a password has a character that cannot be sent".to_owned(),
        })?;
        Ok(HttpRequest {
            url,
            headers: self.renew.clone().unwrap_or_default(),
            content_type: "text/xml",
            body: Bytes::from(body),
            timeout: self.settings.auth_timeout,
        })
    }

    fn entry(&self, answer: HttpAnswer, transport: Transport) -> Result<Entry, LoginFailure> {
        let how = self.settings.login.name();
        let wrong = |reason: String| LoginError::Answer { how, reason };
        let value = read_answer(&answer.body).map_err(|error| wrong(error.to_string()))?;
        let value = value.map_err(LoginFailure::Fault)?;
        let id = value.get("session-id").and_then(Value::as_i64);
        let key = value.get("session-key").and_then(Value::as_str);
        let (Some(id), Some(key)) = (id, key) else {
            return Err(wrong(format!("{} without session-id and session-key", value.kind())).into());
        };
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("the key has characters that no header can carry".to_owned()).into());
        }
        let in_headers = value.get("header-auth") == Some(&Value::Bool(true));
        let grant = Grant { id, key: Secret::new(key), in_headers };
        Ok(Entry { grant: Some(grant), transport, version: answer.version })
    }

    /// Errors of connections that another try would not mend, told as what they
    /// are at a login.
    fn refused(&self, error: TransportError) -> LoginFailure {
        let how = self.settings.login.name();
        let reason = error.to_string();
        LoginFailure::Final(match &error {
            TransportError::HubCertificate(_) => LoginError::HubCertificate { reason },
            TransportError::OurCertificate(_) => LoginError::ClientCertificate { reason },
            TransportError::Handshake(_) | TransportError::Setup(_) => LoginError::Setup { reason },
            TransportError::Status { status, .. } if matches!(status.as_u16(), 401 | 403) => {
                LoginError::Unauthorized { how, reason }
            }
            TransportError::Status { status, .. } if status.is_redirection() || error.is_final() => {
                LoginError::Answer { how, reason }
            }
            TransportError::Status { status: StatusCode::NOT_FOUND, .. } | TransportError::TooLarge => {
                LoginError::Answer { how, reason }
            }
            _ => return LoginFailure::Transport(error),
        })
    }
}

/// Whether this can be what becomes of a hub that asks for a certificate after it
/// has seen the request, when the library cannot be asked then.
fn may_ask_late(error: &TransportError) -> bool {
    matches!(error, TransportError::Handshake(_)) || says_that_it_asks_late(error)
}

fn says_that_it_asks_late(error: &TransportError) -> bool {
    match error {
        TransportError::Status { status: StatusCode::FORBIDDEN, text, .. } => {
            text.to_lowercase().contains("post-handshake authentication")
        }
        _ => false,
    }
}

fn made(connections: Connections) -> Result<Transport, LoginFailure> {
    Transport::new(connections).map_err(|error| LoginError::Setup { reason: error.to_string() }.into())
}
