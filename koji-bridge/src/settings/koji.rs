//! The section `koji`: which hub, who logs in, and how patient the bridge is.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use common::{secret::Secret, service::settings::SettingsError};
use serde::Deserialize;
use url::Url;

use crate::{
    hub::HubOptions,
    session::{HubSettings, LateCertificate, Login},
};

/// A certificate with its key, in a directory of certificates.
const CERTIFICATE: &str = "cert";
/// Authorities of the hub, in a directory of certificates; may be missing.
const AUTHORITIES: &str = "serverca";

/// A hub.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KojiSettings {
    /// The hub's XML-RPC. Example: `https://koji.example.org/kojihub`.
    pub hub_url: Url,
    /// The hub's files (its topurl). Example: `https://kojipkgs.example.org`.
    pub files_url: Url,
    /// The hub's site for people. Example: `https://koji.example.org/koji`.
    #[serde(default)]
    pub web_url: Option<Url>,
    /// Addresses of volumes that are not below `vol/` of `files_url`.
    #[serde(default)]
    pub volumes: BTreeMap<String, Url>,
    /// The content generator to import as.
    #[serde(default = "content_generator")]
    pub content_generator: String,
    /// Who logs in. Without it nobody does, and the bridge only asks; with an
    /// empty one, whoever has a Kerberos ticket in the cache.
    #[serde(default)]
    pub login: Option<LoginSettings>,
    /// Authorities of the hub's certificate, in PEM; the system's without it.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// What to do with a hub that asks for a client certificate late.
    #[serde(default)]
    pub late_certificate: LateCertificateSetting,
    /// How patient the bridge is.
    #[serde(default)]
    pub patience: PatienceSettings,
}

fn content_generator() -> String {
    "atomic-reactor".to_owned()
}

/// Who logs in: by certificate, by password or by Kerberos.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoginSettings {
    /// Certificate and key in one file, in PEM.
    pub certificate_file: Option<PathBuf>,
    /// A directory with such a file named `cert`, and maybe `serverca`.
    pub certificate_directory: Option<PathBuf>,
    /// The Kerberos principal.
    pub principal: Option<String>,
    /// The keys of the principal.
    pub keytab_file: Option<PathBuf>,
    /// A cache of Kerberos tickets.
    pub ticket_cache: Option<PathBuf>,
    /// A user who logs in by password.
    pub user: Option<String>,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// The user to act for.
    pub proxy_user: Option<String>,
}

/// What to do with a hub that asks for the client certificate only after it has
/// seen the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LateCertificateSetting {
    /// Find out.
    #[default]
    Auto,
    /// Expect it.
    Always,
    /// Do not log in to such hubs.
    Never,
}

/// How patient the bridge is, in seconds. Callers have patience of their own, so
/// the bridge says soon that a hub is away.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatienceSettings {
    /// How long one try of a call may take. A large import takes minutes.
    pub call_seconds: u64,
    /// How long one try of a call may take that only asks.
    pub read_seconds: u64,
    /// How long one exchange of a login may take.
    pub login_seconds: u64,
    /// How often a try whose answer did not come is repeated.
    pub retries: u32,
    /// Wait before such a repetition, but for the first one.
    pub retry_interval_seconds: u64,
    /// Wait before a hub that is offline is asked again.
    pub offline_interval_seconds: u64,
    /// How long a call waits for a hub that is offline; 0 for ever.
    pub offline_limit_seconds: u64,
    /// Wait before a watched task is asked after again.
    pub task_poll_seconds: u64,
    /// Wait before another release is tried for a reservation.
    pub reservation_seconds: u64,
    /// Wait before another look at what became of a call.
    pub look_seconds: u64,
    /// How long a hub may be at an import whose client is gone. An import whose end
    /// is not known is not sent again before.
    pub import_quiet_seconds: u64,
    /// Wait between two looks whether the hub answers.
    pub health_seconds: u64,
}

impl Default for PatienceSettings {
    fn default() -> Self {
        Self {
            call_seconds: 1800,
            read_seconds: 120,
            login_seconds: 60,
            retries: 5,
            retry_interval_seconds: 5,
            offline_interval_seconds: 10,
            offline_limit_seconds: 30,
            task_poll_seconds: 5,
            reservation_seconds: 2,
            look_seconds: 2,
            import_quiet_seconds: 600,
            health_seconds: 30,
        }
    }
}

