//! The pool: workers that are attached, and the work orders they have.
//!
//! A step submits a [`WorkOrder`] and follows the [`Update`]s about it; the
//! attach service reports workers that come, go and answer. The pool sits
//! between the two and owns one rule: a work order is at most with one worker,
//! and only that worker's answer counts.
//!
//! A connection that breaks is not a lost worker: it may come back and name the
//! orders it still holds. Only after the window for that has passed, or when
//! its process is known to be dead, is the order reported as lost.

mod early;
mod janitor;
mod member;
mod order;
mod placement;
mod state;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    names::{BuildId, WorkOrderId, WorkerId},
    platform::Platform,
    work::{WorkOrder, WorkOutcome},
};
use tokio::{sync::mpsc, time::Instant};

pub use common::ticket::TicketMaker;
pub use member::{Attachment, Credentials, Progress, ToWorker, WorkerView};
pub use order::{Submission, Update};

use member::Member;
use order::{Entry, Place};
use state::State;

/// How patient the pool is.
#[derive(Debug, Clone, Copy)]
pub struct PoolSettings {
    /// How long a worker whose connection broke may take to come back.
    pub reattach_window: Duration,
}

/// Attached workers and their work orders. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    settings: PoolSettings,
    state: Arc<Mutex<State>>,
}

impl Pool {
    /// An empty pool.
    pub fn new(settings: PoolSettings) -> Self {
        Self { settings, state: Arc::default() }
    }

    /// Takes a work order. With `expect_holder`, an earlier process has given
    /// it to a worker already, which gets the window to come back with it.
    pub fn submit(&self, order: WorkOrder, expect_holder: bool) -> Submission {
        let (updates, receiver) = mpsc::channel(Submission::CAPACITY);
        let id = order.id.clone();
        let mut state = self.lock();
        state.next_turn += 1;
        let window = self.settings.reattach_window;
        let expected_until = expect_holder.then(|| Instant::now() + window);
        let turn = state.next_turn;
        let mut entry = Entry::new(order, turn, expected_until, updates);
        if let Some((worker, outcome)) = state.early_results.take(&id) {
            entry.conclude(&worker, outcome);
            state.orders.insert(id.clone(), entry);
        } else {
            state.orders.insert(id.clone(), entry);
            state.claim_for_holders(&id);
            state.explain_expectation(&id, window);
            state.dispatch();
        }
        drop(state);
        Submission { id, turn, updates: receiver, pool: self.clone(), kept: false }
    }

    /// Lets a worker in. An older connection of the same worker is closed, and
    /// what was sent to it there and the worker does not have is lost.
    pub fn attach(&self, hello: Credentials) -> Attachment {
        let mut state = self.lock();
        state.next_epoch += 1;
        let epoch = state.next_epoch;
        let (outbound, inbound) = mpsc::channel(Member::OUTBOUND_CAPACITY);
        let id = hello.id.clone();
        let held: Vec<_> = hello.held.iter().cloned().collect();
        let unknown: Vec<_> = hello.unknown.iter().cloned().collect();
        for (order, entry) in &mut state.orders {
            if !hello.held.contains(order) {
                entry.lose_worker(&id, "it came back without it");
            }
        }
        let mut member = Member::new(hello, epoch, outbound);
        for order in &unknown {
            member.forget(order);
        }
        state.members.insert(id.clone(), member);
        for order in &held {
            state.claim(order, &id);
        }
        state.dispatch();
        Attachment { worker: id, epoch, inbound }
    }

    /// A connection has ended. Its orders wait for the worker to come back.
    pub fn detach(&self, worker: &WorkerId, epoch: u64) {
        let mut state = self.lock();
        if state.members.get(worker).is_none_or(|member| member.epoch != epoch) {
            return;
        }
        state.members.remove(worker);
        let until = Instant::now() + self.settings.reattach_window;
        for entry in state.orders.values_mut() {
            entry.lose_connection(worker, until);
        }
    }

    /// A worker's process is known to be dead: nobody will come back.
    pub fn bury(&self, worker: &WorkerId, reason: &str) {
        let mut state = self.lock();
        state.members.remove(worker);
        for entry in state.orders.values_mut() {
            entry.lose_worker(worker, reason);
        }
    }

    /// There will be no worker for a platform: orders that wait for one end.
    pub fn give_up(&self, platform: &Platform, reason: &str) {
        let mut state = self.lock();
        let served = state.members.values().any(|member| member.serves(platform));
        for entry in state.orders.values_mut() {
            if !served && entry.order.platform == *platform {
                entry.give_up(reason);
            }
        }
    }

    /// A worker has answered. `false` when the order is not (or no longer) its:
    /// it may forget the result.
    pub fn finish(&self, worker: &WorkerId, order: &WorkOrderId, outcome: WorkOutcome) -> bool {
        let mut state = self.lock();
        let taken = state.finish(worker, order, outcome);
        state.dispatch();
        taken
    }

    /// Notes how far a worker is with an order. `true` when a new phase began.
    pub fn note_progress(&self, worker: &WorkerId, order: &WorkOrderId, progress: Progress) -> bool {
        let mut state = self.lock();
        state.members.get_mut(worker).is_some_and(|member| member.note_progress(order, progress))
    }

    /// Whether a worker may speak for a work order.
    pub fn holds(&self, worker: &WorkerId, order: &WorkOrderId) -> bool {
        let state = self.lock();
        let assigned = state.orders.get(order).is_some_and(|entry| entry.is_with(worker));
        assigned || state.members.get(worker).is_some_and(|member| member.held.contains(order))
    }

    /// A work order that is under way, for the calls that present its ticket.
    pub fn order(&self, order: &WorkOrderId) -> Option<WorkOrder> {
        self.lock().orders.get(order).map(|entry| entry.order.clone())
    }

    /// Asks the worker that has an order to stop it. `false` when nobody has it.
    pub fn cancel(&self, order: &WorkOrderId, reason: &str) -> bool {
        let state = self.lock();
        let Some(Place::With(worker)) = state.orders.get(order).map(|entry| &entry.place) else {
            return false;
        };
        let message = ToWorker::Cancel { order: order.clone(), reason: reason.to_owned() };
        state.members.get(worker).is_some_and(|member| member.send(message))
    }

    /// Forgets every order of a build. Workers are told that finished results
    /// are stored, and to stop whatever they still do.
    pub fn release(&self, build: &BuildId) {
        let mut state = self.lock();
        let ours = |id: &WorkOrderId| id.build().as_ref() == Some(build);
        for member in state.members.values_mut() {
            let known: Vec<_> = member.held.iter().filter(|id| ours(id)).cloned().collect();
            for order in known {
                member.forget(&order);
            }
        }
        state.orders.retain(|id, _| !ours(id));
        state.early_results.retain(|id| !ours(id));
        state.dispatch();
    }

    /// Whether a worker for this platform is attached and stays, busy or not.
    pub fn has_worker_for(&self, platform: &Platform) -> bool {
        self.lock().members.values().any(|member| member.serves(platform))
    }

    /// Attached workers, for people.
    pub fn workers(&self) -> Vec<WorkerView> {
        self.lock().members.values().map(Member::view).collect()
    }

    /// Nobody follows an order any more.
    fn abandon(&self, order: &WorkOrderId, turn: u64) {
        self.lock().abandon(order, turn);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
