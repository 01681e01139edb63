//! The hub as a process that is killed.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use koji_bridge::xmlrpc::Arguments;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::support::{Caller, fault, reservation};

const SEED: &str = "
users:
  - name: osbs
    password: osbs-pw
    content_generators: [atomic-reactor]
tags:
  - name: f99
    packages:
      - {name: docker-hello-world, owner: osbs}
  - {name: f99-build, arches: x86_64, parents: [f99]}
targets:
  - {name: candidate, build_tag: f99-build, destination_tag: f99}
repositories: [f99-build]
";

/// Starts the hub and says where it listens.
async fn serve(directory: &Path) -> (Child, String) {
    let seed = directory.join("seed.yaml");
    std::fs::write(&seed, SEED).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_koji-hub-sim"))
        .args(["serve", "--listen", "127.0.0.1:0", "--directory"])
        .arg(directory.join("hub"))
        .arg("--seed")
        .arg(seed)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("a line that says where it listens");
    (child, line.strip_prefix("listening on ").unwrap().to_owned())
}

#[tokio::test]
async fn nothing_that_was_answered_dies_with_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let (mut child, url) = serve(directory.path()).await;
    let mut caller = Caller::login(&url, "osbs", "osbs-pw").await;
    let deadline = Instant::now() + Duration::from_secs(60);
    for (release, effect, stored) in [("1", "die_before_commit", false), ("2", "die_after_commit", true)] {
        let order = format!(r#"{{"method": "*", "effect": "{effect}"}}"#);
        let admin = caller.url.replace("/kojihub", "/admin/faults");
        let answer = caller.http.post(admin).body(order).send().await.unwrap();
        assert_eq!(answer.status(), 204);
        caller.call("getAPIVersion", Arguments::none()).await.unwrap();
        caller.number += 1;
        assert!(caller.again("CGInitBuild", reservation(release)).await.is_none());
        assert!(!child.wait().await.unwrap().success());
        (child, caller.url) = serve(directory.path()).await;
        let again = caller.again("CGInitBuild", reservation(release)).await.unwrap();
        match stored {
            true => assert_eq!(fault(again).0, 1009),
            false => assert!(again.is_ok()),
        }
    }
    caller.call("CGInitBuild", reservation("3")).await.unwrap();
    child.kill().await.unwrap();
    (child, caller.url) = serve(directory.path()).await;
    assert_eq!(fault(caller.call("CGInitBuild", reservation("3")).await).1, "Build is already reserved");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap(),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert!(child.wait().await.unwrap().success());
    assert!(Instant::now() < deadline);
}
