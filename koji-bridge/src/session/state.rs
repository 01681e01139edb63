//! What a session knows of its hub's state, for whoever watches.

use jiff::Timestamp;
use tokio::sync::watch;

/// How the hub was when it was last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubState {
    /// Nobody is logged in yet, or no longer.
    LoggedOut,
    /// It answers.
    Connected,
    /// It answers that it is offline. Calls wait.
    Offline {
        /// Since when.
        since: Timestamp,
        /// What it says.
        text: String,
    },
    /// It does not answer. Calls are repeated.
    Unreachable {
        /// Since when.
        since: Timestamp,
        /// The last error.
        reason: String,
    },
}

/// The state and who watches it.
#[derive(Debug)]
pub(super) struct State(watch::Sender<HubState>);

impl State {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(HubState::LoggedOut))
    }

    pub(super) fn watch(&self) -> watch::Receiver<HubState> {
        self.0.subscribe()
    }

    pub(super) fn set(&self, state: HubState) {
        self.0.send_if_modified(|now| {
            let changed = *now != state;
            *now = state;
            changed
        });
    }

    /// Says that the hub is offline; answers since when, and whether that is new.
    pub(super) fn offline(&self, text: &str) -> (Timestamp, bool) {
        let known = match &*self.0.borrow() {
            HubState::Offline { since, .. } => Some(*since),
            _ => None,
        };
        let since = known.unwrap_or_else(Timestamp::now);
        self.set(HubState::Offline { since, text: text.to_owned() });
        (since, known.is_none())
    }

    /// Says that the hub does not answer.
    pub(super) fn unreachable(&self, reason: &str) {
        let known = match &*self.0.borrow() {
            HubState::Unreachable { since, .. } => Some(*since),
            _ => None,
        };
        let since = known.unwrap_or_else(Timestamp::now);
        self.set(HubState::Unreachable { since, reason: reason.to_owned() });
    }
}
