//! Who has a place among the uploads, and who loses it.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use koji_bridge::settings::UploadSettings;
use testkit::hub::Effect;
use tonic::Code;

use super::{BLOCK, PATIENCE, Target, bridge, content, hub, upload_settings};
use crate::support::told;

#[tokio::test]
async fn more_uploads_than_places_wait_for_their_turn() {
    let hub = hub().await;
    let bridge = bridge(&hub, UploadSettings { parallel: 2, ..upload_settings() }).await;
    let target = Target::new(&bridge).await;
    let files: Vec<_> = (0..8).map(|at| (format!("file-{at}"), content(at, 3 * BLOCK))).collect();
    let uploads = files.iter().map(|(name, content)| target.upload(name, content, 0));
    for answer in join_all(uploads).await {
        answer.unwrap();
    }
    for (name, content) in &files {
        assert!(target.on_disk(&hub, name).as_ref() == Some(content), "{name}");
    }
    let uploads = hub.calls().into_iter().filter(|call| call.method == "rawUpload");
    assert!(uploads.map(|call| call.session).collect::<BTreeSet<_>>().len() <= 2);
}

#[tokio::test]
async fn a_later_upload_of_a_file_ends_an_earlier_one() {
    let hub = hub().await;
    let bridge = bridge(&hub, upload_settings()).await;
    let target = Target::new(&bridge).await;
    let content = content(1, 4 * BLOCK);
    let mut earlier = target.begin(target.header("x", &content, 0));
    assert!(earlier.send(&content[..2 * BLOCK + 10]).await);
    target.reaches(&hub, "x", 2 * BLOCK).await;
    let found = target.find("x").await;
    let answer = target.upload("x", &content, found).await.unwrap();
    assert!(answer.verified);
    let (code, failure, stable) = told(&earlier.answer().await.unwrap_err());
    assert_eq!((code, stable.as_str()), (Code::Unavailable, "koji.upload_cut"));
    assert!(failure.failure.message.contains("later upload"), "{}", failure.failure.message);
    assert!(target.on_disk(&hub, "x").as_deref() == Some(&content));
}

#[tokio::test]
async fn a_request_to_the_hub_ends_before_the_next_upload_begins() {
    let hub = hub().await;
    let bridge = bridge(&hub, upload_settings()).await;
    let target = Target::new(&bridge).await;
    let content = content(1, 4 * BLOCK);
    hub.fault("rawUpload", 1, Effect::Delay(700));
    let earlier = target.begin(target.header("x", &content, 0));
    assert!(earlier.send(&content[..BLOCK + 10]).await);
    target.reaches(&hub, "x", 1).await;
    earlier.break_off().await;
    target.upload("x", &content, 0).await.unwrap();
    assert!(target.on_disk(&hub, "x").as_deref() == Some(&content));
    // The session of the request whose client had gone was not given up.
    assert_eq!(hub.count("login"), 2, "one session for questions, one for the uploads");
}

#[tokio::test]
async fn a_stalled_client_is_in_nobodys_way_for_long() {
    let hub = hub().await;
    let bridge = bridge(&hub, UploadSettings { parallel: 1, silence_seconds: 2, ..upload_settings() }).await;
    let target = Target::new(&bridge).await;
    let content = content(1, 2 * BLOCK);
    let mut stalled = target.begin(target.header("stalled", &content, 0));
    assert!(stalled.send(&content[..BLOCK + 10]).await);
    target.reaches(&hub, "stalled", BLOCK).await;
    // A question needs no place.
    assert!(target.find("stalled").await >= BLOCK as u64);
    assert!(stalled.call.try_join_next().is_none());
    let waiting = target.upload("waiting", &content, 0);
    tokio::time::timeout(PATIENCE, waiting).await.expect("a place in time").unwrap();
    let (code, failure, stable) = told(&stalled.answer().await.unwrap_err());
    assert_eq!((code, stable.as_str()), (Code::Unavailable, "koji.upload_cut"));
    assert!(failure.is_worth_another_try());
    assert_eq!(target.find("stalled").await, BLOCK as u64 + 10, "what came is there");
}

#[tokio::test]
async fn a_client_without_a_header_is_not_waited_for() {
    let hub = hub().await;
    let bridge = bridge(&hub, UploadSettings { silence_seconds: 1, ..upload_settings() }).await;
    let mut client = bridge.client().await;
    let call = client.upload_file(tokio_stream::pending());
    let status = tokio::time::timeout(PATIENCE, call).await.expect("an end in time").unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn who_waits_in_vain_gives_up_the_wait() {
    let hub = hub().await;
    let bridge = bridge(&hub, UploadSettings { parallel: 1, ..upload_settings() }).await;
    let target = Target::new(&bridge).await;
    let content = content(1, BLOCK);
    let stalled = target.begin(target.header("stalled", &content, 0));
    assert!(stalled.send(&content[..10]).await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    for name in ["a", "b", "c"] {
        let waiting = target.begin(target.header(name, &content, 0));
        tokio::time::sleep(Duration::from_millis(20)).await;
        waiting.break_off().await;
    }
    assert!(stalled.send(&content[10..]).await);
    stalled.finish().await.unwrap();
    target.upload("d", &content, 0).await.unwrap();
    assert!(target.on_disk(&hub, "a").is_none());
}
