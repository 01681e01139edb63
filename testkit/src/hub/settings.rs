//! How the hub is set up.

use std::time::Duration;

use super::authority::ClientCertificates;

/// Settings of a hub.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// What it says of its version in the header `Koji-Version`; `None` for a hub
    /// of a time before that.
    pub version: Option<String>,
    /// Whether a login answers `header-auth`; without it the session is named in
    /// the address.
    pub header_sessions: bool,
    /// Whether sessions named in the address are taken (not `DisableURLSessions`).
    pub url_sessions: bool,
    /// Whether users unknown so far are created when they log in.
    pub login_creates_user: bool,
    /// Largest request in bytes that is no upload.
    pub max_request: usize,
    /// What the server does about certificates of clients, when it speaks TLS.
    pub client_certificates: ClientCertificates,
    /// With it, logins need a header `Authorization: Negotiate`. Whoever sends one
    /// is this principal, or the one that its token spells out in base64.
    pub gssapi_principal: Option<String>,
    /// Who may log others in: common names in certificates (`ProxyDNs`) and
    /// principals (`ProxyPrincipals`).
    pub proxy_users: Vec<String>,
    /// How long a task takes that the hub ends by itself.
    pub task_time: Duration,
    /// Whether a FAILED or CANCELED build can be imported again (hubs since 1.33).
    pub recycles_builds: bool,
    /// Packages whose import the policy refuses.
    pub refused_packages: Vec<String>,
    /// Whether a reservation keeps `source` and `extra` of its data with the build,
    /// as hubs do.
    pub keeps_reservation_extra: bool,
    /// Whether it is as hubs have been released until 1.35: uploads follow symbolic
    /// links, and a call's number may stand in `Koji-Callnum`.
    pub released: bool,
}

impl Default for HubSettings {
    fn default() -> Self {
        Self {
            version: Some("1.35.3".to_owned()),
            header_sessions: true,
            url_sessions: true,
            login_creates_user: true,
            max_request: 4_194_304,
            client_certificates: ClientCertificates::default(),
            gssapi_principal: None,
            proxy_users: Vec::new(),
            task_time: Duration::from_millis(50),
            recycles_builds: true,
            refused_packages: Vec::new(),
            keeps_reservation_extra: true,
            released: false,
        }
    }
}

impl HubSettings {
    /// A hub of the time before 1.31: sessions in the address, no version header.
    pub fn old() -> Self {
        Self { version: None, header_sessions: false, recycles_builds: false, ..Self::default() }
    }
}
