//! Recording in Koji with the real bridge and a hub, whatever dies between any two
//! messages: the hub before or after it has stored what a call does, the bridge,
//! the orchestrator. In the end there is one build, with its tag and its files, or
//! none and no reservation.

use anyhow::{Context as _, Result, ensure};
use common::flow::{
    event::EventKind,
    state::{BuildState, Command},
};
use futures::{FutureExt as _, StreamExt as _, future::LocalBoxFuture, stream};
use orchestrator::plan::RESERVATION_TOKEN;
use testkit::hub::Effect;
use tokio_util::sync::CancellationToken;

use crate::{
    journal::{Act, Trap},
    koji_stage::Victim,
    process::Process,
    world::World,
};

/// Worlds that exist at a time. Most of such a story is waiting for another try.
const AT_ONCE: usize = 16;
/// Every call, or append.
const EVERY: usize = 1;
/// Some calls, or appends: this is the step from one to the next.
const SOME: usize = 3;
/// A hub that dies in an import, after it has moved the files and before it has
/// stored the build, takes no such build any more until somebody removes them.
const DIRECTORY_LEFT: &str = "koji.build_directory_left";

/// Lives through many stories and tells all that went wrong.
async fn all(stories: Vec<LocalBoxFuture<'_, Result<()>>>) -> Result<()> {
    let number = stories.len();
    let ended: Vec<Result<()>> = stream::iter(stories).buffer_unordered(AT_ONCE).collect().await;
    let failed: Vec<String> =
        ended.into_iter().filter_map(|ended| ended.err().map(|error| format!("{error:#}"))).collect();
    ensure!(failed.is_empty(), "{} of {number} went wrong:\n{}", failed.len(), failed.join("\n"));
    Ok(())
}

/// The numbers below `end` with this step, each round beginning elsewhere.
fn sample(end: usize, step: usize, round: usize) -> impl Iterator<Item = usize> {
    (round % step..end).step_by(step)
}

/// The calls that the hub gets, and the appends to the journal, in a build that
/// nothing disturbs.
async fn undisturbed() -> Result<(usize, Vec<EventKind>)> {
    let world = World::with_koji_hub().await?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let history = process.supervise(&build).await?;
    ensure!(history.state == BuildState::Succeeded, "{:?}", history.failure);
    let result = history.result.context("no result")?;
    world.check_published(&result).await?;
    let stage = world.stage()?;
    stage.check_recorded(&result)?;
    for method in ["CGInitBuild", "CGImport", "tagBuild"] {
        ensure!(stage.hub(|hub| hub.count(method))? == 1, "{method} was called more than once");
    }
    let events = process.events(&build).await?;
    let of_journal =
        |kind: &EventKind| !matches!(kind, EventKind::Created { .. } | EventKind::StateChanged { .. });
    let appends = events.into_iter().map(|event| event.kind).filter(of_journal).collect();
    process.end().await?;
    world.check_no_files()?;
    Ok((stage.hub(|hub| hub.calls().len())?, appends))
}

/// What happens at a call.
#[derive(Debug, Clone)]
enum Blow {
    /// So many calls have a fault.
    Fault(usize, Effect),
    /// The answer is lost, and something dies.
    Death(Victim, Effect),
}

impl Blow {
    /// Whether the hub forgets what it was about to store.
    fn rolls_back(&self) -> bool {
        matches!(self, Self::Fault(_, Effect::DropBeforeCommit) | Self::Death(_, Effect::DropBeforeCommit))
    }
}

