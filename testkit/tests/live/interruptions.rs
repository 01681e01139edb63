//! Processes that die and builds that are stopped, in the middle of the work.

use anyhow::{Context as _, Result, ensure};
use proto::v1::{self, build_event::Kind, build_event::worker_changed::Status};

use crate::{
    factory::{Factory, containers, until},
    repositories::{Repository, on_base},
};

/// A build that says when it has begun and goes on until told to stop.
const ENDLESS: &str = "RUN echo has begun && sleep 1000";
/// A build that takes long enough to be interrupted.
const SLOW: &str = "RUN echo has begun && for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1; echo line $i; done";

fn repository(instruction: &str) -> Result<Repository> {
    Repository::with(&[("Dockerfile", &on_base(instruction))])
}

fn statuses(events: &[Kind]) -> Vec<Status> {
    let of = |kind: &Kind| match kind {
        Kind::WorkerChanged(changed) => Some(changed.status()),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// Waits until the engine has as many containers as before.
async fn no_container_is_left(before: &str) -> Result<()> {
    until("the container to go", async || Ok((containers()? == before).then_some(()))).await
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn a_worker_that_is_killed_is_replaced() -> Result<()> {
    let factory = Factory::start("workers:\n  reattach_window: 1s\n").await?;
    let before = containers()?;
    let mut doomed = factory.worker("doomed", "x86_64")?;
    factory.attached(1).await?;
    let repository = repository(SLOW)?;
    let id = factory.submit(&repository.uri(), &["x86_64"]).await?;
    factory.logged(&id, "has begun").await?;
    let _spare = factory.worker("spare", "x86_64")?;
    factory.attached(2).await?;
    doomed.kill();
    let build = factory.ended(&id).await?;
    ensure!(build.state() == v1::BuildState::Succeeded, "{build:?}");
    let statuses = statuses(&factory.events(&id).await?);
    ensure!(statuses.contains(&Status::Lost) && statuses.last() == Some(&Status::Finished), "{statuses:?}");
    no_container_is_left(&before).await
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn without_a_spare_the_reason_is_the_lost_worker() -> Result<()> {
    let factory = Factory::start("workers:\n  reattach_window: 1s\nbuilds:\n  queue_deadline: 3s\n").await?;
    let before = containers()?;
    let mut doomed = factory.worker("doomed", "x86_64")?;
    let repository = repository(ENDLESS)?;
    let id = factory.submit(&repository.uri(), &["x86_64"]).await?;
    factory.logged(&id, "has begun").await?;
    doomed.kill();
    let build = factory.ended(&id).await?;
    let failure = build.failure.context("a failure")?;
    let text = format!("{failure:?}");
    ensure!(text.contains("worker.lost") || text.contains("was lost"), "{text}");
    no_container_is_left(&before).await
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn an_orchestrator_that_is_killed_goes_on_where_it_was() -> Result<()> {
    let mut factory = Factory::start("").await?;
    let before = containers()?;
    let _worker = factory.worker("one", "x86_64")?;
    let repository = repository(SLOW)?;
    let id = factory.submit(&repository.uri(), &["x86_64"]).await?;
    factory.logged(&id, "line 1\n").await?;
    factory.orchestrator.kill();
    factory.restart().await?;
    let build = factory.ended(&id).await?;
    ensure!(build.state() == v1::BuildState::Succeeded, "{build:?}");
    let events = factory.events(&id).await?;
    let statuses = statuses(&events);
    ensure!(statuses.contains(&Status::Reattached), "{statuses:?}");
    let assigned = statuses.iter().filter(|status| **status == Status::Assigned).count();
    ensure!(assigned == 1, "the worker was not restarted: {statuses:?}");
    let fetched = events.iter().filter(|kind| match kind {
        Kind::StepStarted(started) => started.step == "fetch_source",
        _ => false,
    });
    ensure!(fetched.count() == 1, "a finished step was repeated");
    let log = factory.log(&id).await?;
    for line in ["has begun", "line 1\n", "line 5\n", "line 10\n"] {
        ensure!(log.matches(line).count() == if line == "has begun" { 2 } else { 1 }, "{line:?} in\n{log}");
    }
    no_container_is_left(&before).await
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn a_cancelled_build_leaves_no_container_and_no_tag() -> Result<()> {
    let factory = Factory::start("").await?;
    let before = containers()?;
    let _worker = factory.worker("one", "x86_64")?;
    let repository = repository(ENDLESS)?;
    let id = factory.submit(&repository.uri(), &["x86_64"]).await?;
    factory.logged(&id, "has begun").await?;
    ensure!(containers()? != before, "the build runs in a container");
    factory.cancel(&id, "wrong branch").await?;
    let build = factory.ended(&id).await?;
    ensure!(build.state() == v1::BuildState::Cancelled, "{build:?}");
    let failure = build.failure.context("why")?;
    ensure!(failure.message.contains("wrong branch"), "{failure:?}");
    ensure!(containers()? == before, "the build ended before its container was gone");
    ensure!(build.result.is_none());
    Ok(())
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn a_queued_build_can_be_cancelled_and_cancelling_twice_changes_nothing() -> Result<()> {
    let factory = Factory::start("").await?;

    let repository = repository(ENDLESS)?;
    let id = factory.submit(&repository.uri(), &["x86_64"]).await?;
    factory.cancel(&id, "first").await?;
    factory.cancel(&id, "second").await?;
    let build = factory.ended(&id).await?;
    ensure!(build.state() == v1::BuildState::Cancelled, "{build:?}");
    ensure!(build.failure.context("why")?.message.contains("first"));
    factory.cancel(&id, "third").await
}

#[tokio::test]
#[ignore = "needs a Docker engine, emulation and a registry"]
async fn one_failed_platform_stops_the_others_when_asked_to() -> Result<()> {
    let factory = Factory::start("").await?;
    let before = containers()?;
    let _x86 = factory.worker("x86", "x86_64")?;
    let _arm = factory.worker("arm", "aarch64")?;
    let run = "RUN if [ $(uname -m) = x86_64 ]; then sleep 5; exit 3; else sleep 1000; fi";
    let repository = repository(run)?;
    let request = v1::BuildRequest {
        source: Some(v1::GitSource { uri: repository.uri(), r#ref: String::new() }),
        platforms: vec!["x86_64".to_owned(), "aarch64".to_owned()],
        build_args: [("REGISTRY".to_owned(), crate::factory::registry())].into(),
        failure_policy: v1::FailurePolicy::StopOthers.into(),
        ..v1::BuildRequest::default()
    };
    let id = factory.submit_request(request).await?;
    let build = factory.ended(&id).await?;
    ensure!(build.state() == v1::BuildState::Failed, "{build:?}");
    let failure = build.failure.context("why")?;
    ensure!(failure.platform == "x86_64", "{failure:?}");
    ensure!(containers()? == before, "a container was left");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn sigterm_ends_the_programs_in_order() -> Result<()> {
    let mut factory = Factory::start("").await?;

    let mut worker = factory.worker("one", "x86_64")?;
    factory.attached(1).await?;
    ensure!(matches!(worker.terminate()?, Some(0 | 143)), "{}", worker.log());
    ensure!(matches!(factory.orchestrator.terminate()?, Some(0 | 143)), "{}", factory.orchestrator.log());
    Ok(())
}
