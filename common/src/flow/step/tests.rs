use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use super::*;
use crate::flow::journal::MemoryJournal;

#[derive(Default)]
struct Services {
    resolved: AtomicU32,
    built: AtomicU32,
    break_build: AtomicBool,
}

#[derive(Serialize)]
struct Resolve<'a> {
    from: &'a [&'a str],
}

impl Step<Services> for Resolve<'_> {
    const NAME: &'static str = "resolve";
    const STAGE: Stage = Stage::Prepare;
    type Output = BTreeMap<String, String>;

    async fn run(&self, cx: &Context<'_, Services>) -> Result<Self::Output, Failure> {
        cx.services.resolved.fetch_add(1, Ordering::Relaxed);
        Ok(self.from.iter().map(|name| ((*name).to_owned(), format!("{name}@0"))).collect())
    }
}

#[derive(Serialize)]
struct Build<'a> {
    parents: &'a BTreeMap<String, String>,
}

impl Step<Services> for Build<'_> {
    const NAME: &'static str = "build";
    const STAGE: Stage = Stage::Build;
    type Output = String;

    fn policy(&self) -> Policy {
        Policy { attempts: 2, timeout: Duration::from_secs(5), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, Services>) -> Result<String, Failure> {
        cx.services.built.fetch_add(1, Ordering::Relaxed);
        if cx.services.break_build.load(Ordering::Relaxed) {
            return Err(Failure::new(FailureClass::Infrastructure, "test.disk", "no space left"));
        }
        Ok(format!("{}-{}", cx.name, self.parents.len()))
    }
}

async fn plan(flow: &Flow<'_, Services>, from: &[&str]) -> Result<Vec<String>, Failure> {
    let parents = flow.run(Resolve { from }).await?;
    let (amd, arm) = (flow.scoped("x86_64"), flow.scoped("aarch64"));
    let (a, b) =
        tokio::try_join!(amd.run(Build { parents: &parents }), arm.run(Build { parents: &parents }))?;
    Ok(vec![a, b])
}

fn flow<'a>(services: &'a Services, journal: &'a dyn Journal) -> Flow<'a, Services> {
    Flow::new(services, journal, CancellationToken::new())
}

