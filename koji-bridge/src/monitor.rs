//! Watches the hub: asks now and then whether it answers, and tells health and
//! metrics.

use std::time::Duration;

use futures::future::select_all;
use proto::v1::koji_bridge_service_server::SERVICE_NAME;
use tokio::{sync::watch, time::timeout};
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
pub async fn run(
    hub: Hub,
    health: HealthReporter,
    metrics: Metrics,
    every: Duration,
    end: CancellationToken,
) {
    let state = hub.state();
    let mut of_questions = hub.states_of_questions();
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
        let now = state.borrow().clone();
        metrics.set_state(&now);
        // What idle sessions saw last is no news.
        of_questions.iter_mut().for_each(watch::Receiver::mark_unchanged);
        let wait = async {
            tokio::time::sleep(PAUSE).await;
            // A call that finds the hub gone, or back, is news before its time.
            let news = select_all(of_questions.iter_mut().map(|state| Box::pin(news(state, serving))));
            let _ = timeout(every.saturating_sub(PAUSE), news).await;
        };
        tokio::select! {
            biased;
            () = end.cancelled() => return,
            () = wait => {}
        }
    }
}

/// Waits until a session sees the hub gone that was there, or the other way round.
async fn news(state: &mut watch::Receiver<HubState>, serving: bool) {
    while state.changed().await.is_ok() {
        if (*state.borrow_and_update() == HubState::Connected) != serving {
            return;
        }
    }
    // A session that is gone has no news.
    std::future::pending().await
}

async fn ask(hub: &Hub) -> Result<(), String> {
    match timeout(PATIENCE, hub.probe()).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}
