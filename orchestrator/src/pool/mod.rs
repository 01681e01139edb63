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

mod janitor;
mod member;
mod order;
mod placement;
mod ticket;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    names::{BuildId, WorkOrderId, WorkerId},
    platform::Platform,
    work::{WorkOrder, WorkOutcome},
};
use tokio::{sync::mpsc, time::Instant};

pub use member::{Attachment, Credentials, ToWorker, WorkerView};
pub use order::{Submission, Update};
pub use ticket::TicketMaker;

use member::Member;
use order::{Entry, Place};

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

#[derive(Default)]
struct State {
    members: BTreeMap<WorkerId, Member>,
    orders: HashMap<WorkOrderId, Entry>,
    /// Results of orders that no step has asked for (yet): after a restart a
    /// worker can be faster than the build's own recovery.
    early_results: HashMap<WorkOrderId, (WorkerId, WorkOutcome)>,
    next_epoch: u64,
    next_turn: u64,
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
        let expected_until = expect_holder.then(|| Instant::now() + self.settings.reattach_window);
        let turn = state.next_turn;
        state.orders.insert(id.clone(), Entry::new(order, turn, expected_until, updates));
        if let Some((worker, outcome)) = state.early_results.remove(&id) {
            state.finish(&id, &worker, outcome);
        } else {
            state.adopt(&id);
            state.dispatch();
        }
        drop(state);
        Submission { id, turn, updates: receiver, pool: self.clone() }
    }

    /// Lets a worker in. An older connection of the same worker is closed.
    pub fn attach(&self, hello: Credentials) -> Attachment {
        let mut state = self.lock();
        state.next_epoch += 1;
        let epoch = state.next_epoch;
        let (outbound, inbound) = mpsc::channel(Member::OUTBOUND_CAPACITY);
        let id = hello.id.clone();
        let held: Vec<_> = hello.held.iter().cloned().collect();
        state.members.insert(id.clone(), Member::new(hello, epoch, outbound));
        for order in &held {
            state.adopt(order);
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
        let served = state.members.values().any(|member| member.platforms.contains(platform));
        for entry in state.orders.values_mut() {
            if !served && entry.order.platform == *platform {
                entry.give_up(reason);
            }
        }
    }

    /// A worker has answered. `false` when the order is not (or no longer) its.
    pub fn finish(&self, worker: &WorkerId, order: &WorkOrderId, outcome: WorkOutcome) -> bool {
        let mut state = self.lock();
        if let Some(member) = state.members.get_mut(worker) {
            member.busy.remove(order);
        }
        let taken = if state.orders.contains_key(order) {
            state.finish(order, worker, outcome)
        } else {
            let holds = state.members.get(worker).is_some_and(|member| member.held.contains(order));
            if holds {
                state.early_results.insert(order.clone(), (worker.clone(), outcome));
            }
            holds
        };
        state.dispatch();
        taken
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
        let State { members, orders, early_results, .. } = &mut *state;
        let ours = |id: &WorkOrderId| id.build().as_ref() == Some(build);
        for member in members.values_mut() {
            let known: Vec<_> = member.held.iter().filter(|id| ours(id)).cloned().collect();
            for order in known {
                let finished = early_results.contains_key(&order)
                    || orders.get(&order).is_none_or(|entry| matches!(entry.place, Place::Done));
                member.forget(&order, finished);
            }
        }
        orders.retain(|id, _| !ours(id));
        early_results.retain(|id, _| !ours(id));
        state.dispatch();
    }

    /// Forgets an order that no worker has and nobody follows any more, so that
    /// no worker gets it. The same order submitted again has another turn.
    fn drop_unassigned(&self, order: &WorkOrderId, turn: u64) {
        let mut state = self.lock();
        let unassigned = |entry: &Entry| matches!(entry.place, Place::Waiting | Place::Expected(_));
        if state.orders.get(order).is_some_and(|entry| entry.turn == turn && unassigned(entry)) {
            state.orders.remove(order);
            state.dispatch();
        }
    }

    /// Whether a worker for this platform is attached, busy or not.
    pub fn has_worker_for(&self, platform: &Platform) -> bool {
        self.lock().members.values().any(|member| member.platforms.contains(platform))
    }

    /// Attached workers, for people.
    pub fn workers(&self) -> Vec<WorkerView> {
        self.lock().members.values().map(Member::view).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives waiting orders to free workers, oldest first.
    fn dispatch(&mut self) {
        let mut waiting: Vec<(u64, WorkOrderId)> = self
            .orders
            .iter()
            .filter(|(_, entry)| matches!(entry.place, Place::Waiting))
            .map(|(id, entry)| (entry.turn, id.clone()))
            .collect();
        waiting.sort();
        for (position, (_, id)) in waiting.into_iter().enumerate() {
            let Some(entry) = self.orders.get_mut(&id) else { continue };
            match placement::choose(self.members.values(), &entry.order.platform) {
                Ok(worker) => {
                    let Some(member) = self.members.get_mut(&worker) else { continue };
                    if member.give(&entry.order) {
                        entry.assign(worker);
                    }
                }
                Err(reason) => entry.wait(format!("{reason} (position {})", position + 1)),
            }
        }
    }

    /// Looks whether an attached worker already holds an order that waits.
    fn adopt(&mut self, id: &WorkOrderId) {
        let Some(entry) = self.orders.get_mut(id) else { return };
        let Some(member) = self.members.values_mut().find(|member| member.held.contains(id)) else {
            return;
        };
        if entry.reattach(&member.id) {
            member.busy.insert(id.clone());
            // The worker keeps building; the order again brings it a ticket
            // that this process accepts.
            member.send(ToWorker::Order(Box::new(entry.order.clone())));
        } else if !matches!(entry.place, Place::Done) {
            member.forget(id, false);
        }
    }

    fn finish(&mut self, id: &WorkOrderId, worker: &WorkerId, outcome: WorkOutcome) -> bool {
        self.orders.get_mut(id).is_some_and(|entry| entry.finish(worker, outcome))
    }
}

#[cfg(test)]
mod tests;
