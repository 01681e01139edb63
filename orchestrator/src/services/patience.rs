//! Waiting for a Koji that does not answer: one way for all steps.
//!
//! A hub that is down for an hour is no reason to fail a build. A call that is
//! worth another try is repeated within the same attempt of its step, told once
//! in the history and the log, and given up at once when the build is cancelled.
//! Dry runs do not wait.

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    flow::Context,
};
use tokio::time::{Instant, sleep, timeout};

use super::PlanServices;
use crate::outside::{Koji, KojiPatience, KojiTask};

/// Wait before a task is watched again after the bridge broke off.
const WATCH_AGAIN: Duration = Duration::from_secs(1);
/// A trouble that passes within this time is not told to the user.
const WORTH_TELLING: Duration = Duration::from_secs(3);

/// Repeats a call that can be repeated for as long as the site waits for Koji.
/// `what` says what the call does. Example: `tag a build in Koji`.
///
/// # Errors
/// A failure for good; `koji.gave_up_waiting`; the build was cancelled or this
/// process ends; the journal failed.
pub async fn patiently<S, T, F>(
    cx: &Context<'_, S>,
    what: &str,
    call: impl FnMut() -> F,
) -> Result<T, Failure>
where
    S: AsRef<PlanServices> + Sync,
    F: Future<Output = Result<T, Failure>>,
{
    patiently_for(cx, Duration::MAX, what, call).await
}

/// The same for `limit` at most.
///
/// # Errors
/// Those of [`patiently`].
pub async fn patiently_for<S, T, F>(
    cx: &Context<'_, S>,
    limit: Duration,
    what: &str,
    mut call: impl FnMut() -> F,
) -> Result<T, Failure>
where
    S: AsRef<PlanServices> + Sync,
    F: Future<Output = Result<T, Failure>>,
{
    let services = cx.services.as_ref();
    let patience = match &services.outside.koji {
        Some(koji) if services.reach.may_change() => koji.patience().at_most(limit),
        _ => KojiPatience::NONE,
    };
    let mut waits = patience.waits();
    let (mut since, mut told) = (None, false);
    loop {
        let failure = match call().await {
            Ok(answer) if told => {
                services.say(cx.name, "Koji answers again").await;
                return Ok(answer);
            }
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let bound = patience.with(&failure);
        if bound.is_zero() {
            return Err(failure);
        }
        let waited = since.get_or_insert_with(Instant::now).elapsed();
        if waited >= bound {
            return Err(gave_up(what, bound, failure));
        }
        if waited >= WORTH_TELLING && !told {
            let minutes = bound.as_secs().div_ceil(60);
            let text = format!("waiting for Koji for up to {minutes} min to {what}: {}", failure.message);
            services.say(cx.name, &text).await;
            cx.warn("koji.waiting", text).await?;
            told = true;
        }
        let wait = waits.next().unwrap_or(bound).min(bound - waited);
        tracing::warn!(what, %failure, wait_ms = wait.as_millis() as u64, "Koji does not answer; trying again");
        tokio::select! {
            () = sleep(wait) => {}
            () = cx.cancel.cancelled() => return Err(Failure::cancelled("the build was asked to stop")),
            () = services.shutdown.cancelled() => return Err(Failure::cancelled("this process ends")),
        }
    }
}

/// What became of a task that was watched.
#[derive(Debug)]
pub enum Watched {
    /// It has ended.
    Ended(KojiTask),
    /// Koji knows no such task.
    Unknown,
    /// It goes on, and the time for it is over.
    Pending,
}

/// Watches a task for `limit` at most. Time in which Koji cannot be asked is none
/// of the task's, and bounded by the site's patience.
///
/// # Errors
/// Those of [`patiently`].
pub async fn watch_task<S>(
    cx: &Context<'_, S>,
    koji: &Koji,
    task: u64,
    limit: Duration,
) -> Result<Watched, Failure>
where
    S: AsRef<PlanServices> + Sync,
{
    let mut left = limit;
    while !left.is_zero() {
        let began = Instant::now();
        match timeout(left, koji.wait_for_task(task)).await {
            Ok(Ok(Some(ended))) => return Ok(Watched::Ended(ended)),
            Ok(Ok(None)) => return Ok(Watched::Unknown),
            Ok(Err(failure)) if koji.patience().with(&failure).is_zero() => return Err(failure),
            Ok(Err(failure)) => {
                tracing::warn!(task, %failure, "a task is not watched any more; watching it again")
            }
            Err(_) => break,
        }
        sleep(WATCH_AGAIN).await;
        left = left.saturating_sub(began.elapsed());
        patiently(cx, "look at a task in Koji", || koji.task(task)).await?;
    }
    Ok(Watched::Pending)
}

/// Another attempt of the step would begin the whole wait again.
fn gave_up(what: &str, bound: Duration, failure: Failure) -> Failure {
    let seconds = bound.as_secs();
    let message = format!("Koji was waited for for {seconds} s to {what}, in vain: {}", failure.message);
    let mut gave_up = Failure::new(FailureClass::Timeout, "koji.gave_up_waiting", message)
        .with_advice("submit the build again when Koji answers; koji.offline_deadline bounds the wait for a hub that is down");
    gave_up.causes = [vec![format!("{}: {}", failure.code, failure.message)], failure.causes].concat();
    gave_up
}

#[cfg(test)]
mod tests;
