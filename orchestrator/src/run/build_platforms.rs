//! All platforms side by side.

use std::sync::OnceLock;

use common::{failure::FailureClass, flow::Flow, request::FailurePolicy};
use futures::{StreamExt as _, stream::FuturesUnordered};

use super::{BuildImage, BuiltMember, Failures, PreparedUpload};
use crate::{plan::Plan, services::BuildServices};

/// Builds every platform of the plan. When one fails, the others finish or are
/// stopped, as the plan says.
///
/// # Errors
/// What failed, first in time first. Platforms that were stopped because of
/// another one's failure are no failures of their own.
pub(super) async fn build_platforms(
    flow: &Flow<'_, BuildServices>,
    plan: &Plan,
    upload: Option<&PreparedUpload>,
) -> Result<Vec<BuiltMember>, Failures> {
    let flows: Vec<_> = plan.platforms.iter().map(|entry| flow.scoped(entry.platform.as_str())).collect();
    let stop_reason = &OnceLock::new();
    let mut running: FuturesUnordered<_> = flows
        .iter()
        .zip(&plan.platforms)
        .enumerate()
        .map(|(position, (flow, platform))| async move {
            (position, flow.run(BuildImage { plan, platform, upload, stop_reason }).await)
        })
        .collect();

    let mut members = Vec::new();
    let mut failures = Vec::new();
    let mut stopped = None;
    while let Some((position, result)) = running.next().await {
        match result {
            Ok(member) => members.push((position, member)),
            Err(failure) if failure.class == FailureClass::Cancelled => stopped = Some(failure),
            Err(failure) => {
                failures.push(failure);
                if plan.failure_policy == FailurePolicy::StopOthers {
                    let platform = &plan.platforms[position].platform;
                    stop_reason.get_or_init(|| format!("{platform} failed, and the others stop with it"));
                    flows.iter().for_each(|flow| flow.cancel().cancel());
                }
            }
        }
    }
    if let Some(failures) = Failures::in_order(failures) {
        return Err(failures);
    }
    if let Some(failure) = stopped {
        return Err(failure.into());
    }
    members.sort_by_key(|(position, _)| *position);
    Ok(members.into_iter().map(|(_, member)| member).collect())
}
