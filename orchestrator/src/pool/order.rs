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

/// A submitted work order. Dropping it before its end takes the order out of
/// the pool: nobody gets it, and a worker that has it is told to stop.
pub struct Submission {
    pub(super) id: WorkOrderId,
    pub(super) turn: u64,
    pub(super) updates: mpsc::Receiver<Update>,
    pub(super) pool: Pool,
    pub(super) kept: bool,
}

impl Submission {
    /// Updates that may be unread. Reasons for waiting are the first that find
    /// no room, and the last update always finds some.
    pub(super) const CAPACITY: usize = 32;

    /// The next update; `None` after the last one.
    pub async fn next(&mut self) -> Option<Update> {
        self.updates.recv().await
    }

    /// Asks the worker that has the order to stop. `false` when nobody has it.
    pub fn cancel(&self, reason: &str) -> bool {
        self.pool.cancel(&self.id, reason)
    }

    /// Stops following, and leaves the order where it is: it will be submitted
    /// again.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Submission {
    fn drop(&mut self) {
        if !self.kept {
            self.pool.abandon(&self.id, self.turn);
        }
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
    /// This worker's answer was taken; it may say it again.
    Finished(WorkerId),
    /// Over without an answer: lost, hopeless or abandoned.
    Ended,
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
        self.last_reason.clear();
        self.place = Place::With(worker.clone());
        self.tell(Update::Assigned(worker));
    }

    /// A worker says that it holds this order. `true` when that is right.
    pub(super) fn reattach(&mut self, worker: &WorkerId) -> bool {
        let rightful = match &self.place {
            // Better with the one who has begun than with anybody else.
            Place::Expected(_) | Place::Waiting => true,
            Place::Detached(holder, _) | Place::With(holder) => holder == worker,
            Place::Finished(_) | Place::Ended => false,
        };
        if rightful {
            self.last_reason.clear();
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

    /// The worker did not take it after all.
    pub(super) fn put_back(&mut self, worker: &WorkerId) {
        if self.is_with(worker) {
            self.place = Place::Waiting;
        }
    }

    /// Nobody follows it any more. The attached worker that has it, if any.
    pub(super) fn abandon(&mut self) -> Option<WorkerId> {
        if matches!(self.place, Place::Finished(_)) {
            return None;
        }
        match std::mem::replace(&mut self.place, Place::Ended) {
            Place::With(worker) => Some(worker),
            _ => None,
        }
    }

    pub(super) fn lose_worker(&mut self, worker: &WorkerId, reason: &str) {
        if self.is_with(worker) {
            self.place = Place::Ended;
            self.tell(Update::Lost(worker.clone(), reason.to_owned()));
        }
    }

    pub(super) fn give_up(&mut self, reason: &str) {
        if matches!(self.place, Place::Waiting | Place::Expected(_)) {
            self.place = Place::Ended;
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

    /// A worker's answer. `false` when the order is not its.
    pub(super) fn finish(&mut self, worker: &WorkerId, outcome: WorkOutcome) -> bool {
        match &self.place {
            Place::With(holder) | Place::Detached(holder, _) if holder == worker => {
                self.conclude(worker, outcome);
                true
            }
            // Said again after a broken connection.
            Place::Finished(by) => by == worker,
            _ => false,
        }
    }

    /// Takes an answer.
    pub(super) fn conclude(&mut self, worker: &WorkerId, outcome: WorkOutcome) {
        self.place = Place::Finished(worker.clone());
        self.tell(Update::Finished(worker.clone(), Box::new(outcome)));
    }

    /// Sends an update if its kind may still use the room that is left: of the
    /// last one there is only one, so one place is always free for it.
    fn tell(&self, update: Update) {
        let reserve = match update {
            Update::Waiting(_) => Submission::CAPACITY / 2,
            Update::Assigned(_) | Update::Reattached(_) => 1,
            Update::Lost(..) | Update::Hopeless(_) | Update::Finished(..) => 0,
        };
        if self.updates.is_closed() {
            return;
        }
        if self.updates.capacity() <= reserve || self.updates.try_send(update).is_err() {
            tracing::warn!(order = %self.order.id, "an update found no room");
        }
    }
}
