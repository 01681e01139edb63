//! What always happens at the end, whatever the outcome.

use common::{
    failure::Failure,
    flow::{Flow, event::BuildResult},
};

use super::{AssembleIndex, CleanUp, Failures, NoteTags, PushTags, WithdrawTags, publish::destination_flows};
use crate::{plan::Plan, services::BuildServices};

/// Takes back what a failed build made visible, and cleans up. `flow` must not
/// be cancelled by whatever ended the build. `plan` is there if it was reached.
///
/// Failures of these steps never hide the build's own: they are returned beside
/// it, for the record.
pub async fn finish(
    flow: &Flow<'_, BuildServices>,
    plan: Option<&Plan>,
    outcome: &Result<BuildResult, Failures>,
) -> Vec<Failure> {
    let mut failures = match (outcome, plan) {
        (Err(_), Some(plan)) => withdraw(flow, plan).await.unwrap_or_else(|failure| vec![failure]),
        _ => Vec::new(),
    };
    if let Err(failure) = flow.run(CleanUp).await {
        failures.push(failure);
    }
    failures
}

/// Puts tags back at every destination where they were noted and may have moved.
/// Returns what failed at each of them.
async fn withdraw(flow: &Flow<'_, BuildServices>, plan: &Plan) -> Result<Vec<Failure>, Failure> {
    let mut failures = Vec::new();
    let Some(index) = flow.recorded::<AssembleIndex<'_>>().await? else { return Ok(failures) };
    let flows = destination_flows(flow, plan);
    let Some(first) = flows.first() else { return Ok(failures) };
    if !first.began::<PushTags<'_>>().await? {
        return Ok(failures);
    }
    for (flow, target) in flows.iter().zip(&plan.targets) {
        if let Some(former) = flow.recorded::<NoteTags<'_>>().await? {
            let step = WithdrawTags { target, former, index: &index.digest };
            failures.extend(flow.run(step).await.err());
        }
    }
    Ok(failures)
}
