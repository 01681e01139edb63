use common::flow::state::{BuildState, Command};

use super::*;
use crate::store::{ListQuery, StoreError};

#[tokio::test]
async fn pages_are_stable_while_builds_come_and_end() {
    let (_directory, store) = open().await;
    let mut expected = Vec::new();
    for _ in 0..7 {
        expected.insert(0, new_build(&store).await);
    }
    let mut query = ListQuery { page_size: 3, ..ListQuery::default() };
    let (mut seen, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let page = store.list(&query).await.unwrap();
        sizes.push(page.builds.len());
        seen.extend(page.builds.into_iter().map(|(id, _)| id));
        new_build(&store).await;
        finish(&store, &expected[7 - sizes.len()]).await;
        let Some(token) = page.next_page_token else { break };
        query.page_token = token;
    }
    assert_eq!(seen, expected);
    assert_eq!(sizes, [3, 3, 1]);
}

#[tokio::test]
async fn lists_can_be_limited_to_states() {
    let (_directory, store) = open().await;
    let (queued, running, done) = (new_build(&store).await, new_build(&store).await, new_build(&store).await);
    store.command(&running, Command::Claim).await.unwrap();
    finish(&store, &done).await;
    for (states, expected) in [
        (vec![], vec![&done, &running, &queued]),
        (vec![BuildState::Queued], vec![&queued]),
        (vec![BuildState::Running, BuildState::Succeeded], vec![&done, &running]),
        (vec![BuildState::Failed], vec![]),
    ] {
        let page = store.list(&ListQuery { states, ..ListQuery::default() }).await.unwrap();
        assert_eq!(page.builds.iter().map(|(id, _)| id).collect::<Vec<_>>(), expected);
        assert!(page.next_page_token.is_none() && page.unreadable.is_empty());
    }
    assert_eq!(store.unfinished().await.unwrap(), [queued, running]);
    let query = ListQuery { page_token: "' OR 1".into(), ..ListQuery::default() };
    assert_eq!(store.list(&query).await.unwrap_err().code(), "store.bad_page_token");
}

#[tokio::test]
async fn builds_are_found_by_the_beginning_of_their_id() {
    let (_directory, store) = open().await;
    let (first, second) = (new_build(&store).await, new_build(&store).await);
    let id = first.as_str();
    assert_eq!(store.find(id).await.unwrap(), first);
    assert_eq!(store.find(&id[..id.len() - 1]).await.unwrap(), first);
    assert_eq!(store.find(id.trim_start_matches("bld_")).await.unwrap(), first);
    for both in ["bld_0", "0", "bld_", ""] {
        match store.find(both).await.unwrap_err() {
            StoreError::BuildAmbiguous { candidates, .. } if both.contains('0') => {
                assert_eq!(candidates, [first.clone(), second.clone()]);
            }
            StoreError::BuildNotFound(_) if !both.contains('0') => {}
            other => panic!("{both}: {other}"),
        }
    }
    for nothing in ["bld_x", "%", "_", "bld_0' OR '1", "wo_1"] {
        assert_eq!(store.find(nothing).await.unwrap_err().code(), "store.build_not_found", "{nothing}");
    }
}

#[tokio::test]
async fn a_whole_id_is_found_though_another_begins_with_it() {
    let (directory, store) = open().await;
    new_build(&store).await;
    for insert in [
        "INSERT INTO build VALUES ('bld_x1', NULL, '', 'queued', 0, NULL, 0)",
        "INSERT INTO build VALUES ('bld_x12', NULL, '', 'queued', 0, NULL, 0)",
    ] {
        assert_eq!(damage(directory.path(), insert).await, 1);
    }
    assert_eq!(store.find("bld_x1").await.unwrap().as_str(), "bld_x1");
    assert_eq!(store.find("x").await.unwrap_err().code(), "store.build_ambiguous");
}

