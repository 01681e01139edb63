//! Changes and the callers who wait for them.
//!
//! A change whose caller leaves before the hub was asked for anything is dropped:
//! the caller will come again, and tries that nobody waits for must not queue up.
//! Once the hub is asked the change goes on to the end of that call and of the
//! look at what became of it, and asks for nothing else.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::AbortHandle;

use super::{Hub, HubError};
use crate::session::CallError;

tokio::task_local! {
    static COURSE: Arc<Mutex<Course>>;
}

/// How far a change is.
#[derive(Debug, Default)]
struct Course {
    /// The hub was asked for something that changes it.
    asked: bool,
    /// The caller is gone.
    left: bool,
}

/// The caller's interest in a change: dropped with the caller.
struct Caller {
    course: Arc<Mutex<Course>>,
    change: AbortHandle,
}

impl Drop for Caller {
    fn drop(&mut self) {
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        course.left = true;
        if !course.asked {
            self.change.abort();
        }
    }
}

/// Must come before whatever changes something at the hub: from here on the
/// caller's leaving does not end the change.
///
/// # Errors
/// The caller has left.
pub(super) fn ask() -> Result<(), CallError> {
    let go_on = |course: &Arc<Mutex<Course>>| {
        let mut course = course.lock().unwrap_or_else(PoisonError::into_inner);
        course.asked |= !course.left;
        !course.left
    };
    if COURSE.try_with(go_on).unwrap_or(true) { Ok(()) } else { Err(CallError::Cancelled) }
}

impl Hub {
    /// Makes a change: to the end of a call that was begun, whether or not somebody
    /// still waits for it.
    pub(super) async fn carry_on<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, HubError>> + Send + 'static,
    ) -> Result<T, HubError> {
        let course = Arc::<Mutex<Course>>::default();
        let change = COURSE.scope(Arc::clone(&course), change);
        let change = self.0.shutdown.tracker.spawn(change);
        let _caller = Caller { course, change: change.abort_handle() };
        match change.await {
            Ok(ended) => ended,
            Err(_) => Err(CallError::Cancelled.into()),
        }
    }
}
