//! What a session must know of its hub: where it is, who logs in and how, and
//! how patient to be.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use common::secret::Secret;
use url::Url;

use super::SessionError;

/// A hub and how to work with it.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// The hub. Example: `https://koji.example.test/kojihub`.
    pub url: Url,
    /// Who logs in, and how.
    pub login: Login,
    /// Authorities of the hub's certificate, in PEM; the system's without it.
    pub ca_file: Option<PathBuf>,
    /// What to do with a hub that asks for the certificate late.
    pub late_certificate: LateCertificate,
    /// How long one try of a call may take.
    pub timeout: Duration,
    /// How long one exchange of a login may take.
    pub auth_timeout: Duration,
    /// How often a try whose answer did not come is repeated.
    pub max_retries: u32,
    /// Wait before such a repetition, but for the first one.
    pub retry_interval: Duration,
    /// Wait before a hub that is offline is asked again.
    pub offline_interval: Duration,
    /// How long a call waits for a hub that is offline; without it for ever.
    pub offline_limit: Option<Duration>,
}

/// Who logs in, and how.
#[derive(Debug, Clone)]
pub enum Login {
    /// Nobody: queries only.
    Anonymous,
    /// The user that a client certificate names.
    Certificate {
        /// Certificate and key, in PEM. It is read at every login.
        file: PathBuf,
        /// The user to act for.
        proxy_user: Option<String>,
    },
    /// A user with a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A Kerberos principal.
    Gssapi {
        /// The principal; without it the default of the credentials.
        principal: Option<String>,
        /// Its keys. See [`Login::environment`].
        keytab: Option<PathBuf>,
        /// Cache of tickets. See [`Login::environment`].
        cache: Option<PathBuf>,
        /// The user to act for.
        proxy_user: Option<String>,
    },
}

/// What to do with a hub that asks for the client certificate only after it has
/// seen the request, as a web server does that demands it for one address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LateCertificate {
    /// Find out: try the usual way, and after the error that such hubs give log
    /// in over TLS 1.2 with OpenSSL, which can be asked late.
    #[default]
    Auto,
    /// Log in over TLS 1.2 with OpenSSL at once.
    Always,
    /// Do not.
    Never,
}

impl HubSettings {
    /// The usual patience: 120 tries a minute apart, two minutes between the
    /// tries of a hub that is offline, for as long as it takes.
    pub fn new(url: Url, login: Login) -> Self {
        Self {
            url,
            login,
            ca_file: None,
            late_certificate: LateCertificate::default(),
            timeout: Duration::from_secs(30 * 60),
            auth_timeout: Duration::from_secs(60),
            max_retries: 120,
            retry_interval: Duration::from_secs(60),
            offline_interval: Duration::from_secs(120),
            offline_limit: None,
        }
    }

    /// The hub's address as it is used: with a certificate or a ticket all calls
    /// go over TLS.
    ///
    /// # Errors
    /// The address is not that of a web server, or has a user, a password, a
    /// query or a fragment.
    pub(crate) fn hub(&self) -> Result<Url, SessionError> {
        let mut hub = self.url.clone();
        let wrong = |reason: &str| Err(SessionError::Address { reason: reason.to_owned() });
        if !matches!(hub.scheme(), "http" | "https") || !hub.has_host() {
            return wrong("it must begin with http:// or https:// and name a host");
        }
        if !hub.username().is_empty() || hub.password().is_some() {
            return wrong("it must not have a user or a password; name them in the login");
        }
        if hub.query().is_some() || hub.fragment().is_some() {
            return wrong("it must not have a query or a fragment");
        }
        let secured = matches!(self.login, Login::Certificate { .. } | Login::Gssapi { .. });
        if secured && hub.set_scheme("https").is_err() {
            return wrong("it cannot be asked over https");
        }
        Ok(hub)
    }
}

impl Login {
    /// The variables of the environment that the system's Kerberos library needs
    /// for this login, because it takes a keytab and a cache from nowhere else.
    /// A program sets them before it starts threads, best by starting itself
    /// again with them. Tickets of a keytab go into memory when no cache is named.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let Self::Gssapi { keytab, cache, .. } = self else { return Vec::new() };
        let file = |path: &PathBuf| {
            let mut name = OsString::new();
            if !path.to_string_lossy().contains(':') {
                name.push("FILE:");
            }
            name.push(path);
            name
        };
        let mut variables = Vec::new();
        if let Some(keytab) = keytab {
            variables.push(("KRB5_CLIENT_KTNAME", file(keytab)));
        }
        match cache {
            Some(cache) => variables.push(("KRB5CCNAME", file(cache))),
            None if keytab.is_some() => variables.push(("KRB5CCNAME", OsString::from("MEMORY:reactor"))),
            None => {}
        }
        variables
    }

    /// The password of a login by password.
    pub(crate) fn password(&self) -> Option<&str> {
        match self {
            Self::Password { password, .. } => Some(password.expose()),
            _ => None,
        }
    }

    /// How it is called in logs.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Certificate { .. } => "certificate",
            Self::Password { .. } => "password",
            Self::Gssapi { .. } => "gssapi",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gssapi(keytab: Option<&str>, cache: Option<&str>) -> Login {
        let (keytab, cache) = (keytab.map(PathBuf::from), cache.map(PathBuf::from));
        Login::Gssapi { principal: None, keytab, cache, proxy_user: None }
    }

    #[test]
    fn addresses_are_used_as_they_are_or_refused() {
        let certificate = Login::Certificate { file: "/c.pem".into(), proxy_user: None };
        let rows = [
            ("http://hub.example/kojihub", Login::Anonymous, Ok("http://hub.example/kojihub")),
            ("http://hub.example/kojihub", certificate, Ok("https://hub.example/kojihub")),
            ("http://hub.example:8080/kojihub/", gssapi(None, None), Ok("https://hub.example:8080/kojihub/")),
            ("ftp://hub.example/kojihub", Login::Anonymous, Err("http://")),
            ("unix:/run/koji", Login::Anonymous, Err("http://")),
            ("https://osbs:secret@hub.example/", Login::Anonymous, Err("password")),
            ("https://hub.example/kojihub?session-key=x", Login::Anonymous, Err("query")),
        ];
        for (url, login, wanted) in rows {
            match (HubSettings::new(url.parse().unwrap(), login).hub(), wanted) {
                (Ok(hub), Ok(wanted)) => assert_eq!(hub.as_str(), wanted),
                (Err(error), Err(words)) => {
                    let text = error.to_string();
                    assert!(text.contains(words) && !text.contains("secret"), "{text}");
                }
                (answer, _) => panic!("{url}: {answer:?}"),
            }
        }
    }

    #[test]
    fn kerberos_takes_its_files_from_the_environment() {
        let rows = [
            (gssapi(None, None), vec![]),
            (
                gssapi(Some("/k"), None),
                vec![("KRB5_CLIENT_KTNAME", "FILE:/k"), ("KRB5CCNAME", "MEMORY:reactor")],
            ),
            (
                gssapi(Some("FILE:/k"), Some("DIR:/c")),
                vec![("KRB5_CLIENT_KTNAME", "FILE:/k"), ("KRB5CCNAME", "DIR:/c")],
            ),
            (gssapi(None, Some("/c")), vec![("KRB5CCNAME", "FILE:/c")]),
            (Login::Anonymous, vec![]),
        ];
        for (login, wanted) in rows {
            let wanted: Vec<_> =
                wanted.into_iter().map(|(name, value)| (name, OsString::from(value))).collect();
            assert_eq!(login.environment(), wanted);
        }
    }
}
