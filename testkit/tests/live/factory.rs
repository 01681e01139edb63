//! A factory under test: an orchestrator, workers, a client. Everything is a
//! process of its own and ends with the test.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use proto::v1::{
    self, build_event::Kind, build_service_client::BuildServiceClient,
    worker_service_client::WorkerServiceClient,
};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use tonic::transport::Channel;

/// Nothing in these tests takes longer, on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What `testkit/test.sh` started.
pub(crate) fn registry() -> String {
    std::env::var("TESTKIT_REGISTRY").expect("TESTKIT_REGISTRY: run the tests with testkit/test.sh")
}

/// Where the samples are served.
pub(crate) fn samples() -> String {
    std::env::var("TESTKIT_GIT").expect("TESTKIT_GIT: run the tests with testkit/test.sh")
}

/// A program of the workspace, built beside this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    let folder = test.parent().and_then(Path::parent).expect("tests are built in target/*/deps");
    let program = folder.join(name);
    assert!(program.is_file(), "{} is missing: cargo build --workspace --bins", program.display());
    program
}

/// A process that is killed with the test.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(crate) fn start(mut command: Command, log: PathBuf) -> Result<Self> {
        let file = File::options().create(true).append(true).open(&log)?;
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
        Ok(Self { child, log })
    }

    /// `kill -9`, and waits for the end.
    pub(crate) fn kill(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// What it wrote.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn terminate(&mut self) -> Result<Option<i32>> {
        let status = Command::new("kill").arg(self.child.id().to_string()).status()?;
        ensure!(status.success());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            std::thread::yield_now();
            std::thread::park_timeout(Duration::from_millis(50));
        }
        bail!("it did not end after SIGTERM:\n{}", self.log())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("---- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// One test at a time: they count the engine's containers.
static ENGINE: Mutex<()> = Mutex::const_new(());

/// Waits for the engine to be free of other tests.
pub(crate) async fn engine() -> MutexGuard<'static, ()> {
    ENGINE.lock().await
}

/// An orchestrator with its directory.
pub(crate) struct Factory {
    pub(crate) directory: TempDir,
    pub(crate) orchestrator: Process,
    address: String,
    settings: String,
    _engine: MutexGuard<'static, ()>,
}

impl Factory {
    /// Starts `orchestrator serve`. `settings` is added to the site file.
    pub(crate) async fn start(settings: &str) -> Result<Self> {
        let _engine = engine().await;
        let directory = tempfile::tempdir()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let registry = registry();
        let site = format!("registries:\n  - host: \"{registry}\"\n    plain_http: true\n{settings}\n");
        std::fs::write(directory.path().join("site.yaml"), &site)?;
        let orchestrator = serve(directory.path(), &address)?;
        let factory = Self { directory, orchestrator, address, settings: site, _engine };
        factory.answering().await?;
        Ok(factory)
    }

