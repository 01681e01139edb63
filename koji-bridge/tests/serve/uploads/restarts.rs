//! Bridges and hubs that end in the middle of an upload, and the address for workers.

use std::time::Duration;

use koji_bridge::settings::UploadSettings;
use proto::v1::{self, koji_bridge_service_client::KojiBridgeServiceClient};
use serde_json::json;
use testkit::hub::{HubSettings, KojiHub};
use tonic::Code;

use super::{BLOCK, Target, bridge, content, hub, hub_in, upload_settings};
use crate::support::{import_request, login, settings, start_with, told};

#[tokio::test]
async fn a_ticket_outlives_the_bridge_where_its_key_does() {
    let (hub, directory) = (hub().await, tempfile::tempdir().unwrap());
    let key = directory.path().join("ticket.key");
    let kept = UploadSettings { ticket_key_file: Some(key), ..upload_settings() };
    let content = content(1, 10);
    for (settings, outlives) in [(kept, true), (upload_settings(), false)] {
        let first = bridge(&hub, settings.clone()).await;
        let target = Target::new(&first).await;
        target.upload("x", &content, 0).await.unwrap();
        first.stop().await;
        let second = bridge(&hub, settings).await;
        let answer = target.by(&second).await.upload("y", &content, 0).await;
        match answer {
            Ok(_) => assert!(outlives),
            Err(status) => assert_eq!((told(&status).2.as_str(), outlives), ("koji.upload_ticket", false)),
        }
    }
}

#[tokio::test]
async fn the_next_bridge_goes_on_where_one_ended() {
    let (hub, directory) = (hub().await, tempfile::tempdir().unwrap());
    let key = directory.path().join("ticket.key");
    let settings = UploadSettings { ticket_key_file: Some(key), ..upload_settings() };
    let first = bridge(&hub, settings.clone()).await;
    let target = Target::new(&first).await;
    let content = content(1, 6 * BLOCK);
    let mut begun = target.begin(target.header("x", &content, 0));
    assert!(begun.send(&content[..2 * BLOCK + 10]).await);
    target.reaches(&hub, "x", 2 * BLOCK).await;
    let (status, ()) = tokio::join!(begun.answer(), first.stop());
    let (code, failure, stable) = told(&status.unwrap_err());
    assert_eq!((code, stable.as_str()), (Code::Unavailable, "koji.upload_cut"));
    assert!(failure.failure.message.contains("stopping"), "{}", failure.failure.message);
    assert!(hub.count("logout") > 0, "sessions are closed");

    let second = bridge(&hub, settings).await;
    let target = target.by(&second).await;
    let found = target.find("x").await;
    assert!(found >= 2 * BLOCK as u64);
    assert!(target.upload("x", &content, found).await.unwrap().verified);
    assert!(target.on_disk(&hub, "x").as_deref() == Some(&content));
}

#[tokio::test]
async fn a_hub_may_be_restarted_in_the_middle() {
    let directory = tempfile::tempdir().unwrap();
    let hub = hub_in(directory.path()).await;
    let mut koji = settings(&hub, &login());
    koji.patience.retries = 30;
    koji.patience.retry_interval_seconds = 1;
    let bridge = start_with(koji, upload_settings()).await;
    let target = Target::new(&bridge).await;
    let content = content(1, 6 * BLOCK);
    let begun = target.begin(target.header("x", &content, 0));
    assert!(begun.send(&content[..2 * BLOCK + 10]).await);
    target.reaches(&hub, "x", 2 * BLOCK).await;
    let address = hub.address();
    hub.stop().await;
    assert!(begun.send(&content[2 * BLOCK + 10..4 * BLOCK]).await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let hub = KojiHub::serve(directory.path(), address, HubSettings::default(), None).await.unwrap();
    assert!(begun.send(&content[4 * BLOCK..]).await);
    begun.finish().await.unwrap();
    assert!(target.on_disk(&hub, "x").as_deref() == Some(&content));
}

#[tokio::test]
async fn workers_may_upload_and_nothing_else() {
    let hub = hub().await;
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let bridge = bridge(&hub, UploadSettings { listen, ..upload_settings() }).await;
    let address = bridge.for_workers.clone().unwrap();
    let target = Target::new(&bridge).await;
    let connection = common::service::connect(&address, &common::service::ConnectOptions::default()).await;
    let mut client = KojiBridgeServiceClient::new(connection.unwrap());
    let worker = Target { client: client.clone(), ..target.clone() };

    let described = client.describe(v1::DescribeRequest {}).await.unwrap().into_inner();
    assert_eq!(described.capabilities().collect::<Vec<_>>(), [v1::KojiCapability::Upload]);
    assert_eq!(described.hub_url, "", "where the hub is, is nothing for workers");

    let content = content(1, 2 * BLOCK);
    let begun = worker.begin(worker.header("x", &content, 0));
    assert!(begun.send(&content[..BLOCK + 1]).await);
    worker.reaches(&hub, "x", BLOCK).await;
    begun.break_off().await;
    let found = worker.find("x").await;
    assert!(worker.upload("x", &content, found).await.unwrap().verified);
    assert!(worker.on_disk(&hub, "x").as_deref() == Some(&content));
    let strange = Target { ticket: "bld_1.00".into(), ..worker.clone() };
    assert_eq!(strange.upload("y", &content, 0).await.unwrap_err().code(), Code::PermissionDenied);

    let refused = [
        client.import_build(import_request(&json!({}), &target.directory, "")).await.err(),
        client.prepare_upload(v1::PrepareUploadRequest { key: "bld_2".into() }).await.err(),
        client.reserve_build(v1::ReserveBuildRequest::default()).await.err(),
        client.find_build(v1::FindBuildRequest::default()).await.err(),
        client.tag_build(v1::TagBuildRequest::default()).await.err(),
    ];
    for status in refused {
        assert_eq!(status.unwrap().code(), Code::Unimplemented);
    }
    assert_eq!(hub.count("CGImport"), 0);
}
