//! `koji-bridge tag`: a build gets a tag, and the task that gives it is waited
//! for.

use std::{pin::pin, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    service::Shutdown,
};
use futures::StreamExt as _;
use jiff::{Timestamp, Unit};
use proto::v1::KojiTaskState;

use super::{CommandFailure, Exit, open, output::say};
use crate::{
    arguments::TagArguments,
    hub::{Hub, Tagging},
};

pub(super) async fn run(arguments: &TagArguments, shutdown: &Shutdown) -> Result<Exit, CommandFailure> {
    let hub = open(&arguments.common, shutdown)?;
    let ended = tag(&hub, arguments).await;
    hub.close().await;
    ended.map(|()| Exit::Ok)
}

async fn tag(hub: &Hub, arguments: &TagArguments) -> Result<(), CommandFailure> {
    let build = hub.build(&arguments.build).await?.build;
    let name = format!("{} (build {})", build.nvr, build.id);
    let tag = &arguments.tag;
    let task = match hub.tag_build(build.id, tag.clone()).await? {
        Tagging::Tagged => {
            say(&format!("{name} has the tag {tag} already"));
            return Ok(());
        }
        Tagging::Task(task) => task,
    };
    say(&format!("task {task} tags {name} with {tag}"));
    if arguments.no_wait {
        return Ok(());
    }
    let limit = Duration::from_secs(arguments.timeout);
    match tokio::time::timeout(limit, wait(hub, task)).await {
        Ok(ended) => ended?,
        Err(_) => {
            let message = format!("task {task} has not ended within {} s", arguments.timeout);
            let failure = Failure::new(FailureClass::Timeout, "koji.tag_pending", message)
                .with_advice("the same command goes on waiting for it; see in Koji what it waits for");
            return Err(CommandFailure::new(Exit::TryAgain, failure));
        }
    }
    say(&format!("{name} has the tag {tag}"));
    Ok(())
}

/// Waits for the end of a task, and says each of its states.
async fn wait(hub: &Hub, task: u64) -> Result<(), CommandFailure> {
    let mut states = pin!(hub.watch_task(task).await?);
    while let Some(change) = states.next().await {
        let change = change?;
        let now = Timestamp::now().round(Unit::Second).unwrap_or_default();
        say(&format!("{now} task {task}: {}", name(change.state)));
        if let Some(failure) = change.failure {
            let exit = if failure.class == FailureClass::Policy { Exit::Config } else { Exit::Failed };
            return Err(CommandFailure::new(exit, failure));
        }
        match change.state {
            KojiTaskState::Closed => return Ok(()),
            KojiTaskState::Canceled => {
                let message = format!("task {task} was cancelled, the build is not tagged");
                let failure = Failure::new(FailureClass::Cancelled, "koji.tag_cancelled", message)
                    .with_advice("ask who cancelled it, and tag again");
                return Err(CommandFailure::new(Exit::Failed, failure));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A state as Koji calls it.
fn name(state: KojiTaskState) -> &'static str {
    match state {
        KojiTaskState::Unspecified => "unknown",
        KojiTaskState::Free => "free",
        KojiTaskState::Open => "open",
        KojiTaskState::Closed => "closed",
        KojiTaskState::Canceled => "canceled",
        KojiTaskState::Assigned => "assigned",
        KojiTaskState::Failed => "failed",
    }
}