    /// Starts the orchestrator again over the same state.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.orchestrator = serve(self.directory.path(), &self.address)?;
        self.answering().await
    }

    /// A worker process on the machine's engine.
    pub(crate) fn worker(&self, name: &str, platform: &str) -> Result<Process> {
        self.start_worker(name, platform, &[])
    }

    /// A worker process on another engine.
    pub(crate) fn worker_on(&self, name: &str, platform: &str, engine: &str) -> Result<Process> {
        self.start_worker(name, platform, &["--engine", engine])
    }

    fn start_worker(&self, name: &str, platform: &str, more: &[&str]) -> Result<Process> {
        let mut command = Command::new(program("worker"));
        command
            .args(["--orchestrator", &format!("http://{}", self.address), "--platform", platform])
            .arg("--id")
            .arg(format!("wrk_{name}"))
            .arg("--scratch-dir")
            .arg(self.directory.path().join(name))
            .args(more);
        Process::start(command, self.directory.path().join(format!("{name}.log")))
    }

    /// The orchestrator's address, as commands take it.
    pub(crate) fn server(&self) -> String {
        self.address.clone()
    }

    /// Runs `orchestrator build` with the same site file.
    pub(crate) fn build(&self, arguments: &[&str]) -> Result<Output> {
        build(self.directory.path(), &self.settings, arguments)
    }

    pub(crate) async fn client(&self) -> Result<BuildServiceClient<Channel>> {
        Ok(BuildServiceClient::connect(format!("http://{}", self.address)).await?)
    }

    /// Waits until so many workers are attached.
    pub(crate) async fn attached(&self, count: usize) -> Result<()> {
        let mut client = WorkerServiceClient::connect(format!("http://{}", self.address)).await?;
        until("the workers to attach", async || {
            let workers = client.list_workers(v1::ListWorkersRequest {}).await?.into_inner().workers;
            Ok((workers.len() == count).then_some(()))
        })
        .await
    }

    /// Submits a build of a sample or repository.
    pub(crate) async fn submit(&self, uri: &str, platforms: &[&str]) -> Result<String> {
        let request = v1::BuildRequest {
            source: Some(v1::GitSource { uri: uri.to_owned(), r#ref: "main".to_owned() }),
            platforms: platforms.iter().map(ToString::to_string).collect(),
            build_args: [("REGISTRY".to_owned(), registry())].into(),
            ..v1::BuildRequest::default()
        };
        self.submit_request(request).await
    }

    pub(crate) async fn submit_request(&self, request: v1::BuildRequest) -> Result<String> {
        let request = v1::SubmitBuildRequest { request: Some(request), idempotency_key: String::new() };
        let build = self.client().await?.submit_build(request).await?.into_inner().build;
        Ok(build.context("a build comes back")?.id)
    }

    /// Waits for the end of a build.
    pub(crate) async fn ended(&self, id: &str) -> Result<v1::Build> {
        let mut client = self.client().await?;
        until("the build to end", async || {
            let request = v1::GetBuildRequest { build_id: id.to_owned() };
            let build = client.get_build(request).await?.into_inner().build.context("the build")?;
            Ok((build.ended_at.is_some()).then_some(build))
        })
        .await
    }

    /// Waits until the log of a build has a text.
    pub(crate) async fn logged(&self, id: &str, text: &str) -> Result<()> {
        until(&format!("'{text}' in the log"), async || Ok(self.log(id).await?.contains(text).then_some(())))
            .await
    }

    /// The whole log so far. Checks that offsets follow one another.
    pub(crate) async fn log(&self, id: &str) -> Result<String> {
        let request = v1::ReadLogsRequest { build_id: id.to_owned(), ..v1::ReadLogsRequest::default() };
        let mut stream = self.client().await?.read_logs(request).await?.into_inner();
        let (mut text, mut offset) = (Vec::new(), 0);
        while let Some(page) = stream.message().await? {
            for record in page.records {
                ensure!(record.offset == offset, "offset {} after {offset}", record.offset);
                offset += record.text.len() as u64;
                text.extend_from_slice(&record.text);
            }
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// All events of an ended build. Checks that the sequence has no gap.
    pub(crate) async fn events(&self, id: &str) -> Result<Vec<Kind>> {
        let request = v1::WatchBuildRequest { build_id: id.to_owned(), after_sequence: 0 };
        let mut stream = self.client().await?.watch_build(request).await?.into_inner();
        let mut kinds = Vec::new();
        while let Some(response) = stream.message().await? {
            let event = response.event.context("an event")?;
            ensure!(event.sequence == kinds.len() as u64 + 1, "sequence {}", event.sequence);
            kinds.push(event.kind.context("a kind")?);
        }
        Ok(kinds)
    }

    pub(crate) async fn cancel(&self, id: &str, reason: &str) -> Result<()> {
        let request = v1::CancelBuildRequest { build_id: id.to_owned(), reason: reason.to_owned() };
        self.client().await?.cancel_build(request).await?;
        Ok(())
    }

    async fn answering(&self) -> Result<()> {
        until("the orchestrator to answer", async || Ok(self.client().await.ok().map(drop))).await
    }
}

fn serve(directory: &Path, address: &str) -> Result<Process> {
    let mut command = Command::new(program("orchestrator"));
    command
        .args(["serve", "--listen", address, "--config"])
        .arg(directory.join("site.yaml"))
        .arg("--state")
        .arg(directory.join("state"));
    Process::start(command, directory.join("orchestrator.log"))
}

/// Runs `orchestrator build` in a directory to its end.
pub(crate) fn build(directory: &Path, site: &str, arguments: &[&str]) -> Result<Output> {
    let site_file = directory.join("build-site.yaml");
    std::fs::write(&site_file, site)?;
    Command::new(program("orchestrator"))
        .current_dir(directory)
        .arg("build")
        .args(arguments)
        .arg("--config")
        .arg(&site_file)
        .arg("--build-arg")
        .arg(format!("REGISTRY={}", registry()))
        .stdin(Stdio::null())
        .output()
        .context("orchestrator build")
}

/// Asks again until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        ensure!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Containers of the engine, running or not.
pub(crate) fn containers() -> Result<String> {
    let output = Command::new("docker").args(["ps", "--all", "--quiet", "--no-trunc"]).output()?;
    ensure!(output.status.success());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Every tag in a repository of the real registry, empty when it has none.
pub(crate) async fn tags(repository: &str) -> Result<Vec<String>> {
    common::service::install_crypto_provider();
    let url = format!("http://{}/v2/{repository}/tags/list", registry());
    let answer: serde_json::Value = reqwest::get(url).await?.json().await?;
    let tags = answer["tags"].as_array().cloned().unwrap_or_default();
    Ok(tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect())
}
