//! What always happens at the end, whatever the outcome.

use common::{
    failure::Failure,
    flow::{Flow, event::BuildResult},
};

use super::{
    AssembleIndex, CleanUp, Failures, NoteTags, NotedTags, Outcome, PushTags, RecordBuild, RecordOutcome,
    ReleaseWorkers, WithdrawTags, notify, publish::destination_flows,
};
use crate::{
    plan::{CancelFilesystemTask, CheckDestinations, StartFilesystem, WaitFilesystem},
    services::BuildServices,
};

/// Takes back what a failed build made visible, records how it ended, cleans up,
/// and tells those who want to know. `flow` must not be cancelled by whatever ended
/// the build.
///
/// What to take back is read from the record and not from a plan: a build whose
/// plan cannot be made again may have set tags all the same.
///
/// Failures of these steps never hide the build's own: they are returned beside
/// it, for the record.
pub async fn finish(flow: &Flow<'_, BuildServices>, outcome: &Result<BuildResult, Failures>) -> Vec<Failure> {
    let mut failures = Vec::new();
    if outcome.is_err()
        && let Err(failure) = withdraw(flow, &mut failures).await
    {
        failures.push(failure);
    }
    if let Err(ended) = outcome {
        failures.extend(super::koji::give_back(flow, &ended.primary).await.err());
        failures.extend(cancel_filesystem(flow).await.err());
    }
    failures.extend(record(flow, outcome).await.err());
    failures.extend(flow.run(CleanUp).await.err());
    failures.extend(flow.run(ReleaseWorkers).await.err());
    let people = super::koji::people(flow, outcome).await;
    let told = notify(flow, outcome, &failures, people.as_ref()).await;
    failures.extend(told);
    failures
}

/// Cancels the image task that the build has started and not waited for to its
/// end: nobody has a use for it any more.
async fn cancel_filesystem(flow: &Flow<'_, BuildServices>) -> Result<(), Failure> {
    let planning = flow.over(&flow.services().planning);
    let Some(Some(started)) = planning.recorded::<StartFilesystem<'_>>().await? else { return Ok(()) };
    if !started.ours || planning.recorded::<WaitFilesystem>().await?.is_some() {
        return Ok(());
    }
    planning.run(CancelFilesystemTask { task: started.task }).await
}

async fn record(
    flow: &Flow<'_, BuildServices>,
    outcome: &Result<BuildResult, Failures>,
) -> Result<(), Failure> {
    let outcome = Outcome::of(flow, outcome).await?;
    flow.run(RecordOutcome { outcome: &outcome }).await
}

/// Puts tags back at every destination where they were noted and may have moved.
/// A destination that fails does not keep the others from being cleaned.
///
/// Once Koji has the build, only floating tags go back: the import names the others
/// for good, and its name, version and release can never be built again.
async fn withdraw(flow: &Flow<'_, BuildServices>, failures: &mut Vec<Failure>) -> Result<(), Failure> {
    let Some(index) = flow.recorded::<AssembleIndex<'_>>().await? else { return Ok(()) };
    let Some(targets) = flow.over(&flow.services().planning).recorded::<CheckDestinations<'_>>().await?
    else {
        return Ok(());
    };
    let flows = destination_flows(flow, &targets);
    let Some(first) = flows.first() else { return Ok(()) };
    if !first.began::<PushTags<'_>>().await? {
        return Ok(());
    }
    let imported = flow.recorded::<RecordBuild<'_>>().await?.is_some();
    for (flow, target) in flows.iter().zip(&targets) {
        if let Some(NotedTags { fixed, mut former }) = flow.recorded::<NoteTags<'_>>().await? {
            former.retain(|tag, _| !(imported && fixed.contains(tag)));
            if former.is_empty() {
                continue;
            }
            let step = WithdrawTags { target, former, index: &index.digest };
            failures.extend(flow.run(step).await.err());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
