use std::path::Path;

use common::request::BuildRequest;
use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::*;
use crate::{config::Site, services::fixture};

/// A supervisor that is not patient, with a place for one build.
async fn supervisor() -> (TempDir, Supervisor) {
    let state = tempfile::tempdir().unwrap();
    let shutdown = Shutdown::new();
    let mut site = Site::default();
    site.settings.builds.max_running = 1;
    let services = fixture::services(state.path(), site, shutdown.token.clone()).await;
    let patience = Duration::from_millis(20);
    (state, Supervisor { patience, ..Supervisor::new(services, shutdown) })
}

/// A build that fails at its first step: repositories of this host are not allowed.
async fn hopeless(supervisor: &Supervisor) -> BuildId {
    let request = BuildRequest::new("/nowhere/at/all.git", None);
    supervisor.services.store.create(&request, None).await.unwrap().id
}

/// Waits for the end of a build.
async fn end(supervisor: &Supervisor, build: &BuildId) -> History {
    let store = &supervisor.services.store;
    let mut newest = store.subscribe(build).await.unwrap();
    while newest.changed().await.is_ok() {}
    store.history(build).await.unwrap().unwrap()
}

async fn stop(supervisor: Supervisor) {
    supervisor.shutdown.token.cancel();
    assert!(supervisor.shutdown.wait(Duration::from_secs(20)).await);
    supervisor.services.store.close().await;
}

/// The store's database, behind its back.
async fn database(state: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(state.join("reactor.db")).connect().await.unwrap()
}

#[tokio::test]
async fn a_build_whose_record_could_not_be_written_is_taken_up_again() {
    let (state, supervisor) = supervisor().await;
    let build = hopeless(&supervisor).await;
    let mut database = database(state.path()).await;
    // Everything can be written but the outcome of a step.
    let full = "CREATE TRIGGER full BEFORE INSERT ON event WHEN new.body LIKE '%step_failed%' \
                BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    sqlx::query(full).execute(&mut database).await.unwrap();
    supervisor.shutdown.tracker.spawn(supervisor.clone().run());
    let attempts = || async {
        let events = supervisor.services.store.events(&build, 0, 100).await.unwrap();
        events.iter().filter(|event| matches!(event.kind, EventKind::StepStarted { .. })).count()
    };
    while attempts().await < 3 {
        sleep(Duration::from_millis(10)).await;
    }
    sqlx::query("DROP TRIGGER full").execute(&mut database).await.unwrap();
    assert_eq!(end(&supervisor, &build).await.state, BuildState::Failed);
    stop(supervisor).await;
}

#[tokio::test]
async fn a_build_that_waits_for_its_place_can_be_cancelled() {
    let (_state, supervisor) = supervisor().await;
    // Nobody takes builds up: as when all places are taken for hours.
    let build = hopeless(&supervisor).await;
    supervisor.cancel(&build, "not needed").await.unwrap();
    let history = end(&supervisor, &build).await;
    assert_eq!(history.state, BuildState::Cancelled);
    assert_eq!(history.failure.unwrap().message, "cancelled: not needed");
    stop(supervisor).await;
}

#[tokio::test]
async fn builds_that_are_announced_together_are_all_run() {
    let (_state, supervisor) = supervisor().await;
    supervisor.shutdown.tracker.spawn(supervisor.clone().run());
    let mut builds = Vec::new();
    for _ in 0..5 {
        builds.push(hopeless(&supervisor).await);
    }
    // However many are announced, nobody who submits waits.
    (0..5000).for_each(|_| supervisor.announce());
    for build in &builds {
        assert_eq!(end(&supervisor, build).await.state, BuildState::Failed);
    }
    stop(supervisor).await;
}

#[test]
fn a_build_that_runs_keeps_its_token() {
    let running = Running::default();
    let build: BuildId = "bld_1".parse().unwrap();
    let run = running.enter(&build, CancellationToken::new()).unwrap();
    assert!(running.enter(&build, CancellationToken::new()).is_none());
    assert!(running.cancel(&build) && run.token.is_cancelled());
    drop(run);
    assert!(!running.contains(&build) && !running.cancel(&build));
}

#[test]
fn a_wish_to_stop_that_was_accepted_is_fulfilled() {
    let result = || BuildResult {
        index_digest: common::image::Digest::of(b"index"),
        index_media_type: String::new(),
        members: Vec::new(),
        publications: Vec::new(),
        koji: None,
    };
    assert!(unless_cancelled(Ok(result()), None).is_ok());
    let failures = unless_cancelled(Ok(result()), Some("too late?")).unwrap_err();
    assert_eq!(failures.primary.class, FailureClass::Cancelled);
    let failure = Failure::new(FailureClass::Source, "x.y", "m");
    let failures = unless_cancelled(Err(failure.into()), Some("too late")).unwrap_err();
    assert_eq!(failures.primary.code, "x.y", "what failed before says why");
    let stopped = Failure::cancelled("the build was asked to stop").in_step("a/b");
    let failures = unless_cancelled(Err(stopped.into()), Some("wrong branch")).unwrap_err();
    assert_eq!(
        (failures.primary.message.as_str(), failures.primary.step.as_str()),
        ("cancelled: wrong branch", "a/b")
    );
}
