use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;
use crate::pool::PoolSettings;

/// Bound on every wait, so that a test that hangs fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn inner(directory: &TempDir, script: &str) -> Inner {
    let program = directory.path().join("program");
    std::fs::write(&program, format!("#!/bin/sh\ncd {}\n{script}\n", directory.path().display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    Inner {
        settings: LocalWorkers {
            program,
            slots: 1,
            orchestrator: "127.0.0.1:1".to_owned(),
            token_file: None,
            engine: None,
            registry_config: None,
            directory: directory.path().join("workers"),
            platforms: None,
        },
        pool: Pool::new(PoolSettings { reattach_window: Duration::from_secs(30) }),
        shutdown: Shutdown::default(),
        stop: CancellationToken::new(),
        starts: Mutex::default(),
    }
}

async fn until_there(path: &Path) {
    let there = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, there).await.unwrap_or_else(|_| panic!("{} does not appear", path.display()));
}

#[tokio::test]
async fn a_worker_whose_handle_is_dropped_can_still_end_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let script = "trap 'touch ended; exit' TERM; touch begun; while :; do sleep 0.1; done";
    let inner = inner(&directory, script);
    let (platform, id) = ("x86_64".parse().unwrap(), WorkerId::generate("test"));
    let log = directory.path().join("workers").join("x86_64.log");
    let child = start(&inner, &platform, &id, &log).unwrap();
    until_there(&directory.path().join("begun")).await;
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    drop(child);
    // It was not killed, or nothing would answer this.
    kill_process(pid, Signal::TERM).unwrap();
    until_there(&directory.path().join("ended")).await;
}

#[test]
fn a_log_replaces_the_one_before_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("x86_64.log");
    for text in ["first", "second", "third"] {
        std::io::Write::write_all(&mut new_log(&log).unwrap(), text.as_bytes()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "third");
    assert_eq!(std::fs::read_to_string(directory.path().join("x86_64.log.1")).unwrap(), "second");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn the_last_words_of_a_long_log_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("x86_64.log");
    assert_eq!(tail(&log).await, "");
    // Not UTF-8, and longer than what is read.
    let mut text = vec![0xff; 3 * 4096];
    text.extend_from_slice(b"\nno engine\n\n");
    std::fs::write(&log, text).unwrap();
    assert_eq!(tail(&log).await, "; its last words: no engine");
}
