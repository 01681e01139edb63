//! Who has to do with a build, asked of Koji for the news about it.

use common::{
    flow::{Flow, event::BuildResult},
    koji::KojiPeople,
};

use super::super::Failures;
use crate::services::BuildServices;

/// The people that mail wants to know; `None` where nobody asks for them, or Koji
/// does not answer: news without them is better than none.
pub(in crate::run) async fn people(
    flow: &Flow<'_, BuildServices>,
    outcome: &Result<BuildResult, Failures>,
) -> Option<KojiPeople> {
    let services = flow.services();
    let (koji, mail) = (services.shared.outside.koji.as_ref()?, &services.shared.site.mail);
    mail.host.as_ref()?;
    let mut people = KojiPeople::default();
    let told = |failure| tracing::warn!(%failure, "Koji does not tell who is to be told of the build");
    if mail.to_submitter {
        let history = services.shared.store.history(&services.stamp.build).await.ok()??;
        if let Some(task) = history.request.koji_task {
            people.task_owner = koji.task(task).await.map_err(told).ok()?.and_then(|task| task.owner);
        }
    }
    if mail.to_package_owner
        && let Ok(BuildResult { koji: Some(record), .. }) = outcome
    {
        people.package_owners = koji.package_owners(record.build).await.map_err(told).ok()?;
    }
    Some(people)
}
