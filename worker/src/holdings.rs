//! The work orders that a worker holds: running, or ended with a result that
//! the orchestrator has not stored yet.
//!
//! They outlive connections. Work writes into them, whatever connection there
//! is sends from them, and an entry goes away only when its result is stored.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use common::{
    failure::{Failure, FailureClass},
    names::WorkOrderId,
    platform::Platform,
    secret::Secret,
    work::{WorkOrder, WorkOutcome, WorkPhase},
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::logs::{LogBuffer, Window};

/// Why a work order has to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The orchestrator said so.
    Cancelled(String),
    /// This worker is going away.
    ShuttingDown,
}

impl StopReason {
    /// The failure that the work order ends with.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Cancelled(reason) => Failure::cancelled(reason),
            Self::ShuttingDown => Failure::new(
                FailureClass::Infrastructure,
                "worker.shutting_down",
                "the worker was told to stop while it built",
            )
            .with_advice("the build can be placed on another worker"),
        }
    }
}

/// How far a work order is: phase, done, of how much.
pub(crate) type Progress = (WorkPhase, u64, u64);

#[derive(Debug, Default)]
struct HeldState {
    progress: Option<Progress>,
    outcome: Option<WorkOutcome>,
    stop_reason: Option<StopReason>,
    deliveries: u64,
}

/// One work order that is held.
#[derive(Debug)]
pub(crate) struct Held {
    /// Identity.
    pub(crate) id: WorkOrderId,
    /// Its platform.
    pub(crate) platform: Platform,
    /// Its log.
    pub(crate) log: LogBuffer,
    ticket: watch::Sender<Secret>,
    stop: CancellationToken,
    state: Mutex<HeldState>,
    changed: Arc<Notify>,
    settled: Arc<Notify>,
}

impl Held {
    fn new(order: &WorkOrder, window: Window, changed: Arc<Notify>, settled: Arc<Notify>) -> Self {
        Self {
            id: order.id.clone(),
            platform: order.platform.clone(),
            log: LogBuffer::new(order.platform.clone(), window, Arc::clone(&changed)),
            ticket: watch::Sender::new(order.ticket.clone()),
            stop: CancellationToken::new(),
            state: Mutex::default(),
            changed,
            settled,
        }
    }

    fn state(&self) -> MutexGuard<'_, HeldState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What opens context and upload now; it changes when the orchestrator
    /// hands the order out again.
    pub(crate) fn ticket(&self) -> Secret {
        self.ticket.borrow().clone()
    }

    /// Follows the ticket.
    pub(crate) fn tickets(&self) -> watch::Receiver<Secret> {
        self.ticket.subscribe()
    }

    /// Says how far the work is; only the newest is sent.
    pub(crate) fn set_progress(&self, progress: Progress) {
        self.state().progress = Some(progress);
        self.changed.notify_one();
    }

    /// The newest progress.
    pub(crate) fn progress(&self) -> Option<Progress> {
        self.state().progress
    }

    /// Asks the work to stop; the first reason counts.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.state().stop_reason.get_or_insert(reason);
        self.stop.cancel();
    }

    /// Waits until the work has to stop.
    pub(crate) async fn stopped(&self) -> StopReason {
        self.stop.cancelled().await;
        self.state().stop_reason.clone().unwrap_or(StopReason::ShuttingDown)
    }

    /// Ends the work. A second end is ignored.
    pub(crate) fn finish(&self, outcome: WorkOutcome) {
        self.state().outcome.get_or_insert(outcome);
        self.changed.notify_one();
        self.settled.notify_waiters();
    }

    /// Takes a further delivery of the order: a new ticket, and whoever sends it
    /// does not have the result.
    fn deliver_again(&self, ticket: Secret) {
        self.ticket.send_replace(ticket);
        self.state().deliveries += 1;
        self.changed.notify_one();
    }

    /// How often the order came again.
    pub(crate) fn deliveries(&self) -> u64 {
        self.state().deliveries
    }

    /// How the work ended, once it has.
    pub(crate) fn outcome(&self) -> Option<WorkOutcome> {
        self.state().outcome.clone()
    }
}

/// What became of a work order that came in.
#[derive(Debug)]
pub(crate) enum Taken {
    /// New: begin it.
    New(Arc<Held>),
    /// Held already: it goes on.
    Adopted,
    /// All slots are in use.
    NoSlot,
}

/// All work orders that a worker holds.
#[derive(Debug)]
pub(crate) struct Holdings {
    slots: usize,
    window: Window,
    held: Mutex<BTreeMap<WorkOrderId, Arc<Held>>>,
    changed: Arc<Notify>,
    /// Something has ended or is stored.
    settled: Arc<Notify>,
}

