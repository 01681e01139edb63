//! Recording in Koji, whatever dies or fails: exactly one build, complete, with
//! its tag, and no reservation left.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::http::Method;
use common::{
    failure::FailureClass,
    flow::{
        event::EventKind,
        state::{BuildState, Command},
    },
};
use futures::FutureExt as _;
use testkit::{
    koji::Effect,
    registry::{Effect as RegistryEffect, Fault},
};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::{
    all,
    journal::{Act, Trap},
    process::Process,
    world::{REPOSITORY, World},
};

/// A build that nothing disturbs, and how many events its journal has.
async fn undisturbed() -> Result<usize> {
    let world = World::with_koji().await?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let history = process.supervise(&build).await?;
    ensure!(history.state == BuildState::Succeeded, "{:?}", history.failure);
    let result = history.result.context("no result")?;
    world.check_published(&result).await?;
    world.check_recorded(&result)?;
    let bridge = world.bridge()?;
    ensure!(bridge.count("RefundBuild") == 0 && bridge.count("ReserveBuild") == 1, "{:?}", bridge.calls());
    let events = process.events(&build).await?;
    let appended = events
        .iter()
        .filter(|event| !matches!(event.kind, EventKind::Created { .. } | EventKind::StateChanged { .. }))
        .count();
    process.end().await?;
    world.check_no_files()?;
    Ok(appended)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_is_recorded_and_its_secrets_are_nowhere() -> Result<()> {
    let world = World::with_koji().await?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let result = process.supervise(&build).await?.result.context("it failed")?;
    world.check_recorded(&result)?;

    let id = result.koji.context("no record")?.build;
    let document = world.bridge()?.imported(id).context("no document")?;
    let names = |kind: &str| -> Vec<String> {
        let outputs = document["output"].as_array().into_iter().flatten();
        let of = outputs.filter(|output| output["type"] == kind);
        of.filter_map(|output| Some(output["filename"].as_str()?.to_owned())).collect()
    };
    ensure!(names("docker-image").len() == 2, "{document}");
    ensure!(names("log").contains(&"orchestrator.log".to_owned()), "{document}");
    ensure!(document["build"]["owner"] == "somebody" && document["build"]["task_id"] == 88, "{document}");
    ensure!(document["build"]["extra"]["submitter"] == "reactor", "{document}");

    // Tokens and tickets are in no event, no plan, no outcome, no log, no document of Koji.
    let mut told = format!("{:?} {document}", process.events(&build).await?);
    for name in ["plan", "outcome"] {
        told += &process.services.store.document(&build, name).await?.unwrap_or_default();
    }
    let log = process.services.logs.read(&build, 0, None, 1 << 20).await?;
    log.records.iter().for_each(|record| told += &String::from_utf8_lossy(&record.text));
    ensure!(!told.contains("token-1") && !told.contains("ticket-bld"), "a secret was told");
    for name in ["secret/koji_reservation", "secret/koji_upload"] {
        let kept = process.services.store.document(&build, name).await?.context("it was never kept")?;
        ensure!(kept.is_empty(), "{name} was not forgotten");
    }
    process.end().await
}

/// One process dies at an append; the next one ends the build.
async fn replaced(at: usize, act: Act) -> Result<()> {
    let mut world = World::with_koji().await?;
    world.reattach_window = Duration::from_secs(2);
    let first = Process::start(&world).await?;
    let build = first.accept(&world).await?;
    let trap = Trap::new(first.services.store.journal(&build), act, at);
    let never = CancellationToken::new();
    let killed = if act == Act::Kill { &trap.sprung } else { &never };
    let _dead = first.drive_until(&world, &build, &trap, killed).await?;
    first.end().await?;

    let second = Process::start(&world).await?;
    let history = second.supervise(&build).await?;
    ensure!(history.state == BuildState::Succeeded, "{:?}: {:?}", history.state, history.failure);
    let result = history.result.context("no result")?;
    world.check_published(&result).await?;
    world.check_recorded(&result)?;
    world.check_effects(&second.events(&build).await?)?;
    second.end().await?;
    world.check_no_files()
}

/// One process dies at an append, and then somebody cancels the build.
async fn dead_and_cancelled(at: usize, act: Act) -> Result<()> {
    let world = World::with_koji().await?;
    let first = Process::start(&world).await?;
    let build = first.accept(&world).await?;
    let trap = Trap::new(first.services.store.journal(&build), act, at);
    let never = CancellationToken::new();
    let killed = if act == Act::Kill { &trap.sprung } else { &never };
    let _dead = first.drive_until(&world, &build, &trap, killed).await?;
    first.end().await?;

    let second = Process::start(&world).await?;
    second.services.store.command(&build, Command::Cancel { reason: "not wanted".to_owned() }).await?;
    let history = second.supervise(&build).await?;
    ensure!(history.state == BuildState::Cancelled, "{:?}", history.state);
    world.check_nothing_reserved()?;
    world.check_withdrawn()?;
    let message = history.failure.context("no failure")?.message;
    if let Some(record) = &history.koji {
        ensure!(message.contains(&format!("as build {}", record.build)), "{message}");
    }
    // What is tagged in Koji or in a registry after an import is told of.
    ensure!(history.koji.is_some() || world.tags()? == world.before, "{message}: {:?}", world.changed()?);
    second.end().await?;
    world.check_no_files()
}

/// The build is cancelled at an append.
async fn cancelled(at: usize) -> Result<()> {
    let world = World::with_koji().await?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let trap = Trap::new(process.services.store.journal(&build), Act::Fire, at);
    let driven = process.drive(&world, &build, &trap, &trap.sprung).await?;
    match driven.outcome {
        Ok(result) => world.check_recorded(&result)?,
        Err(failures) => {
            ensure!(failures.primary.class == FailureClass::Cancelled, "{}", failures.primary);
            world.check_withdrawn()?;
        }
    }
    ensure!(driven.after == Some(vec![]), "{:?}", driven.after);
    world.check_nothing_reserved()?;
    process.end().await?;
    world.check_no_files()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_at_any_append_leaves_one_build() -> Result<()> {
    let appends = undisturbed().await?;
    let stories = (1..=appends).flat_map(|at| [Act::Refuse, Act::Kill].map(|act| (at, act)));
    let stories = stories.map(|(at, act)| {
        let story = async move { replaced(at, act).await.with_context(|| format!("{act:?} at append {at}")) };
        story.boxed_local()
    });
    all(stories.collect()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_build_that_is_cancelled_keeps_no_reservation() -> Result<()> {
    let appends = undisturbed().await?;
    // The last events are those of the end, which nobody can cancel any more.
    let stories = (1..appends - 12).flat_map(|at| [Act::Refuse, Act::Kill].map(|act| (at, act)));
    let stories = stories.map(|(at, act)| {
        let story = async move {
            dead_and_cancelled(at, act).await.with_context(|| format!("{act:?} at append {at}"))
        };
        story.boxed_local()
    });
    all(stories.collect()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_is_cancelled_keeps_no_reservation() -> Result<()> {
    let appends = undisturbed().await?;
    let stories = (1..appends).map(|at| {
        let story = async move { cancelled(at).await.with_context(|| format!("at append {at}")) };
        story.boxed_local()
    });
    all(stories.collect()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_fails_or_whose_answer_is_lost_is_made_again() -> Result<()> {
    let down = || Effect::Status(Code::Unavailable, "the hub is gone");
    let lost = || Effect::Lost(Code::Unavailable, "the answer is gone");
    let mut rows = vec![("UploadFile", Effect::Cut(10)), ("UploadFile", Effect::Cut(0))];
    for call in ["ReserveBuild", "PrepareUpload", "ImportBuild", "TagBuild"] {
        rows.extend([(call, down()), (call, lost())]);
    }
    for call in ["FindUpload", "UploadFile", "GetUser", "GetTask", "WatchTask"] {
        rows.push((call, down()));
    }
    let stories = rows.into_iter().map(|(call, effect)| {
        let story = async move {
            let world = World::with_koji().await?;
            world.bridge()?.add_fault(call, 1, effect.clone());
            let process = Process::start(&world).await?;
            let build = process.accept(&world).await?;
            let history = process.supervise(&build).await?;
            let result =
                history.result.with_context(|| format!("{call} {effect:?}: {:?}", history.failure))?;
            world.check_recorded(&result).with_context(|| format!("{call} {effect:?}"))?;
            process.end().await
        };
        story.boxed_local()
    });
    all(stories.collect()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_refused_gives_the_reservation_back() -> Result<()> {
    let world = World::with_koji().await?;
    world.bridge()?.add_fault("ImportBuild", 1, Effect::Status(Code::PermissionDenied, "policy violation"));
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let history = process.supervise(&build).await?;
    let failure = history.failure.context("it succeeded")?;
    ensure!(failure.code == "koji.refused" && failure.step == "record_build", "{failure}");
    world.check_nothing_reserved()?;
    ensure!(world.bridge()?.count("RefundBuild") == 1, "{:?}", world.bridge()?.calls());
    ensure!(world.tags()? == world.before, "{:?}", world.changed()?);
    process.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_is_over_gets_no_import() -> Result<()> {
    let world = World::with_koji().await?;
    world.bridge()?.set_task_state(88, proto::v1::KojiTaskState::Canceled, "");
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let failure = process.supervise(&build).await?.failure.context("it succeeded")?;
    ensure!(failure.code == "koji.task_over", "{failure}");
    ensure!(world.bridge()?.imports() == 0);
    world.check_nothing_reserved()?;
    process.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_fails_after_the_import_says_that_the_build_stands() -> Result<()> {
    let world = World::with_koji().await?;
    let path = format!("/v2/{REPOSITORY}/manifests/latest");
    let denied = RegistryEffect::Status(403, vec![], r#"{"errors":[{"code":"DENIED","message":"no"}]}"#);
    world.registry.add_fault(Fault::once(Method::PUT, path, denied).always());
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let failure = process.supervise(&build).await?.failure.context("it succeeded")?;
    ensure!(failure.code == "registry.unauthorized", "{failure}");
    ensure!(failure.message.contains("imported into Koji as build"), "{failure}");
    ensure!(failure.message.contains("tagged f44-done; which stays there"), "{failure}");
    let builds = world.bridge()?.builds();
    ensure!(builds[0].is_complete() && world.bridge()?.count("RefundBuild") == 0);
    let outcome = process.services.store.document(&build, "outcome").await?.context("no outcome")?;
    let outcome: serde_json::Value = serde_json::from_str(&outcome)?;
    ensure!(outcome["koji"]["build"] == builds[0].id, "{outcome}");
    // The import names them for good; floating tags are where they were.
    world.check_withdrawn()?;
    ensure!(world.changed()?.len() == 4, "{:?}", world.changed()?);
    process.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_without_its_tags_is_named_after_the_import() -> Result<()> {
    let world = World::with_koji().await?;
    let path = format!("/v2/{REPOSITORY}/manifests/1.0-1");
    let denied = RegistryEffect::Status(403, vec![], r#"{"errors":[{"code":"DENIED","message":"no"}]}"#);
    world.registry.add_fault(Fault::once(Method::PUT, path, denied).always());
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let failure = process.supervise(&build).await?.failure.context("it succeeded")?;
    let missing = format!("docker://{}/{REPOSITORY} may lack the tags 1.0-1, f44-", world.registry.host());
    ensure!(failure.message.contains(&missing), "{failure}");
    ensure!(failure.message.contains("not tagged there"), "{failure}");
    world.check_withdrawn()?;
    process.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_tag_task_is_tried_once_more() -> Result<()> {
    for (times, succeeds) in [(1, true), (9, false)] {
        let world = World::with_koji().await?;
        world.bridge()?.fail_tags(times);
        let process = Process::start(&world).await?;
        let build = process.accept(&world).await?;
        let history = process.supervise(&build).await?;
        match history.result {
            Some(result) => world.check_recorded(&result)?,
            None => {
                let failure = history.failure.context("no failure")?;
                ensure!(failure.code == "koji.tag_failed", "{failure}");
                ensure!(failure.message.contains("the tag is locked"), "{failure}");
                ensure!(world.bridge()?.count("TagBuild") == 2, "{:?}", world.bridge()?.calls());
            }
        }
        ensure!((history.state == BuildState::Succeeded) == succeeds, "{times}");
        process.end().await?;
    }
    Ok(())
}
