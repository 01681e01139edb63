//! A build that is cancelled, or whose process dies, in the middle of a step: at
//! any moment, some of which hit what an append to the journal does not.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use common::{failure::FailureClass, flow::state::BuildState};
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::{all, process::Process, world::World};

/// From one moment to the next. A build takes some thirty of them.
const MOMENT: Duration = Duration::from_millis(5);
const MOMENTS: u32 = 40;

async fn cancelled_after(moments: u32) -> Result<()> {
    let world = World::new().await?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let journal = process.services.store.journal(&build);
    let token = CancellationToken::new();
    let cancel = async {
        tokio::time::sleep(MOMENT * moments).await;
        token.cancel();
    };
    let (driven, ()) =
        Box::pin(async { tokio::join!(process.drive(&world, &build, &journal, &token), cancel) }).await;
    let driven = driven?;
    match driven.outcome {
        Ok(result) => world.check_published(&result).await?,
        Err(failures) => {
            ensure!(failures.primary.class == FailureClass::Cancelled, "{}", failures.primary);
            ensure!(world.tags()? == world.before, "{:?}", world.changed()?);
        }
    }
    ensure!(driven.after == Some(vec![]), "{:?}", driven.after);
    process.check_workers_are_free(&world).await?;
    process.end().await?;
    world.check_no_files()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_is_cancelled_at_any_moment_leaves_nothing() -> Result<()> {
    let stories = (0..MOMENTS).map(|moments| {
        let story =
            async move { cancelled_after(moments).await.with_context(|| format!("moment {moments}")) };
        story.boxed_local()
    });
    all(stories.collect()).await
}

async fn killed_after(moments: u32) -> Result<()> {
    let world = World::new().await?;
    let first = Process::start(&world).await?;
    let build = first.accept(&world).await?;
    let journal = first.services.store.journal(&build);
    let killed = CancellationToken::new();
    let kill = async {
        tokio::time::sleep(MOMENT * moments).await;
        killed.cancel();
    };
    let (driven, ()) =
        Box::pin(async { tokio::join!(first.drive_until(&world, &build, &journal, &killed), kill) }).await;
    let _killed_or_complete = driven?;
    first.end().await?;
    world.check_that_tags_are_complete().await?;
    let second = Process::start(&world).await?;
    let history = second.supervise(&build).await?;
    ensure!(history.state == BuildState::Succeeded, "{:?}: {:?}", history.state, history.failure);
    world.check_published(&history.result.context("no result")?).await?;
    world.check_effects(&second.events(&build).await?)?;
    world.check_no_files()?;
    second.check_workers_are_free(&world).await?;
    second.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_at_any_moment_is_replaced() -> Result<()> {
    let stories = (0..MOMENTS).map(|moments| {
        let story = async move { killed_after(moments).await.with_context(|| format!("moment {moments}")) };
        story.boxed_local()
    });
    all(stories.collect()).await
}
