//! Who calls: the session that a request names, and whether it may be used.

use axum::http::HeaderMap;
use koji_bridge::xmlrpc::Fault;

use super::{
    context::fault,
    settings::HubSettings,
    state::{LoginSession, State},
};

/// Methods that may be called again with the same number although they were
/// carried out.
const REPEATABLE: &[&str] = &[
    "host.taskWait",
    "host.taskUnwait",
    "host.taskSetWait",
    "host.updateHost",
    "host.setBuildRootState",
    "repoExpire",
    "repoDelete",
    "repoProblem",
];

/// Methods that open or renew a session.
const LOGINS: &[&str] = &["login", "sslLogin"];

/// Methods that a session may call while another has the exclusive lock.
const DESPITE_LOCK: &[&str] = &["exclusiveSession", "login", "sslLogin", "logout"];

/// The session that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// Its number.
    pub(super) session: u64,
    /// Its key.
    key: String,
    /// Number of the call.
    pub(super) call_number: Option<u64>,
}

impl Credentials {
    /// What a request's headers say, else what its query says; `None` for an
    /// anonymous request.
    ///
    /// # Errors
    /// What is said is not complete, or no numbers: fault 1002.
    pub(super) fn read(
        headers: &HeaderMap,
        query: &[(String, String)],
        settings: &HubSettings,
    ) -> Result<Option<Self>, Fault> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if settings.header_sessions
            && let Some(session) = header("Koji-Session-Id")
        {
            let key = header("Koji-Session-Key");
            // Releases look for the second name only, later hubs for the one and the other.
            let other = || header("Koji-Callnum");
            let number = header("Koji-Session-Callnum").filter(|_| !settings.released).or_else(other);
            return Self::parse(session, key, number).map(Some);
        }
        if !settings.url_sessions || query.is_empty() {
            return Ok(None);
        }
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let session =
            value("session-id").ok_or_else(|| fault::auth("'session-id' not specified in session args"))?;
        Self::parse(session, value("session-key"), value("callnum")).map(Some)
    }

    fn parse(session: &str, key: Option<&str>, call_number: Option<&str>) -> Result<Self, Fault> {
        let session = session.parse().map_err(|_| fault::auth(format!("Invalid session-id: '{session}'")))?;
        let key = key.ok_or_else(|| fault::auth("'session-key' not specified in session args"))?;
        let call_number = match call_number {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| fault::auth(format!("Invalid callnum: '{text}'")))?),
        };
        Ok(Self { session, key: key.to_owned(), call_number })
    }

    /// Whether the session may carry out this method now. A session that has expired
    /// may log in.
    ///
    /// # Errors
    /// Unknown or closed 1002, expired 1007, number used 1009, number too low 1008,
    /// user disabled 1002, lock held by another session 1006.
    pub(super) fn check<'a>(&self, state: &'a State, method: &str) -> Result<&'a LoginSession, Fault> {
        let session = state
            .sessions
            .get(&self.session)
            .filter(|session| session.key == self.key && !session.closed)
            .ok_or_else(|| fault::auth("Invalid session or bad credentials"))?;
        if session.expired {
            if is_login(method) {
                return Ok(session);
            }
            return Err(Fault::new(1007, format!("session \"{}\" has expired", self.session)));
        }
        self.check_number(session, method)?;
        if let Some(user) = state.users.get(&session.user).filter(|user| user.disabled) {
            return Err(fault::auth(format!("logins by {} are not allowed", user.name)));
        }
        let holder = exclusive_session(state, session.user);
        let shares = |holder| holder == self.session || Some(holder) == session.master;
        if holder.is_some_and(|holder| !shares(holder)) && !DESPITE_LOCK.contains(&method) {
            return Err(Fault::new(1006, "User locked by another session"));
        }
        Ok(session)
    }

    fn check_number(&self, session: &LoginSession, method: &str) -> Result<(), Fault> {
        let (Some(number), Some(last)) = (self.call_number, session.call_number) else { return Ok(()) };
        if last > number {
            return Err(Fault::new(1008, format!("{last} > {number} (session {})", self.session)));
        }
        if last == number && !REPEATABLE.contains(&method) {
            let text =
                format!("unable to retry call {number} (method {method}) for session {}", self.session);
            return Err(Fault::new(1009, text));
        }
        Ok(())
    }
}

/// Whether a method opens or renews a session.
pub(super) fn is_login(method: &str) -> bool {
    LOGINS.contains(&method)
}

/// The session that has the exclusive lock of a user.
pub(super) fn exclusive_session(state: &State, user: u64) -> Option<u64> {
    let holds = |session: &LoginSession| session.user == user && session.exclusive && !session.closed;
    state.sessions.iter().find(|(_, session)| holds(session)).map(|(id, _)| *id)
}
