//! Results that nobody has asked for yet: after a restart a worker can be
//! faster than the build's own recovery.
//!
//! They are kept for the window in which a build comes back, and only so many
//! of one worker: an image's manifest can have megabytes.

use std::{collections::HashMap, time::Duration};

use common::{
    names::{WorkOrderId, WorkerId},
    work::WorkOutcome,
};
use tokio::time::Instant;

/// Results of one worker.
const MOST: usize = 64;

struct Early {
    worker: WorkerId,
    outcome: WorkOutcome,
    since: Instant,
}

/// Results of orders that no step has asked for.
#[derive(Default)]
pub(super) struct EarlyResults(HashMap<WorkOrderId, Early>);

impl EarlyResults {
    /// Keeps a result. `false` when there are too many of this worker.
    pub(super) fn keep(&mut self, worker: &WorkerId, order: &WorkOrderId, outcome: WorkOutcome) -> bool {
        if self.0.contains_key(order) {
            return true;
        }
        let room = self.0.values().filter(|early| early.worker == *worker).count() < MOST;
        if room {
            let early = Early { worker: worker.clone(), outcome, since: Instant::now() };
            self.0.insert(order.clone(), early);
        }
        room
    }

    pub(super) fn take(&mut self, order: &WorkOrderId) -> Option<(WorkerId, WorkOutcome)> {
        self.0.remove(order).map(|early| (early.worker, early.outcome))
    }

    pub(super) fn retain(&mut self, wanted: impl Fn(&WorkOrderId) -> bool) {
        self.0.retain(|order, _| wanted(order));
    }

    /// Drops results that waited longer than `longest`, attached worker or not.
    pub(super) fn expire(&mut self, now: Instant, longest: Duration) {
        self.0.retain(|_, early| now.duration_since(early.since) < longest);
    }
}
