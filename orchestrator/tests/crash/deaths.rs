//! A process dies at any append; the next one ends the build as if nothing had
//! happened.

use std::{ops::RangeInclusive, sync::OnceLock, time::Duration};

use anyhow::{Context as _, Result, ensure};
use common::{
    flow::{
        event::{BuildResult, EventKind},
        state::BuildState,
    },
    names::BuildId,
};
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::{
    all,
    journal::{Act, Trap},
    process::Process,
    world::World,
};

/// What the second process finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Workers {
    /// The same workers, with what they hold.
    ComeBack,
    /// Others that hold nothing.
    AreNew,
    /// Others that hold nothing, and no two builds of the same thing are equal.
    AreNewAndMoody,
}

/// What a build that nothing disturbs appends to its journal.
pub(crate) async fn appends() -> Result<Vec<EventKind>> {
    let world = World::new().await?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let journal = process.services.store.journal(&build);
    let driven = process.drive_until(&world, &build, &journal, &CancellationToken::new()).await?;
    ensure!(driven.is_some_and(|driven| driven.outcome.is_ok()));
    let events = process.events(&build).await?;
    process.end().await?;
    let of_journal =
        |kind: &EventKind| !matches!(kind, EventKind::Created { .. } | EventKind::StateChanged { .. });
    Ok(events.into_iter().map(|event| event.kind).filter(of_journal).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undisturbed_build_does_everything_once() -> Result<()> {
    let world = World::new().await?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let journal = process.services.store.journal(&build);
    let undying = CancellationToken::new();
    let driven = process.drive_until(&world, &build, &journal, &undying).await?.context("it was killed")?;
    let result = driven.outcome.map_err(|failures| failures.primary)?;
    ensure!(driven.after == Some(vec![]), "{:?}", driven.after);
    world.check_published(&result).await?;
    world.check_no_files()?;
    process.check_workers_are_free(&world).await?;
    let events = process.events(&build).await?;
    world.check_effects(&events)?;
    ensure!(world.tag_puts().len() == 5 && world.tag_puts().values().all(|puts| *puts == 1));

    // Over a complete journal there is nothing left to do.
    let (sequence, builds) = (events.len(), world.workers.iter().map(|w| w.builds()).sum::<usize>());
    world.registry.forget_requests();
    let driven = process.drive_until(&world, &build, &journal, &undying).await?.context("it was killed")?;
    ensure!(driven.outcome.is_ok_and(|again| again == result) && driven.after == Some(vec![]));
    let requests = world.registry.requests();
    ensure!(requests.is_empty(), "{requests:?}");
    ensure!(process.events(&build).await?.len() == sequence, "something was appended");
    ensure!(world.workers.iter().map(|w| w.builds()).sum::<usize>() == builds && builds == 2);
    process.end().await
}

/// The index and the members of a build that nothing disturbed: what is built
/// does not depend on the world, so all must have these.
async fn undisturbed() -> Result<BuildResult> {
    static RESULT: OnceLock<BuildResult> = OnceLock::new();
    if let Some(result) = RESULT.get() {
        return Ok(result.clone());
    }
    let world = World::new().await?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let result = process.supervise(&build).await?.result.context("it failed")?;
    process.end().await?;
    Ok(RESULT.get_or_init(|| result).clone())
}

/// Lives through one death and checks everything at the end.
async fn live_through(at: usize, act: Act, workers: Workers) -> Result<()> {
    let mut world = World::new().await?;
    let moody = workers == Workers::AreNewAndMoody;
    world.hire(moody)?;
    if workers == Workers::ComeBack {
        world.reattach_window = Duration::from_secs(2);
    }
    let first = Process::start(&world).await?;
    let build = first.accept(&world).await?;
    let trap = Trap::new(first.services.store.journal(&build), act, at);
    let never = CancellationToken::new();
    let killed = if act == Act::Kill { &trap.sprung } else { &never };
    let driven = first.drive_until(&world, &build, &trap, killed).await?;
    if let Some(driven) = driven {
        ensure!(driven.lost_its_journal() == trap.sprung.is_cancelled(), "the journal's failure was lost");
    }
    first.end().await?;
    world.check_that_tags_are_complete().await?;

    let built: usize = world.workers.iter().map(|worker| worker.builds()).sum();
    if workers != Workers::ComeBack {
        world.hire(moody)?;
    }
    let result = end_in_a_second_process(&world, &build).await?;
    let rebuilt: usize = world.workers.iter().map(|worker| worker.builds()).sum();
    match workers {
        Workers::ComeBack => ensure!(rebuilt == 2, "what was built was built again"),
        Workers::AreNew | Workers::AreNewAndMoody => ensure!(rebuilt <= 2 && built + rebuilt >= 2),
    }
    if !moody {
        let expected = undisturbed().await?;
        ensure!(result.index_digest == expected.index_digest, "another index");
        ensure!(result.index_media_type == expected.index_media_type && result.members == expected.members);
    }
    Ok(())
}

async fn end_in_a_second_process(world: &World, build: &BuildId) -> Result<BuildResult> {
    let second = Process::start(world).await?;
    let history = second.supervise(build).await?;
    ensure!(history.state == BuildState::Succeeded, "{:?}: {:?}", history.state, history.failure);
    let result = history.result.context("no result")?;
    world.check_published(&result).await?;
    world.check_effects(&second.events(build).await?)?;
    world.check_no_files()?;
    second.check_workers_are_free(world).await?;
    second.end().await?;
    Ok(result)
}

/// Dies at every append. Other workers make a difference while there are work
/// orders; before and after, only the same ones are looked at.
async fn at_every_append(act: Act, workers: Workers) -> Result<()> {
    let appends = appends().await?;
    if workers == Workers::ComeBack {
        // One more than there are: nothing happens then.
        return at_appends(1..=appends.len() + 1, act, workers).await;
    }
    let position = |wanted: fn(&str) -> bool| {
        let began = |kind: &EventKind| matches!(kind, EventKind::StepStarted { step, .. } if wanted(step));
        appends.iter().position(began).map(|position| position + 1).context("no such step")
    };
    let first = position(|step| step.ends_with("/build_image"))?;
    let last = position(|step| step.ends_with("/push_image"))?;
    ensure!(last > first + 8, "from {first} to {last}");
    at_appends(first..=last, act, workers).await
}

async fn at_appends(appends: RangeInclusive<usize>, act: Act, workers: Workers) -> Result<()> {
    let stories = appends.map(|at| {
        let story = async move {
            live_through(at, act, workers)
                .await
                .with_context(|| format!("{act:?} at append {at}, {workers:?}"))
        };
        story.boxed_local()
    });
    all(stories.collect()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_journal_fails_is_replaced_and_its_workers_come_back() -> Result<()> {
    at_every_append(Act::Refuse, Workers::ComeBack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_journal_fails_is_replaced_and_its_workers_too() -> Result<()> {
    at_every_append(Act::Refuse, Workers::AreNew).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_is_replaced_and_its_workers_come_back() -> Result<()> {
    at_every_append(Act::Kill, Workers::ComeBack).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_is_replaced_and_its_workers_too() -> Result<()> {
    at_every_append(Act::Kill, Workers::AreNew).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_that_cannot_be_repeated_still_make_one_index() -> Result<()> {
    at_every_append(Act::Kill, Workers::AreNewAndMoody).await
}
