//! A session with a Koji hub, and calls in it.
//!
//! A session has one call in flight at most, because a hub orders calls by their
//! numbers. It logs in when it is first needed, again when the hub has forgotten
//! it, and renews itself when it has expired. What a hub cannot answer is
//! repeated with patience; a write is repeated only where the hub keeps it from
//! being carried out twice, and where its fate is unknown the error says so.

mod error;
mod live;
mod redact;
mod settings;
mod state;
mod turn;
mod upload;

use std::{
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    sync::{Mutex, MutexGuard, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

pub use error::{CallError, ErrorKind, SessionError, code};
pub use settings::{HubSettings, LateCertificate, Login};
pub use state::HubState;
pub use upload::{Chunk, ChunkAnswer};

use crate::xmlrpc::{Arguments, Call, Fault, Value, from_value, read_multicall, write_multicall};
use live::{Purpose, Work};
use state::State;
use turn::{CarriedOut, Turn};

/// Most calls in one multicall. All of them are one transaction at the hub.
const LARGEST_MULTICALL: usize = 500;
/// How long a logout may take, the wait for a call in flight included.
const LOGOUT: Duration = Duration::from_secs(5);

/// A session. Clones are the same session.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

struct Shared {
    settings: Arc<HubSettings>,
    hub: Url,
    turn: Mutex<Turn>,
    state: State,
    version: StdMutex<Option<String>>,
    closed: CancellationToken,
    /// Logouts of sessions whose last call was abandoned.
    farewells: TaskTracker,
}

/// The session's user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LoggedInUser {
    /// The user's number.
    pub id: i64,
    /// The name, which a build's `submitter` gets.
    pub name: String,
    /// 0 for a user who may log in.
    pub status: Option<i64>,
    /// 0 a person or service, 1 a host, 2 a group.
    pub usertype: Option<i64>,
    /// 0 password, 1 Kerberos of old, 2 certificate, 3 GSSAPI.
    pub authtype: Option<i64>,
    /// The Kerberos principal.
    pub krb_principal: Option<String>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("hub", &self.0.hub.as_str()).finish_non_exhaustive()
    }
}

impl Session {
    /// A session that will log in at its first call.
    ///
    /// # Errors
    /// The hub's address cannot be used.
    pub fn new(settings: Arc<HubSettings>) -> Result<Self, SessionError> {
        common::service::install_crypto_provider();
        let hub = settings.hub()?;
        Ok(Self(Arc::new(Shared {
            settings,
            hub,
            turn: Mutex::default(),
            state: State::new(),
            version: StdMutex::default(),
            closed: CancellationToken::new(),
            farewells: TaskTracker::new(),
        })))
    }

    /// Calls a method that changes nothing. It may be carried out several times.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn read<T: DeserializeOwned>(
        &self,
        method: &'static str,
        arguments: Arguments,
    ) -> Result<T, CallError> {
        let value = self.call(method, Purpose::Read, &Call::new(method, arguments)).await?;
        from_value(value).map_err(|error| CallError::Unexpected { method, reason: error.to_string() })
    }

    /// Calls a method that changes something. It is never carried out twice; an
    /// answer that cannot be understood counts as lost.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn write<T: DeserializeOwned>(
        &self,
        method: &'static str,
        arguments: Arguments,
    ) -> Result<T, CallError> {
        let value = self.call(method, Purpose::Write, &Call::new(method, arguments)).await?;
        from_value(value).map_err(|error| {
            tracing::warn!(method, %error, "the call was carried out, but its answer is not as expected");
            CallError::Committed { method }
        })
    }

    /// Calls several methods that change nothing, and answers in their order.
    ///
    /// # Errors
    /// See [`CallError`]; the refusal of one call is its own answer.
    pub async fn read_all(&self, calls: Vec<Call>) -> Result<Vec<Result<Value, Fault>>, CallError> {
        let method = crate::xmlrpc::MULTICALL;
        let mut answers = Vec::with_capacity(calls.len());
        for some in calls.chunks(LARGEST_MULTICALL) {
            let value = self.call(method, Purpose::Read, &write_multicall(some)).await?;
            let read = read_multicall(value, some.len());
            let read = read.map_err(|error| CallError::Unexpected { method, reason: error.to_string() })?;
            let password = self.0.settings.login.password();
            answers.extend(
                read.into_iter().map(|answer| answer.map_err(|fault| redact::redacted(fault, password))),
            );
        }
        Ok(answers)
    }

    /// The session's user; `None` for nobody.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn user(&self) -> Result<Option<LoggedInUser>, CallError> {
        self.read("getLoggedInUser", Arguments::none()).await
    }

    /// How the hub is, as far as calls have shown.
    pub fn state(&self) -> watch::Receiver<HubState> {
        self.0.state.watch()
    }

    /// The hub's version as its last answer told it; hubs tell since 1.34.1.
    pub fn hub_version(&self) -> Option<String> {
        self.0.version()
    }

    /// Closes the session for good: waits end, further calls are cancelled, and
    /// the hub is told if it answers soon.
    pub async fn logout(&self) {
        self.0.closed.cancel();
        let farewell = async {
            let mut turn = self.0.turn.lock().await;
            turn.leave(&self.0, LOGOUT).await;
            self.0.farewells.close();
            self.0.farewells.wait().await;
        };
        if tokio::time::timeout(LOGOUT, farewell).await.is_err() {
            tracing::info!("the hub was not told of the session's end in time");
        }
        self.0.state.set(HubState::LoggedOut);
    }

    async fn call(&self, method: &'static str, purpose: Purpose, call: &Call) -> Result<Value, CallError> {
        let body = call.to_xml().map_err(|source| CallError::Unsendable { method, source })?;
        let body = Bytes::from(body);
        let work = Work { method, purpose, query: Vec::new(), content_type: "text/xml", body };
        self.carry_out(&work).await.map(|carried_out| carried_out.value)
    }

    async fn carry_out(&self, work: &Work) -> Result<CarriedOut, CallError> {
        let arrived = Instant::now();
        let mut turn = self.0.turn().await?;
        Box::pin(turn.carry_out(&self.0, work, arrived)).await
    }
}

impl Shared {
    /// A fault that may be told on: without the session's key and our password.
    fn presentable(&self, fault: Fault, key: Option<&str>) -> Fault {
        redact::redacted(fault, key.into_iter().chain(self.settings.login.password()))
    }

    /// Waits for its turn: first come, first served.
    async fn turn(&self) -> Result<MutexGuard<'_, Turn>, CallError> {
        tokio::select! {
            biased;
            () = self.closed.cancelled() => Err(CallError::Cancelled),
            turn = self.turn.lock() => Ok(turn),
        }
    }

    /// A wait that the session's end cuts short; false then.
    async fn pause(&self, wait: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.closed.cancelled() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }

    fn version(&self) -> Option<String> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember_version(&self, version: Option<String>) {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }
}
