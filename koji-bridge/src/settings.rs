//! The bridge's settings: built-in values, then files, then variables such as
//! `REACTOR__SERVICE__LISTEN`, then flags.

mod koji;
mod uploads;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use common::service::{
    ServiceAddress, TlsFiles,
    settings::{SettingsError, layered},
};
use serde::Deserialize;

use crate::arguments::ServeArguments;
pub use koji::{KojiSettings, LateCertificateSetting, LoginSettings, PatienceSettings};
pub use uploads::UploadSettings;

/// Prefix of the variables.
pub const ENVIRONMENT_PREFIX: &str = "REACTOR";

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The gRPC service.
    pub service: ServiceSettings,
    /// The hub; without it the bridge can only say what it is.
    pub koji: Option<KojiSettings>,
    /// Uploads of files.
    pub uploads: UploadSettings,
}

/// The gRPC service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceSettings {
    /// Where to listen. Example: `unix:/run/reactor/koji.sock`.
    pub listen: ServiceAddress,
    /// Where to listen as well, such as the socket that a bridge's neighbour uses.
    pub also_listen: Option<ServiceAddress>,
    /// Where metrics are told over HTTP, at `/metrics`. Example: `0.0.0.0:9471`.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether reflection is offered, which grpcurl needs.
    pub reflection: bool,
    /// Seconds that open calls may go on after the first signal.
    pub shutdown_grace_seconds: u64,
    /// TLS; without it the service speaks in the clear. A Unix socket always does.
    pub tls: Option<TlsSettings>,
}

/// Files of TLS, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The certificate and its chain.
    pub certificate_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
    /// Authorities of clients; with it a client must show a certificate.
    pub client_ca_file: Option<PathBuf>,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            listen: default_listen(),
            also_listen: None,
            metrics_listen: None,
            reflection: true,
            shutdown_grace_seconds: 10,
            tls: None,
        }
    }
}

fn default_listen() -> ServiceAddress {
    ServiceAddress::Tcp { scheme: common::service::Scheme::Unsaid, host: "127.0.0.1".to_owned(), port: 7071 }
}

impl Settings {
    /// Reads files and variables.
    ///
    /// # Errors
    /// A file cannot be read, or a layer says what cannot be; the error names it.
    pub fn read(files: &[PathBuf], environment: &BTreeMap<String, String>) -> Result<Self, SettingsError> {
        layered(files, ENVIRONMENT_PREFIX, environment)
    }

    /// Reads the layers; flags win.
    ///
    /// # Errors
    /// A file cannot be read, or a layer says what cannot be; the error names it.
    pub fn load(
        arguments: &ServeArguments,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, SettingsError> {
        let mut settings = Self::read(&arguments.config, environment)?;
        let service = &mut settings.service;
        if let Some(listen) = &arguments.listen {
            service.listen = listen.clone();
        }
        if let Some(grace) = arguments.grace {
            service.shutdown_grace_seconds = grace;
        }
        service.reflection &= !arguments.no_reflection;
        Ok(settings)
    }
}

impl ServiceSettings {
    /// How long open calls may go on after the first signal.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace_seconds)
    }

    /// The files of TLS, if it is on.
    pub fn tls_files(&self) -> Option<TlsFiles> {
        let tls = self.tls.as_ref()?;
        Some(TlsFiles {
            certificate: tls.certificate_file.clone(),
            key: tls.key_file.clone(),
            client_ca: tls.client_ca_file.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn load(line: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let words = ["koji-bridge", "serve"].into_iter().chain(line.split_whitespace());
        let Command::Serve(arguments) = Arguments::parse_from(words).command else { panic!("{line}") };
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::load(&arguments, &variables)
    }

    #[test]
    fn later_layers_win() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "service: {listen: 'unix:/from/file', reflection: false}\n").unwrap();
        let config = format!("--config {}", file.path().display());
        assert_eq!(load("", &[]).unwrap(), Settings::default());
        let read = load(&config, &[]).unwrap().service;
        assert_eq!((read.listen.to_string().as_str(), read.reflection), ("unix:/from/file", false));
        let variables = [("REACTOR__SERVICE__LISTEN", "unix:/from/variable")];
        assert_eq!(load(&config, &variables).unwrap().service.listen.to_string(), "unix:/from/variable");
        let flags = format!("{config} --listen unix:/from/flag --grace 3");
        let read = load(&flags, &variables).unwrap().service;
        assert_eq!((read.listen.to_string().as_str(), read.grace().as_secs()), ("unix:/from/flag", 3));
    }

    #[test]
    fn an_unknown_key_names_its_layer() {
        let error = load("", &[("REACTOR__SERVICE__LISTNE", "x")]).unwrap_err().to_string();
        assert!(error.contains("environment") && error.contains("listne"), "{error}");
    }

    #[test]
    fn the_hub_and_further_addresses_are_optional() {
        let variables = [
            ("REACTOR__SERVICE__ALSO_LISTEN", "unix:/run/koji.sock"),
            ("REACTOR__SERVICE__METRICS_LISTEN", "127.0.0.1:9471"),
            ("REACTOR__KOJI__HUB_URL", "https://koji.example.org/kojihub"),
            ("REACTOR__KOJI__FILES_URL", "https://files.example.org"),
            ("REACTOR__KOJI__PATIENCE__RETRIES", "2"),
        ];
        let settings = load("", &variables).unwrap();
        assert_eq!(settings.service.also_listen.unwrap().to_string(), "unix:/run/koji.sock");
        assert_eq!(settings.service.metrics_listen.unwrap().port(), 9471);
        assert_eq!(settings.koji.unwrap().patience.retries, 2);
        assert_eq!(load("", &[]).unwrap().koji, None);
        let error = load("", &variables[2..3]).unwrap_err().to_string();
        assert!(error.contains("files_url"), "{error}");
    }
}
