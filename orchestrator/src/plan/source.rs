//! Steps: from a git address to a commit on this machine.

use std::time::Duration;

use common::{
    failure::Failure,
    flow::{Context, Policy, Stage, Step},
    request::GitSource,
};
use serde::Serialize;

use crate::{
    repository::{self, ResolvedSource},
    services::PlanServices,
};

/// How long a thread that works on files may take to notice that its step was
/// cancelled. A step that is dropped earlier leaves it writing while the build's
/// directory is removed.
pub(super) const STOP_THREADS: Duration = Duration::from_secs(5);

/// Asks the remote which commit is meant. Everything later uses that commit,
/// wherever the branch goes meanwhile.
#[derive(Serialize)]
pub struct ResolveSource<'a> {
    /// What the user named.
    pub source: &'a GitSource,
}

impl Step<PlanServices> for ResolveSource<'_> {
    const NAME: &'static str = "resolve_source";
    const STAGE: Stage = Stage::Source;
    type Output = ResolvedSource;

    fn policy(&self) -> Policy {
        network_policy()
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<ResolvedSource, Failure> {
        let git = &cx.services.outside.git;
        let resolved = repository::resolve(git, self.source, cx.cancel).await?;
        let name = self.source.reference.as_deref().unwrap_or("the default branch");
        cx.services
            .say(cx.name, &format!("{name} of {} is commit {}", self.source.uri, resolved.commit))
            .await;
        Ok(resolved)
    }
}

/// Fetches the commit, with no more history than needed.
#[derive(Serialize)]
pub struct FetchSource<'a> {
    /// Where from.
    pub source: &'a GitSource,
    /// What.
    pub resolved: &'a ResolvedSource,
}

impl Step<PlanServices> for FetchSource<'_> {
    const NAME: &'static str = "fetch_source";
    const STAGE: Stage = Stage::Source;
    type Output = ();

    fn policy(&self) -> Policy {
        network_policy()
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<(), Failure> {
        cx.services.source_tree(self.source, self.resolved, cx.cancel).await?;
        Ok(())
    }
}

fn network_policy() -> Policy {
    Policy {
        attempts: 4,
        wait: Duration::from_secs(5),
        timeout: Duration::from_secs(1800),
        grace: STOP_THREADS,
    }
}
