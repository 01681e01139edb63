//! Who has to do with a build, asked of Koji for the news about it.

use common::{
    failure::Failure,
    flow::{Flow, event::BuildResult},
    koji::{KojiPeople, KojiUser},
};

use super::{super::Failures, RecordBuild};
use crate::{outside::Koji, plan::FreezeSettings, services::BuildServices};

/// The people that mail wants to know; `None` where nobody asks for them. Whoever
/// Koji does not tell is left out: news without them is better than none.
pub(in crate::run) async fn people(
    flow: &Flow<'_, BuildServices>,
    outcome: &Result<BuildResult, Failures>,
) -> Option<KojiPeople> {
    let services = flow.services();
    let koji = services.shared.outside.koji.as_ref()?;
    let planning = flow.over(&services.planning);
    // The settings that the build began with are those that the news is sent by.
    let frozen = planning.recorded::<FreezeSettings>().await.ok().flatten();
    let mail = frozen.as_ref().map_or(&services.shared.site.mail, |frozen| &frozen.settings.mail);
    mail.host.as_ref()?;
    let mut people = KojiPeople::default();
    if mail.to_submitter {
        people.task_owner = told(task_owner(services, koji).await).flatten();
    }
    if mail.to_package_owner
        && let Some(build) = imported(flow, outcome).await
    {
        people.package_owners = told(koji.package_owners(build).await).unwrap_or_default();
    }
    Some(people)
}

async fn task_owner(services: &BuildServices, koji: &Koji) -> Result<Option<KojiUser>, Failure> {
    let history = services.shared.store.history(&services.stamp.build).await?;
    let Some(task) = history.and_then(|history| history.request.koji_task) else { return Ok(None) };
    Ok(koji.task(task).await?.and_then(|task| task.owner))
}

/// The build in Koji, also of one that failed after its import.
async fn imported(flow: &Flow<'_, BuildServices>, outcome: &Result<BuildResult, Failures>) -> Option<u64> {
    if let Ok(BuildResult { koji: Some(record), .. }) = outcome {
        return Some(record.build);
    }
    told(flow.recorded::<RecordBuild<'_>>().await).flatten().map(|recorded| recorded.build)
}

fn told<T>(answer: Result<T, Failure>) -> Option<T> {
    let failed = |failure: &Failure| {
        tracing::warn!(%failure, "Koji does not tell everybody who is to be told of the build");
    };
    answer.inspect_err(failed).ok()
}
