//! One work order in the pool: where it is, and who hears about it.

use common::{
    names::{WorkOrderId, WorkerId},
    work::{WorkOrder, WorkOutcome},
};
use tokio::{sync::mpsc, time::Instant};

use super::Pool;

/// What becomes of a work order, in order.
#[derive(Debug)]
pub enum Update {
    /// It waits, and why.
    Waiting(String),
    /// A worker has it.
    Assigned(WorkerId),
    /// The worker came back after its connection had broken.
    Reattached(WorkerId),
    /// The worker is gone. The last update.
    Lost(WorkerId, String),
    /// There will be no worker for it. The last update.
    Hopeless(String),
    /// The worker answered. The last update.
    Finished(WorkerId, Box<WorkOutcome>),
}

/// A submitted work order. Dropping it takes the order out of the pool, unless a
/// worker has it: that one is told when the build is released.
pub struct Submission {
    pub(super) id: WorkOrderId,
    pub(super) turn: u64,
    pub(super) updates: mpsc::Receiver<Update>,
    pub(super) pool: Pool,
}

impl Submission {
    /// Updates that may be unread. An order changes hands a few times at most;
    /// what does not fit is a repeated reason for waiting.
    pub(super) const CAPACITY: usize = 32;

    /// The next update; `None` after the last one.
    pub async fn next(&mut self) -> Option<Update> {
        self.updates.recv().await
    }

    /// Asks the worker that has the order to stop. `false` when nobody has it.
    pub fn cancel(&self, reason: &str) -> bool {
        self.pool.cancel(&self.id, reason)
    }
}

impl Drop for Submission {
    fn drop(&mut self) {
        self.pool.drop_unassigned(&self.id, self.turn);
    }
}

/// Where an order is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// With nobody; may be given to any worker.
    Waiting,
    /// An earlier process gave it away; its worker may come back until then.
    Expected(Instant),
    /// With an attached worker.
    With(WorkerId),
    /// With a worker whose connection broke; it may come back until then.
    Detached(WorkerId, Instant),
    /// The last update was sent.
    Done,
}

pub(super) struct Entry {
    pub(super) order: WorkOrder,
    pub(super) turn: u64,
    pub(super) place: Place,
    updates: mpsc::Sender<Update>,
    last_reason: String,
}

impl Entry {
    pub(super) fn new(
        order: WorkOrder,
        turn: u64,
        expected_until: Option<Instant>,
        updates: mpsc::Sender<Update>,
    ) -> Self {
        let place = expected_until.map_or(Place::Waiting, Place::Expected);
        Self { order, turn, place, updates, last_reason: String::new() }
    }

    pub(super) fn is_with(&self, worker: &WorkerId) -> bool {
        matches!(&self.place, Place::With(holder) | Place::Detached(holder, _) if holder == worker)
    }

    pub(super) fn wait(&mut self, reason: String) {
        if self.last_reason != reason {
            self.last_reason.clone_from(&reason);
            self.tell(Update::Waiting(reason));
        }
    }

    pub(super) fn assign(&mut self, worker: WorkerId) {
        self.place = Place::With(worker.clone());
        self.tell(Update::Assigned(worker));
    }

    /// A worker says that it holds this order. `true` when that is right.
    pub(super) fn reattach(&mut self, worker: &WorkerId) -> bool {
        let rightful = match &self.place {
            Place::Expected(_) => true,
            Place::Detached(holder, _) | Place::With(holder) => holder == worker,
            Place::Waiting | Place::Done => false,
        };
        if rightful {
            self.place = Place::With(worker.clone());
            self.tell(Update::Reattached(worker.clone()));
        }
        rightful
    }

    pub(super) fn lose_connection(&mut self, worker: &WorkerId, until: Instant) {
        if matches!(&self.place, Place::With(holder) if holder == worker) {
            self.place = Place::Detached(worker.clone(), until);
        }
    }

    pub(super) fn lose_worker(&mut self, worker: &WorkerId, reason: &str) {
        if self.is_with(worker) {
            self.place = Place::Done;
            self.tell(Update::Lost(worker.clone(), reason.to_owned()));
        }
    }

    pub(super) fn give_up(&mut self, reason: &str) {
        if matches!(self.place, Place::Waiting | Place::Expected(_)) {
            self.place = Place::Done;
            self.tell(Update::Hopeless(reason.to_owned()));
        }
    }

    /// Ends waits that took too long.
    pub(super) fn expire(&mut self, now: Instant) {
        match &self.place {
            Place::Expected(until) if *until <= now => self.place = Place::Waiting,
            Place::Detached(worker, until) if *until <= now => {
                let worker = worker.clone();
                self.lose_worker(&worker, "its connection broke and it did not come back");
            }
            _ => {}
        }
    }

    pub(super) fn finish(&mut self, worker: &WorkerId, outcome: WorkOutcome) -> bool {
        let rightful = match &self.place {
            Place::With(holder) | Place::Detached(holder, _) => holder == worker,
            Place::Expected(_) => true,
            Place::Waiting => false,
            // Said again after a broken connection.
            Place::Done => return true,
        };
        if rightful {
            self.place = Place::Done;
            self.tell(Update::Finished(worker.clone(), Box::new(outcome)));
        }
        rightful
    }

    fn tell(&self, update: Update) {
        if let Err(mpsc::error::TrySendError::Full(update)) = self.updates.try_send(update) {
            tracing::warn!(order = %self.order.id, ?update, "an update found no room");
        }
    }
}
