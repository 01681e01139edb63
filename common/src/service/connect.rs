//! Dialling another part of reactor.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tracing::warn;

use super::{
    Scheme, ServiceAddress, TlsError,
    run::{KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT},
    tls,
};
use crate::secret::Secret;

/// A channel that presents a token, if there is one, with every call. It dials
/// on first use and dials again by itself after a loss.
pub type Connection = InterceptedService<Channel, Bearer>;

/// How to dial.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Authorities to trust (PEM) in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Presented to a server that asks for certificates.
    pub identity: Option<ClientIdentity>,
    /// Presented as `authorization: Bearer …`.
    pub token: Option<Secret>,
    /// Longest wait for one connection.
    pub connect_timeout: Duration,
}

/// Files of a client that shows who it is, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientIdentity {
    /// Its certificate, intermediates after it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Default for ConnectOptions {
    /// The system's authorities, no certificate, no token, 5 s.
    fn default() -> Self {
        Self { ca_file: None, identity: None, token: None, connect_timeout: Duration::from_secs(5) }
    }
}

/// An address cannot be dialled, whether or not somebody listens there.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address or its TLS settings make no endpoint.
    #[error("cannot dial {address}")]
    Endpoint {
        /// The address.
        address: ServiceAddress,
        /// What is wrong.
        #[source]
        source: tonic::transport::Error,
    },
    /// Port 0 is for listening.
    #[error("cannot dial {0}: port 0 can only be listened on")]
    NoPort(
        /// The address.
        ServiceAddress,
    ),
    /// A file cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The token has characters that no header may have.
    #[error("the token is not visible ASCII text")]
    Token,
}

/// Makes a connection that dials on first use.
///
/// # Errors
/// The address or the options cannot work; nothing is dialled yet.
pub async fn connect(address: &ServiceAddress, options: &ConnectOptions) -> Result<Connection, ConnectError> {
    let fail = |source| ConnectError::Endpoint { address: address.clone(), source };
    let uri = match address {
        ServiceAddress::Tcp { port: 0, .. } => return Err(ConnectError::NoPort(address.clone())),
        ServiceAddress::Tcp { scheme: Scheme::Unsaid, .. } => format!("http://{address}"),
        ServiceAddress::Tcp { .. } | ServiceAddress::Unix(_) => address.to_string(),
    };
    let mut endpoint = Endpoint::from_shared(uri).map_err(fail)?;
    if address.is_https() {
        endpoint = endpoint.tls_config(tls_config(options).await?).map_err(fail)?;
    } else if !address.is_local() && options.token.is_some() {
        warn!(%address, "the token goes over the network in the clear; https:// would protect it");
    }
    let channel = endpoint
        .connect_timeout(options.connect_timeout)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
        .connect_lazy();
    Ok(InterceptedService::new(channel, Bearer::new(options.token.as_ref())?))
}

async fn tls_config(options: &ConnectOptions) -> Result<ClientTlsConfig, ConnectError> {
    let config = ClientTlsConfig::new();
    let config = match &options.ca_file {
        None => config.with_native_roots(),
        Some(path) => {
            config.ca_certificate(Certificate::from_pem(tls::read("certificate authorities", path).await?))
        }
    };
    let Some(files) = &options.identity else { return Ok(config) };
    let certificate = tls::read("client certificate", &files.certificate).await?;
    let key = tls::read("private key", &files.key).await?;
    Ok(config.identity(Identity::from_pem(certificate, key)))
}

/// Adds `authorization: Bearer …` (RFC 6750) to each call.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    /// An interceptor that adds the token, or nothing without one.
    ///
    /// # Errors
    /// The token has characters that no header may have.
    pub fn new(token: Option<&Secret>) -> Result<Self, ConnectError> {
        let Some(token) = token else { return Ok(Self(None)) };
        let mut value =
            MetadataValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| ConnectError::Token)?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Bearer([hidden])" } else { "Bearer(none)" })
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_along_and_is_not_printed() {
        let mut bearer = Bearer::new(Some(&Secret::new("hunter2"))).unwrap();
        let request = bearer.call(Request::new(())).unwrap();
        assert_eq!(request.metadata().get("authorization").unwrap().to_str().unwrap(), "Bearer hunter2");
        assert!(!format!("{bearer:?} {request:?}").contains("hunter2"));
        let request = Bearer::new(None).unwrap().call(Request::new(())).unwrap();
        assert!(request.metadata().is_empty());
        assert!(matches!(Bearer::new(Some(&Secret::new("a\nb"))), Err(ConnectError::Token)));
    }

    #[tokio::test]
    async fn what_cannot_work_is_refused_before_dialling() {
        let options = ConnectOptions::default();
        let error = connect(&"localhost:0".parse().unwrap(), &options).await.unwrap_err();
        assert!(matches!(error, ConnectError::NoPort(_)), "{error}");
        let options = ConnectOptions { ca_file: Some("/does/not/exist.pem".into()), ..options };
        let error = connect(&"https://localhost:1".parse().unwrap(), &options).await.unwrap_err();
        assert!(error.to_string().contains("/does/not/exist.pem"), "{error}");
    }
}