/// A build that ends well although something happened at a call.
async fn disturbed(spared: usize, blow: &Blow) -> Result<()> {
    let world = World::with_koji_hub().await?;
    let stage = world.stage()?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let struck = async {
        match blow {
            Blow::Fault(times, effect) => {
                stage.order(spared, *times, effect.clone())?;
                std::future::pending().await
            }
            Blow::Death(victim, effect) => {
                stage.silence(spared, effect.clone())?;
                stage.death(spared, *victim).await
            }
        }
    };
    let history = tokio::select! {
        biased;
        failed = struck => return failed,
        history = process.supervise(&build) => history?,
    };
    let left = history.failure.as_ref().is_some_and(|failure| failure.code == DIRECTORY_LEFT);
    if left && blow.rolls_back() {
        stage.check_nothing_reserved()?;
        ensure!(!stage.has_complete_build()? && world.tags()? == world.before, "{:?}", world.changed()?);
    } else {
        ensure!(history.state == BuildState::Succeeded, "{:?}: {:?}", history.state, history.failure);
        let result = history.result.context("no result")?;
        world.check_published(&result).await?;
        stage.check_recorded(&result)?;
    }
    process.end().await?;
    world.check_no_files()
}

async fn all_disturbed(blows: &[(usize, Blow)]) -> Result<()> {
    let (calls, _) = undisturbed().await?;
    let stories = blows.iter().enumerate().flat_map(|(round, (step, blow))| {
        sample(calls, *step, round).map(move |spared| {
            let story =
                async move { disturbed(spared, blow).await.with_context(|| format!("{blow:?} at {spared}")) };
            story.boxed_local()
        })
    });
    all(stories.collect()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_the_hub_that_is_lost_is_found_out() -> Result<()> {
    all_disturbed(&[
        (EVERY, Blow::Fault(1, Effect::DropAnswer)),
        (EVERY, Blow::Fault(1, Effect::DropBeforeCommit)),
        (SOME, Blow::Fault(3, Effect::DropAnswer)),
        (SOME, Blow::Fault(3, Effect::DropBeforeCommit)),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_fails_for_a_while_is_asked_again() -> Result<()> {
    all_disturbed(&[
        (SOME, Blow::Fault(1, Effect::Status(500))),
        (SOME, Blow::Fault(4, Effect::Status(503))),
        (EVERY, Blow::Fault(1, Effect::ExpireSession)),
        (SOME, Blow::Fault(3, Effect::Offline)),
        (SOME, Blow::Fault(1, Effect::CutUpload(100))),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_dies_at_any_call_leaves_one_build() -> Result<()> {
    all_disturbed(&[
        (EVERY, Blow::Death(Victim::Bridge, Effect::DropAnswer)),
        (EVERY, Blow::Death(Victim::Bridge, Effect::DropBeforeCommit)),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_dies_at_any_call_leaves_one_build() -> Result<()> {
    all_disturbed(&[
        (EVERY, Blow::Death(Victim::Hub, Effect::DropAnswer)),
        (EVERY, Blow::Death(Victim::Hub, Effect::DropBeforeCommit)),
        (SOME, Blow::Death(Victim::Both, Effect::DropAnswer)),
    ])
    .await
}

/// What is lost with the orchestrator's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Also {
    Nothing,
    /// The token of the reservation.
    Token,
    /// The bridge and the hub.
    TheRest,
}

/// The orchestrator dies at an append; another one ends the build.
async fn replaced(at: usize, act: Act, also: Also) -> Result<()> {
    let mut world = World::with_koji_hub().await?;
    world.reattach_window = std::time::Duration::from_secs(2);
    let first = Process::start(&world).await?;
    let build = first.accept(&world).await?;
    let trap = Trap::new(first.services.store.journal(&build), act, at);
    let never = CancellationToken::new();
    let killed = if act == Act::Kill { &trap.sprung } else { &never };
    let _dead = first.drive_until(&world, &build, &trap, killed).await?;
    first.end().await?;
    let stage = world.stage()?;
    if also == Also::TheRest {
        stage.replace(Victim::Both).await?;
    }

    let second = Process::start(&world).await?;
    if also == Also::Token {
        second.of_build(&build).await?.planning.vault.forget(RESERVATION_TOKEN).await?;
    }
    let history = second.supervise(&build).await?;
    ensure!(history.state == BuildState::Succeeded, "{:?}: {:?}", history.state, history.failure);
    let result = history.result.context("no result")?;
    world.check_published(&result).await?;
    stage.check_recorded(&result)?;
    world.check_effects(&second.events(&build).await?)?;
    second.end().await?;
    world.check_no_files()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orchestrator_that_dies_at_any_append_leaves_one_build() -> Result<()> {
    let (_, appends) = undisturbed().await?;
    let kinds = [
        (Act::Kill, Also::Nothing),
        (Act::Refuse, Also::Token),
        (Act::Kill, Also::TheRest),
        (Act::Kill, Also::Token),
    ];
    let stories = kinds.iter().enumerate().flat_map(|(round, (act, also))| {
        sample(appends.len(), SOME, round).map(move |at| {
            let story = async move {
                let told = || format!("{act:?} at append {}, also lost: {also:?}", at + 1);
                replaced(at + 1, *act, *also).await.with_context(told)
            };
            story.boxed_local()
        })
    });
    all(stories.collect()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_whose_token_was_lost_afterwards_is_found() -> Result<()> {
    let (_, appends) = undisturbed().await?;
    let imported =
        |kind: &EventKind| matches!(kind, EventKind::StepSucceeded { step, .. } if step == "record_build");
    let at = appends.iter().position(imported).context("nothing was imported")?;
    replaced(at + 1, Act::Refuse, Also::Token).await
}

/// How a build is made to end before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is cancelled.
    Cancel,
    /// It is cancelled when the bridge has just died.
    CancelAndDeath,
    /// The hub refuses a call.
    Refusal,
}

/// A build that ends badly, or well if it was too late: nothing is reserved.
async fn ended(spared: usize, end: End) -> Result<()> {
    let world = World::with_koji_hub().await?;
    let stage = world.stage()?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let blow = async {
        match end {
            End::Refusal => {
                stage.order(spared, 1, Effect::Raise(1000, "no such luck".to_owned()))?;
                return std::future::pending::<Result<()>>().await;
            }
            End::Cancel => stage.order(spared, 1, Effect::DropAnswer)?,
            End::CancelAndDeath => stage.silence(spared, Effect::DropAnswer)?,
        }
        stage.struck(spared).await?;
        let reason = "not wanted".to_owned();
        // A build that has just ended cannot be cancelled, and need not be.
        let _told = process.services.store.command(&build, Command::Cancel { reason }).await;
        if end == End::CancelAndDeath {
            stage.replace(Victim::Bridge).await?;
        }
        std::future::pending().await
    };
    let history = tokio::select! {
        biased;
        failed = blow => return failed,
        history = process.supervise(&build) => history?,
    };
    stage.check_nothing_reserved()?;
    match (history.state, end) {
        (BuildState::Succeeded, _) => {
            let result = history.result.context("no result")?;
            world.check_published(&result).await?;
            stage.check_recorded(&result)?;
        }
        (BuildState::Cancelled, End::Cancel | End::CancelAndDeath) | (BuildState::Failed, End::Refusal) => {
            // An import is for good, and so are the tags that it names.
            let floats = |(_, tag): &(_, String)| !tag.contains('-');
            let changed = world.changed()?;
            ensure!(!changed.keys().any(floats), "{changed:?}");
            ensure!(changed.is_empty() || stage.has_complete_build()?, "{changed:?}");
            let imports = stage.hub(|hub| hub.count("CGImport"))?;
            ensure!(imports > 0 || !stage.has_complete_build()?, "a build that nobody has imported");
        }
        (state, _) => anyhow::bail!("{state:?}: {:?}", history.failure),
    }
    process.end().await?;
    world.check_no_files()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_ends_at_any_call_keeps_no_reservation() -> Result<()> {
    let (calls, _) = undisturbed().await?;
    let kinds = [(EVERY, End::Cancel), (SOME, End::CancelAndDeath), (EVERY, End::Refusal)];
    let stories = kinds.iter().enumerate().flat_map(|(round, (step, end))| {
        sample(calls, *step, round).map(move |spared| {
            let story =
                async move { ended(spared, *end).await.with_context(|| format!("{end:?} at call {spared}")) };
            story.boxed_local()
        })
    });
    all(stories.collect()).await
}
