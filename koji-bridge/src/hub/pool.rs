//! Hub sessions of one kind: a few, taken in turn, because a session carries one
//! call at a time.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    session::{CallError, HubSettings, Session, SessionError},
    xmlrpc::{Arguments, Call, Fault, Value},
};

/// The sessions. Whoever wants one waits until one is free or the pool is closed.
#[derive(Debug)]
pub(super) struct Pool {
    places: Arc<Semaphore>,
    free: Arc<Mutex<Vec<Session>>>,
    all: Vec<Session>,
}

/// A session in use; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    session: Session,
    free: Arc<Mutex<Vec<Session>>>,
    _place: OwnedSemaphorePermit,
}

impl Pool {
    /// Sessions that log in when they are first needed.
    pub(super) fn new(settings: &Arc<HubSettings>, count: usize) -> Result<Self, SessionError> {
        let one = |_| Session::new(Arc::clone(settings));
        let all = (0..count.max(1)).map(one).collect::<Result<Vec<_>, _>>()?;
        let places = Arc::new(Semaphore::new(all.len()));
        Ok(Self { places, free: Arc::new(Mutex::new(all.clone())), all })
    }

    /// One of the sessions, whether or not it is in use: its calls take turns.
    pub(super) fn first(&self) -> &Session {
        &self.all[0]
    }

    /// Waits for a free session. The last one that was used comes first, so that
    /// no more log in than are needed.
    ///
    /// # Errors
    /// The pool is closed.
    pub(super) async fn take(&self) -> Result<Taken, CallError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| CallError::Cancelled)?;
        // There are as many sessions as places.
        let session = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let session = session.ok_or(CallError::Cancelled)?;
        Ok(Taken { session, free: Arc::clone(&self.free), _place: place })
    }

    /// See [`Session::read`].
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        method: &'static str,
        arguments: Arguments,
    ) -> Result<T, CallError> {
        self.take().await?.read(method, arguments).await
    }

    /// See [`Session::read_all`].
    pub(super) async fn read_all(&self, calls: Vec<Call>) -> Result<Vec<Result<Value, Fault>>, CallError> {
        self.take().await?.read_all(calls).await
    }

    /// All of them.
    pub(super) fn sessions(&self) -> &[Session] {
        &self.all
    }

    /// Logs out. Calls that wait are cancelled.
    pub(super) async fn close(&self) {
        self.places.close();
        futures::future::join_all(self.all.iter().map(Session::logout)).await;
    }
}

impl Deref for Taken {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // Before the place is given up: fields are dropped after this.
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(self.session.clone());
    }
}
