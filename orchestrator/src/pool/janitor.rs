//! Ends waits in the pool that took too long.

use std::{collections::HashMap, time::Duration};

use common::names::{WorkOrderId, WorkerId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Pool;

const ROUND: Duration = Duration::from_millis(250);

/// Orders that workers hold and no build has asked for, since when.
pub(super) type Orphans = HashMap<(WorkerId, WorkOrderId), Instant>;

impl Pool {
    /// Looks after the pool until `stop` fires: lost connections become lost
    /// workers, and orders that no build asks for are stopped.
    pub async fn look_after(self, stop: CancellationToken) {
        self.lock().ending = stop.clone();
        let mut orphans = Orphans::new();
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = rounds.tick() => self.sweep(&mut orphans, Instant::now()),
                () = stop.cancelled() => return,
            }
        }
    }

    pub(super) fn sweep(&self, orphans: &mut Orphans, now: Instant) {
        let mut state = self.lock();
        for entry in state.orders.values_mut() {
            entry.expire(now);
        }
        for member in state.members.values_mut() {
            member.tell_untold();
        }
        state.early_results.expire(now, self.settings.reattach_window);
        let unclaimed: Vec<(WorkerId, WorkOrderId)> = state
            .members
            .values()
            .flat_map(|member| member.held.iter().map(|order| (member.id.clone(), order.clone())))
            .filter(|(_, order)| !state.orders.contains_key(order))
            .collect();
        orphans.retain(|key, _| unclaimed.contains(key));
        for key in unclaimed {
            let since = *orphans.entry(key.clone()).or_insert(now);
            if now.duration_since(since) >= self.settings.reattach_window {
                let (worker, order) = key;
                let _expired = state.early_results.take(&order);
                if let Some(member) = state.members.get_mut(&worker) {
                    member.forget(&order);
                }
            }
        }
        state.dispatch();
    }
}
