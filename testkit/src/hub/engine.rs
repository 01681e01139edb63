//! One call after the other: who calls, what the method does, what is stored.

use std::{
    collections::{HashSet, VecDeque},
    io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use koji_bridge::xmlrpc::{Answer, Call, Fault};
use serde::Serialize;

use super::{
    context::{Connection, Context, fault},
    credentials::{self, Credentials},
    faults::{Effect, FaultOrder, Offline, Orders},
    methods,
    settings::HubSettings,
    state::{LoginSession, State},
    store::Store,
    tasks,
};

/// What an upload is called among the methods.
pub(super) const UPLOAD: &str = "rawUpload";

/// How many calls are remembered.
const CALLS: usize = 10_000;

/// A call as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedCall {
    /// Its method; `rawUpload` for an upload.
    pub method: String,
    /// The session that it named.
    pub session: Option<u64>,
    /// The name of its user; `None` if it was anonymous or refused.
    pub user: Option<String>,
    /// Its number.
    pub call_number: Option<u64>,
    /// Code of the fault it was answered with; `None` if it ended well, or was not
    /// carried out because of an order for a fault.
    pub fault: Option<i64>,
}

/// How a call ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// With an answer.
    Answered(Answer),
    /// With none: the connection is to be cut.
    Lost,
}

/// Everything that the hub's requests share.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) settings: HubSettings,
    pub(super) top_directory: PathBuf,
    store: Option<Store>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) state: State,
    pub(super) orders: Orders,
    pub(super) offline: Offline,
    pub(super) calls: VecDeque<RecordedCall>,
    /// Sessions with a call that has outlived its client.
    pub(super) outliving: HashSet<u64>,
    /// Files that an upload is writing.
    pub(super) uploading: HashSet<PathBuf>,
}

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) session: u64,
    pub(super) user: u64,
}

/// The time in epoch seconds.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

impl Engine {
    pub(super) fn new(
        settings: HubSettings,
        top_directory: PathBuf,
        store: Option<Store>,
        state: State,
    ) -> Self {
        let inner = Mutex::new(Inner { state, ..Inner::default() });
        Self { settings, top_directory, store, inner }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been ordered for this call.
    pub(super) fn strike(&self, call: &Call) -> Option<Effect> {
        self.inner().orders.strike(call)
    }

    /// Orders a fault.
    pub(super) fn order(&self, order: FaultOrder) {
        self.inner().orders.add(order);
    }

    /// Changes the state and stores it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> io::Result<T> {
        let mut inner = self.inner();
        let mut state = inner.state.clone();
        let result = change(&mut state);
        self.commit(&mut inner, state)?;
        Ok(result)
    }

    fn commit(&self, inner: &mut Inner, state: State) -> io::Result<()> {
        if let Some(store) = &self.store {
            store.save(&state)?;
        }
        inner.state = state;
        Ok(())
    }

    /// Carries out a call.
    pub(super) fn execute(
        &self,
        call: &Call,
        credentials: Result<Option<Credentials>, Fault>,
        connection: Connection,
        effect: Option<&Effect>,
    ) -> Outcome {
        let mut inner = self.inner();
        let named = credentials.as_ref().ok().cloned().flatten();
        let admitted = credentials.and_then(|named| self.admit(&mut inner, &call.method, named, effect));
        let caller = admitted.as_ref().ok().copied().flatten();
        let outcome = match (admitted, effect) {
            (Err(fault), _) => Outcome::Answered(Err(fault)),
            (Ok(_), Some(Effect::Raise(code, text))) => {
                Outcome::Answered(Err(Fault::new(*code, text.clone())))
            }
            (Ok(_), _) => self.carry_out(&mut inner, call, caller, named.as_ref(), connection, effect),
        };
        let fault = match &outcome {
            Outcome::Answered(Err(fault)) => Some(fault.code),
            _ => None,
        };
        inner.record(&call.method, named.as_ref(), caller, fault);
        outcome
    }

    /// Whether an upload may begin: who makes it.
    pub(super) fn admit_upload(
        &self,
        credentials: Result<Option<Credentials>, Fault>,
        effect: Option<&Effect>,
    ) -> Result<Caller, Fault> {
        let caller = self.admit(&mut self.inner(), UPLOAD, credentials?, effect)?;
        if let Some(Effect::Raise(code, text)) = effect {
            return Err(Fault::new(*code, text.clone()));
        }
        caller.ok_or_else(|| fault::not_allowed("you must be logged-in to upload a file"))
    }

