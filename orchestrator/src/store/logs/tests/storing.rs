use tokio::task::JoinSet;

use super::*;
use crate::store::logs::LogError;

#[tokio::test]
async fn what_comes_again_is_stored_once() {
    let text = b"first\nsecond line\nthird\n\xff\xfe\nlast without line feed";
    let (_directory, store) = open();
    let (build, order) = (build(), order("x86_64"));
    // Resends begin and end inside of lines; some bring nothing new.
    let (mut stored, mut turn) = (0, 0);
    while stored < text.len() {
        turn += 1;
        let begin = turn * 7 % (stored + 1);
        let end = (begin + 1 + turn * 5 % 13).min(text.len());
        let again = records("x86_64", begin as u64, &text[begin..end]);
        stored = stored.max(end);
        assert_eq!(store.append(&build, Some(&order), again).await.unwrap(), stored as u64);
    }
    assert!(turn > 10, "{turn}");
    assert_eq!(text_of(&all(&store).await), text);
    assert_eq!(store.stored(&build, &order).await.unwrap(), text.len() as u64);
    assert_eq!(store.stored(&build, &super::order("s390x")).await.unwrap(), 0);
}

#[tokio::test]
async fn a_record_is_read_as_it_came() {
    let (_directory, store) = open();
    let sent = records("aarch64", 0, b"one\ntwo\n");
    let order = order("aarch64");
    assert_eq!(store.append(&build(), None, own_line("hello\n")).await.unwrap(), 6);
    assert_eq!(store.append(&build(), Some(&order), sent.clone()).await.unwrap(), 8);
    assert_eq!(store.append(&build(), None, own_line("bye\n")).await.unwrap(), 18);
    let stored = all(&store).await;
    assert_eq!(stored.len(), 4);
    assert_eq!(stored[0], own_line("hello\n")[0]);
    for (stored, sent) in stored[1..].iter().zip(sent) {
        assert_eq!(stored, &LogRecord { offset: sent.offset + 6, ..sent });
    }
}

#[tokio::test]
async fn missing_text_is_refused_and_nothing_of_it_stored() {
    let (_directory, store) = open();
    let (build, order) = (build(), order("x86_64"));
    store.append(&build, Some(&order), records("x86_64", 0, b"0123\n")).await.unwrap();
    let mut later = records("x86_64", 5, b"good\n");
    later.extend(records("x86_64", 11, b"late\n"));
    let error = store.append(&build, Some(&order), later).await.unwrap_err();
    let LogError::Gap { expected: 10, found: 11, .. } = error else { panic!("{error}") };
    assert_eq!(store.stored(&build, &order).await.unwrap(), 5);
    assert_eq!(text_of(&all(&store).await), b"0123\n");
}

