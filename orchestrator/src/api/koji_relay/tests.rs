//! Files that go through the orchestrator to a bridge in memory.

use std::time::Duration;

use common::{
    retry::Patience,
    secret::Secret,
    service::{Listener, Server, ServiceAddress},
};
use futures::StreamExt as _;
use proto::v1::koji_bridge_service_server::{KojiBridgeServiceServer, SERVICE_NAME};
use tempfile::TempDir;
use testkit::koji::{Effect, InMemoryBridge};
use tonic::service::Routes;

use super::*;
use crate::{
    config::Site,
    outside::{Koji, Upload},
    services::fixture,
};

/// A relay to a bridge, and what reaches the bridge through it.
async fn relay(bridge: &InMemoryBridge, state: &TempDir) -> (Koji, Shutdown) {
    let shutdown = Shutdown::new();
    let services = fixture::services(state.path(), Site::default(), shutdown.token.clone()).await;
    let Ok(mut services) = Arc::try_unwrap(services) else { panic!("somebody else has the services") };
    services.outside.koji = Some(Koji::new(bridge.address().clone()));
    let relay = KojiRelay::new(Arc::new(services), Access::default(), shutdown.clone());
    let address = ServiceAddress::Unix(state.path().join("relay.sock"));
    let listener = Listener::bind(&address).await.unwrap();
    let routes = Routes::new(KojiBridgeServiceServer::new(relay));
    let mut server = Server::new(routes, &[SERVICE_NAME], proto::DESCRIPTORS);
    server.grace = Duration::ZERO;
    let end = shutdown.clone();
    shutdown.tracker.spawn(async move { server.serve(listener, &end).await.unwrap() });
    (Koji::new(address), shutdown)
}

#[tokio::test]
async fn files_go_through_whole_and_resume() {
    let bridge = InMemoryBridge::start().await.unwrap();
    bridge.set_capabilities(&common::koji::KojiCapability::ALL);
    let state = TempDir::new().unwrap();
    let (koji, shutdown) = relay(&bridge, &state).await;
    let direct = Koji::new(bridge.address().clone());
    let prepared = direct.prepare_upload("bld_1").await.unwrap();
    let content = bytes::Bytes::from(vec![7; 1_000_000]);
    let source =
        |offset: u64| futures::stream::iter([Ok(content.slice(usize::try_from(offset).unwrap()..))]).boxed();
    let patience = Patience { first_wait: Duration::from_millis(1), ..Patience::default() };
    let upload = Upload {
        directory: &prepared.directory,
        ticket: &prepared.ticket,
        name: "a.log",
        size: 1_000_000,
        md5: "",
    };
    bridge.add_fault("UploadFile", 2, Effect::Cut(300_000));
    koji.upload(upload, patience, &source).await.unwrap();
    assert_eq!(bridge.uploaded(&prepared.directory, "a.log").unwrap(), content);
    assert_eq!(bridge.count("UploadFile"), 3);

    let wrong = Secret::new("another");
    let failure = koji.upload(Upload { ticket: &wrong, ..upload }, patience, &source).await.unwrap_err();
    assert_eq!(failure.code, "koji.refused", "the bridge says whether a ticket opens a directory");
    let failure = koji.describe().await.unwrap_err();
    assert_eq!(failure.code, "koji.not_offered", "nothing else is handed on");
    shutdown.token.cancel();
}