    /// Lets a caller in: the hub is there, and the session may be used.
    fn admit(
        &self,
        inner: &mut Inner,
        method: &str,
        credentials: Option<Credentials>,
        effect: Option<&Effect>,
    ) -> Result<Option<Caller>, Fault> {
        if inner.offline.now() || effect == Some(&Effect::Offline) {
            return Err(Fault::new(1014, "Server disabled for maintenance"));
        }
        let Some(credentials) = credentials else { return Ok(None) };
        if matches!(effect, Some(Effect::ExpireSession | Effect::LoseLock)) {
            let mut state = inner.state.clone();
            interfere(&mut state, credentials.session, effect == Some(&Effect::LoseLock));
            self.commit(inner, state).map_err(|error| not_stored(&error))?;
        }
        let session = credentials.check(&inner.state, method)?;
        Ok(Some(Caller { session: credentials.session, user: session.user }))
    }

    fn carry_out(
        &self,
        inner: &mut Inner,
        call: &Call,
        caller: Option<Caller>,
        credentials: Option<&Credentials>,
        mut connection: Connection,
        effect: Option<&Effect>,
    ) -> Outcome {
        // A login makes a session of its own, or renews the one that is named.
        let login = credentials::is_login(&call.method);
        connection.named_session = caller.filter(|_| login).map(|caller| caller.session);
        let caller = caller.filter(|_| !login);
        let mut state = inner.state.clone();
        let now = now();
        // What a task has done shows in every answer from its end on, as at a hub
        // whose hosts write for themselves.
        tasks::settle(&mut state, now);
        let mut context = Context {
            state: &mut state,
            settings: &self.settings,
            top_directory: &self.top_directory,
            session: caller.map(|caller| caller.session),
            user: caller.map(|caller| caller.user),
            now,
            connection: &connection,
        };
        let answer = methods::carry_out(&mut context, call);
        if answer.is_ok() && methods::writes(call) {
            match effect {
                Some(Effect::DropBeforeCommit) => return Outcome::Lost,
                Some(Effect::DieBeforeCommit) => std::process::abort(),
                _ => {}
            }
            let session = caller.and_then(|caller| state.sessions.get_mut(&caller.session));
            if let (Some(session), Some(number)) = (session, credentials.and_then(|named| named.call_number))
            {
                session.call_number = Some(number);
            }
            if let Err(error) = self.commit(inner, state) {
                return Outcome::Answered(Err(not_stored(&error)));
            }
            if effect == Some(&Effect::DieAfterCommit) {
                std::process::abort();
            }
        }
        match effect {
            Some(Effect::DropAnswer | Effect::DropBeforeCommit) => Outcome::Lost,
            _ => Outcome::Answered(answer),
        }
    }
}

impl Inner {
    /// Remembers a call.
    pub(super) fn record(
        &mut self,
        method: &str,
        credentials: Option<&Credentials>,
        caller: Option<Caller>,
        fault: Option<i64>,
    ) {
        if self.calls.len() == CALLS {
            self.calls.pop_front();
        }
        let user = caller.and_then(|caller| self.state.users.get(&caller.user));
        self.calls.push_back(RecordedCall {
            method: method.to_owned(),
            session: credentials.map(|credentials| credentials.session),
            user: user.map(|user| user.name.clone()),
            call_number: credentials.and_then(|credentials| credentials.call_number),
            fault,
        });
    }
}

fn not_stored(error: &io::Error) -> Fault {
    fault::uncaught("OSError", &error.to_string())
}

/// What happens to a session behind its back: it expires, or another session of the
/// same user takes the lock by force.
fn interfere(state: &mut State, id: u64, lock: bool) {
    let Some(session) = state.sessions.get_mut(&id) else { return };
    if !lock {
        session.expired = true;
        session.exclusive = false;
        return;
    }
    let user = session.user;
    let rival = LoginSession { exclusive: true, ..LoginSession::new(user, session.authtype, now()) };
    for other in state.sessions.values_mut().filter(|other| other.user == user && other.exclusive) {
        other.exclusive = false;
        other.closed = true;
    }
    state.add_session(rival);
}
