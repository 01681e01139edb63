//! The binary as a process: exit codes, signals, and what a killed one leaves.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[allow(dead_code, reason = "the session's tests need more of it")]
#[path = "../src/session/stand_in.rs"]
mod stand_in;

use std::process::{ExitStatus, Stdio};

use futures::StreamExt as _;
use proto::v1::attach_response::Message;
use stand_in::{PATIENCE, StandIn};
use tokio::{
    process::{Child, Command},
    time::timeout,
};
use tonic::Status;

fn worker(orchestrator: &str, scratch: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    command
        .args([
            "--orchestrator",
            orchestrator,
            "--platform",
            "x86_64",
            "--id",
            "wrk_process-test",
            "--scratch-dir",
        ])
        .arg(scratch)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn end_of(child: &mut Child) -> ExitStatus {
    timeout(PATIENCE, child.wait()).await.expect("the worker does not end").unwrap()
}

async fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", name, &id]).status().await.unwrap().success());
}

#[tokio::test]
async fn a_refusal_ends_the_process_with_code_4() {
    let mut server = StandIn::start().await;
    let scratch = tempfile::tempdir().unwrap();
    let mut child = worker(&server.address.to_string(), scratch.path()).spawn().unwrap();
    server.attached().await.refuse(Status::failed_precondition("another contract")).await;
    assert_eq!(end_of(&mut child).await.code(), Some(4));
}

#[tokio::test]
async fn a_signal_ends_the_process_in_order() {
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let mut server = StandIn::start().await;
        let scratch = tempfile::tempdir().unwrap();
        let mut child = worker(&server.address.to_string(), scratch.path()).spawn().unwrap();
        let _attached = server.welcomed().await;
        signal(&child, name).await;
        assert_eq!(end_of(&mut child).await.code(), Some(code));
        let left = std::fs::read_dir(scratch.path()).unwrap().count();
        assert_eq!(left, 1, "only the common lock stays");
    }
}

#[tokio::test]
async fn wrong_settings_end_the_process_with_code_2() {
    let scratch = tempfile::tempdir().unwrap();
    let mut child =
        worker("127.0.0.1:1", scratch.path()).args(["--token-file", "/does/not/exist"]).spawn().unwrap();
    assert_eq!(end_of(&mut child).await.code(), Some(2));
    let mut child = worker("not an address", scratch.path()).spawn().unwrap();
    assert_eq!(end_of(&mut child).await.code(), Some(2));
}

fn docker() -> bollard::Docker {
    let version = bollard::ClientVersion { major_version: 1, minor_version: 41 };
    bollard::Docker::connect_with_unix("/var/run/docker.sock", 120, &version).unwrap()
}

fn busybox_archive() -> bytes::Bytes {
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_path_with_name("/bin/busybox", "busybox").expect("install busybox-static");
    archive.into_inner().unwrap().into()
}

#[tokio::test]
#[ignore = "needs a Docker engine"]
async fn a_container_of_an_earlier_life_is_removed_by_its_marker() {
    use bollard::{models, query_parameters::CreateImageOptions};
    let docker = docker();
    let import = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some("reactor-test-sweep".to_owned()),
        ..Default::default()
    };
    let body = bollard::body_full(busybox_archive());
    let imported: Vec<_> = docker.create_image(Some(import), Some(body), None).collect().await;
    assert!(imported.iter().all(Result::is_ok), "{imported:?}");
    let scratch = tempfile::tempdir().unwrap();
    let marker = format!("reactor-{:040x}", std::process::id());
    let place = scratch.path().join("wrk_dead.0").join("wo_dead");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("marker"), &marker).unwrap();
    let container = |host: &str| models::ContainerCreateBody {
        image: Some("reactor-test-sweep".to_owned()),
        cmd: Some(vec!["/busybox".to_owned(), "sleep".to_owned(), "1039".to_owned()]),
        host_config: Some(models::HostConfig {
            extra_hosts: Some(vec![format!("{host}:127.0.0.1")]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let options = None::<bollard::query_parameters::CreateContainerOptions>;
    let ours = docker.create_container(options.clone(), container(&marker)).await.unwrap().id;
    let other = docker.create_container(options, container("somebody-else")).await.unwrap().id;
    docker.start_container(&ours, None).await.unwrap();

    let mut server = StandIn::start().await;
    let mut child = worker(&server.address.to_string(), scratch.path()).spawn().unwrap();
    let _attached = server.welcomed().await;
    timeout(PATIENCE, async {
        while place.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the earlier life is not swept");
    assert!(docker.inspect_container(&ours, None).await.is_err(), "the marked container is left");
    assert!(docker.inspect_container(&other, None).await.is_ok(), "another container is gone");
    docker.remove_container(&other, None).await.unwrap();
    docker
        .remove_image("reactor-test-sweep", None::<bollard::query_parameters::RemoveImageOptions>, None)
        .await
        .unwrap();
    signal(&child, "TERM").await;
    end_of(&mut child).await;
}

#[tokio::test]
#[ignore = "needs a Docker engine"]
async fn what_a_killed_worker_built_is_gone_after_its_next_start() {
    let mut server = StandIn::start().await;
    let context = busybox_archive();
    *server.content.context.lock().unwrap() = context.clone();
    let scratch = tempfile::tempdir().unwrap();
    let address = server.address.to_string();

    let mut child = worker(&address, scratch.path()).spawn().unwrap();
    let mut attached = server.welcomed().await;
    let order = proto::v1::WorkOrder {
        id: format!("wo_killed-{}", std::process::id()),
        build_id: "bld_killed".to_owned(),
        platform: "x86_64".to_owned(),
        engine_platform: "linux/amd64".to_owned(),
        attempt: 1,
        context: Some(proto::v1::Descriptor {
            media_type: "application/x-tar".to_owned(),
            digest: common::image::Digest::of(&context).to_string(),
            size: context.len() as u64,
        }),
        dockerfile_path: "Dockerfile".to_owned(),
        dockerfile: bytes::Bytes::from_static(
            b"FROM scratch\nCOPY busybox /busybox\nRUN [\"/busybox\", \"sh\", \"-c\", \"echo begun; exec /busybox sleep 1031\"]\n",
        ),
        manifest_media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        ticket: "ticket".to_owned(),
        ..Default::default()
    };
    let images = scratch.path().join("wrk_process-test.0").join(&order.id).join("images");
    attached.say(Message::WorkOrder(order)).await;
    let mut log = Vec::new();
    while !String::from_utf8_lossy(&log).contains("begun\n") {
        match attached.next().await {
            proto::v1::attach_request::Message::Logs(batch) => attached.store(&mut log, batch).await,
            other => panic!("{other:?}"),
        }
    }
    let made = std::fs::read_to_string(&images).unwrap();
    assert_eq!(made.lines().count(), 1, "the COPY: {made}");
    signal(&child, "KILL").await;
    end_of(&mut child).await;
    assert!(images.exists());

    let mut next = worker(&address, scratch.path()).spawn().unwrap();
    let attached = server.welcomed().await;
    assert!(attached.hello.held.is_empty());
    timeout(PATIENCE, async {
        while images.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("the earlier life is not swept");
    let docker = docker();
    assert!(docker.inspect_image(made.trim()).await.is_err(), "the image is left");
    let options = bollard::query_parameters::ListContainersOptions { all: true, ..Default::default() };
    let containers = docker.list_containers(Some(options)).await.unwrap();
    assert!(containers.iter().all(|it| !it.command.as_deref().unwrap_or_default().contains("sleep 1031")));
    signal(&next, "TERM").await;
    assert_eq!(end_of(&mut next).await.code(), Some(143));
}