impl Holdings {
    /// Nothing held, with room for `slots` running orders.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots,
            window: Window::default(),
            held: Mutex::default(),
            changed: Arc::default(),
            settled: Arc::default(),
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<WorkOrderId, Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log window of every order.
    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// Takes a work order in. One that is held already gives its ticket, and its
    /// result is sent again.
    pub(crate) fn take(&self, order: &WorkOrder) -> Taken {
        let mut held = self.held();
        if let Some(known) = held.get(&order.id) {
            known.deliver_again(order.ticket.clone());
            return Taken::Adopted;
        }
        let running = held.values().filter(|held| held.outcome().is_none()).count();
        if running >= self.slots {
            return Taken::NoSlot;
        }
        let (changed, settled) = (Arc::clone(&self.changed), Arc::clone(&self.settled));
        let new = Arc::new(Held::new(order, self.window.clone(), changed, settled));
        held.insert(order.id.clone(), Arc::clone(&new));
        Taken::New(new)
    }

    /// A work order by id.
    pub(crate) fn get(&self, id: &WorkOrderId) -> Option<Arc<Held>> {
        self.held().get(id).cloned()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Held>> {
        self.held().values().cloned().collect()
    }

    /// The orchestrator has stored a result: forget the order, if it has ended.
    pub(crate) fn forget(&self, id: &WorkOrderId) {
        let mut held = self.held();
        if held.get(id).is_some_and(|held| held.outcome().is_some()) {
            held.remove(id);
        }
        drop(held);
        self.settled.notify_waiters();
    }

    /// Asks everything that runs to stop.
    pub(crate) fn stop_all(&self, reason: &StopReason) {
        for held in self.all() {
            held.stop(reason.clone());
        }
    }

    /// Waits until there is something new to send.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until nothing is held any more.
    pub(crate) async fn emptied(&self) {
        self.until(BTreeMap::is_empty).await;
    }

    /// Waits until nothing runs; there may be results that are not stored.
    pub(crate) async fn idle(&self) {
        self.until(|held| held.values().all(|held| held.outcome().is_some())).await;
    }

    async fn until(&self, condition: impl Fn(&BTreeMap<WorkOrderId, Arc<Held>>) -> bool) {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if condition(&self.held()) {
                return;
            }
            settled.await;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use common::{
        image::Digest,
        request::Limits,
        work::{Descriptor, ManifestFormat},
    };

    use super::*;

    /// A work order that builds nothing in particular.
    pub(crate) fn order(id: &str) -> WorkOrder {
        WorkOrder {
            id: id.parse().unwrap(),
            build: "bld_1".parse().unwrap(),
            platform: "x86_64".parse().unwrap(),
            engine_platform: "linux/amd64".to_owned(),
            attempt: 1,
            context: Descriptor {
                media_type: "application/x-tar".to_owned(),
                digest: Digest::of(b""),
                size: 0,
            },
            dockerfile_path: "Dockerfile".to_owned(),
            dockerfile: bytes::Bytes::from_static(b"FROM scratch\n"),
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            host_label: None,
            limits: Limits::default(),
            use_cache: false,
            parents: Vec::new(),
            manifest_format: ManifestFormat::Oci,
            ticket: Secret::new("first"),
            koji_upload: None,
            list_packages: false,
        }
    }

    #[test]
    fn slots_bound_what_runs_and_not_what_waits_to_be_stored() {
        let holdings = Holdings::new(1);
        let Taken::New(first) = holdings.take(&order("wo_1")) else { panic!("there was room") };
        assert!(matches!(holdings.take(&order("wo_2")), Taken::NoSlot));
        first.finish(Err(Failure::cancelled("x")));
        assert!(matches!(holdings.take(&order("wo_2")), Taken::New(_)));
        assert_eq!(holdings.all().len(), 2);
    }

    #[test]
    fn a_second_delivery_only_brings_a_new_ticket() {
        let holdings = Holdings::new(1);
        let Taken::New(held) = holdings.take(&order("wo_1")) else { panic!("there was room") };
        let again = WorkOrder { ticket: Secret::new("second"), ..order("wo_1") };
        assert!(matches!(holdings.take(&again), Taken::Adopted));
        assert_eq!(held.ticket().expose(), "second");
    }

    #[tokio::test]
    async fn an_order_is_forgotten_only_once_it_has_ended() {
        let holdings = Holdings::new(1);
        let Taken::New(held) = holdings.take(&order("wo_1")) else { panic!("there was room") };
        holdings.forget(&held.id);
        assert!(holdings.get(&held.id).is_some(), "it still runs");
        held.finish(Err(Failure::cancelled("x")));
        holdings.forget(&held.id);
        holdings.emptied().await;
    }

    #[tokio::test]
    async fn the_first_reason_to_stop_counts() {
        let holdings = Holdings::new(1);
        let Taken::New(held) = holdings.take(&order("wo_1")) else { panic!("there was room") };
        held.stop(StopReason::Cancelled("first".into()));
        holdings.stop_all(&StopReason::ShuttingDown);
        assert_eq!(held.stopped().await, StopReason::Cancelled("first".into()));
    }
}
