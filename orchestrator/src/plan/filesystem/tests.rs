//! Image tasks against a bridge in memory.

use std::collections::BTreeMap;

use common::flow::Flow;
use proto::v1;
use serde_json::json;
use testkit::koji::Effect;
use tonic::Code;

use super::*;
use crate::{plan::koji_fixture::Planning, services::Reach};

fn image() -> ImageTask {
    ImageTask {
        name: "fedora-44".into(),
        version: "1.0".into(),
        platforms: vec!["x86_64".into(), "aarch64".into()],
        target: "f44".into(),
        install_tree: "https://dl.example.org/$arch/os/".into(),
        options: BTreeMap::from([("format".into(), json!(["docker"]))]),
    }
}

fn wait(task: FilesystemTask) -> WaitFilesystem {
    WaitFilesystem::new(task, CancellationToken::new())
}

#[tokio::test]
async fn fs_5_a_task_is_started_once_and_its_files_are_fetched() {
    let planning = Planning::start().await;
    let image = image();
    let start = || StartFilesystem { image: &image, existing: None };
    let task = planning.run(start()).await.unwrap().unwrap();
    assert!(task.ours);
    assert_eq!(planning.bridge.image_tasks(), BTreeMap::from([(task.task, image.clone())]));
    assert_eq!(planning.run(start()).await.unwrap(), Some(task), "recalled, not started again");
    assert_eq!(planning.again().run(start()).await.unwrap(), Some(task), "the bridge knows the build's key");
    assert_eq!(planning.bridge.image_tasks().len(), 1);

    planning.bridge.add_task_output(task.task, task.task, "build.log", "x");
    let content = vec![7; 200_000];
    planning.bridge.add_task_output(task.task, task.task + 1, "fedora-44-1.0.x86_64.tar.xz", content.clone());
    planning.bridge.add_task_output(task.task, task.task + 2, "fedora-44-1.0.aarch64.tar.xz", "arm");
    planning.bridge.set_task_state(task.task, v1::KojiTaskState::Closed, "");
    planning.run(wait(task)).await.unwrap();
    let platforms = ["x86_64".parse().unwrap(), "aarch64".parse().unwrap()];
    let files =
        planning.run(FetchFilesystems { task, name: "fedora-44", platforms: &platforms }).await.unwrap();
    let path = files[0].path(planning.directory());
    assert_eq!(std::fs::read(&path).unwrap(), content);
    assert_eq!((files[0].size, &files[0].digest), (200_000, &common::image::Digest::of(&content)));
    assert_eq!(files[0].path_in_context, "koji-filesystem-x86_64.tar.xz");
    assert_eq!(files[1].platform, platforms[1]);

    std::fs::remove_file(&path).unwrap();
    files[0].ensure(&planning.services).await.unwrap();
    assert!(path.exists(), "fetched again after it was lost");
    files[0].ensure(&planning.services).await.unwrap();
    assert_eq!(planning.bridge.count("DownloadTaskOutput"), 3);
}

