//! Uploads that break off, at the client's end or at the hub's.

use std::time::Duration;

use koji_bridge::settings::KojiSettings;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use testkit::hub::{Effect, FaultOrder, KojiHub};
use tonic::Code;

use super::{BLOCK, Target, bridge, content, hub, upload_settings};
use crate::support::{login, settings, start_with, told};

/// The settings of a bridge that waits for its hub.
fn patient(hub: &KojiHub) -> KojiSettings {
    let mut settings = settings(hub, &login());
    settings.patience.offline_limit_seconds = 30;
    settings.patience.retries = 5;
    settings
}

#[tokio::test]
async fn a_client_that_broke_off_goes_on_where_the_hubs_file_ends() {
    let hub = hub().await;
    let bridge = bridge(&hub, upload_settings()).await;
    let target = Target::new(&bridge).await;
    let content = content(1, 5 * BLOCK + 123);
    let begun = target.begin(target.header("x", &content, 0));
    assert!(begun.send(&content[..3 * BLOCK + 5]).await);
    target.reaches(&hub, "x", 2 * BLOCK).await;
    begun.break_off().await;
    let found = target.find("x").await;
    assert!(found >= 2 * BLOCK as u64 && found < content.len() as u64, "{found}");
    let answer = target.upload("x", &content, found).await.unwrap();
    assert!(answer.verified);
    assert!(target.on_disk(&hub, "x").as_deref() == Some(&content));
}

#[tokio::test]
async fn what_came_before_a_break_is_not_lost() {
    let hub = hub().await;
    let bridge = bridge(&hub, upload_settings()).await;
    let target = Target::new(&bridge).await;
    let content = content(1, BLOCK);
    // A client that never fills a block makes progress all the same.
    let mut found = 0;
    for piece in content.chunks(BLOCK / 4) {
        let begun = target.begin(target.header("x", &content, found));
        assert!(begun.send(piece).await);
        let end = found as usize + piece.len();
        // Only the bridge knows what it has got, so the end of the data is what tells it.
        let ended = begun.finish().await;
        assert_eq!(ended.is_ok(), end == BLOCK);
        if ended.is_err() {
            let begun = target.begin(target.header("x", &content, found));
            assert!(begun.send(piece).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
            begun.break_off().await;
            target.reaches(&hub, "x", end).await;
        }
        found = target.find("x").await;
        assert_eq!(found, end as u64);
    }
    assert!(target.on_disk(&hub, "x").as_deref() == Some(&content));
}

#[tokio::test]
async fn ten_cuts_anywhere_leave_the_file_whole() {
    let hub = hub().await;
    let bridge = start_with(patient(&hub), upload_settings()).await;
    let target = Target::new(&bridge).await;
    for seed in 0..3 {
        let mut random = StdRng::seed_from_u64(seed);
        let (name, content) = (format!("file-{seed}"), content(seed, 30 * BLOCK + 777));
        let mut cuts = 0;
        let answer = loop {
            // What was found is there, so cuts at the client's end can be anywhere behind.
            let found = target.find(&name).await as usize;
            if cuts == 10 {
                hub.clear_faults();
                break target.upload(&name, &content, found as u64).await.unwrap();
            }
            cuts += 1;
            match random.random_range(0..4) {
                0 => hub.fault("rawUpload", 1, Effect::CutUpload(random.random_range(0..BLOCK as u64))),
                1 => hub.fault("rawUpload", 1, Effect::DropAnswer),
                2 => hub.fault("rawUpload", 2, Effect::Status(503)),
                _ => {}
            }
            let end = random.random_range(found..=(found + 4 * BLOCK).min(content.len() - 1));
            let begun = target.begin(target.header(&name, &content, found as u64));
            // Orders that did not strike before may come together, and end it first.
            begun.send(&content[found..end]).await;
            tokio::time::sleep(Duration::from_millis(random.random_range(0..30))).await;
            begun.break_off().await;
        };
        assert_eq!(answer.size, content.len() as u64);
        assert!(target.on_disk(&hub, &name).as_deref() == Some(&content), "{seed}");
    }
}

#[tokio::test]
async fn a_client_that_stays_notices_nothing_of_the_hubs_troubles() {
    let troubles = [
        Effect::CutUpload(0),
        Effect::CutUpload(1000),
        Effect::CutUpload(BLOCK as u64),
        Effect::DropAnswer,
        Effect::DropBeforeCommit,
        Effect::Status(500),
        Effect::BadGateway,
        Effect::ExpireSession,
        Effect::WrongChecksum,
        Effect::Raise(1001, "[Errno 11] Resource temporarily unavailable".into()),
        Effect::Offline,
    ];
    let hub = hub().await;
    let bridge = start_with(patient(&hub), upload_settings()).await;
    let target = Target::new(&bridge).await;
    let content = content(1, 6 * BLOCK);
    for (at, effect) in troubles.iter().enumerate() {
        hub.order(FaultOrder { method: "rawUpload".into(), skip: 2, times: 1, effect: effect.clone() });
        let name = format!("file-{at}");
        let answer = target.upload(&name, &content, 0).await;
        assert!(answer.is_ok(), "{effect:?}: {answer:?}");
        assert!(target.on_disk(&hub, &name).as_deref() == Some(&content), "{effect:?}");
    }
    // All of them in one file.
    for (at, effect) in troubles.iter().enumerate() {
        let skip = at * 2;
        hub.order(FaultOrder { method: "rawUpload".into(), skip, times: 1, effect: effect.clone() });
    }
    let content = super::content(2, 30 * BLOCK);
    target.upload("all", &content, 0).await.unwrap();
    assert!(target.on_disk(&hub, "all").as_deref() == Some(&content));
}

#[tokio::test]
async fn a_hub_that_is_offline_for_a_second_is_waited_for() {
    let hub = hub().await;
    let bridge = start_with(patient(&hub), upload_settings()).await;
    let target = Target::new(&bridge).await;
    let content = content(1, 4 * BLOCK);
    let begun = target.begin(target.header("x", &content, 0));
    assert!(begun.send(&content[..BLOCK + 1]).await);
    target.reaches(&hub, "x", BLOCK).await;
    hub.go_offline(Some(Duration::from_secs(1)));
    assert!(begun.send(&content[BLOCK + 1..]).await);
    begun.finish().await.unwrap();
    assert!(target.on_disk(&hub, "x").as_deref() == Some(&content));
}

#[tokio::test]
async fn a_hub_that_stays_away_ends_the_upload_for_now() {
    let hub = hub().await;
    let bridge = bridge(&hub, upload_settings()).await;
    let target = Target::new(&bridge).await;
    let content = content(1, 4 * BLOCK);
    for (effect, stable) in [(Effect::Status(503), "koji.unreachable"), (Effect::Offline, "koji.offline")] {
        hub.order(FaultOrder { method: "rawUpload".into(), skip: 1, times: 9, effect });
        let (code, failure, found) = told(&target.upload("x", &content, 0).await.unwrap_err());
        assert_eq!((code, found.as_str()), (Code::Unavailable, stable));
        assert!(failure.is_worth_another_try());
        hub.clear_faults();
        assert_eq!(target.find("x").await, BLOCK as u64);
    }
    target.upload("x", &content, BLOCK as u64).await.unwrap();
    assert!(target.on_disk(&hub, "x").as_deref() == Some(&content));
}
