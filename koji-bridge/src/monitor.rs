//! Watches the hub: asks now and then whether it answers, and tells health and
//! metrics.

use std::time::Duration;

use proto::v1::koji_bridge_service_server::SERVICE_NAME;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};
use tracing::{info, warn};

use crate::{hub::Hub, metrics::Metrics, session::HubState};

/// Longest wait for an answer before the hub counts as silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// Shortest time between two questions, however often the state changes.
const PAUSE: Duration = Duration::from_secs(1);

/// Watches until the end is cancelled: `NOT_SERVING` until the first answer and
/// while there is none.
pub async fn watch(
    hub: Hub,
    health: HealthReporter,
    metrics: Metrics,
    every: Duration,
    end: CancellationToken,
) {
    let mut state = hub.state();
    let mut serving = false;
    let mut said = String::new();
    while !end.is_cancelled() {
        let answer = tokio::select! {
            biased;
            () = end.cancelled() => return,
            answer = ask(&hub) => answer,
        };
        match (&answer, serving) {
            (Ok(()), false) => info!(hub = hub.url(), version = hub.version(), "the hub answers"),
            (Err(reason), true) => warn!(hub = hub.url(), reason, "the hub does not answer any more"),
            (Err(reason), false) if *reason != said => {
                warn!(hub = hub.url(), reason, "the hub does not answer")
            }
            (Err(_), false) | (Ok(()), true) => {}
        }
        said = answer.as_ref().err().cloned().unwrap_or_default();
        serving = answer.is_ok();
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        health.set_service_status(SERVICE_NAME, status).await;
        let now = state.borrow_and_update().clone();
        metrics.set_state(&now);
        let wait = async {
            tokio::time::sleep(PAUSE).await;
            // A call that finds the hub gone, or back, is news before its time.
            let changed = state.wait_for(|state| (*state == HubState::Connected) != serving);
            let _ = timeout(every.saturating_sub(PAUSE), changed).await;
        };
        tokio::select! {
            biased;
            () = end.cancelled() => return,
            () = wait => {}
        }
    }
}

async fn ask(hub: &Hub) -> Result<(), String> {
    match timeout(PATIENCE, hub.probe()).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}
