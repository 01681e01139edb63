//! The service as a whole: what it says of itself, health, deadlines, its end.

use std::time::Duration;

use futures::StreamExt as _;
use proto::{convert::KojiFailureKind, v1};
use testkit::hub::Effect;
use tokio::{task::JoinSet, time::timeout};
use tonic::{Code, Request};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{GENERATOR, Stage, nvr, told};

const SERVICE: &str = "reactor.v1.KojiBridgeService";
/// A test that waits longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

async fn becomes(stage: &Stage, wanted: ServingStatus) {
    let request = HealthCheckRequest { service: SERVICE.into() };
    let mut client = HealthClient::new(stage.bridge.connection().await);
    let mut states = client.watch(request).await.unwrap().into_inner();
    let seen = async {
        while let Some(state) = states.next().await {
            if state.unwrap().status() == wanted {
                return;
            }
        }
        panic!("the watch has ended");
    };
    timeout(PATIENCE, seen).await.expect("a change in time");
}

#[tokio::test]
async fn it_says_what_it_can_do() {
    let stage = Stage::new().await;
    let described = stage.client().await.describe(v1::DescribeRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (described.hub_url.clone(), described.files_url.clone()),
        (stage.hub.url(), stage.hub.files_url())
    );
    assert_eq!(
        (described.content_generator.as_str(), described.web_url.as_str()),
        (GENERATOR, "https://koji.example.org/koji")
    );
    let offered: Vec<_> = described.capabilities().collect();
    for capability in [v1::KojiCapability::Reserve, v1::KojiCapability::Import, v1::KojiCapability::Tag] {
        assert!(offered.contains(&capability), "{offered:?}");
    }
}

#[tokio::test]
async fn a_hub_without_reservations_is_known_for_it() {
    let stage = Stage::new().await;
    becomes(&stage, ServingStatus::Serving).await;
    stage.hub.fault("CGInitBuild", 1, Effect::Raise(1000, "Invalid method: CGInitBuild".into()));
    let request = v1::ReserveBuildRequest { nvr: Some(nvr("1")), key: "k".into(), task_id: 0 };
    let status = stage.client().await.reserve_build(request).await.unwrap_err();
    assert_eq!(told(&status).2, "koji.no_reservations");
}

#[tokio::test]
async fn health_follows_the_hub() {
    let stage = Stage::new().await;
    becomes(&stage, ServingStatus::Serving).await;
    stage.hub.go_offline(None);
    becomes(&stage, ServingStatus::NotServing).await;
    let mut client = stage.client().await;
    let request = v1::FindBuildRequest { nvr: Some(nvr("1")), build_id: 0 };
    let (code, failure, stable) = told(&client.find_build(request.clone()).await.unwrap_err());
    assert_eq!((code, failure.kind), (Code::Unavailable, KojiFailureKind::Offline));
    assert_eq!(stable, "koji.offline");
    stage.hub.go_online();
    becomes(&stage, ServingStatus::Serving).await;
    assert_eq!(client.find_build(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_deadline_ends_a_stream_and_the_end_of_the_bridge_does() {
    let stage = Stage::new().await;
    let task_id = stage.hub.change(|state| {
        let id = state.next_id();
        let task = serde_json::json!({
            "method": "image", "request": [], "state": 1, "owner": state.user_id("osbs"), "channel": 1,
            "priority": 10, "result": {"Ok": null}, "created": 1.0, "started": null, "ends_at": null,
            "completed": null, "parent": null,
        });
        state.tasks.insert(id, serde_json::from_value(task).unwrap());
        id
    });
    let task_id = task_id.unwrap();
    let mut client = stage.client().await;
    let mut request = Request::new(v1::WatchTaskRequest { task_id });
    request.metadata_mut().insert("grpc-timeout", "1500m".parse().unwrap());
    let mut states = client.watch_task(request).await.unwrap().into_inner();
    assert_eq!(states.message().await.unwrap().unwrap().state(), v1::KojiTaskState::Open);
    let ended = timeout(PATIENCE, states.message()).await.expect("an end in time").unwrap_err();
    assert_eq!(ended.code(), Code::DeadlineExceeded);

    let mut states = client.watch_task(v1::WatchTaskRequest { task_id }).await.unwrap().into_inner();
    states.message().await.unwrap().unwrap();
    let Stage { hub, bridge } = stage;
    let (ended, ()) = tokio::join!(states.message(), bridge.stop());
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    assert!(hub.count("logout") > 0, "sessions are closed");
    assert!(hub.state(|state| state.tasks.contains_key(&task_id)));
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_stop_a_change() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    stage.hub.fault("CGInitBuild", 1, Effect::Delay(1500));
    let reserve = || v1::ReserveBuildRequest { nvr: Some(nvr("1")), key: "k".into(), task_id: 0 };
    let mut request = Request::new(reserve());
    request.set_timeout(Duration::from_millis(300));
    assert!(client.reserve_build(request).await.is_err());
    // It waits for the call that goes on, and takes its reservation over.
    let reserved = client.reserve_build(reserve()).await.unwrap().into_inner();
    stage.hub.state(|state| {
        assert_eq!(state.builds.len(), 1);
        assert_eq!(state.builds[&reserved.build_id].token.as_deref(), Some(reserved.token.as_str()));
    });
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_hub_is_asked_takes_the_change_along() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    let reserve =
        |release: &str| v1::ReserveBuildRequest { nvr: Some(nvr(release)), key: release.into(), task_id: 0 };
    stage.hub.fault("CGInitBuild", 1, Effect::Delay(1500));
    let (mut other, first) = (client.clone(), reserve("1"));
    let mut early = JoinSet::new();
    early.spawn(async move { other.reserve_build(first).await });
    while stage.hub.count("CGInitBuild") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The turn is the first one's.
    let mut request = Request::new(reserve("2"));
    request.set_timeout(Duration::from_millis(300));
    assert!(client.reserve_build(request).await.is_err());
    early.join_next().await.unwrap().unwrap().unwrap();
    client.reserve_build(reserve("3")).await.unwrap();
    let releases =
        stage.hub.state(|state| state.builds.values().map(|build| build.release.clone()).collect::<Vec<_>>());
    assert_eq!(releases, ["1", "3"]);
}
