//! Refunds against a bridge in memory.

use common::{
    flow::{
        Flow, Journal as _, MemoryJournal,
        event::EventKind,
        state::{BuildState, Command},
    },
    koji::{KojiBuild, KojiBuildState, KojiCapability, ReservationRequest},
    request::BuildRequest,
};
use testkit::koji::{Effect, InMemoryBridge};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::*;
use crate::{
    config::Site,
    plan::{RESERVATION_TOKEN, Reserved},
    run::finish,
    services::{BuildServices, BuildStamp, fixture},
};

/// A build that has reserved `hello-1.0-3` and then failed.
struct World {
    bridge: InMemoryBridge,
    services: BuildServices,
    reserved: Reserved,
    _state: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let (bridge, state) = (InMemoryBridge::start().await.unwrap(), tempfile::tempdir().unwrap());
        bridge.set_capabilities(&KojiCapability::ALL);
        let mut shared = fixture::services(state.path(), Site::default(), CancellationToken::new()).await;
        let koji = Koji::new(bridge.address().clone());
        Arc::get_mut(&mut shared).unwrap().outside.koji = Some(koji.clone());
        let request = BuildRequest::new("https://git.example.org/hello.git", None);
        let build = shared.store.create(&request, None).await.unwrap().id;
        let stamp = BuildStamp { build: build.clone(), created_at: jiff::Timestamp::now() };
        let services = BuildServices::new(shared, stamp);
        let nvr: Nvr = "hello-1.0-3".parse().unwrap();
        let asked = ReservationRequest { nvr: nvr.clone(), key: build.to_string(), task: None };
        let answer = koji.reserve(&asked).await.unwrap();
        services.planning.vault.keep(RESERVATION_TOKEN, &answer.token).await.unwrap();
        Self { bridge, services, reserved: Reserved { build: answer.build, nvr }, _state: state }
    }

    /// What finishing the build told.
    async fn finish(&self) -> Vec<Failure> {
        let journal = MemoryJournal::default();
        let reserved = EventKind::StepSucceeded {
            step: "reserve_build".to_owned(),
            input: String::new(),
            output: serde_json::to_value(Some(&self.reserved)).unwrap(),
        };
        journal.append(reserved).await.unwrap();
        let flow = Flow::new(&self.services, &journal, CancellationToken::new());
        let failed = Failure::new(FailureClass::Source, "labels.missing", "no label");
        finish(&flow, &Err(failed.into())).await
    }

    /// The last event of the build.
    async fn end(&self) {
        let (store, build) = (&self.services.shared.store, &self.services.stamp.build);
        store.command(build, Command::Claim).await.unwrap();
        store.command(build, Command::Finish).await.unwrap();
        let failure = Some(Failure::new(FailureClass::Source, "labels.missing", "no label"));
        let (state, later_failures) = (BuildState::Failed, Vec::new());
        let ended = EventKind::Ended { state, failure, later_failures, result: None, koji: None };
        store.append(build, vec![ended]).await.unwrap();
    }

    async fn round(&self) {
        round(&self.services.shared, &mut HashMap::new()).await;
    }

    fn state(&self) -> KojiBuildState {
        self.bridge.builds()[0].state
    }

    async fn owing(&self) -> usize {
        let store = &self.services.shared.store;
        store.builds_with_document(&Vault::document(OWED), MOST).await.unwrap().len()
    }
}

#[tokio::test]
async fn what_was_not_given_back_with_the_build_is_given_back_after_it() {
    let world = World::start().await;
    let down = || Effect::Status(Code::PermissionDenied, "not now");
    world.bridge.add_fault("RefundBuild", 2, down());
    let failures = world.finish().await;
    let [failure] = &failures[..] else { panic!("{failures:?}") };
    assert_eq!(failure.code, "koji.refund_pending");
    for part in ["hello-1.0-3", &world.reserved.build.to_string(), "not now", "again"] {
        assert!(failure.message.contains(part), "{part}: {failure}");
    }
    let vault = &world.services.planning.vault;
    assert!(vault.secret(RESERVATION_TOKEN).await.unwrap().is_none(), "the build's own copy is gone");
    assert_eq!((world.owing().await, world.state()), (1, KojiBuildState::Building));

    // A build that has not ended may still give it back itself.
    world.round().await;
    assert_eq!((world.owing().await, world.bridge.count("RefundBuild")), (1, 1));
    world.end().await;
    world.round().await;
    assert_eq!((world.owing().await, world.bridge.count("RefundBuild")), (1, 2), "it fails once more");
    world.round().await;
    assert_eq!((world.owing().await, world.state()), (0, KojiBuildState::Failed));
    world.round().await;
    assert_eq!(world.bridge.count("RefundBuild"), 3);
}

#[tokio::test]
async fn what_is_refused_waits_longer_and_what_is_done_is_forgotten() {
    let world = World::start().await;
    assert_eq!(world.finish().await, []);
    assert_eq!((world.owing().await, world.state()), (0, KojiBuildState::Failed));

    let world = World::start().await;
    world.bridge.add_fault("RefundBuild", 9, Effect::Status(Code::PermissionDenied, "never"));
    world.finish().await;
    world.end().await;
    let mut refused = HashMap::new();
    round(&world.services.shared, &mut refused).await;
    round(&world.services.shared, &mut refused).await;
    assert_eq!((refused.len(), world.bridge.count("RefundBuild")), (1, 2));
}

#[tokio::test]
async fn an_import_that_nobody_heard_of_is_told_and_not_taken_back() {
    let world = World::start().await;
    let Reserved { build: id, nvr } = world.reserved.clone();
    world.bridge.forget_builds();
    world.bridge.add_build(KojiBuild {
        id,
        nvr,
        state: KojiBuildState::Complete,
        volume: String::new(),
        files_url: String::new(),
        extra: serde_json::Value::Null,
        origin: Default::default(),
        details_unavailable: false,
    });
    let failures = world.finish().await;
    let [failure] = &failures[..] else { panic!("{failures:?}") };
    assert_eq!(failure.code, "koji.imported_unheard");
    assert!(failure.message.contains(&format!("build {id}")), "{failure}");
    assert_eq!((world.bridge.count("RefundBuild"), world.owing().await), (0, 0));
}
