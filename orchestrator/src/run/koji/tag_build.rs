//! Step: gives the recorded build its tag in Koji.

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    nvr::Nvr,
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{koji, patiently};
use crate::{
    outside::{KojiTaskState, TagAnswer},
    services::BuildServices,
};

/// Tasks that are waited for: one that failed may have been the hub's bad day.
const MAX_TASKS: usize = 2;

/// Tags the build.
#[derive(Serialize)]
pub struct TagBuild<'a> {
    /// Number of the build.
    pub build: u64,
    /// Its name, version and release.
    pub nvr: &'a Nvr,
    /// The tag.
    pub tag: &'a str,
}

/// What has tagged the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagTask {
    /// The task; `None` when the build had the tag.
    pub task: Option<u64>,
    /// The tag.
    #[serde(default)]
    pub tag: Option<String>,
}

impl Step<BuildServices> for TagBuild<'_> {
    const NAME: &'static str = "tag_build";
    const STAGE: Stage = Stage::Publish;
    type Output = TagTask;

    fn policy(&self) -> Policy {
        // Its own deadline is the site's, which a policy cannot ask for.
        Policy {
            attempts: 2,
            wait: Duration::from_secs(10),
            timeout: Duration::from_secs(48 * 3600),
            ..Policy::default()
        }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<TagTask, Failure> {
        let services = cx.services;
        let koji = koji(services)?;
        let deadline = services.shared.site.koji.tag_deadline.duration();
        let mut last: Option<(u64, String)> = None;
        for _ in 0..=MAX_TASKS {
            let task = match patiently("tag a build in Koji", || koji.tag_build(self.build, self.tag)).await?
            {
                TagAnswer::Tagged => {
                    services.say(cx.name, &format!("{} has the tag {}", self.nvr, self.tag)).await;
                    return Ok(self.tagged(last.map(|(task, _)| task)));
                }
                TagAnswer::Task(task) => task,
            };
            if let Some((_, reason)) = last.as_ref().filter(|(former, _)| *former == task) {
                return Err(self.failed(task, reason));
            }
            services.say(cx.name, &format!("task {task} tags {} with {}", self.nvr, self.tag)).await;
            let watched = patiently("watch a task in Koji", || koji.wait_for_task(task));
            let ended = timeout(deadline, watched).await.map_err(|_| self.pending(task, deadline))??;
            let reason = match ended {
                Some(ended) if ended.state == KojiTaskState::Closed => {
                    services.say(cx.name, &format!("{} has the tag {}", self.nvr, self.tag)).await;
                    return Ok(self.tagged(Some(task)));
                }
                Some(ended) if ended.state == KojiTaskState::Cancelled => "it was cancelled".to_owned(),
                Some(ended) => ended.reason,
                None => "Koji does not know it any more".to_owned(),
            };
            // Somebody may have tagged the build in the meantime: the next answer tells.
            last = Some((task, reason));
        }
        let (task, reason) = last.unwrap_or_default();
        Err(self.failed(task, &reason))
    }
}

impl TagBuild<'_> {
    fn tagged(&self, task: Option<u64>) -> TagTask {
        TagTask { task, tag: Some(self.tag.to_owned()) }
    }

    fn pending(&self, task: u64, deadline: Duration) -> Failure {
        let message = format!(
            "task {task}, which tags {} with {}, is still pending after {} s",
            self.nvr,
            self.tag,
            deadline.as_secs()
        );
        Failure::new(FailureClass::Timeout, "koji.tag_pending", message)
            .with_advice("see in Koji what the task waits for; koji.tag_deadline bounds the wait")
    }

    fn failed(&self, task: u64, reason: &str) -> Failure {
        let message = format!("task {task} did not tag {} with {}: {reason}", self.nvr, self.tag);
        Failure::new(FailureClass::Policy, "koji.tag_failed", message)
            .with_advice("see the task in Koji; 'koji tag-build' can tag the build by hand")
    }
}
