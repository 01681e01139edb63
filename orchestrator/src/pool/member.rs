//! One attached worker in the pool.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{
    names::{WorkOrderId, WorkerId},
    platform::Platform,
    work::{WorkOrder, WorkPhase},
};
use jiff::Timestamp;
use tokio::{sync::mpsc, time::Instant};

/// How long a worker that has less room than it said is left alone.
const REST: Duration = Duration::from_secs(5);

/// How far a worker is with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it does.
    pub phase: WorkPhase,
    /// Done so far, in bytes or, while building, in instructions.
    pub done: u64,
    /// Of how many; 0 when not known.
    pub total: u64,
}

/// What the pool tells a worker.
#[derive(Debug)]
pub enum ToWorker {
    /// Something to build, or the same again with a fresh ticket.
    Order(Box<WorkOrder>),
    /// Stop an order.
    Cancel {
        /// The order.
        order: WorkOrderId,
        /// Why.
        reason: String,
    },
    /// The result of an order is stored; the worker may forget it.
    ResultStored(WorkOrderId),
}

/// Who a worker says it is, checked by the attach service.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Identity.
    pub id: WorkerId,
    /// Platforms it builds for.
    pub platforms: BTreeSet<Platform>,
    /// Orders it takes at a time.
    pub slots: usize,
    /// Its version.
    pub version: String,
    /// Host it runs on.
    pub host: String,
    /// Its engine.
    pub engine: String,
    /// Orders it still holds, of builds that are under way.
    pub held: BTreeSet<WorkOrderId>,
    /// Orders it says it holds, of builds that have ended or never were. They
    /// give it no rights; it is told to stop them.
    pub unknown: BTreeSet<WorkOrderId>,
}

/// One connection of a worker.
pub struct Attachment {
    /// The worker.
    pub worker: WorkerId,
    /// Tells this connection from an older one of the same worker.
    pub epoch: u64,
    /// What to send down. Ends when a newer connection replaces this one.
    pub inbound: mpsc::Receiver<ToWorker>,
}

/// An attached worker as people see it.
#[derive(Debug, Clone)]
pub struct WorkerView {
    /// Who it is.
    pub credentials: Credentials,
    /// Orders it works on.
    pub busy: Vec<WorkOrderId>,
    /// How far it is with them, as far as it said.
    pub progress: Vec<(WorkOrderId, Progress)>,
    /// Since when it is attached.
    pub attached_at: Timestamp,
}

pub(super) struct Member {
    pub(super) id: WorkerId,
    pub(super) platforms: BTreeSet<Platform>,
    pub(super) epoch: u64,
    /// Orders that take a place: the worker has not answered yet, even if its
    /// answer will not count.
    busy: BTreeSet<WorkOrderId>,
    /// Orders that the worker may speak for: those it works on, and those whose
    /// result it was not yet told to be stored.
    pub(super) held: BTreeSet<WorkOrderId>,
    /// Orders it should forget and could not be told so.
    untold: BTreeSet<WorkOrderId>,
    /// It goes away: it gets nothing new.
    pub(super) leaving: bool,
    rests_until: Option<Instant>,
    progress: BTreeMap<WorkOrderId, Progress>,
    attached_at: Timestamp,
    outbound: mpsc::Sender<ToWorker>,
    credentials: Credentials,
}

impl Member {
    /// Messages to a worker that may be unsent.
    pub(super) const OUTBOUND_CAPACITY: usize = 64;

    pub(super) fn new(credentials: Credentials, epoch: u64, outbound: mpsc::Sender<ToWorker>) -> Self {
        Self {
            id: credentials.id.clone(),
            platforms: credentials.platforms.clone(),
            epoch,
            // Those that have ended are answered at once, which frees their places.
            busy: credentials.held.union(&credentials.unknown).cloned().collect(),
            held: credentials.held.clone(),
            untold: BTreeSet::new(),
            leaving: false,
            rests_until: None,
            progress: BTreeMap::new(),
            attached_at: Timestamp::now(),
            outbound,
            credentials,
        }
    }

    /// Whether it takes orders for a platform, now or later.
    pub(super) fn serves(&self, platform: &Platform) -> bool {
        !self.leaving && self.platforms.contains(platform)
    }

    /// Free places.
    pub(super) fn free(&self, now: Instant) -> usize {
        if self.leaving || self.rests_until.is_some_and(|until| now < until) {
            return 0;
        }
        self.credentials.slots.saturating_sub(self.busy.len())
    }

    /// Hands an order over. `false` when the connection does not take it.
    pub(super) fn give(&mut self, order: &WorkOrder) -> bool {
        let given = self.send(ToWorker::Order(Box::new(order.clone())));
        if given {
            self.busy.insert(order.id.clone());
            self.held.insert(order.id.clone());
            self.untold.remove(&order.id);
        }
        given
    }

    /// The worker has answered, whatever the answer: the place is free.
    pub(super) fn answered(&mut self, order: &WorkOrderId) {
        self.busy.remove(order);
        self.progress.remove(order);
    }

    /// Leaves the worker alone for a while, or until a place gets free.
    pub(super) fn rest(&mut self) {
        self.rests_until = Some(Instant::now() + REST);
    }

    /// A place got free.
    pub(super) fn is_rested(&mut self) {
        self.rests_until = None;
    }

    /// Notes how far an order is. `true` when a new phase began.
    pub(super) fn note_progress(&mut self, order: &WorkOrderId, progress: Progress) -> bool {
        let known = self.busy.contains(order) && self.held.contains(order);
        known
            && self
                .progress
                .insert(order.clone(), progress)
                .is_none_or(|earlier| earlier.phase != progress.phase)
    }

    /// Ends the worker's memory of an order. If it still works on it, it is told
    /// to stop, and its place is taken until it has.
    pub(super) fn forget(&mut self, order: &WorkOrderId) {
        self.held.remove(order);
        let reason = "the build has ended or went on without this worker".to_owned();
        let stopped =
            !self.busy.contains(order) || self.send(ToWorker::Cancel { order: order.clone(), reason });
        if !stopped || !self.send(ToWorker::ResultStored(order.clone())) {
            self.untold.insert(order.clone());
        }
    }

    /// Says again what found no room in the connection.
    pub(super) fn tell_untold(&mut self) {
        for order in std::mem::take(&mut self.untold) {
            self.forget(&order);
        }
    }

    pub(super) fn send(&self, message: ToWorker) -> bool {
        self.outbound.try_send(message).is_ok()
    }

    pub(super) fn view(&self) -> WorkerView {
        WorkerView {
            credentials: self.credentials.clone(),
            busy: self.busy.iter().cloned().collect(),
            progress: self.progress.iter().map(|(order, progress)| (order.clone(), *progress)).collect(),
            attached_at: self.attached_at,
        }
    }
}
