//! Hub sessions for uploads: a few, taken in turn.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::session::{HubSettings, Session, SessionError};

/// The sessions. Whoever wants one waits until one is free.
#[derive(Debug)]
pub(super) struct Sessions {
    places: Arc<Semaphore>,
    free: Arc<Mutex<Vec<Session>>>,
    all: Vec<Session>,
    /// Never taken, so that a question need not wait for an upload's end.
    questions: Session,
}

/// A session in use; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    session: Session,
    free: Arc<Mutex<Vec<Session>>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Sessions {
    pub(super) fn new(hub: &Arc<HubSettings>, count: usize) -> Result<Self, SessionError> {
        let one = || Session::new(Arc::clone(hub));
        let all = (0..count.max(1)).map(|_| one()).collect::<Result<Vec<_>, _>>()?;
        let places = Arc::new(Semaphore::new(all.len()));
        Ok(Self { places, free: Arc::new(Mutex::new(all.clone())), all, questions: one()? })
    }

    pub(super) async fn take(&self) -> Taken {
        // The error is a closed semaphore, which this one never is.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let session = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // There are as many sessions as places; sharing one would still be right.
        let session = session.unwrap_or_else(|| self.all[0].clone());
        Taken { session, free: Arc::clone(&self.free), _place: place }
    }

    pub(super) fn for_questions(&self) -> &Session {
        &self.questions
    }

    pub(super) async fn close(&self) {
        let all = self.all.iter().chain([&self.questions]);
        futures::future::join_all(all.map(Session::logout)).await;
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