#[tokio::test]
async fn fs_6_a_given_task_is_used() {
    let planning = Planning::start().await;
    let image = image();
    let start = StartFilesystem { image: &image, existing: Some(1_234_567) };
    let task = planning.run(start).await.unwrap().unwrap();
    assert_eq!(task, FilesystemTask { task: 1_234_567, ours: false });
    assert!(planning.bridge.calls().is_empty());
    let failure = planning.run(wait(task)).await.unwrap_err();
    assert_eq!(failure.code, "filesystem.unknown_task");
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_ask_for() {
    let dry = Planning::start().await.reaching(Reach::Questions);
    let image = image();
    assert_eq!(dry.run(StartFilesystem { image: &image, existing: None }).await.unwrap(), None);
    assert!(dry.said().contains("fedora-44-1.0 for x86_64 aarch64 in target f44"), "{}", dry.said());
    assert!(dry.bridge.calls().is_empty());
    let failure =
        dry.without_koji().run(StartFilesystem { image: &image, existing: None }).await.unwrap_err();
    assert_eq!(failure.code, "filesystem.no_koji");
}

#[tokio::test]
async fn fs_7_a_failed_task_is_a_failure_with_its_text() {
    use v1::KojiTaskState::{Canceled, Failed};
    let cases = [
        (Failed, "kickstart is bad", "filesystem.task_failed", "kickstart is bad"),
        (Failed, "", "filesystem.task_failed", "no reason"),
        (Canceled, "", "filesystem.task_cancelled", "cancelled"),
    ];
    for (state, reason, code, part) in cases {
        let planning = Planning::start().await;
        planning.bridge.add_task(5);
        planning.bridge.set_task_state(5, state, reason);
        let failure = planning.run(wait(FilesystemTask { task: 5, ours: true })).await.unwrap_err();
        assert_eq!(failure.code, code);
        assert!(failure.message.contains("image task,") && failure.message.contains(part), "{failure}");
    }
}

/// Runs a wait until the bridge has been asked, fires the tokens, and answers
/// with the failure.
async fn interrupted(planning: &Planning, ours: bool, shutdown: bool) -> Failure {
    planning.bridge.add_task(5);
    let end = CancellationToken::new();
    let step = WaitFilesystem::new(FilesystemTask { task: 5, ours }, end.clone());
    let interrupt = async {
        while planning.bridge.count("WatchTask") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if shutdown {
            end.cancel();
        }
        planning.cancel.cancel();
    };
    tokio::join!(planning.run(step), interrupt).0.unwrap_err()
}

#[tokio::test]
async fn fs_8_a_cancelled_build_cancels_its_task_and_a_restarted_one_does_not() {
    use v1::KojiTaskState::{Canceled, Open};
    for (name, ours, shutdown, after) in [
        ("cancelled", true, false, Canceled),
        ("the process ends", true, true, Open),
        ("somebody else's task", false, false, Open),
    ] {
        let planning = Planning::start().await;
        let failure = interrupted(&planning, ours, shutdown).await;
        assert_eq!(failure.class, FailureClass::Cancelled, "{name}");
        assert_eq!(planning.bridge.task_state(5), Some(after), "{name}");
    }
    let planning = Planning::start().await;
    planning.bridge.add_fault("CancelTask", 1, Effect::Status(Code::PermissionDenied, "not owner"));
    let failure = interrupted(&planning, true, false).await;
    assert_eq!(failure.class, FailureClass::Cancelled, "FS-8: that it fails changes nothing");
    assert!(planning.said().contains("not owner"));
}

#[tokio::test]
async fn a_task_without_end_is_given_up() {
    let planning = Planning::start().await;
    planning.bridge.add_task(5);
    let step =
        WaitFilesystem { limit: Duration::from_millis(100), ..wait(FilesystemTask { task: 5, ours: true }) };
    assert_eq!(planning.run(step).await.unwrap_err().code, "filesystem.task_timeout");
    assert_eq!(planning.bridge.task_state(5), Some(v1::KojiTaskState::Canceled));
}

#[tokio::test]
async fn downloads_that_break_off_are_not_taken_for_the_file() {
    let planning = Planning::start().await;
    planning.bridge.add_task(5);
    planning.bridge.add_task_output(5, 5, "a-x86_64.tar", vec![1; 100_000]);
    planning.bridge.add_fault("DownloadTaskOutput", 1, Effect::Cut(70_000));
    let koji = planning.services.outside.koji.clone().unwrap();
    let outputs = koji.task_outputs(5).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    assert_eq!(koji.download(&outputs[0], &path).await.unwrap_err().code, "koji.unavailable");
    let longer = crate::outside::TaskOutput { size: 100_001, ..outputs[0].clone() };
    assert_eq!(koji.download(&longer, &path).await.unwrap_err().code, "koji.truncated_download");
    let shorter = crate::outside::TaskOutput { size: 99_999, ..outputs[0].clone() };
    assert_eq!(koji.download(&shorter, &path).await.unwrap_err().code, "koji.truncated_download");
    koji.download(&outputs[0], &path).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 100_000);
}

#[tokio::test]
async fn all_missing_files_are_reported_at_once() {
    let planning = Planning::start().await;
    planning.bridge.add_task(5);
    planning.bridge.add_task_output(5, 5, "a-s390x.tar", "x");
    let task = FilesystemTask { task: 5, ours: false };
    let platforms = ["x86_64", "s390x", "aarch64"].map(|name| name.parse().unwrap());
    let step = FetchFilesystems { task, name: "a", platforms: &platforms };
    let failures = Flow::new(&planning.services, &planning.journal, planning.cancel.clone())
        .run(step)
        .await
        .unwrap_err()
        .each();
    assert_eq!(failures.len(), 2);
    assert!(failures.iter().all(|failure| failure.code == "filesystem.no_file"), "{failures:?}");
    assert_eq!(planning.bridge.count("DownloadTaskOutput"), 0);
}
