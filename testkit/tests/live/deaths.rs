//! Builds that are recorded in Koji while hub, bridge and orchestrator are killed
//! in turn.

use std::{
    fs,
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use proto::v1;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tempfile::TempDir;
use testkit::hub::{
    State,
    state::{build_state, task_state},
    tasks::settle,
};

use crate::factory::{Factory, PATIENCE, Process, program, registry, samples};

/// So often something is killed.
const DEATHS: usize = 12;
/// Wait before the next death, in milliseconds.
const BETWEEN: std::ops::Range<u64> = 200..2500;
/// A hub that dies in an import, after it has moved the files and before it has
/// stored the build, takes no such build any more until somebody removes them.
const DIRECTORY_LEFT: &str = "koji.build_directory_left";

const SEED: &str = "
users:
  - {name: osbs, password: hunter2-password, content_generators: [atomic-reactor]}
tags:
  - {name: f44-build, arches: x86_64}
  - {name: f44-done, packages: [{name: hello-container, owner: osbs}]}
targets:
  - {name: f44, build_tag: f44-build, destination_tag: f44-done}
repositories: [f44-build]
";

/// A hub and a bridge as processes, with their files in one directory.
struct Koji {
    directory: TempDir,
    hub_address: String,
    hub: Process,
    bridge: Process,
}

impl Koji {
    fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let hub_address = format!("127.0.0.1:{port}");
        let at = directory.path();
        fs::write(at.join("seed.yaml"), SEED)?;
        fs::write(at.join("password"), "hunter2-password")?;
        let settings = serde_json::json!({
            "service": { "listen": format!("unix:{}", at.join("bridge.sock").display()) },
            "uploads": { "ticket_key_file": at.join("ticket.key") },
            "koji": {
                "hub_url": format!("http://{hub_address}/kojihub"),
                "files_url": format!("http://{hub_address}/kojifiles"),
                "login": { "user": "osbs", "password_file": at.join("password") },
                "patience": {
                    "retries": 3, "retry_interval_seconds": 1, "task_poll_seconds": 1,
                    "reservation_seconds": 1, "look_seconds": 1, "health_seconds": 5,
                },
            },
        });
        fs::write(at.join("bridge.yaml"), settings.to_string())?;
        let hub = start_hub(&directory, &hub_address)?;
        let bridge = start_bridge(&directory)?;
        Ok(Self { directory, hub_address, hub, bridge })
    }

    /// What a site says of it.
    fn site(&self) -> String {
        let socket = self.directory.path().join("bridge.sock");
        format!(
            "koji:\n  hub_url: http://{}/kojihub\n  bridge: unix:{}\n",
            self.hub_address,
            socket.display()
        )
    }

    fn kill_hub(&mut self) -> Result<()> {
        self.hub.kill();
        self.hub = start_hub(&self.directory, &self.hub_address)?;
        Ok(())
    }

    fn kill_bridge(&mut self) -> Result<()> {
        self.bridge.kill();
        self.bridge = start_bridge(&self.directory)?;
        Ok(())
    }

    /// What the hub has stored, with all that its tasks do.
    fn ended(mut self) -> Result<State> {
        self.bridge.kill();
        self.hub.kill();
        let text = fs::read(self.directory.path().join("hub/state.json"))?;
        let mut state: State = serde_json::from_slice(&text)?;
        settle(&mut state, f64::MAX);
        Ok(state)
    }
}

fn start_hub(directory: &TempDir, address: &str) -> Result<Process> {
    let at = directory.path();
    let mut command = Command::new(program("koji-hub-sim"));
    command.args(["serve", "--listen", address, "--directory"]).arg(at.join("hub"));
    command.arg("--seed").arg(at.join("seed.yaml"));
    Process::start(command, at.join("hub.log"))
}

fn start_bridge(directory: &TempDir) -> Result<Process> {
    let at = directory.path();
    let mut command = Command::new(program("koji-bridge"));
    command.arg("serve").arg("--config").arg(at.join("bridge.yaml"));
    Process::start(command, at.join("bridge.log"))
}

fn request(release: usize) -> v1::BuildRequest {
    v1::BuildRequest {
        source: Some(v1::GitSource { uri: format!("{}/hello.git", samples()), r#ref: "main".to_owned() }),
        platforms: vec!["x86_64".to_owned()],
        build_args: [("REGISTRY".to_owned(), registry())].into(),
        target: "f44".to_owned(),
        release: release.to_string(),
        destinations: vec![format!("docker://{}/deaths", registry())],
        ..v1::BuildRequest::default()
    }
}

#[tokio::test]
#[ignore = "needs a Docker engine and a registry"]
async fn whatever_is_killed_koji_has_each_build_once() -> Result<()> {
    let seed: u64 = std::env::var("TESTKIT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(4);
    eprintln!("TESTKIT_SEED={seed} repeats this");
    let mut random = StdRng::seed_from_u64(seed);
    let mut koji = Koji::start()?;
    let mut factory = Factory::start(&koji.site()).await?;
    let _worker = factory.worker("one", "x86_64")?;
    factory.attached(1).await?;
    let mut builds = Vec::new();
    for release in 1..=3 {
        builds.push(factory.submit_request(request(release)).await?);
    }
    for death in 0..DEATHS {
        tokio::time::sleep(Duration::from_millis(random.random_range(BETWEEN))).await;
        match death % 3 {
            0 => koji.kill_bridge()?,
            1 => koji.kill_hub()?,
            _ => {
                factory.orchestrator.kill();
                factory.restart().await?;
            }
        }
    }
    let mut complete = 0;
    for id in &builds {
        // A step that finds nobody waits before it tries again.
        let deadline = Instant::now() + PATIENCE * 3;
        let build = loop {
            match factory.ended(id).await {
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => {}
                Ok(build) => break build,
            }
        };
        match build.failure {
            None => complete += 1,
            Some(failure) => ensure!(failure.code == DIRECTORY_LEFT, "{id}: {failure:?}"),
        }
    }
    let state = koji.ended()?;
    let tag = state.tag_id("f44-done").context("the tag is gone")?;
    let mut names = Vec::new();
    for (id, build) in &state.builds {
        ensure!(build.state != build_state::BUILDING, "{build:?}");
        if build.state == build_state::COMPLETE {
            names.push(build.nvr());
            let tagged = state.tagged.iter().filter(|entry| **entry == (tag, *id)).count();
            ensure!(tagged == 1, "{} has its tag {tagged} times", build.nvr());
        }
    }
    names.sort_unstable();
    names.dedup();
    ensure!(names.len() == complete && state.tagged.len() == complete, "{names:?}, {:?}", state.tagged);
    ensure!(state.builds.len() == builds.len(), "{:?}", state.builds);
    let open = state.tasks.values().filter(|task| task.state != task_state::CLOSED).count();
    ensure!(open == 0, "{open} tasks are open or have failed");
    ensure!(complete >= 2, "the hub has died in more than one import");
    Ok(())
}
