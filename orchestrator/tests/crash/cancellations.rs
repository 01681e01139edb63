//! A build that is told to stop at any append either stops and leaves no tag, or
//! is complete.

use anyhow::{Context as _, Result, ensure};
use common::{
    failure::FailureClass,
    flow::state::{BuildState, Command},
};
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::{
    all,
    deaths::appends,
    journal::{Act, Trap},
    process::Process,
    world::World,
};

async fn cancelled_at(at: usize) -> Result<()> {
    let world = World::new().await?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let trap = Trap::new(process.services.store.journal(&build), Act::Fire, at);
    let driven = process.drive(&world, &build, &trap, &trap.sprung).await?;
    match driven.outcome {
        Ok(result) => world.check_published(&result).await?,
        Err(failures) => {
            ensure!(trap.sprung.is_cancelled(), "{}", failures.primary);
            ensure!(failures.primary.class == FailureClass::Cancelled, "{}", failures.primary);
            ensure!(world.tags()? == world.before, "{:?}", world.changed()?);
        }
    }
    ensure!(driven.after == Some(vec![]), "{:?}", driven.after);
    world.check_effects(&process.events(&build).await?)?;
    world.check_no_files()?;
    process.check_workers_are_free(&world).await?;
    process.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_build_is_complete_or_leaves_no_tag() -> Result<()> {
    let stories = (1..=appends().await?.len() + 1).map(|at| {
        let story =
            async move { cancelled_at(at).await.with_context(|| format!("cancelled at append {at}")) };
        story.boxed_local()
    });
    all(stories.collect()).await
}

/// Cancelled, and the process dies before the build has stopped.
async fn cancelled_and_killed_at(at: usize) -> Result<()> {
    let world = World::new().await?;
    let first = Process::start(&world).await?;
    let build = first.accept(&world).await?;
    let trap = Trap::new(first.services.store.journal(&build), Act::Fire, at);
    let grave = Trap::new(trap, Act::Kill, at + 1);
    let reason = "not wanted any more".to_owned();
    let story = async {
        tokio::select! {
            biased;
            () = grave.sprung.cancelled() => Ok(None),
            driven = first.drive(&world, &build, &grave, &grave.inner().sprung) => driven.map(Some),
        }
    };
    first.services.store.command(&build, Command::Claim).await?;
    first.services.store.command(&build, Command::Cancel { reason }).await?;
    Box::pin(story).await?;
    first.end().await?;
    world.check_that_tags_are_complete().await?;

    let second = Process::start(&world).await?;
    let history = second.supervise(&build).await?;
    match history.state {
        BuildState::Succeeded => world.check_published(&history.result.context("no result")?).await?,
        BuildState::Cancelled => {
            let failure = history.failure.context("no failure")?;
            ensure!(failure.message.contains("not wanted any more"), "{failure}");
            ensure!(world.tags()? == world.before, "{:?}", world.changed()?);
        }
        state => anyhow::bail!("{state:?}: {:?}", history.failure),
    }
    world.check_effects(&second.events(&build).await?)?;
    world.check_no_files()?;
    second.check_workers_are_free(&world).await?;
    second.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_outlives_the_process() -> Result<()> {
    let stories = (1..=appends().await?.len()).map(|at| {
        let story = async move {
            Box::pin(cancelled_and_killed_at(at))
                .await
                .with_context(|| format!("cancelled at append {at}, then killed"))
        };
        story.boxed_local()
    });
    all(stories.collect()).await
}

/// The process is asked to end and does; the next one goes on.
async fn stopped_at(at: usize) -> Result<()> {
    let world = World::new().await?;
    let first = Process::start(&world).await?;
    let build = first.accept(&world).await?;
    let trap = Trap::new(first.services.store.journal(&build), Act::Fire, at);
    let stop = async {
        trap.sprung.cancelled().await;
        first.shutdown.token.cancel();
        std::future::pending::<()>().await;
    };
    let undying = CancellationToken::new();
    let driven = tokio::select! {
        () = stop => None,
        driven = first.drive_until(&world, &build, &trap, &undying) => driven?,
    };
    let driven = driven.context("it was killed")?;
    if let Err(failures) = &driven.outcome {
        ensure!(failures.primary.class == FailureClass::Cancelled, "{}", failures.primary);
        ensure!(driven.after.is_none(), "the build was ended with the process");
    }
    first.end().await?;
    world.check_that_tags_are_complete().await?;

    let second = Process::start(&world).await?;
    let history = second.supervise(&build).await?;
    ensure!(history.state == BuildState::Succeeded, "{:?}: {:?}", history.state, history.failure);
    world.check_published(&history.result.context("no result")?).await?;
    world.check_effects(&second.events(&build).await?)?;
    world.check_no_files()?;
    second.check_workers_are_free(&world).await?;
    let builds: usize = world.workers.iter().map(|worker| worker.builds()).sum();
    ensure!(builds == 2, "workers built {builds} images");
    second.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_stopped_leaves_its_build_to_the_next() -> Result<()> {
    let stories = (1..=appends().await?.len() + 1).map(|at| {
        let story = async move { stopped_at(at).await.with_context(|| format!("stopped at append {at}")) };
        story.boxed_local()
    });
    all(stories.collect()).await
}
