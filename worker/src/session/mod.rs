//! The worker's side of the attach stream.
//!
//! The worker dials, says who it is and what it still holds, and then one
//! stream carries everything. The stream may break at any point: the worker
//! dials again, for as long as it lives, and sends what was not acknowledged.
//! Work does not notice.

mod attached;
mod outgoing;

#[cfg(test)]
#[allow(dead_code, reason = "the tests with an engine need more of it")]
pub(crate) mod stand_in;
#[cfg(test)]
mod tests;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use common::{
    failure::{Failure, FailureClass},
    names::WorkerId,
    platform::Platform,
    service::Connection,
    work::{WorkOrder, WorkOutcome},
};
use futures::{FutureExt as _, future::BoxFuture};
use proto::v1::{self, worker_service_client::WorkerServiceClient};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    WorkerError,
    holdings::{Held, Holdings, StopReason},
};

/// Shortest and longest pause between two attempts to attach.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a worker that should end waits for an orchestrator that is not
/// there to store its results.
const FORSAKEN: Duration = Duration::from_secs(2);

/// Who the worker is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Its id.
    pub(crate) id: WorkerId,
    /// Platforms that it builds for.
    pub(crate) platforms: Vec<Platform>,
    /// Work orders that it takes at a time.
    pub(crate) slots: u32,
    /// Its host, for people.
    pub(crate) host: String,
}

/// Carries out a work order to its end.
pub(crate) type CarryOut = Arc<dyn Fn(WorkOrder, Arc<Held>) -> BoxFuture<'static, WorkOutcome> + Send + Sync>;

/// Says what the engine is at this moment, for people.
pub(crate) type DescribeEngine = Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>;

/// Everything that attaching needs.
pub(crate) struct Session {
    /// Who the worker is.
    pub(crate) identity: Identity,
    /// To the orchestrator.
    pub(crate) connection: Connection,
    /// What does the work.
    pub(crate) carry_out: CarryOut,
    /// What the engine is.
    pub(crate) describe_engine: DescribeEngine,
    /// Where the tasks of work orders run.
    pub(crate) tracker: TaskTracker,
    /// Fires when the worker should end.
    pub(crate) shutdown: CancellationToken,
    /// How long running work and unsent results may hold up the end.
    pub(crate) grace: Duration,
    /// What is held.
    pub(crate) holdings: Holdings,
    /// Whether there is a connection.
    pub(crate) attached: watch::Sender<bool>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the orchestrator refused this worker: {} ({})", .0.message(), .0.code())]
    Refused(Box<tonic::Status>),
    #[error("{}", in_full(.0))]
    Status(Box<tonic::Status>),
    #[error("the orchestrator closed the stream")]
    Closed,
    #[error("the orchestrator did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the orchestrator goes away: {0}")]
    Goodbye(String),
    #[error("the orchestrator does not keep to the contract: {0}")]
    Contract(&'static str),
}

impl Session {
    /// Attaches, again and again, until the worker should end and everything
    /// that it held is stored or the grace period is over.
    pub(crate) async fn run(self: Arc<Self>) -> Result<(), WorkerError> {
        let result = tokio::select! {
            result = self.attach_forever() => result,
            () = self.drained() => Ok(()),
        };
        // After a refusal there may be work left, and tasks that last as long as
        // the worker.
        self.shutdown.cancel();
        self.holdings.stop_all(&StopReason::ShuttingDown);
        self.tracker.close();
        if timeout(self.grace, self.tracker.wait()).await.is_err() {
            tracing::warn!(tasks = self.tracker.len(), "work is still running after the grace period");
        }
        result
    }

    /// Completes when the worker should end and may.
    async fn drained(&self) {
        self.shutdown.cancelled().await;
        self.holdings.stop_all(&StopReason::ShuttingDown);
        let over = async {
            tokio::select! {
                () = self.holdings.emptied() => {}
                () = self.forsaken() => tracing::warn!("there is no orchestrator to store the results"),
            }
        };
        if timeout(self.grace, over).await.is_err() {
            tracing::warn!("the orchestrator has not stored every result within the grace period");
        }
    }

    /// Completes when nothing runs and nobody has been there for a while to store
    /// what is left.
    async fn forsaken(&self) {
        self.holdings.idle().await;
        let mut attached = self.attached.subscribe();
        loop {
            // The sender lives as long as this session.
            let _gone = attached.wait_for(|attached| !attached).await.is_err();
            if timeout(FORSAKEN, attached.wait_for(|attached| *attached)).await.is_err() {
                return;
            }
        }
    }

    async fn attach_forever(self: &Arc<Self>) -> Result<(), WorkerError> {
        let mut pauses = pauses();
        loop {
            let mut welcomed = false;
            let lost = self.attach(&mut welcomed).await;
            match lost {
                Lost::Refused(status) => {
                    return Err(WorkerError::Refused {
                        code: status.code(),
                        message: status.message().to_owned(),
                    });
                }
                lost => {
                    if welcomed {
                        pauses = self::pauses();
                    }
                    let pause = pauses.next().unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
                    let held = self.holdings.all().len();
                    tracing::warn!(reason = %lost, held, pause_ms = pause.as_millis() as u64, "not attached; dialling again");
                    sleep(pause).await;
                }
            }
        }
    }

    fn client(&self) -> WorkerServiceClient<Connection> {
        WorkerServiceClient::new(self.connection.clone())
    }

    async fn hello(&self) -> v1::Hello {
        let held: Vec<v1::HeldWork> = self
            .holdings
            .all()
            .into_iter()
            .map(|held| v1::HeldWork {
                work_order_id: held.id.to_string(),
                logs_acknowledged: held.log.acknowledged(),
            })
            .collect();
        // A worker that goes away comes back with what it holds and has no room
        // for more.
        let slots = if self.shutdown.is_cancelled() {
            u32::try_from(held.len()).unwrap_or(u32::MAX).clamp(1, self.identity.slots)
        } else {
            self.identity.slots
        };
        v1::Hello {
            worker_id: self.identity.id.to_string(),
            platforms: self.identity.platforms.iter().map(ToString::to_string).collect(),
            slots,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            contract_digest: proto::CONTRACT_DIGEST.to_owned(),
            host: self.identity.host.clone(),
            engine: (self.describe_engine)().await,
            held,
        }
    }

    /// Begins the work on an order in a task of its own.
    fn begin(&self, order: WorkOrder, held: Arc<Held>) {
        let work = (self.carry_out)(order, Arc::clone(&held));
        self.tracker.spawn(async move {
            let outcome = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
                let message = "the worker's code panicked; its log has the place";
                Err(Failure::new(FailureClass::Internal, "worker.panicked", message)
                    .on_platform(&held.platform))
            });
            match &outcome {
                Ok(image) => {
                    tracing::info!(work_order = %held.id, manifest = %image.manifest_digest(), "built")
                }
                Err(failure) => tracing::warn!(work_order = %held.id, %failure, "not built"),
            }
            held.finish(outcome);
        });
    }
}

/// A status with what lies beneath it, such as a refused connection.
fn in_full(status: &tonic::Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    format!("{text} ({})", status.code())
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .without_max_times()
        .with_jitter()
        .build()
}
