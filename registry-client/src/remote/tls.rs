//! HTTP clients, one for each set of trusted authorities.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Once,
};

use common::image::Host;
use tokio::sync::Mutex;

use super::Limits;
use crate::{HostSettings, RegistryError};

static PROVIDER: Once = Once::new();

/// Makes ring the cryptography of this process, unless another was chosen before.
pub(crate) fn install_provider() {
    PROVIDER.call_once(|| {
        // An error says that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Trust {
    ca_file: Option<PathBuf>,
    plain_http: bool,
}

/// The HTTP clients that were needed so far.
#[derive(Debug, Default)]
pub(crate) struct HttpClients(Mutex<HashMap<Trust, reqwest::Client>>);

impl HttpClients {
    /// The client for a host with these settings.
    pub(crate) async fn get(
        &self,
        host: &Host,
        settings: &HostSettings,
        limits: &Limits,
    ) -> Result<reqwest::Client, RegistryError> {
        let trust = Trust { ca_file: settings.ca_file.clone(), plain_http: settings.plain_http };
        let mut clients = self.0.lock().await;
        if let Some(client) = clients.get(&trust) {
            return Ok(client.clone());
        }
        let authorities = match &trust.ca_file {
            Some(path) => authorities(host, path).await?,
            None => Vec::new(),
        };
        let client =
            build(limits, authorities, settings.plain_http).map_err(|error| RegistryError::Settings {
                host: host.to_string(),
                reason: format!("TLS cannot be set up: {}", with_causes(&error)),
            })?;
        clients.insert(trust, client.clone());
        Ok(client)
    }
}

async fn authorities(host: &Host, path: &Path) -> Result<Vec<reqwest::Certificate>, RegistryError> {
    let fail =
        |source| RegistryError::File { action: "read the certificates in", path: path.to_owned(), source };
    let pem = tokio::fs::read(path).await.map_err(fail)?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(RegistryError::Settings {
            host: host.to_string(),
            reason: format!("{} has no certificate in PEM form", path.display()),
        }),
    }
}

fn build(
    limits: &Limits,
    authorities: Vec<reqwest::Certificate>,
    plain_http: bool,
) -> Result<reqwest::Client, reqwest::Error> {
    let builder = || {
        reqwest::Client::builder()
            // The bridge's build of reqwest has OpenSSL, too, and would prefer it.
            .tls_backend_rustls()
            .user_agent(concat!("reactor/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(limits.connect)
            .pool_max_idle_per_host(limits.requests + 2 * limits.transfers)
    };
    match builder().tls_certs_merge(authorities).build() {
        // A system without any authorities is good enough where there is no TLS; an HTTPS address then fails.
        Err(_) if plain_http => builder().tls_certs_only([]).build(),
        result => result,
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clients_are_shared_and_bad_files_are_named() {
        install_provider();
        let clients = HttpClients::default();
        let (host, limits) = ("r.example.org".parse().unwrap(), Limits::default());
        let plain = HostSettings { plain_http: true, ..HostSettings::default() };
        clients.get(&host, &plain, &limits).await.unwrap();
        clients.get(&host, &plain, &limits).await.unwrap();
        assert_eq!(clients.0.lock().await.len(), 1);
        let file = tempfile::NamedTempFile::new().unwrap();
        for ca_file in [file.path().to_owned(), "/nonexistent/ca.pem".into()] {
            let settings = HostSettings { ca_file: Some(ca_file.clone()), ..HostSettings::default() };
            let error = clients.get(&host, &settings, &limits).await.unwrap_err().to_string();
            assert!(error.contains(ca_file.to_str().unwrap()), "{error}");
        }
    }
}