#[tokio::test]
async fn a_record_that_is_too_long_is_split() {
    let (_directory, store) = open();
    let (build, order) = (build(), order("x86_64"));
    let text = "x".repeat(200_000);
    let reached = store.append(&build, Some(&order), records("x86_64", 0, text.as_bytes())).await.unwrap();
    assert_eq!(reached, 200_000);
    assert_eq!(text_of(&all(&store).await), text.as_bytes());
    let again = records("x86_64", 199_999, b"xy");
    assert_eq!(store.append(&build, Some(&order), again).await.unwrap(), 200_001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_at_once_lose_and_mix_nothing() {
    let limits = LogLimits { segment_bytes: 20_000, ..LogLimits::default() };
    let (directory, store) = open_with(limits);
    let mut workers = JoinSet::new();
    for worker in 0..64 {
        let store = store.clone();
        workers.spawn(async move {
            let (platform, mut reached) = (format!("p{worker}"), 0);
            let order = order(&platform);
            for count in 0..10 {
                let text = format!("{platform} says {count}\nand more\n");
                let sent = records(&platform, reached, text.as_bytes());
                reached = store.append(&build(), Some(&order), sent).await.unwrap();
                assert_eq!(store.stored(&build(), &order).await.unwrap(), reached);
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done.unwrap();
    }
    let before = all(&store).await;
    let copy = killed(directory.path());
    let reopened = LogStore::open(copy.path(), limits).unwrap();
    assert_eq!(all(&reopened).await, before, "all that was acknowledged survives");
    for worker in 0..64 {
        let platform = format!("p{worker}");
        let expected: String = (0..10).map(|count| format!("{platform} says {count}\nand more\n")).collect();
        assert_eq!(platform_text(&reopened, &platform).await, expected.as_bytes());
        assert_eq!(reopened.stored(&build(), &order(&platform)).await.unwrap(), expected.len() as u64);
    }
}

#[tokio::test]
async fn a_log_that_is_too_large_ends_with_a_notice_and_still_acknowledges() {
    let limits = LogLimits { build_bytes: 20, ..LogLimits::default() };
    let (directory, store) = open_with(limits);
    let (build, order) = (build(), order("x86_64"));
    let mut reached = 0;
    for expected in [8, 16, 24, 32] {
        let sent = records("x86_64", reached, b"8 bytes\n");
        reached = store.append(&build, Some(&order), sent).await.unwrap();
        assert_eq!(reached, expected);
    }
    store.append(&build, None, own_line("not stored\n")).await.unwrap();
    store.close().await;
    let store = LogStore::open(directory.path(), limits).unwrap();
    assert_eq!(store.stored(&build, &order).await.unwrap(), 32, "acknowledged once is acknowledged for ever");
    let sent = records("x86_64", 32, b"8 bytes\n");
    assert_eq!(store.append(&build, Some(&order), sent).await.unwrap(), 40);
    let stored = all(&store).await;
    assert_eq!(stored.len(), 3, "one notice: {stored:?}");
    assert_eq!(text_of(&stored[..2]), b"8 bytes\n8 bytes\n");
    let notice = String::from_utf8_lossy(&stored[2].text).into_owned();
    assert!(notice.contains("20 bytes") && stored[2].stream == LogStream::Orchestrator, "{notice}");
}

#[tokio::test]
async fn after_a_failed_write_the_text_can_come_again() {
    let limits = LogLimits { segment_bytes: 200, ..LogLimits::default() };
    let (directory, store) = open_with(limits);
    let (build, order) = (build(), order("x86_64"));
    store.append(&build, Some(&order), records("x86_64", 0, b"one\n")).await.unwrap();
    // The third segment cannot be made; the second one already is when that shows.
    let blocked = directory.path().join("logs/bld_1/000003.log");
    fs::create_dir(&blocked).unwrap();
    let sent = records("x86_64", 4, b"two\nthree\nfour\nfive\nsix\nseven\n");
    let error = store.append(&build, Some(&order), sent.clone()).await.unwrap_err();
    assert!(matches!(&error, LogError::Io { what: "open", path, .. } if *path == blocked), "{error}");
    assert_eq!(store.stored(&build, &order).await.unwrap(), 4);
    assert_eq!(text_of(&all(&store).await), b"one\n");
    fs::remove_dir(&blocked).unwrap();
    store.append(&build, Some(&order), records("x86_64", 4, b"two\n")).await.unwrap();
    assert!(!directory.path().join("logs/bld_1/000002.log").exists(), "the unfinished write is gone");
    store.append(&build, Some(&order), sent).await.unwrap();
    let copy = killed(directory.path());
    for store in [store, LogStore::open(copy.path(), limits).unwrap()] {
        assert_eq!(text_of(&all(&store).await), b"one\ntwo\nthree\nfour\nfive\nsix\nseven\n");
    }
}

#[tokio::test]
async fn followers_learn_of_new_text_and_of_the_end() {
    let (_directory, store) = open();
    let mut follower = store.subscribe(&build()).await.unwrap();
    assert_eq!(*follower.borrow_and_update(), 0);
    store.append(&build(), None, own_line("hello\n")).await.unwrap();
    assert!(follower.changed().await.is_ok());
    assert_eq!(*follower.borrow_and_update(), 6);
    store.finish(&build()).await;
    assert!(follower.changed().await.is_err());
    assert_eq!(store.inner.slots.count(), 0);
    assert_eq!(text_of(&all(&store).await), b"hello\n");
    store.append(&build(), None, own_line("late\n")).await.unwrap();
    assert_eq!(text_of(&all(&store).await), b"hello\nlate\n");
}

#[tokio::test]
async fn many_builds_take_bounded_memory() {
    let directory = tempfile::tempdir().unwrap();
    let store = LogStore::open_with(directory.path(), LogLimits::default(), 8).unwrap();
    let followed = "bld_followed".parse().unwrap();
    let follower = store.subscribe(&followed).await.unwrap();
    for number in 0..40 {
        let build = format!("bld_{number}").parse().unwrap();
        store.append(&build, None, own_line("hello\n")).await.unwrap();
        assert!(store.inner.slots.count() <= 8);
    }
    let again = "bld_0".parse().unwrap();
    assert_eq!(store.append(&again, None, own_line("again\n")).await.unwrap(), 12);
    store.append(&followed, None, own_line("news\n")).await.unwrap();
    assert_eq!(*follower.borrow(), 5, "a build that is followed is not forgotten");
}

#[tokio::test]
async fn closing_stores_what_waits_and_gives_the_folder_free() {
    let (directory, store) = open();
    let error = LogStore::open(directory.path(), LogLimits::default()).unwrap_err();
    assert_eq!(error.code(), "store.in_use");
    let closing = async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        store.close().await;
    };
    let build = build();
    let follower = store.subscribe(&build).await.unwrap();
    let (stored, ()) = tokio::join!(store.append(&build, None, own_line("last\n")), closing);
    assert_eq!(stored.unwrap(), 5);
    assert!(follower.has_changed().is_err());
    assert_eq!(store.append(&build, None, own_line("late\n")).await.unwrap_err().code(), "logs.closed");
    let reopened = LogStore::open(directory.path(), LogLimits::default()).unwrap();
    assert_eq!(text_of(&all(&reopened).await), b"last\n");
}
