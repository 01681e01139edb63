//! Steps: a base image that Koji makes (`FROM koji/image-build[:CONF]`).
//!
//! Starting the task and waiting for it are two steps, so that the journal has
//! the task's number before anybody waits: a build that is resumed waits for the
//! same task. When it is over, the root file system of each platform is fetched,
//! and the final Dockerfile begins with it instead of with an image.

mod fetch;
#[cfg(test)]
mod tests;

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use self::fetch::{FetchFilesystems, FilesystemFile};
use super::target::koji_policy;
use crate::{
    outside::{ImageTask, Koji, KojiTask, KojiTaskState},
    services::{PlanServices, Watched, patiently, watch_task},
};

/// How long the cancellation of a task may take.
const CANCEL_DEADLINE: Duration = Duration::from_secs(20);
/// Longest wait for an image task.
const TASK_LIMIT: Duration = Duration::from_secs(6 * 3600);

/// Starts the image task, unless there is one already. `None` in a dry run.
#[derive(Serialize)]
pub struct StartFilesystem<'a> {
    /// What the task makes.
    pub image: &'a ImageTask,
    /// The request's own task, to be used instead.
    pub existing: Option<u64>,
}

/// An image task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesystemTask {
    /// Its number.
    pub task: u64,
    /// Whether this build has started it. Somebody else's is never cancelled.
    pub ours: bool,
}

impl Step<PlanServices> for StartFilesystem<'_> {
    const NAME: &'static str = "start_filesystem";
    const STAGE: Stage = Stage::Prepare;
    type Output = Option<FilesystemTask>;

    fn policy(&self) -> Policy {
        koji_policy()
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Option<FilesystemTask>, Failure> {
        let services = cx.services;
        let koji = configured(services)?;
        if let Some(task) = self.existing {
            services.say(cx.name, &format!("the file systems are those of Koji task {task}")).await;
            return Ok(Some(FilesystemTask { task, ours: false }));
        }
        let ImageTask { name, version, platforms, target, .. } = self.image;
        let what = format!("{name}-{version} for {} in target {target}", platforms.join(" "));
        if !services.reach.may_change() {
            services.say(cx.name, &format!("a build would ask Koji for an image task: {what}")).await;
            return Ok(None);
        }
        let key = format!("{}/{}", services.stamp.build, cx.name);
        let task =
            patiently(cx, "start an image task in Koji", || koji.start_image_task(self.image, &key)).await?;
        services.say(cx.name, &format!("Koji task {task} makes {what}")).await;
        if cx.resumed {
            // The bridge knows the key of a task that it has started, unless it
            // was restarted, too.
            let text = format!(
                "an earlier run of this step was interrupted: Koji may have made another image task beside {task}"
            );
            cx.warn("filesystem.maybe_twice", text).await?;
        }
        Ok(Some(FilesystemTask { task, ours: true }))
    }
}

/// Waits for the end of the image task. Not for dry runs.
#[derive(Serialize)]
pub struct WaitFilesystem {
    /// The task.
    pub task: FilesystemTask,
    /// Fires when this process ends: the build goes on in the next one, so its
    /// task must, too.
    #[serde(skip)]
    pub shutdown: CancellationToken,
    /// Longest wait; [`WaitFilesystem::new`] has the usual one.
    #[serde(skip)]
    pub limit: Duration,
}

impl WaitFilesystem {
    /// Waits for a task as long as one may take: 6 h.
    pub fn new(task: FilesystemTask, shutdown: CancellationToken) -> Self {
        Self { task, shutdown, limit: TASK_LIMIT }
    }

    /// Cancels a task that nobody will wait for any more. That it could not be
    /// cancelled changes nothing.
    async fn give_up(&self, cx: &Context<'_, PlanServices>, koji: &Koji) {
        let FilesystemTask { task, ours } = self.task;
        if !ours || self.shutdown.is_cancelled() {
            return;
        }
        let line = match koji.clone().with_deadline(CANCEL_DEADLINE).cancel_task(task).await {
            Ok(()) => format!("Koji task {task} is cancelled"),
            Err(failure) => format!("Koji task {task} could not be cancelled: {failure}"),
        };
        cx.services.say(cx.name, &line).await;
    }
}

