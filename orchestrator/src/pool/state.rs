//! What the pool knows, and the moves that keep workers and orders consistent.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use common::{
    names::{WorkOrderId, WorkerId},
    platform::Platform,
    work::WorkOutcome,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    early::EarlyResults,
    member::{Member, ToWorker},
    order::{Entry, Place},
    placement,
};

/// What a worker answers to an order that finds all its places taken.
const NO_FREE_SLOT: &str = "worker.no_free_slot";
/// What a worker answers to a new order while it goes away.
const LEAVING: &str = "worker.leaving";
/// How work ends that a worker stopped because it goes away.
const SHUTTING_DOWN: &str = "worker.shutting_down";

#[derive(Default)]
pub(super) struct State {
    pub(super) members: BTreeMap<WorkerId, Member>,
    pub(super) orders: HashMap<WorkOrderId, Entry>,
    pub(super) early_results: EarlyResults,
    pub(super) next_epoch: u64,
    pub(super) next_turn: u64,
    /// Fires when this process ends: whatever is under way is the next one's.
    pub(super) ending: CancellationToken,
}

impl State {
    /// Gives waiting orders to free workers, oldest first.
    pub(super) fn dispatch(&mut self) {
        let now = Instant::now();
        let mut waiting: Vec<(u64, WorkOrderId)> = self
            .orders
            .iter()
            .filter(|(_, entry)| matches!(entry.place, Place::Waiting))
            .map(|(id, entry)| (entry.turn, id.clone()))
            .collect();
        waiting.sort();
        let mut queues: HashMap<Platform, usize> = HashMap::new();
        for (_, id) in waiting {
            let Some(entry) = self.orders.get_mut(&id) else { continue };
            match placement::choose(self.members.values(), &entry.order.platform, now) {
                Ok(worker) => {
                    let Some(member) = self.members.get_mut(&worker) else { continue };
                    if member.give(&entry.order) {
                        entry.assign(worker);
                    }
                }
                Err(reason) => {
                    let position = queues.entry(entry.order.platform.clone()).or_default();
                    *position += 1;
                    entry.wait(format!("{reason} (position {position})"));
                }
            }
        }
    }

    /// Settles what a worker says that it holds: it goes on with an order that
    /// nobody else has meanwhile, and stops one that went on without it.
    pub(super) fn claim(&mut self, id: &WorkOrderId, worker: &WorkerId) {
        let Some(entry) = self.orders.get_mut(id) else { return };
        let Some(member) = self.members.get_mut(worker) else { return };
        if matches!(&entry.place, Place::Finished(by) if by == worker) {
            return;
        }
        if member.platforms.contains(&entry.order.platform) && entry.reattach(worker) {
            // The worker keeps building; the order again brings it a ticket
            // that this process accepts.
            member.send(ToWorker::Order(Box::new(entry.order.clone())));
        } else {
            member.forget(id);
        }
    }

    /// Looks whether attached workers already hold an order that was submitted.
    pub(super) fn claim_for_holders(&mut self, id: &WorkOrderId) {
        let holders: Vec<WorkerId> = self
            .members
            .values()
            .filter(|member| member.held.contains(id))
            .map(|member| member.id.clone())
            .collect();
        for worker in holders {
            self.claim(id, &worker);
        }
    }

    /// Says what an order waits for that an earlier process gave away.
    pub(super) fn explain_expectation(&mut self, id: &WorkOrderId, window: Duration) {
        if let Some(entry) = self.orders.get_mut(id)
            && matches!(entry.place, Place::Expected(_))
        {
            let seconds = window.as_secs();
            entry.wait(format!(
                "a worker may have it since before the restart; it has {seconds} s to come back"
            ));
        }
    }

    /// A worker's answer. `false` when it does not count.
    pub(super) fn finish(&mut self, worker: &WorkerId, id: &WorkOrderId, outcome: WorkOutcome) -> bool {
        let code = outcome.as_ref().err().map(|failure| failure.code.clone()).unwrap_or_default();
        let held = self.members.get_mut(worker).is_some_and(|member| {
            member.answered(id);
            match code.as_str() {
                NO_FREE_SLOT => member.rest(),
                LEAVING | SHUTTING_DOWN => member.leaving = true,
                _ => member.is_rested(),
            }
            member.held.contains(id)
        });
        if code == NO_FREE_SLOT || code == LEAVING {
            // It never began: somebody else may have it, and no attempt is used.
            if let Some(member) = self.members.get_mut(worker) {
                member.held.remove(id);
            }
            if let Some(entry) = self.orders.get_mut(id) {
                entry.put_back(worker);
            }
            return true;
        }
        let taken = match self.orders.get_mut(id) {
            Some(entry) => entry.finish(worker, outcome),
            None => held && self.early_results.keep(worker, id, outcome),
        };
        if let Some(member) = self.members.get_mut(worker) {
            if !taken {
                member.held.remove(id);
            } else if code == SHUTTING_DOWN {
                // Nothing is lost with this result, and the worker waits for the
                // answer before it ends.
                member.forget(id);
            }
        }
        taken
    }

    /// Nobody follows an order any more: it is given to nobody, and whoever has
    /// it stops. A process that ends leaves its orders to the next one.
    pub(super) fn abandon(&mut self, id: &WorkOrderId, turn: u64) {
        if self.ending.is_cancelled() {
            return;
        }
        let Some(entry) = self.orders.get_mut(id).filter(|entry| entry.turn == turn) else { return };
        if let Some(holder) = entry.abandon()
            && let Some(member) = self.members.get_mut(&holder)
        {
            member.forget(id);
        }
    }
}
