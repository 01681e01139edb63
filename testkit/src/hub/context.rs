//! What a method of the hub works with.

use std::path::Path;

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    settings::HubSettings,
    state::{State, User},
};

/// One call while it is carried out. What it changes in `state` counts only if it
/// ends well.
#[derive(Debug)]
pub struct Context<'a> {
    /// The database, for this call alone.
    pub state: &'a mut State,
    /// How the hub is set up.
    pub settings: &'a HubSettings,
    /// Where the hub's files are (`KojiDir`).
    pub top_directory: &'a Path,
    /// Number of the caller's session; `None` for an anonymous call.
    pub session: Option<u64>,
    /// Number of the caller; `None` for an anonymous call.
    pub user: Option<u64>,
    /// The time in epoch seconds.
    pub now: f64,
    /// What is known of the caller from the connection.
    pub connection: &'a Connection,
}

/// What the connection of a call says about the caller.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// Whether the call came to the address for logins, `/kojihub/ssllogin`.
    pub login_address: bool,
    /// Common name of the client's certificate.
    pub certificate: Option<String>,
    /// Whole subject of the client's certificate. Example: `CN=osbs,O=Koji Test`.
    pub subject: Option<String>,
    /// Kerberos principal of a login by GSSAPI. Example: `osbs@EXAMPLE.TEST`.
    pub principal: Option<String>,
    /// The session that a login names in its headers, expired or not.
    pub named_session: Option<u64>,
}

/// What a method is: it answers a call or refuses it.
pub type Method = fn(&mut Context<'_>, &Arguments) -> Result<Value, Fault>;

/// Codes of faults (Koji's exception classes).
pub mod fault {
    use koji_bridge::xmlrpc::Fault;

    /// An exception that nobody caught.
    pub fn uncaught(class: &str, text: &str) -> Fault {
        Fault::new(1, format!("<class '{class}'>: {text}"))
    }
    /// GenericError: the general refusal.
    pub fn generic(text: impl Into<String>) -> Fault {
        Fault::new(1000, text)
    }
    /// LockError: a file is in use.
    pub fn lock(text: impl Into<String>) -> Fault {
        Fault::new(1001, text)
    }
    /// AuthError: who are you, or you may not.
    pub fn auth(text: impl Into<String>) -> Fault {
        Fault::new(1002, text)
    }
    /// TagError.
    pub fn tag(text: impl Into<String>) -> Fault {
        Fault::new(1003, text)
    }
    /// ActionNotAllowed.
    pub fn not_allowed(text: impl Into<String>) -> Fault {
        Fault::new(1004, text)
    }
    /// BuildError.
    pub fn build(text: impl Into<String>) -> Fault {
        Fault::new(1005, text)
    }
    /// ParameterError.
    pub fn parameter(text: impl Into<String>) -> Fault {
        Fault::new(1019, text)
    }
}

impl Context<'_> {
    /// The number of whoever is logged in.
    ///
    /// # Errors
    /// Nobody is: fault 1004.
    pub fn logged_in(&self) -> Result<u64, Fault> {
        self.user.ok_or_else(|| fault::not_allowed("you must be logged in for this operation"))
    }

    /// The caller.
    pub fn caller(&self) -> Option<&User> {
        self.state.users.get(&self.user?)
    }

    /// Whether the caller has a permission, or is an administrator.
    pub fn may(&self, permission: &str) -> bool {
        self.caller()
            .is_some_and(|user| user.permissions.contains("admin") || user.permissions.contains(permission))
    }
}
