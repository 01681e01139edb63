//! Step: gives the recorded build its tag in Koji.

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    nvr::Nvr,
};
use serde::{Deserialize, Serialize};

use super::{koji, patiently};
use crate::{
    outside::{KojiPatience, KojiTaskState, TagAnswer},
    services::{BuildServices, Watched, watch_task},
};

/// Tasks that are started: one that failed may have been the hub's bad day.
const MAX_TASKS: usize = 2;
/// What the hub says of a build that somebody else has tagged in the meantime.
const TAGGED_ALREADY: &str = "already tagged";

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
            timeout: KojiPatience::STEP_LIMIT,
            ..Policy::default()
        }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<TagTask, Failure> {
        let services = cx.services;
        let koji = koji(services)?;
        let deadline = services.shared.site.koji.tag_deadline.duration();
        let mut last: Option<(u64, String)> = None;
        // A call that finds the build without its tag starts a task: after the last
        // one that may be, it is made only where it would find the tag.
        let may_call = |number: usize, last: &Option<(u64, String)>| {
            number < MAX_TASKS
                || number == MAX_TASKS
                    && last.as_ref().is_some_and(|(_, reason)| reason.contains(TAGGED_ALREADY))
        };
        let mut number = 0;
        while may_call(number, &last) {
            number += 1;
            let answer =
                patiently(cx, "tag a build in Koji", || koji.tag_build(self.build, self.tag)).await?;
            let task = match answer {
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
            let reason = match watch_task(cx, koji, task, deadline).await? {
                Watched::Ended(ended) if ended.state == KojiTaskState::Closed => {
                    services.say(cx.name, &format!("{} has the tag {}", self.nvr, self.tag)).await;
                    return Ok(self.tagged(Some(task)));
                }
                Watched::Ended(ended) if ended.state == KojiTaskState::Cancelled => {
                    "it was cancelled".to_owned()
                }
                Watched::Ended(ended) => ended.reason,
                Watched::Unknown => "Koji does not know it any more".to_owned(),
                Watched::Pending => return Err(self.pending(task, deadline)),
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
