//! Takes builds from the queue, runs each to its end, and takes up again what
//! an earlier process left unfinished.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use common::{
    failure::{Failure, FailureClass},
    flow::{
        Flow,
        event::{BuildResult, EventKind},
        state::{BuildState, Command, History},
        step::JOURNAL_FAILED,
    },
    names::BuildId,
    service::Shutdown,
};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    plan::{self, Plan},
    run::{self, Failures},
    services::{BuildServices, BuildStamp, Services},
    store::StoreError,
};

/// Builds that may be announced and not yet looked at. The queue itself is the
/// store; this only wakes the supervisor.
const ANNOUNCEMENTS: usize = 1024;

/// Runs builds.
#[derive(Clone)]
pub struct Supervisor {
    services: Arc<Services>,
    running: Arc<Mutex<HashMap<BuildId, CancellationToken>>>,
    announce: mpsc::Sender<BuildId>,
}

/// The other end of a supervisor: what [`Supervisor::run`] works on.
pub struct Queue(mpsc::Receiver<BuildId>);

impl Supervisor {
    /// A supervisor that is not running yet.
    pub fn new(services: Arc<Services>) -> (Self, Queue) {
        let (announce, announced) = mpsc::channel(ANNOUNCEMENTS);
        (Self { services, running: Arc::default(), announce }, Queue(announced))
    }

    /// Tells that a build was accepted.
    pub async fn announce(&self, build: &BuildId) {
        // The only error is a supervisor that has stopped: the build is stored
        // and the next process takes it up.
        let _stopped = self.announce.send(build.clone()).await;
    }

    /// Stores the wish that a build stops, and stops it if it runs here.
    ///
    /// # Errors
    /// The store failed.
    pub async fn cancel(&self, build: &BuildId, reason: &str) -> Result<History, StoreError> {
        let history =
            self.services.store.command(build, Command::Cancel { reason: reason.to_owned() }).await?;
        if history.cancel_reason.is_some() {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(token) = running.get(build) {
                token.cancel();
            }
        }
        Ok(history)
    }

    /// Runs builds until shutdown, oldest first, at most as many at a time as
    /// the site allows.
    ///
    /// # Errors
    /// The unfinished builds cannot be listed.
    pub async fn run(self, queue: Queue, shutdown: Shutdown) -> Result<(), StoreError> {
        let places = Arc::new(Semaphore::new(self.services.site.builds.max_running as usize));
        let mut announced = queue.0;
        let mut backlog = self.services.store.unfinished().await?.into_iter();
        loop {
            let next = match backlog.next() {
                Some(build) => Some(build),
                None => tokio::select! {
                    () = shutdown.token.cancelled() => None,
                    build = announced.recv() => build,
                },
            };
            let Some(build) = next else { return Ok(()) };
            let place = tokio::select! {
                () = shutdown.token.cancelled() => return Ok(()),
                place = places.clone().acquire_owned() => place,
            };
            let supervisor = self.clone();
            let span = tracing::info_span!("build", build_id = %build);
            let drive = async move {
                let _place = place;
                supervisor.drive(&build).await;
            };
            shutdown.tracker.spawn(drive.instrument(span));
        }
    }

    /// Runs one build to its end, unless this process ends first.
    async fn drive(&self, build: &BuildId) {
        // A child of the shutdown: a process that ends stops its builds, and leaves
        // them for the next one.
        let token = self.services.shutdown.child_token();
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if running.insert(build.clone(), token.clone()).is_some() {
                return;
            }
        }
        match self.drive_to_the_end(build, &token).await {
            Ok(state) => tracing::info!(state, "the build is over for this process"),
            Err(failure) => tracing::error!(%failure, "the build cannot go on in this process"),
        }
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(build);
    }

    async fn drive_to_the_end(
        &self,
        build: &BuildId,
        token: &CancellationToken,
    ) -> Result<&'static str, Failure> {
        let store = &self.services.store;
        let history = store.command(build, Command::Claim).await?;
        if history.state.is_final() {
            return Ok(history.state.as_str());
        }
        if history.cancel_reason.is_some() {
            token.cancel();
        }

        let stamp = BuildStamp { build: build.clone(), created_at: history.created_at };
        let services = BuildServices { shared: self.services.clone(), stamp };
        let journal = store.journal(build);
        let flow = Flow::new(&services, &journal, token.clone());
        let mut plan = None;
        let outcome = plan_and_run(&flow, &services, &history, &mut plan).await;
        if let Err(failures) = &outcome {
            if failures.primary.code == JOURNAL_FAILED {
                return Err(failures.primary.clone());
            }
            let cancelled = failures.primary.class == FailureClass::Cancelled;
            if cancelled && self.services.shutdown.is_cancelled() {
                let asked = store.history(build).await?.and_then(|history| history.cancel_reason);
                if asked.is_none() {
                    return Ok("left for the next process");
                }
            }
        }

        store.command(build, Command::Finish).await?;
        let finishing = Flow::new(&services, &journal, CancellationToken::new());
        let after = run::finish(&finishing, plan.as_ref(), &outcome).await;
        if let Some(failure) = after.iter().find(|failure| failure.code == JOURNAL_FAILED) {
            return Err(failure.clone());
        }
        let ended = self.ending(build, outcome, after).await?;
        let EventKind::Ended { state, .. } = &ended else { return Ok("ended") };
        let state = state.as_str();
        store.append(build, vec![ended]).await?;
        self.services.logs.finish(build).await;
        Ok(state)
    }

    /// The last event of a build.
    async fn ending(
        &self,
        build: &BuildId,
        outcome: Result<BuildResult, Failures>,
        after: Vec<Failure>,
    ) -> Result<EventKind, Failure> {
        let failures = match outcome {
            Ok(result) => {
                // A failure of the clean-up does not undo a complete publication.
                let (state, later_failures) = (BuildState::Succeeded, after);
                return Ok(EventKind::Ended { state, failure: None, later_failures, result: Some(result) });
            }
            Err(failures) => failures,
        };
        let mut primary = failures.primary;
        let mut state = BuildState::Failed;
        if primary.class == FailureClass::Cancelled {
            state = BuildState::Cancelled;
            if let Some(reason) = self.services.store.history(build).await?.and_then(|h| h.cancel_reason) {
                primary = Failure { step: primary.step, ..Failure::cancelled(&reason) };
            }
        }
        let later_failures = failures.later.into_iter().chain(after).collect();
        Ok(EventKind::Ended { state, failure: Some(primary), later_failures, result: None })
    }
}

async fn plan_and_run(
    flow: &Flow<'_, BuildServices>,
    services: &BuildServices,
    history: &History,
    plan: &mut Option<Plan>,
) -> Result<BuildResult, Failures> {
    let decided = plan::decide(flow, &services.stamp, &history.request).await?;
    let plan = plan.insert(decided);
    run::run(flow, plan).await
}