#[tokio::test]
async fn a_second_run_repeats_nothing_that_finished() {
    let (services, journal) = (Services::default(), MemoryJournal::default());
    for _ in 0..2 {
        let images = plan(&flow(&services, &journal), &["fedora"]).await.unwrap();
        assert_eq!(images, ["x86_64/build-1", "aarch64/build-1"]);
    }
    assert_eq!(services.resolved.load(Ordering::Relaxed), 1);
    assert_eq!(services.built.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn failures_are_retried_then_remembered() {
    let (services, journal) = (Services::default(), MemoryJournal::default());
    services.break_build.store(true, Ordering::Relaxed);
    let parents = BTreeMap::new();
    let first = flow(&services, &journal).run(Build { parents: &parents }).await.unwrap_err();
    assert_eq!((first.code.as_str(), first.step.as_str()), ("test.disk", "build"));
    assert_eq!(first.causes, ["attempt 1 failed: no space left [test.disk]"]);
    assert_eq!(services.built.load(Ordering::Relaxed), 2);
    services.break_build.store(false, Ordering::Relaxed);
    let second = flow(&services, &journal).run(Build { parents: &parents }).await.unwrap_err();
    assert_eq!(second, first);
    assert_eq!(services.built.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn changed_inputs_are_refused() {
    let (services, journal) = (Services::default(), MemoryJournal::default());
    plan(&flow(&services, &journal), &["fedora"]).await.unwrap();
    let again = plan(&flow(&services, &journal), &["centos"]).await.unwrap_err();
    assert_eq!(again.code, DIVERGED);
}

#[tokio::test]
async fn outputs_are_recalled_by_type() {
    let (services, journal) = (Services::default(), MemoryJournal::default());
    let flow = flow(&services, &journal);
    assert!(flow.recorded::<Resolve<'_>>().await.unwrap().is_none());
    plan(&flow, &["fedora"]).await.unwrap();
    assert_eq!(flow.recorded::<Resolve<'_>>().await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn a_skipped_step_is_recorded_once() {
    let (services, journal) = (Services::default(), MemoryJournal::default());
    for _ in 0..2 {
        flow(&services, &journal).skip("build", "not_asked_for", "no target").await.unwrap();
    }
    assert_eq!(journal.events().len(), 1);
}

#[tokio::test]
async fn cancellation_stops_the_flow_and_is_not_remembered() {
    let (services, journal) = (Services::default(), MemoryJournal::default());
    let stopped = flow(&services, &journal);
    stopped.cancel().cancel();
    assert_eq!(plan(&stopped, &["fedora"]).await.unwrap_err().class, FailureClass::Cancelled);
    assert!(plan(&flow(&services, &journal), &["fedora"]).await.is_ok());
}

#[derive(Serialize)]
struct Talk {
    bytes: usize,
    well: bool,
}

impl Step<Services> for Talk {
    const NAME: &'static str = "talk";
    const STAGE: Stage = Stage::Prepare;
    type Output = String;

    async fn run(&self, _cx: &Context<'_, Services>) -> Result<String, Failure> {
        let text = "ä".repeat(self.bytes / 2);
        let failure = Failure {
            causes: vec![text.clone(); 100],
            ..Failure::new(FailureClass::Source, "test.talk", format!("first {text} last"))
        };
        if self.well { Ok(text) } else { Err(failure) }
    }
}

#[tokio::test]
async fn what_the_journal_cannot_take_is_a_failure_of_the_step() {
    let (services, journal) = (Services::default(), MemoryJournal::default());
    let flow = flow(&services, &journal);
    let fits = Talk { bytes: MAX_OUTPUT_BYTES - 2, well: true };
    flow.scoped("a").run(fits).await.unwrap();
    let failure = flow.scoped("b").run(Talk { bytes: MAX_OUTPUT_BYTES, well: true }).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.step.as_str()), (OUTPUT_TOO_LARGE, "b/talk"));
    let again = flow.scoped("b").run(Talk { bytes: MAX_OUTPUT_BYTES, well: true }).await.unwrap_err();
    assert_eq!(again, failure, "it is remembered");
}

#[tokio::test]
async fn a_long_failure_keeps_its_beginning_and_its_end() {
    let (services, journal) = (Services::default(), MemoryJournal::default());
    let talk = Talk { bytes: 4 << 20, well: false };
    let failure = flow(&services, &journal).run(talk).await.unwrap_err();
    assert!(failure.message.starts_with("first ä") && failure.message.ends_with("ä last"));
    assert!(serde_json::to_string(&failure).unwrap().len() < 512 * 1024);
    let stored = journal.events().into_iter().find_map(|event| match event {
        EventKind::StepFailed { failure, .. } => Some(failure),
        _ => None,
    });
    assert_eq!(stored, Some(failure));
}

/// Dies after a number of writes, as a process does.
struct Dying<'a>(&'a MemoryJournal, AtomicU32);

#[async_trait::async_trait]
impl Journal for Dying<'_> {
    async fn last(&self, step: &str) -> Result<Option<StepRecord>, JournalError> {
        self.0.last(step).await
    }

    async fn append(&self, event: EventKind) -> Result<(), JournalError> {
        self.1
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .map_err(|_| JournalError("the process died".into()))?;
        self.0.append(event).await
    }
}

#[tokio::test]
async fn a_death_at_any_write_is_survived() {
    let mut deaths = 0;
    for writes in 0.. {
        let (services, journal) = (Services::default(), MemoryJournal::default());
        let dying = Dying(&journal, writes.into());
        let outcome = plan(&flow(&services, &dying), &["fedora"]).await;
        let again = plan(&flow(&services, &journal), &["fedora"]).await.unwrap();
        assert_eq!(again, ["x86_64/build-1", "aarch64/build-1"]);
        assert!(services.resolved.load(Ordering::Relaxed) <= 2);
        match outcome {
            Ok(images) => {
                assert_eq!(images, again);
                break;
            }
            Err(failure) => {
                assert_eq!(failure.code, JOURNAL_FAILED);
                deaths += 1;
            }
        }
    }
    assert_eq!(deaths, 6, "three steps write twice each");
}
