//! One attached worker in the pool.

use std::collections::BTreeSet;

use common::{
    names::{WorkOrderId, WorkerId},
    platform::Platform,
    work::WorkOrder,
};
use jiff::Timestamp;
use tokio::sync::mpsc;

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
    /// Orders it still holds.
    pub held: BTreeSet<WorkOrderId>,
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
    /// Since when it is attached.
    pub attached_at: Timestamp,
}

pub(super) struct Member {
    pub(super) id: WorkerId,
    pub(super) platforms: BTreeSet<Platform>,
    pub(super) epoch: u64,
    /// Orders that take a place.
    pub(super) busy: BTreeSet<WorkOrderId>,
    /// Orders that the worker remembers: those it works on, and those whose
    /// result it was not yet told to be stored.
    pub(super) held: BTreeSet<WorkOrderId>,
    pub(super) attached_at: Timestamp,
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
            busy: BTreeSet::new(),
            held: credentials.held.clone(),
            attached_at: Timestamp::now(),
            outbound,
            credentials,
        }
    }

    /// Free places.
    pub(super) fn free(&self) -> usize {
        self.credentials.slots.saturating_sub(self.busy.len())
    }

    /// Hands an order over. `false` when the connection does not take it.
    pub(super) fn give(&mut self, order: &WorkOrder) -> bool {
        let given = self.send(ToWorker::Order(Box::new(order.clone())));
        if given {
            self.busy.insert(order.id.clone());
            self.held.insert(order.id.clone());
        }
        given
    }

    /// Ends the worker's memory of an order.
    pub(super) fn forget(&mut self, order: &WorkOrderId, finished: bool) {
        self.busy.remove(order);
        self.held.remove(order);
        if !finished {
            let reason = "the build has ended or went on without this worker".to_owned();
            self.send(ToWorker::Cancel { order: order.clone(), reason });
        }
        self.send(ToWorker::ResultStored(order.clone()));
    }

    pub(super) fn send(&self, message: ToWorker) -> bool {
        self.outbound.try_send(message).is_ok()
    }

    pub(super) fn view(&self) -> WorkerView {
        WorkerView {
            credentials: self.credentials.clone(),
            busy: self.busy.iter().cloned().collect(),
            attached_at: self.attached_at,
        }
    }
}
