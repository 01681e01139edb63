//! Tasks: watched, started, cancelled, and their files.

use futures::StreamExt as _;
use proto::v1;
use testkit::hub::{Effect, HubSettings};
use tonic::Code;

use crate::support::{Client, PACKAGE, Stage, USER, told};

/// Watches a task to its end.
pub(crate) async fn wait(client: &mut Client, task_id: u64) -> v1::KojiTaskState {
    let states = client.watch_task(v1::WatchTaskRequest { task_id }).await.unwrap().into_inner();
    let states: Vec<_> = states.map(|change| change.unwrap().state()).collect().await;
    *states.last().unwrap()
}

fn image(key: &str) -> v1::StartImageBuildRequest {
    v1::StartImageBuildRequest {
        name: "fedora".into(),
        version: "44".into(),
        platforms: vec!["x86_64".into()],
        target: "f44-candidate".into(),
        install_tree: "https://dl.example.org/44/$arch/os/".into(),
        options_json: "{\"disk_size\": 10, \"format\": [\"docker\"]}".into(),
        key: key.into(),
    }
}

#[tokio::test]
async fn a_task_is_watched_to_its_end() {
    let stage = Stage::with(HubSettings {
        task_time: std::time::Duration::from_millis(1500),
        ..HubSettings::default()
    })
    .await;
    let build = stage.imported("koji-upload/1.a", "1").await;
    stage.hub.add_package("f44", PACKAGE, "alice").unwrap();
    let mut client = stage.client().await;
    let request = v1::TagBuildRequest { build_id: build, tag: "f44".into() };
    let task_id = client.tag_build(request.clone()).await.unwrap().into_inner().task_id;
    // The task is not over: a second call is answered with it.
    assert_eq!(client.tag_build(request).await.unwrap().into_inner().task_id, task_id);
    let task = client.get_task(v1::GetTaskRequest { task_id }).await.unwrap().into_inner();
    assert_eq!((task.method.as_str(), task.owner.unwrap().name.as_str()), ("tagBuild", USER));
    let states = client.watch_task(v1::WatchTaskRequest { task_id }).await.unwrap().into_inner();
    let states: Vec<_> = states.map(|change| change.unwrap().state()).collect().await;
    assert!(states.len() > 1, "the first state comes at once: {states:?}");
    assert_eq!(states.last(), Some(&v1::KojiTaskState::Closed));
    assert!(states.windows(2).all(|pair| pair[0] != pair[1]), "{states:?}");
    for status in [
        client.watch_task(v1::WatchTaskRequest { task_id: 999 }).await.err(),
        client.get_task(v1::GetTaskRequest { task_id: 999 }).await.err(),
        client.cancel_task(v1::CancelTaskRequest { task_id: 999 }).await.err(),
        client.list_task_outputs(v1::ListTaskOutputsRequest { task_id: 999 }).await.err(),
    ] {
        assert_eq!(told(&status.unwrap()).2, "koji.no_task");
    }
}

#[tokio::test]
async fn a_failed_task_says_why() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    for (method, code, text, stable) in [
        ("tagBuild", 1003, "build hello-1.0-1 already tagged (f44)", "koji.already_tagged"),
        ("image", 1000, "no such kickstart", "koji.task_failed"),
        // A hub's word about itself when it is a task's.
        ("image", 1014, "server offline", "koji.task_failed"),
    ] {
        let task_id = add_task(&stage, method, 5, Err((code, text.to_owned())));
        let mut states = client.watch_task(v1::WatchTaskRequest { task_id }).await.unwrap().into_inner();
        let change = states.next().await.unwrap().unwrap();
        assert_eq!(change.state(), v1::KojiTaskState::Failed);
        let failure = change.failure.unwrap();
        assert_eq!(failure.code, stable, "{failure:?}");
        assert!(failure.message.contains(text), "{failure:?}");
        assert!(states.next().await.is_none());
    }
}