impl KojiSettings {
    /// What a session needs. Reads the password's file.
    ///
    /// # Errors
    /// The login is none or several; the error names the keys, and `layer` as the
    /// place to look at.
    pub fn hub(&self, layer: &str) -> Result<HubSettings, SettingsError> {
        let wrong = |reason| SettingsError::Invalid { layer: layer.to_owned(), reason };
        for (key, url) in [("hub_url", &self.hub_url), ("files_url", &self.files_url)] {
            if !matches!(url.scheme(), "http" | "https") || url.query().is_some() {
                return Err(wrong(format!("koji.{key} must be an http or https address without a query")));
            }
        }
        if self.content_generator.trim().is_empty() {
            return Err(wrong("koji.content_generator is empty".to_owned()));
        }
        let login = match &self.login {
            None => Login::Anonymous,
            Some(login) => login.login().map_err(|reason| wrong(format!("koji.login: {reason}")))?,
        };
        let mut settings = HubSettings::new(self.hub_url.clone(), login);
        settings.ca_file = self.ca_file.clone().or_else(|| self.login.as_ref()?.authorities());
        settings.late_certificate = match self.late_certificate {
            LateCertificateSetting::Auto => LateCertificate::Auto,
            LateCertificateSetting::Always => LateCertificate::Always,
            LateCertificateSetting::Never => LateCertificate::Never,
        };
        let patience = &self.patience;
        settings.timeout = Duration::from_secs(patience.call_seconds.max(1));
        settings.auth_timeout = Duration::from_secs(patience.login_seconds.max(1));
        settings.max_retries = patience.retries;
        settings.retry_interval = Duration::from_secs(patience.retry_interval_seconds);
        settings.offline_interval = Duration::from_secs(patience.offline_interval_seconds.max(1));
        let limit = patience.offline_limit_seconds;
        settings.offline_limit = (limit > 0).then_some(Duration::from_secs(limit));
        Ok(settings)
    }

    /// What is known of the hub without asking.
    pub fn options(&self) -> HubOptions {
        let address = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        let patience = &self.patience;
        HubOptions {
            files_url: address(&self.files_url),
            web_url: self.web_url.as_ref().map(address).unwrap_or_default(),
            volumes: self.volumes.iter().map(|(name, url)| (name.clone(), address(url))).collect(),
            content_generator: self.content_generator.clone(),
            task_poll: Duration::from_secs(patience.task_poll_seconds.max(1)),
            reservation_pause: Duration::from_secs(patience.reservation_seconds),
            look_pause: Duration::from_secs(patience.look_seconds),
            read_timeout: Duration::from_secs(patience.read_seconds.max(1)),
            import_quiet: Duration::from_secs(patience.import_quiet_seconds),
        }
    }

    /// Wait between two looks whether the hub answers.
    pub fn health_interval(&self) -> Duration {
        Duration::from_secs(self.patience.health_seconds.max(1))
    }
}

impl LoginSettings {
    fn login(&self) -> Result<Login, String> {
        let certificate = self.certificate_file.is_some() || self.certificate_directory.is_some();
        let password = self.user.is_some() || self.password_file.is_some();
        let kerberos = self.principal.is_some() || self.keytab_file.is_some() || self.ticket_cache.is_some();
        if usize::from(certificate) + usize::from(password) + usize::from(kerberos) > 1 {
            return Err("choose one: certificate_file or certificate_directory; principal, keytab_file and \
                        ticket_cache; user and password_file"
                .to_owned());
        }
        let proxy_user = self.proxy_user.clone();
        if certificate {
            let file = match (&self.certificate_file, &self.certificate_directory) {
                (Some(file), None) => file.clone(),
                (None, Some(directory)) => directory.join(CERTIFICATE),
                _ => return Err("choose one of certificate_file and certificate_directory".to_owned()),
            };
            return Ok(Login::Certificate { file, proxy_user });
        }
        if password {
            let (Some(user), Some(file)) = (&self.user, &self.password_file) else {
                return Err("user and password_file belong together".to_owned());
            };
            if proxy_user.is_some() {
                return Err("a login by password can have no proxy_user".to_owned());
            }
            let password = Secret::from_file(file).map_err(|error| format!("password_file: {error}"))?;
            return Ok(Login::Password { user: user.clone(), password });
        }
        if self.principal.is_some() != self.keytab_file.is_some() {
            return Err("principal and keytab_file belong together".to_owned());
        }
        let (principal, keytab) = (self.principal.clone(), self.keytab_file.clone());
        Ok(Login::Gssapi { principal, keytab, cache: self.ticket_cache.clone(), proxy_user })
    }

    /// The hub's authorities in a directory of certificates, if it has them.
    fn authorities(&self) -> Option<PathBuf> {
        let file =
            self.certificate_directory.as_deref().map(|directory: &Path| directory.join(AUTHORITIES))?;
        file.is_file().then_some(file)
    }
}

#[cfg(test)]
mod tests;
