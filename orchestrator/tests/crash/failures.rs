//! A build that fails while it sets tags puts everything back.

use anyhow::{Context as _, Result, ensure};
use axum::http::Method;
use common::{flow::state::BuildState, names::BuildId};
use futures::FutureExt as _;
use testkit::registry::{Effect, Fault};
use tokio_util::sync::CancellationToken;

use crate::{
    all,
    journal::{Act, Trap},
    process::Process,
    world::{REPOSITORY, World},
};

/// The beginning of a tag of each class, in the order in which they are set.
const TAGS: [&str; 4] = ["none-", "1.0-1", "latest", "stable"];

/// The registry will not have this tag, ever.
fn refuse(world: &World, tag: &str) {
    let path = format!("/v2/{REPOSITORY}/manifests/{tag}");
    let denied = Effect::Status(403, vec![], r#"{"errors":[{"code":"DENIED","message":"no"}]}"#);
    world.registry.add_fault(Fault::once(Method::PUT, path, denied).always());
}

async fn fails_and_takes_back(world: &World, process: &Process, build: &BuildId) -> Result<()> {
    let history = process.supervise(build).await?;
    ensure!(history.state == BuildState::Failed, "{:?}", history.state);
    let failure = history.failure.context("no failure")?;
    ensure!(failure.code == "registry.unauthorized" && failure.message.contains("DENIED"), "{failure}");
    ensure!(history.result.is_none());
    let events = process.events(build).await?;
    world.check_effects(&events)?;
    ensure!(world.tags()? == world.before, "{:?}", world.changed()?);
    world.check_no_files()?;
    process.check_workers_are_free(world).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_is_refused_takes_all_others_back() -> Result<()> {
    let stories = TAGS.iter().flat_map(|tag| [false, true].map(|layout_first| (*tag, layout_first)));
    let stories = stories.map(|(tag, layout_first)| {
        let story = async move {
            let mut world = World::new().await?;
            if layout_first {
                world.request.destinations.reverse();
            }
            refuse(&world, tag);
            let process = Process::start(&world).await?;
            let build = process.accept(&world).await?;
            fails_and_takes_back(&world, &process, &build).await.with_context(|| tag)?;
            process.end().await
        };
        story.boxed_local()
    });
    all(stories.collect()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_build_takes_its_tags_back_wherever_its_process_dies() -> Result<()> {
    let mut stories = Vec::new();
    let appends = failing_appends().await?;
    // Before the first tag, a death is like that of any other build.
    let tagging = appends - 24..=appends + 1;
    for act in [Act::Refuse, Act::Kill] {
        for at in tagging.clone() {
            let story = async move {
                let world = World::new().await?;
                refuse(&world, "stable");
                let first = Process::start(&world).await?;
                let build = first.accept(&world).await?;
                let trap = Trap::new(first.services.store.journal(&build), act, at);
                let never = CancellationToken::new();
                let killed = if act == Act::Kill { &trap.sprung } else { &never };
                let driven = first.drive_until(&world, &build, &trap, killed).await?;
                ensure!(driven.is_none_or(|driven| driven.lost_its_journal() == trap.sprung.is_cancelled()));
                first.end().await?;
                world.check_that_tags_are_complete().await?;
                let second = Process::start(&world).await?;
                fails_and_takes_back(&world, &second, &build).await?;
                second.end().await
            };
            stories
                .push(story.map(move |told| told.with_context(|| format!("{act:?} at {at}"))).boxed_local());
        }
    }
    all(stories).await
}

async fn failing_appends() -> Result<usize> {
    let world = World::new().await?;
    refuse(&world, "stable");
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let trap = Trap::new(process.services.store.journal(&build), Act::Fire, 0);
    let driven = process.drive_until(&world, &build, &trap, &CancellationToken::new()).await?;
    ensure!(driven.is_some_and(|driven| driven.outcome.is_err() && driven.after == Some(vec![])));
    process.end().await?;
    Ok(trap.appended())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_deletes_nothing_gets_its_former_tags_back_all_the_same() -> Result<()> {
    let mut world = World::new().await?;
    world.request.destinations.reverse();
    refuse(&world, "stable");
    let not_allowed = Effect::Status(405, vec![], r#"{"errors":[{"code":"UNSUPPORTED"}]}"#);
    world.registry.add_fault(Fault::once(Method::DELETE, "/manifests/", not_allowed).always());
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let driven = process
        .drive_until(&world, &build, &process.services.store.journal(&build), &CancellationToken::new())
        .await?
        .context("it was killed")?;
    let failures = driven.outcome.err().context("it succeeded")?;
    ensure!(failures.primary.code == "registry.unauthorized", "{}", failures.primary);
    let after = driven.after.context("it was not finished")?;
    ensure!(after.len() == 1 && after[0].code == "publish.tags_remain", "{after:?}");
    let changed = world.changed()?;
    ensure!(!changed.contains_key(&("registry", "latest".to_owned())), "latest is still on the failed build");
    ensure!(changed.keys().all(|(place, _)| *place == "registry"), "{changed:?}");
    for tag in changed.keys().map(|(_, tag)| tag) {
        ensure!(after[0].message.contains(tag.as_str()), "{tag} is not named: {}", after[0]);
    }
    ensure!(changed.len() == 3, "{changed:?}");
    world.check_no_files()?;
    process.end().await
}
