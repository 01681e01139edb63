//! Parents: pulled from a real registry, missing, or for another platform.

use std::time::Duration;

use bollard::query_parameters::RemoveImageOptions;
use common::{image::Digest, work::Parent};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::time::timeout;

use crate::{
    bench::{Bench, context, docker},
    stand_in::PATIENCE,
};

/// A registry on a free port, until it is dropped.
async fn registry(directory: &std::path::Path) -> (tokio::process::Child, String) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
        directory.display()
    );
    let file = directory.join("config.yml");
    std::fs::write(&file, config).unwrap();
    let child = tokio::process::Command::new("docker-registry")
        .arg("serve")
        .arg(&file)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("install docker-registry");
    let host = format!("127.0.0.1:{port}");
    timeout(PATIENCE, async {
        while tokio::net::TcpStream::connect(&host).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the registry does not start");
    (child, host)
}

/// Makes an image from the busybox archive, pushes it, removes it here, and
/// returns its reference by digest.
async fn pushed_base(host: &str) -> String {
    use bollard::query_parameters::{CreateImageOptions, PushImageOptions};
    let docker = docker();
    let name = format!("{host}/base");
    let import = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(name.clone()),
        tag: Some("1".to_owned()),
        ..Default::default()
    };
    let body = Some(bollard::body_full(context()));
    docker.create_image(Some(import), body, None).boxed().try_collect::<Vec<_>>().await.unwrap();
    let push = PushImageOptions { tag: Some("1".to_owned()), ..Default::default() };
    docker.push_image(&name, Some(push), None).boxed().try_collect::<Vec<_>>().await.unwrap();
    let image = docker.inspect_image(&format!("{name}:1")).await.unwrap();
    let pinned = image.repo_digests.unwrap().into_iter().find(|it| it.starts_with(&name)).unwrap();
    for name in [format!("{name}:1"), pinned.clone()] {
        let force = RemoveImageOptions { force: true, ..Default::default() };
        let _ = docker.remove_image(&name, Some(force), None).await;
    }
    assert!(docker.inspect_image(&pinned).await.is_err());
    pinned
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine and docker-registry"]
async fn pinned_parents_are_pulled_kept_and_checked() {
    let directory = tempfile::tempdir().unwrap();
    let (_registry, host) = registry(directory.path()).await;
    let pinned = pushed_base(&host).await;
    let mut bench = Bench::start().await;
    let parent = |pinned: &str| Parent { written_as: "base:1".to_owned(), pinned: Some(pinned.to_owned()) };

    let mut order = bench.order(&format!("FROM {pinned}\nRUN [\"/busybox\", \"true\"]\n"));
    order.parents = vec![parent(&pinned)];
    let (log, outcome) = bench.build(&order).await;
    assert_eq!(outcome.unwrap().layers.len(), 1, "{log}");
    assert!(log.contains(&format!("pulling parent {pinned}")), "{log}");
    assert!(docker().inspect_image(&pinned).await.is_ok(), "parents stay");

    let mut foreign = bench.order(&format!("FROM {pinned}\n"));
    foreign.engine_platform = "linux/s390x".to_owned();
    foreign.parents = vec![parent(&pinned)];
    let (_, failure) = bench.failure(&foreign).await;
    assert!(failure.code.starts_with("parent."), "{failure}");

    let missing = format!("{host}/base@{}", Digest::of(b"nothing"));
    let mut order = bench.order(&format!("FROM {missing}\n"));
    order.parents = vec![parent(&missing)];
    let (_, failure) = bench.failure(&order).await;
    assert_eq!(failure.code, "parent.not_found", "{failure}");
    bench.end().await;
    let _ = docker()
        .negotiate_version()
        .await
        .unwrap()
        .remove_image(&pinned, None::<RemoveImageOptions>, None)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine"]
async fn parents_that_are_missing_are_named() {
    let mut bench = Bench::start().await;
    let mut order = bench.order("FROM reactor.invalid/nothing:1\n");
    order.parents = vec![Parent { written_as: "reactor.invalid/nothing:1".to_owned(), pinned: None }];
    let (_, failure) = bench.failure(&order).await;
    assert_eq!(failure.code, "parent.not_found", "{failure}");
    assert!(failure.message.contains("reactor.invalid/nothing:1"), "{failure}");
    bench.end().await;
}
