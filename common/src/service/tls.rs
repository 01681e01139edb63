//! TLS: one crypto provider, certificates from files.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

/// Makes ring the process's crypto provider. Once at the start of `main` is
/// enough; again does no harm.
pub fn install_crypto_provider() {
    // An error only says that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A file that TLS needs cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the {what} in {}", path.display())]
pub struct TlsError {
    /// What it should hold. Example: "server certificate".
    pub what: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

/// Files of a server that speaks TLS, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The server's certificate, intermediates after it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities of the clients; when given, a client without a certificate
    /// of theirs is turned away.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

impl TlsFiles {
    pub(super) async fn read(&self) -> Result<ServerTlsConfig, TlsError> {
        let certificate = read("server certificate", &self.certificate).await?;
        let key = read("private key", &self.key).await?;
        let config = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        match &self.client_ca {
            None => Ok(config),
            Some(path) => {
                let authorities = read("client authorities", path).await?;
                Ok(config.client_ca_root(Certificate::from_pem(authorities)))
            }
        }
    }
}

pub(super) async fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    tokio::fs::read(path).await.map_err(|source| TlsError { what, path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