#[tokio::test]
async fn followers_see_every_number_and_the_end() {
    let (_directory, store) = open().await;
    let build = new_build(&store).await;
    let mut follower = store.subscribe(&build).await.unwrap();
    assert_eq!(*follower.borrow_and_update(), 1);
    store.append(&build, vec![warning("1"), warning("2")]).await.unwrap();
    assert_eq!(*follower.borrow_and_update(), 3);
    finish(&store, &build).await;
    assert!(follower.changed().await.is_ok());
    assert_eq!(*follower.borrow_and_update(), 6);
    assert!(follower.changed().await.is_err(), "nothing more can come");
    let late = store.subscribe(&build).await.unwrap();
    assert_eq!(*late.borrow(), 6);
    assert!(late.has_changed().is_err());
    let unknown = "bld_unknown".parse().unwrap();
    assert_eq!(store.subscribe(&unknown).await.unwrap_err().code(), "store.build_not_found");
    assert_eq!(store.inner.followers.count(), 0, "nothing is kept for ended or unknown builds");
}

#[tokio::test]
async fn damage_is_named_and_stays_where_it_is() {
    let cases = [
        ("UPDATE event SET body = '{' WHERE seq = 3", 3, "EOF"),
        ("UPDATE event SET body = '{\"event\":\"dance\"}' WHERE seq = 2", 2, "dance"),
        ("UPDATE event SET at = 9223372036854775807 WHERE seq = 4", 4, ""),
        ("DELETE FROM event WHERE seq = 2", 2, ""),
        ("DELETE FROM event WHERE seq = 4", 4, "missing"),
        ("DELETE FROM event", 1, "missing"),
    ];
    for (sql, sequence, reason) in cases {
        let (directory, store) = open().await;
        let build = new_build(&store).await;
        store.append(&build, vec![warning("2"), warning("3"), warning("4")]).await.unwrap();
        store.close().await;
        assert!(damage(directory.path(), sql).await > 0, "{sql}");
        let store = Store::open(directory.path()).await.unwrap();
        let sound = new_build(&store).await;
        let error = store.append(&build, vec![warning("5")]).await.unwrap_err();
        let StoreError::CorruptEvent { build: named, sequence: found, reason: why } = &error else {
            panic!("{sql}: {error}");
        };
        assert_eq!(named, &build);
        assert!(why.contains(reason), "{sql}: {why}");
        // A missing event shows itself by the one that follows.
        assert!((sequence..=sequence + 1).contains(found), "{sql}: {error}");
        assert_eq!(store.history(&build).await.unwrap_err().code(), "store.corrupt_event");
        let page = store.list(&ListQuery::default()).await.unwrap();
        assert_eq!(page.builds.iter().map(|(id, _)| id).collect::<Vec<_>>(), [&sound], "{sql}");
        assert_eq!(page.unreadable.len(), 1);
        store.append(&sound, vec![warning("fine")]).await.unwrap();
    }
}

#[tokio::test]
async fn events_are_read_from_any_place() {
    let (directory, store) = open().await;
    let build = new_build(&store).await;
    store.append(&build, vec![warning("2"), warning("3"), warning("4")]).await.unwrap();
    let sequences = async |after, limit| {
        let events = store.events(&build, after, limit).await.unwrap();
        events.iter().map(|event| event.sequence).collect::<Vec<_>>()
    };
    assert_eq!(sequences(0, 2).await, [1, 2]);
    assert_eq!(sequences(2, 10).await, [3, 4]);
    assert!(sequences(4, 10).await.is_empty());
    assert!(sequences(u64::MAX, 10).await.is_empty());
    assert!(store.history(&"bld_unknown".parse().unwrap()).await.unwrap().is_none());
    assert_eq!(damage(directory.path(), "DELETE FROM event WHERE seq = 3").await, 1);
    let error = store.events(&build, 1, 10).await.unwrap_err();
    assert!(matches!(error, StoreError::CorruptEvent { sequence: 3, .. }), "{error}");
}
