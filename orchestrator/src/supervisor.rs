//! Takes builds from the queue, runs each to its end, and takes up again what
//! an earlier process left unfinished.

use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
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
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    plan,
    run::{self, Failures, RecordPlan},
    services::{BuildServices, BuildStamp, Services},
    store::StoreError,
};

/// Wait before a build is taken up again whose record could not be written: a
/// disk that is full or hangs does not recover in a moment.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs builds.
#[derive(Clone)]
pub struct Supervisor {
    services: Arc<Services>,
    running: Running,
    /// The queue is the store; this only says that it is worth a look.
    queue: Arc<Notify>,
    shutdown: Shutdown,
    patience: Duration,
}

impl Supervisor {
    /// A supervisor that does not take builds up by itself yet.
    pub fn new(services: Arc<Services>, shutdown: Shutdown) -> Self {
        Self { services, running: Running::default(), queue: Arc::default(), shutdown, patience: PATIENCE }
    }

    /// Tells that a build was accepted. Never waits: however many builds are
    /// queued, they are in the store.
    pub fn announce(&self) {
        self.queue.notify_one();
    }

    /// Stores the wish that a build stops, and stops it. A build that waits for
    /// its place is not kept waiting to learn that it will not run.
    ///
    /// # Errors
    /// The store failed.
    pub async fn cancel(&self, build: &BuildId, reason: &str) -> Result<History, StoreError> {
        let history =
            self.services.store.command(build, Command::Cancel { reason: reason.to_owned() }).await?;
        if history.cancel_reason.is_some() && !history.state.is_final() && !self.running.cancel(build) {
            self.take_up(build, None);
        }
        Ok(history)
    }

    /// Runs builds until shutdown, oldest first, at most as many at a time as
    /// the site allows.
    ///
    /// # Errors
    /// The unfinished builds cannot be listed at the start.
    pub async fn run(self) -> Result<(), StoreError> {
        let places = Arc::new(Semaphore::new(self.services.site.builds.max_running as usize));
        let mut unfinished = self.services.store.unfinished().await?;
        loop {
            for build in unfinished {
                if self.running.contains(&build) {
                    continue;
                }
                let place = tokio::select! {
                    () = self.shutdown.token.cancelled() => return Ok(()),
                    place = places.clone().acquire_owned() => place,
                };
                // The error is a closed semaphore, which this one never is.
                let Ok(place) = place else { return Ok(()) };
                self.take_up(&build, Some(place));
            }
            tokio::select! {
                () = self.shutdown.token.cancelled() => return Ok(()),
                () = self.queue.notified() => {}
            }
            unfinished = loop {
                match self.services.store.unfinished().await {
                    Ok(unfinished) => break unfinished,
                    Err(error) => tracing::error!(%error, "the queue cannot be read; trying again"),
                }
                tokio::select! {
                    () = self.shutdown.token.cancelled() => return Ok(()),
                    () = sleep(self.patience) => {}
                }
            };
        }
    }

    /// Runs a build in a task of its own, unless one does already.
    fn take_up(&self, build: &BuildId, place: Option<OwnedSemaphorePermit>) {
        // A child of the shutdown: a process that ends stops its builds, and leaves
        // them for the next one.
        let Some(run) = self.running.enter(build, self.shutdown.token.child_token()) else { return };
        let supervisor = self.clone();
        let span = tracing::info_span!("build", build_id = %build);
        let drive = async move {
            let _place = place;
            supervisor.drive(&run).await;
        };
        self.shutdown.tracker.spawn(drive.instrument(span));
    }

