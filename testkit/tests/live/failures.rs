//! Builds that cannot succeed: each ends with a clear error, and leaves neither
//! a tag nor a container.

use std::{os::unix::fs::symlink, process::Command};

use anyhow::{Context as _, Result, ensure};
use proto::v1;
use reqwest::Method;
use testkit::registry::{Effect, Fault, InMemoryRegistry, Options};

use crate::{
    factory::{Factory, containers, registry, samples, tags},
    repositories::{Repository, on_base},
};

/// Builds in a fresh factory with one worker; the failure and the log.
async fn fails(uri: &str, platforms: &[&str], repository: &str) -> Result<(v1::Failure, String)> {
    let factory = Factory::start("").await?;
    let _worker = factory.worker("one", "x86_64")?;
    let request = v1::BuildRequest {
        source: Some(v1::GitSource { uri: uri.to_owned(), r#ref: String::new() }),
        platforms: platforms.iter().map(ToString::to_string).collect(),
        destinations: vec![format!("docker://{}/{repository}", registry()), "oci:out".to_owned()],
        build_args: [("REGISTRY".to_owned(), registry())].into(),
        ..v1::BuildRequest::default()
    };
    let before = containers()?;
    let id = factory.submit_request(request).await?;
    let build = factory.ended(&id).await?;
    ensure!(build.state() == v1::BuildState::Failed, "{build:?}");
    ensure!(tags(repository).await?.is_empty(), "a tag was left");
    let index = factory.directory.path().join("state/layouts/out/index.json");
    let index = std::fs::read_to_string(index).unwrap_or_default();
    ensure!(!index.contains("digest"), "the layout has a tag: {index}");
    ensure!(containers()? == before, "a container was left");
    let work = std::fs::read_dir(factory.directory.path().join("state/work"))?;
    ensure!(work.count() == 0, "the build's directory was left");
    let failure = build.failure.context("a failure")?;
    ensure!(!failure.message.is_empty() && !failure.code.is_empty());
    Ok((failure, factory.log(&id).await?))
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn an_error_in_line_7_is_named_by_its_line() -> Result<()> {
    let text = on_base("\n# a comment\nRUN true\n\nRUN echo before && false\nRUN true");
    let repository = Repository::with(&[("Dockerfile", &text)])?;
    let (failure, log) = fails(&repository.uri(), &["x86_64"], "live/line-7").await?;
    ensure!(failure.class() == v1::FailureClass::Source, "{failure:?}");
    ensure!(failure.message.contains("line 7") && failure.platform == "x86_64", "{failure:?}");
    ensure!(log.contains("before"), "{log}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn an_instruction_that_does_not_exist_is_found() -> Result<()> {
    let text = on_base("\n\n\n\nRAN true");
    let repository = Repository::with(&[("Dockerfile", &text)])?;
    let (failure, _) = fails(&repository.uri(), &["x86_64"], "live/unknown").await?;
    ensure!(failure.message.to_lowercase().contains("ran"), "{failure:?}");
    ensure!(failure.message.contains("line 7"), "{failure:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a registry"]
async fn a_symlink_that_leaves_the_tree_is_refused() -> Result<()> {
    let repository = Repository::with(&[("Dockerfile", &on_base("RUN true"))])?;
    symlink("../../etc/passwd", repository.path().join("outside"))?;
    repository.commit()?;
    let (failure, _) = fails(&repository.uri(), &["x86_64"], "live/symlink").await?;
    ensure!(failure.code == "source.symlink_escapes", "{failure:?}");
    ensure!(failure.message.contains("outside") && failure.message.contains("../../etc/passwd"));
    Ok(())
}

#[tokio::test]
#[ignore = "needs a registry"]
async fn a_ref_that_does_not_exist_is_named() -> Result<()> {
    let factory = Factory::start("").await?;
    let output = factory.build(&[&format!("{}/hello.git", samples()), "--ref", "v9.9"])?;
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.code() == Some(1), "{text}");
    ensure!(text.contains("v9.9") && text.contains("source.ref_not_found"), "{text}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a registry"]
async fn a_parent_that_lacks_a_platform_is_named_before_anything_is_built() -> Result<()> {
    let text = "ARG REGISTRY\nFROM ${REGISTRY}/base-x86-only:1\nRUN true\n";
    let repository = Repository::with(&[("Dockerfile", text)])?;
    let (failure, _) = fails(&repository.uri(), &["x86_64", "aarch64"], "live/lacks").await?;
    ensure!(failure.code == "parent.lacks_platform" && failure.platform == "aarch64", "{failure:?}");
    ensure!(failure.message.contains("base-x86-only"), "{failure:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a registry"]
async fn a_parent_that_does_not_exist_is_named() -> Result<()> {
    let text = "ARG REGISTRY\nFROM ${REGISTRY}/no-such-base:1\n";
    let repository = Repository::with(&[("Dockerfile", text)])?;
    let (failure, _) = fails(&repository.uri(), &["x86_64"], "live/missing").await?;
    ensure!(failure.code == "parent.not_found" && failure.message.contains("no-such-base"), "{failure:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn a_registry_that_answers_500_three_times_gets_the_image() -> Result<()> {
    let target = InMemoryRegistry::start(Options::default()).await?;
    let site = format!("  - host: \"{}\"\n    plain_http: true\n", target.host());
    let factory = Factory::start(&site).await?;
    let _worker = factory.worker("one", "x86_64")?;
    let repository = Repository::with(&[("Dockerfile", &on_base("RUN true"))])?;
    for method in [Method::HEAD, Method::POST, Method::PUT] {
        let effect = Effect::Status(500, vec![], "");
        target.add_fault(Fault::once(method, "/v2/", effect).times(3));
    }
    let request = v1::BuildRequest {
        source: Some(v1::GitSource { uri: repository.uri(), r#ref: String::new() }),
        platforms: vec!["x86_64".to_owned()],
        destinations: vec![format!("docker://{}/faulty:tried", target.host())],
        build_args: [("REGISTRY".to_owned(), registry())].into(),
        ..v1::BuildRequest::default()
    };
    let id = factory.submit_request(request).await?;
    let build = factory.ended(&id).await?;
    ensure!(build.state() == v1::BuildState::Succeeded, "{build:?}");
    let result = build.result.context("a result")?;
    ensure!(result.publications[0].tags.contains(&"tried".to_owned()), "{result:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a registry"]
async fn a_platform_without_a_worker_waits_no_longer_than_allowed() -> Result<()> {
    let factory = Factory::start("builds:\n  queue_deadline: 2s\n").await?;
    let repository = Repository::with(&[("Dockerfile", &on_base("RUN true"))])?;
    let id = factory.submit(&repository.uri(), &["s390x"]).await;
    // The base image has no s390x, so the parent is what fails first; a build
    // from scratch gets as far as the queue.
    ensure!(factory.ended(&id?).await?.failure.context("a failure")?.code == "parent.lacks_platform");
    let repository = Repository::with(&[("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")])?;
    let id = factory.submit(&repository.uri(), &["s390x"]).await?;
    let failure = factory.ended(&id).await?.failure.context("a failure")?;
    ensure!(failure.code == "capacity.no_worker", "{failure:?}");
    ensure!(failure.message.contains("no worker for s390x is attached"), "{failure:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn a_full_disk_in_the_engine_says_so() -> Result<()> {
    let engine = SmallEngine::start()?;
    let factory = Factory::start("builds:\n  attempts: 1\n").await?;
    let _worker = factory.worker_on("full", "x86_64", &engine.address())?;
    let big = "0".repeat(48 << 20);
    let repository = Repository::with(&[("Dockerfile", "FROM scratch\nCOPY big /\n"), ("big", &big)])?;
    let id = factory.submit(&repository.uri(), &["x86_64"]).await?;
    let failure = factory.ended(&id).await?.failure.context("a failure")?;
    ensure!(failure.code == "engine.no_space", "{failure:?}");
    ensure!(failure.class() == v1::FailureClass::Infrastructure && !failure.advice.is_empty(), "{failure:?}");
    Ok(())
}

/// A second engine whose storage is a small memory file system. It has a network
/// of its own: an engine without a bridge would take the other one's away.
struct SmallEngine {
    directory: tempfile::TempDir,
    process: std::process::Child,
}

impl SmallEngine {
    fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let data = directory.path().join("data");
        std::fs::create_dir(&data)?;
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "small"]).arg(&data).status()?;
        ensure!(mounted.success(), "mounting needs root");
        let path = |name: &str| directory.path().join(name).display().to_string();
        let log = std::fs::File::create(directory.path().join("log"))?;
        let process = Command::new("unshare")
            .args([
                "--net",
                "dockerd",
                "--data-root",
                &path("data"),
                "--exec-root",
                &path("exec"),
                "--pidfile",
                &path("pid"),
            ])
            .args(["--host", &format!("unix://{}", path("sock")), "--bridge", "none"])
            .args(["--iptables=false", "--storage-driver", "vfs"])
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let engine = Self { directory, process };
        for _ in 0..300 {
            let answers = Command::new("docker").args(["--host", &engine.address(), "version"]).output()?;
            if answers.status.success() {
                return Ok(engine);
            }
            std::thread::park_timeout(std::time::Duration::from_millis(100));
        }
        anyhow::bail!("{}", std::fs::read_to_string(engine.directory.path().join("log"))?)
    }

    fn address(&self) -> String {
        format!("unix://{}", self.directory.path().join("sock").display())
    }
}

impl Drop for SmallEngine {
    fn drop(&mut self) {
        let _asked = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ended = self.process.wait();
        let _unmounted =
            Command::new("umount").arg("--lazy").arg(self.directory.path().join("data")).status();
    }
}