#[tokio::test]
async fn an_image_task_is_started_once_for_a_key() {
    let stage = Stage::new().await;
    stage.hub.add_target("f44-candidate", "f44-build", "f44").unwrap();
    let mut client = stage.client().await;
    stage.hub.fault("buildImageOz", 9, Effect::Raise(1000, "Invalid method: buildImageOz".into()));
    let status = client.start_image_build(image("a")).await.unwrap_err();
    assert_eq!((status.code(), told(&status).2.as_str()), (Code::Unimplemented, "koji.hub_too_old"));
    let bad = v1::StartImageBuildRequest { platforms: Vec::new(), ..image("a") };
    assert_eq!(client.start_image_build(bad).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn an_image_task_of_a_bridge_before_this_one_is_found() {
    let stage = Stage::new().await;
    let options = serde_json::json!({"disk_size": 10, "format": ["docker"]});
    let tree = "https://dl.example.org/44/$arch/os/";
    let request =
        |version: &str| serde_json::json!(["fedora", version, ["x86_64"], "f44-candidate", tree, options]);
    let wanted = add_task(&stage, "image", 0, Ok(()));
    // More of others than the hub lists at a time.
    let others: Vec<_> = (0..60).map(|_| add_task(&stage, "image", 0, Ok(()))).collect();
    let change = stage.hub.change(|state| {
        state.tasks.get_mut(&wanted).unwrap().request = request("44");
        for other in others {
            state.tasks.get_mut(&other).unwrap().request = request("43");
        }
    });
    change.unwrap();
    let mut client = stage.client().await;
    for _ in 0..2 {
        let started = client.start_image_build(image("a")).await.unwrap().into_inner();
        assert_eq!(started.task_id, wanted);
    }
    assert_eq!(stage.hub.count("buildImageOz"), 0);
}

#[tokio::test]
async fn files_of_a_task_and_those_below_it_are_listed_and_sent() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    let (parent, child) = (add_task(&stage, "image", 2, Ok(())), add_task(&stage, "createImage", 2, Ok(())));
    stage.hub.change(|state| state.tasks.get_mut(&child).unwrap().parent = Some(parent)).unwrap();
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
    for (task, name, content) in [(parent, "task.log", &b"hello\n"[..]), (child, "image.tar.xz", &large)] {
        let directory = stage
            .hub
            .top_directory()
            .join("work/tasks")
            .join((task % 10_000).to_string())
            .join(task.to_string());
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(name), content).unwrap();
    }
    let request = v1::ListTaskOutputsRequest { task_id: parent };
    let outputs = client.list_task_outputs(request).await.unwrap().into_inner().outputs;
    let found: Vec<_> = outputs.iter().map(|file| (file.task_id, file.name.as_str(), file.size)).collect();
    assert_eq!(found, [(parent, "task.log", 6), (child, "image.tar.xz", 3_000_000)]);
    let request = |task_id, name: &str| v1::DownloadTaskOutputRequest {
        task_id,
        name: name.into(),
        volume: String::new(),
    };
    let mut parts = client.download_task_output(request(child, "image.tar.xz")).await.unwrap().into_inner();
    let mut got = Vec::new();
    while let Some(part) = parts.message().await.unwrap() {
        assert!(!part.data.is_empty() && part.data.len() <= 1 << 20);
        got.extend_from_slice(&part.data);
    }
    assert!(got == large, "{} bytes of {}", got.len(), large.len());
    let absent = client.download_task_output(request(child, "nope")).await.unwrap_err();
    assert_eq!((absent.code(), told(&absent).2.as_str()), (Code::NotFound, "koji.no_task_output"));
}

#[tokio::test]
async fn a_task_is_cancelled_and_one_that_is_over_stays() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    let (open, closed) = (add_task(&stage, "image", 1, Ok(())), add_task(&stage, "image", 2, Ok(())));
    stage.hub.fault("cancelTask", 1, Effect::DropAnswer);
    for (task_id, state) in [(open, v1::KojiTaskState::Canceled), (closed, v1::KojiTaskState::Closed)] {
        client.cancel_task(v1::CancelTaskRequest { task_id }).await.unwrap();
        assert_eq!(wait(&mut client, task_id).await, state);
    }
}

/// A task in a state, of the bridge's user.
fn add_task(stage: &Stage, method: &str, task_state: u8, result: Result<(), (i64, String)>) -> u64 {
    let change = stage.hub.change(|state| {
        let (id, owner) = (state.next_id(), state.user_id(USER).unwrap());
        let task = testkit::hub::state::Task {
            method: method.to_owned(),
            request: serde_json::json!([]),
            state: task_state,
            owner,
            channel: 1,
            priority: 10,
            result: result.map(|()| serde_json::Value::Null),
            created: 1.0,
            started: None,
            ends_at: None,
            completed: None,
            parent: None,
        };
        state.tasks.insert(id, task);
        id
    });
    change.unwrap()
}
