use std::fs;

use common::flow::state::Command;
use sqlx::Connection;

use super::*;
use crate::store::StoreError;

/// What a process that is killed now would leave: the files as they are.
fn killed(directory: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let (directory, store) = open().await;
    let build = new_build(&store).await;
    for count in 0..10 {
        let event = store.append(&build, vec![warning(count.to_string())]).await.unwrap().remove(0);
        let copy = killed(directory.path());
        let reopened = Store::open(copy.path()).await.unwrap();
        let history = reopened.history(&build).await.unwrap().unwrap();
        assert_eq!(history.last_sequence, event.sequence);
        let next = reopened.append(&build, vec![warning("after")]).await.unwrap();
        assert_eq!(next[0].sequence, event.sequence + 1);
        reopened.close().await;
    }
}

#[tokio::test]
async fn a_store_that_was_only_dropped_gives_the_directory_free() {
    let (directory, store) = open().await;
    let build = new_build(&store).await;
    let tasks = store.inner.tasks.clone();
    drop(store);
    tasks.wait().await;
    let reopened = Store::open(directory.path()).await.unwrap();
    assert_eq!(reopened.unfinished().await.unwrap(), [build]);
}

#[tokio::test]
async fn a_directory_has_one_store_until_it_is_closed() {
    let (directory, store) = open().await;
    let error = Store::open(directory.path()).await.unwrap_err();
    assert_eq!(error.code(), "store.in_use");
    let build = new_build(&store).await;
    let follower = store.subscribe(&build).await.unwrap();
    store.close().await;
    store.close().await;
    assert!(follower.has_changed().is_err(), "the channel is closed");
    assert_eq!(store.append(&build, vec![warning("late")]).await.unwrap_err().code(), "store.closed");
    assert_eq!(store.subscribe(&build).await.unwrap_err().code(), "store.closed");
    let wal = directory.path().join("reactor.db-wal");
    assert!(fs::metadata(wal).map_or(0, |file| file.len()) == 0, "everything is in the main file");
    let reopened = Store::open(directory.path()).await.unwrap();
    assert_eq!(reopened.unfinished().await.unwrap(), [build]);
}

#[tokio::test]
async fn closing_stores_what_waits() {
    let (directory, store) = open().await;
    let build = new_build(&store).await;
    let closing = async {
        tokio::task::yield_now().await;
        store.close().await;
    };
    let (stored, ()) = tokio::join!(store.append(&build, vec![warning("last")]), closing);
    assert_eq!(stored.unwrap()[0].sequence, 2);
    let reopened = Store::open(directory.path()).await.unwrap();
    assert_eq!(reopened.history(&build).await.unwrap().unwrap().last_sequence, 2);
}

#[tokio::test]
async fn a_failed_commit_fails_its_group_and_nothing_is_believed() {
    let (directory, store) = open().await;
    let build = new_build(&store).await;
    damage(
        directory.path(),
        "CREATE TRIGGER t BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    .await;
    let (one, two) =
        tokio::join!(store.append(&build, vec![warning("1")]), store.command(&build, Command::Claim),);
    assert!(matches!(one, Err(StoreError::Database { .. })), "{one:?}");
    assert!(matches!(two, Err(StoreError::Database { .. })), "{two:?}");
    assert_eq!(store.history(&build).await.unwrap().unwrap().last_sequence, 1);
    damage(directory.path(), "DROP TRIGGER t").await;
    assert_eq!(store.append(&build, vec![warning("1")]).await.unwrap()[0].sequence, 2);
}

#[tokio::test]
async fn nobody_sees_an_event_before_its_commit() {
    let (directory, store) = open().await;
    let build = new_build(&store).await;
    let follower = store.subscribe(&build).await.unwrap();
    // Somebody else holds the database, so that the writer has to wait.
    let mut other = Database::in_directory(directory.path()).writer().await.unwrap();
    let hold = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let appending = store.append(&build, vec![warning("1")]);
    let looking = async {
        for _ in 0..20 {
            assert_eq!(store.events(&build, 0, 10).await.unwrap().len(), 1);
            assert_eq!(store.history(&build).await.unwrap().unwrap().last_sequence, 1);
            assert_eq!(*follower.borrow(), 1);
        }
        hold.rollback().await.unwrap();
    };
    let (appended, ()) = tokio::join!(appending, looking);
    assert_eq!(appended.unwrap()[0].sequence, 2);
    assert_eq!(*follower.borrow(), 2);
    assert_eq!(store.events(&build, 0, 10).await.unwrap().len(), 2);
}
