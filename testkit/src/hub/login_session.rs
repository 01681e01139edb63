//! Making and ending login sessions.

use rand::{RngExt as _, distr::Alphanumeric};

use super::state::{LoginSession, State};

/// Length of the random part of a session's key.
const KEY: usize = 19;

impl LoginSession {
    /// A new session of a user.
    pub fn new(user: u64, authtype: u8, started: f64) -> Self {
        Self {
            user,
            key: new_key(user),
            master: None,
            call_number: None,
            expired: false,
            closed: false,
            exclusive: false,
            authtype,
            started,
        }
    }

    /// Gives it a new key and begins its call numbers anew.
    pub(super) fn renew(&mut self) {
        self.key = new_key(self.user);
        self.expired = false;
        self.exclusive = false;
        self.call_number = None;
    }
}

fn new_key(user: u64) -> String {
    let random: String = rand::rng().sample_iter(Alphanumeric).take(KEY).map(char::from).collect();
    format!("{user}-{random}")
}

impl State {
    /// Opens a session; its number is the next one.
    pub fn add_session(&mut self, session: LoginSession) -> u64 {
        let id = self.sessions.last_key_value().map_or(0, |(id, _)| *id) + 1;
        self.sessions.insert(id, session);
        id
    }

    /// Closes a session and its subsessions.
    pub fn close_session(&mut self, id: u64) {
        for (other, session) in &mut self.sessions {
            if *other == id || session.master == Some(id) {
                session.closed = true;
                session.exclusive = false;
            }
        }
    }
}