impl Step<PlanServices> for WaitFilesystem {
    const NAME: &'static str = "wait_filesystem";
    const STAGE: Stage = Stage::Prepare;
    type Output = ();

    fn policy(&self) -> Policy {
        Policy {
            // A hub that is down for a while does not stop its tasks.
            attempts: 20,
            wait: Duration::from_secs(15),
            timeout: self.limit + koji_policy().timeout + CANCEL_DEADLINE * 2,
            grace: CANCEL_DEADLINE + Duration::from_secs(5),
        }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<(), Failure> {
        let koji = configured(cx.services)?;
        let number = self.task.task;
        cx.services.say(cx.name, &format!("waiting for Koji task {number}")).await;
        let watched = tokio::select! {
            watched = watch_task(cx, koji, number, self.limit) => watched?,
            () = cx.cancel.cancelled() => {
                self.give_up(cx, koji).await;
                return Err(Failure::cancelled("the build was asked to stop"));
            }
        };
        match watched {
            Watched::Ended(task) => verdict(number, Some(task)),
            Watched::Unknown => verdict(number, None),
            Watched::Pending => {
                self.give_up(cx, koji).await;
                Err(took_too_long(number, self.limit))
            }
        }
    }
}

/// Cancels the image task of a build that failed before anybody waited for the
/// task. That it could not be cancelled changes nothing.
#[derive(Serialize)]
pub struct CancelFilesystemTask {
    /// Number of the task, which this build has started.
    pub task: u64,
}

impl Step<PlanServices> for CancelFilesystemTask {
    const NAME: &'static str = "cancel_filesystem_task";
    const STAGE: Stage = Stage::Finish;
    type Output = ();

    fn policy(&self) -> Policy {
        Policy { timeout: CANCEL_DEADLINE * 2, ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<(), Failure> {
        let task = self.task;
        let koji = configured(cx.services)?.clone().with_deadline(CANCEL_DEADLINE);
        match koji.cancel_task(task).await {
            Ok(()) => cx.services.say(cx.name, &format!("Koji task {task} is cancelled")).await,
            Err(failure) => {
                let text = format!("Koji task {task} could not be cancelled: {failure}");
                cx.warn("filesystem.not_cancelled", text).await?;
            }
        }
        Ok(())
    }
}

/// Whether there is something to fetch.
fn verdict(number: u64, ended: Option<KojiTask>) -> Result<(), Failure> {
    let Some(task) = ended else {
        let message = format!("there is no Koji task {number}");
        return Err(Failure::new(FailureClass::User, "filesystem.unknown_task", message)
            .with_advice("correct the request's filesystem_task"));
    };
    match task.state {
        KojiTaskState::Closed => Ok(()),
        KojiTaskState::Cancelled => {
            let message = format!("image task, Koji's number {number}, was cancelled");
            Err(Failure::new(FailureClass::Source, "filesystem.task_cancelled", message)
                .with_advice("submit the build again"))
        }
        KojiTaskState::Failed | KojiTaskState::Unfinished => {
            let reason = if task.reason.is_empty() { "Koji says no reason" } else { task.reason.trim() };
            let message = format!("image task, Koji's number {number}, has failed: {reason}");
            Err(Failure::new(FailureClass::Source, "filesystem.task_failed", message)
                .with_advice("the task's logs in Koji say more; correct the image-build configuration"))
        }
    }
}

/// Koji, without which there are no such file systems.
fn configured(services: &PlanServices) -> Result<&Koji, Failure> {
    services.outside.koji.as_ref().ok_or_else(|| {
        let message = "the Dockerfile is FROM koji/image-build, and the site has no Koji";
        Failure::new(FailureClass::Source, "filesystem.no_koji", message)
            .with_advice("build FROM an image, or set koji.bridge in the site's configuration")
    })
}

fn took_too_long(number: u64, limit: Duration) -> Failure {
    let message = format!("Koji task {number} has not ended within {} s", limit.as_secs());
    Failure::new(FailureClass::Timeout, "filesystem.task_timeout", message)
        .with_advice("see in Koji what the task waits for")
}