    /// Runs one build to its end, unless this process ends first. A record that
    /// cannot be written interrupts the build as a crash would; it is taken up
    /// again where it was.
    async fn drive(&self, run: &Run) {
        loop {
            match self.drive_to_the_end(&run.build, &run.token).await {
                Ok(state) => {
                    tracing::info!(state, "the build is over for this process");
                    return;
                }
                Err(failure) if self.shutdown.token.is_cancelled() => {
                    tracing::error!(%failure, "the build is left for the next process");
                    return;
                }
                Err(failure) if is_for_good(&failure) => {
                    tracing::error!(%failure, "the build cannot go on");
                    self.services.pool.release(&run.build);
                    return;
                }
                Err(failure) => {
                    tracing::error!(%failure, wait = ?self.patience, "the build was interrupted; it will be taken up again");
                }
            }
            tokio::select! {
                () = self.shutdown.token.cancelled() => return,
                () = sleep(self.patience) => {}
            }
        }
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
        let services = BuildServices::new(self.services.clone(), stamp);
        let journal = store.journal(build);
        let flow = Flow::new(&services, &journal, token.clone());
        let outcome = plan_and_run(&flow, &services, &history).await;
        if let Err(failures) = &outcome {
            if let Some(failure) = failures.all().find(|failure| failure.code == JOURNAL_FAILED) {
                return Err(failure.clone());
            }
            let cancelled = failures.primary.class == FailureClass::Cancelled;
            if cancelled && self.services.shutdown.is_cancelled() {
                let asked = store.history(build).await?.and_then(|history| history.cancel_reason);
                if asked.is_none() {
                    return Ok("left for the next process");
                }
            }
        }

        // From here on a wish to stop comes too late; one that was accepted before
        // is fulfilled, even if nothing was left to do that could be stopped.
        let history = store.command(build, Command::Finish).await?;
        let outcome = unless_cancelled(outcome, history.cancel_reason.as_deref());
        let finishing = Flow::new(&services, &journal, CancellationToken::new());
        let outcome = run::as_it_stands(&finishing, outcome).await;
        let after = run::finish(&finishing, &outcome).await;
        let of_the_build = outcome.as_ref().err().into_iter().flat_map(Failures::all);
        if let Some(failure) = of_the_build.chain(&after).find(|failure| failure.code == JOURNAL_FAILED) {
            return Err(failure.clone());
        }
        let ended = ending(outcome, after);
        let EventKind::Ended { state, .. } = &ended else { return Ok("ended") };
        let state = state.as_str();
        store.append(build, vec![ended]).await?;
        self.services.logs.finish(build).await;
        Ok(state)
    }
}

/// The last event of a build.
fn ending(outcome: Result<BuildResult, Failures>, after: Vec<Failure>) -> EventKind {
    let failures = match outcome {
        Ok(result) => {
            // A failure of the clean-up does not undo a complete publication.
            let (state, later_failures) = (BuildState::Succeeded, after);
            return EventKind::Ended {
                state,
                failure: None,
                later_failures,
                result: Some(result),
                koji: None,
            };
        }
        Err(failures) => failures,
    };
    let state = match failures.primary.class {
        FailureClass::Cancelled => BuildState::Cancelled,
        _ => BuildState::Failed,
    };
    let later_failures = failures.later.into_iter().chain(after).collect();
    let (failure, koji) = (Some(failures.primary), failures.koji.map(|koji| *koji));
    EventKind::Ended { state, failure, later_failures, result: None, koji }
}

async fn plan_and_run(
    flow: &Flow<'_, BuildServices>,
    services: &BuildServices,
    history: &History,
) -> Result<BuildResult, Failures> {
    let (draft, plan) = plan::decide(&flow.over(&services.planning), &history.request).await?;
    flow.run(RecordPlan::of(&draft)?).await?;
    run::run(flow, &plan).await
}

/// Fulfils a wish to stop. Why somebody wanted a build to stop says more than that
/// it was stopped.
fn unless_cancelled(
    outcome: Result<BuildResult, Failures>,
    cancel_reason: Option<&str>,
) -> Result<BuildResult, Failures> {
    match (outcome, cancel_reason) {
        (Ok(_), Some(reason)) => Err(Failure::cancelled(reason).into()),
        (Err(failures), Some(reason)) if failures.primary.class == FailureClass::Cancelled => {
            let primary = Failure { step: failures.primary.step, ..Failure::cancelled(reason) };
            Err(Failures { primary, ..failures })
        }
        (outcome, _) => outcome,
    }
}

/// Whether the record itself is of no use any more: trying again would only
/// keep a place from others.
fn is_for_good(failure: &Failure) -> bool {
    ["store.corrupt_event", "store.illegal_event", "store.build_not_found", "store.closed"]
        .contains(&failure.code.as_str())
}

/// The builds that run in this process, and how to stop them.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<HashMap<BuildId, CancellationToken>>>);

/// A build's stay among the running ones; ends when it is dropped.
struct Run {
    build: BuildId,
    token: CancellationToken,
    running: Running,
}

impl Running {
    /// Lets a build in; `None` when it is there already, which changes nothing.
    fn enter(&self, build: &BuildId, token: CancellationToken) -> Option<Run> {
        match self.lock().entry(build.clone()) {
            hash_map::Entry::Occupied(_) => None,
            hash_map::Entry::Vacant(free) => {
                free.insert(token.clone());
                Some(Run { build: build.clone(), token, running: self.clone() })
            }
        }
    }

    fn contains(&self, build: &BuildId) -> bool {
        self.lock().contains_key(build)
    }

    /// Stops a build; false when it does not run.
    fn cancel(&self, build: &BuildId) -> bool {
        self.lock().get(build).map(CancellationToken::cancel).is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<BuildId, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.running.lock().remove(&self.build);
    }
}

#[cfg(test)]
mod tests;
