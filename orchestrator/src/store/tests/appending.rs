use common::flow::{
    Journal, StepRecord,
    event::EventKind,
    state::{BuildState, Command, Illegal},
};
use tokio::task::JoinSet;

use super::*;
use crate::store::{StoreError, command::MAX_EVENT_BYTES};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_leave_no_gap() {
    const WRITERS: usize = 64;
    const EACH: usize = 20;
    let (_directory, store) = open().await;
    let (shared, mut alone) = (new_build(&store).await, Vec::new());
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let own = new_build(&store).await;
        alone.push(own.clone());
        let (store, shared) = (store.clone(), shared.clone());
        writers.spawn(async move {
            for count in 0..EACH {
                let pair = vec![warning(format!("{writer}/{count}")), warning("second")];
                let events = store.append(&shared, pair).await.unwrap();
                assert_eq!(events[0].sequence + 1, events[1].sequence, "a command's events stay together");
                let stored = store.events(&shared, events[0].sequence - 1, 2).await.unwrap();
                assert_eq!(stored, events, "visible and unchanged as soon as the call returns");
                store.append(&own, vec![warning("own")]).await.unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let expected = (WRITERS * EACH * 2 + 1) as u64;
    let mut sequences = Vec::new();
    while (sequences.len() as u64) < expected {
        let page = store.events(&shared, sequences.len() as u64, 500).await.unwrap();
        assert!(!page.is_empty());
        sequences.extend(page.iter().map(|event| event.sequence));
    }
    assert_eq!(sequences, (1..=expected).collect::<Vec<_>>());
    for own in alone {
        assert_eq!(store.history(&own).await.unwrap().unwrap().last_sequence, EACH as u64 + 1);
    }
}

#[tokio::test]
async fn a_bad_command_does_not_spoil_its_group() {
    let (_directory, store) = open().await;
    let (good, bad) = (new_build(&store).await, new_build(&store).await);
    let unknown = "bld_unknown".parse().unwrap();
    let (first, refused, missing, second) = tokio::join!(
        store.append(&good, vec![warning("1")]),
        store.append(&bad, vec![warning("lost"), ended(BuildState::Succeeded)]),
        store.append(&unknown, vec![warning("lost")]),
        store.append(&good, vec![warning("2")]),
    );
    assert_eq!((first.unwrap()[0].sequence, second.unwrap()[0].sequence), (2, 3));
    let StoreError::IllegalEvent { source, .. } = refused.unwrap_err() else { panic!("another error") };
    assert!(matches!(source, Illegal::Transition { sequence: 3, .. }), "{source}");
    assert_eq!(missing.unwrap_err().code(), "store.build_not_found");
    assert_eq!(store.history(&bad).await.unwrap().unwrap().last_sequence, 1, "all events or none");
    assert_eq!(store.append(&bad, vec![warning("next")]).await.unwrap()[0].sequence, 2);
}

#[tokio::test]
async fn an_event_that_is_too_large_is_refused() {
    let (_directory, store) = open().await;
    let build = new_build(&store).await;
    let error = store.append(&build, vec![warning("x".repeat(MAX_EVENT_BYTES))]).await.unwrap_err();
    assert_eq!(error.code(), "store.event_too_large");
}

#[tokio::test]
async fn the_same_key_gives_the_same_build() {
    let (_directory, store) = open().await;
    let hello = request("hello");
    let (first, second) = tokio::join!(store.create(&hello, Some("key")), store.create(&hello, Some("key")));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert!(first.new && !second.new);
    assert_eq!(first.id, second.id);
    assert_eq!(store.create(&hello, Some("key")).await.unwrap().id, first.id);
    let reused = store.create(&request("other"), Some("key")).await.unwrap_err();
    assert_eq!(reused.code(), "store.key_reused");
    assert!(reused.to_string().contains(first.id.as_str()));
    assert_ne!(store.create(&hello, None).await.unwrap().id, first.id);
    assert_ne!(store.create(&hello, Some("other key")).await.unwrap().id, first.id);
}

#[tokio::test]
async fn only_one_of_many_commands_has_an_effect() {
    let (_directory, store) = open().await;
    let build = new_build(&store).await;
    let mut asking = JoinSet::new();
    for _ in 0..10 {
        let (store, build) = (store.clone(), build.clone());
        asking.spawn(async move { store.command(&build, Command::Cancel { reason: "why".into() }).await });
    }
    for history in asking.join_all().await {
        assert_eq!(history.unwrap().cancel_reason.as_deref(), Some("why"));
    }
    let events = store.events(&build, 0, 100).await.unwrap();
    assert_eq!(events.len(), 2, "{events:?}");
    let claimed = store.command(&build, Command::Claim).await.unwrap();
    assert_eq!((claimed.state, claimed.last_sequence), (BuildState::Running, 3));
    assert_eq!(store.history(&build).await.unwrap(), Some(claimed));
}

#[tokio::test]
async fn an_ended_build_takes_no_more_events() {
    let (_directory, store) = open().await;
    let build = new_build(&store).await;
    finish(&store, &build).await;
    let error = store.append(&build, vec![warning("late")]).await.unwrap_err();
    assert!(matches!(error, StoreError::IllegalEvent { source: Illegal::AfterEnd(5), .. }), "{error}");
    let unchanged = store.command(&build, Command::Cancel { reason: "late".into() }).await.unwrap();
    assert_eq!((unchanged.state, unchanged.last_sequence), (BuildState::Succeeded, 4));
}

#[tokio::test]
async fn a_journal_recalls_the_newest_record_of_a_step() {
    let (_directory, store) = open().await;
    let build = new_build(&store).await;
    let journal = store.journal(&build);
    assert_eq!(journal.last("clone").await.unwrap(), None);
    journal.append(started("clone", 1)).await.unwrap();
    let record = StepRecord::Started { input: "f00d".into(), attempt: 1 };
    assert_eq!(journal.last("clone").await.unwrap(), Some(record));
    let output = serde_json::json!({ "commit": "abc" });
    let (step, input) = ("clone".to_owned(), "f00d".to_owned());
    journal.append(EventKind::StepSucceeded { step, input, output }).await.unwrap();
    assert!(matches!(journal.last("clone").await.unwrap(), Some(StepRecord::Succeeded { .. })));
    assert_eq!(journal.last("other").await.unwrap(), None);
    let error = store.journal(&"bld_0".parse().unwrap()).last("clone").await.unwrap_err();
    assert!(error.to_string().contains("store.build_not_found"), "{error}");
}
