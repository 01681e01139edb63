//! Workers as processes on this machine: one for each platform, started when a
//! work order first waits for one.
//!
//! A worker watches the process that started it and ends with it, so that not
//! even `kill -9` of the orchestrator leaves one behind.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::SeekFrom,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use common::{names::WorkerId, platform::Platform, service::Shutdown};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    process::{Child, Command},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::pool::Pool;

/// How often a worker is started for a platform before it is given up.
const MAX_STARTS: u32 = 3;
/// How long a worker may take to stop before it is killed: more than the 20
/// seconds it gives its builds, less than the orchestrator's own grace.
const STOP_DEADLINE: Duration = Duration::from_secs(25);
/// Bytes at the end of a log in which its last line is looked for.
const TAIL: u64 = 4096;
/// A worker that lived this long had started well.
const STARTED_WELL: Duration = Duration::from_secs(30);

/// How local workers are started.
#[derive(Debug, Clone)]
pub struct LocalWorkers {
    /// The worker's program.
    pub program: PathBuf,
    /// Work orders that each takes at a time.
    pub slots: u32,
    /// The orchestrator's address, as the worker dials it.
    pub orchestrator: String,
    /// File with the token to show.
    pub token_file: Option<PathBuf>,
    /// Address of the engine they build with; `None` leaves it to them.
    pub engine: Option<String>,
    /// Docker's `config.json` with the logins for pulling parents.
    pub registry_config: Option<PathBuf>,
    /// Directory for their scratch space and logs.
    pub directory: PathBuf,
    /// The only platforms to start workers for; `None` is every platform.
    pub platforms: Option<HashSet<Platform>>,
}

/// Starts workers, or does nothing where the site wants none.
#[derive(Clone, Default)]
pub struct Launcher {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    settings: LocalWorkers,
    pool: Pool,
    shutdown: Shutdown,
    stop: CancellationToken,
    starts: Mutex<HashMap<Platform, Starts>>,
}

#[derive(Default)]
struct Starts {
    running: bool,
    failed: u32,
}

impl Launcher {
    /// A launcher of local processes. They are stopped by [`Launcher::stop`].
    pub fn local(settings: LocalWorkers, pool: Pool, shutdown: Shutdown) -> Self {
        let (stop, starts) = (CancellationToken::new(), Mutex::default());
        Self { inner: Some(Arc::new(Inner { settings, pool, shutdown, stop, starts })) }
    }

    /// Makes sure that a worker for the platform runs or is being started.
    pub fn ensure(&self, platform: &Platform) {
        let Some(inner) = &self.inner else { return };
        let wanted = inner.settings.platforms.as_ref().is_none_or(|set| set.contains(platform));
        if !wanted || inner.stop.is_cancelled() {
            return;
        }
        let mut starts = inner.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = starts.entry(platform.clone()).or_default();
        if !entry.running {
            entry.running = true;
            entry.failed = 0;
            inner.shutdown.tracker.spawn(keep_running(inner.clone(), platform.clone()));
        }
    }

    /// Tells all local workers to stop. The tracker knows when they have.
    pub fn stop(&self) {
        if let Some(inner) = &self.inner {
            inner.stop.cancel();
        }
    }
}

/// Runs a worker, and another one when it dies, until it has to stop or cannot
/// even start.
async fn keep_running(inner: Arc<Inner>, platform: Platform) {
    loop {
        let id = WorkerId::generate("local");
        let log = inner.settings.directory.join(format!("{platform}.log"));
        let begun = tokio::time::Instant::now();
        let ending = run(&inner, &platform, &id, &log).await;
        inner.pool.bury(&id, &ending);
        if inner.stop.is_cancelled() {
            return;
        }
        tracing::warn!(%platform, worker = %id, ending, "a local worker ended");
        let failed = {
            let mut starts = inner.starts.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = starts.entry(platform.clone()).or_default();
            entry.failed = if begun.elapsed() >= STARTED_WELL { 0 } else { entry.failed + 1 };
            if entry.failed >= MAX_STARTS {
                entry.running = false;
            }
            entry.failed
        };
        if failed >= MAX_STARTS {
            let reason =
                format!("a local worker for {platform} ended {failed} times: {ending}{}", tail(&log).await);
            inner.pool.give_up(&platform, &reason);
            return;
        }
        tokio::time::sleep(Duration::from_secs(1) * failed.max(1)).await;
    }
}

/// Runs one worker process to its end and says how it ended.
async fn run(inner: &Inner, platform: &Platform, id: &WorkerId, log: &Path) -> String {
    match start(inner, platform, id, log) {
        Ok(mut child) => {
            tokio::select! {
                status = child.wait() => describe(status),
                () = inner.stop.cancelled() => end(&mut child).await,
            }
        }
        Err(error) => {
            let program = inner.settings.program.display();
            format!("{program} cannot be started: {error}; is it installed, or workers.local.program wrong?")
        }
    }
}

/// Asks a worker to stop, which ends what it builds, and kills it if it does not.
async fn end(child: &mut Child) -> String {
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    // A process that is gone already cannot be asked; waiting tells.
    let _asked = pid.map(|pid| kill_process(pid, Signal::TERM));
    if let Ok(status) = timeout(STOP_DEADLINE, child.wait()).await {
        return describe(status);
    }
    match child.kill().await {
        Ok(()) => "it did not stop and was killed".to_owned(),
        Err(error) => format!("it did not stop and cannot be killed: {error}"),
    }
}

fn start(inner: &Inner, platform: &Platform, id: &WorkerId, log: &Path) -> std::io::Result<Child> {
    let settings = &inner.settings;
    std::fs::create_dir_all(&settings.directory)?;
    let log = new_log(log)?;
    let mut command = Command::new(&settings.program);
    command
        .arg("--orchestrator")
        .arg(&settings.orchestrator)
        .arg("--platform")
        .arg(platform.as_str())
        .arg("--slots")
        .arg(settings.slots.to_string())
        .arg("--id")
        .arg(id.as_str())
        .arg("--scratch-dir")
        .arg(settings.directory.join(platform.as_str()))
        .arg("--exit-with-parent")
        .arg(std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        // The terminal's Ctrl-C reaches the orchestrator, which then stops its
        // workers in order; it must not reach them directly. A worker that is left
        // behind sees that and ends in order too, so it is not killed with its handle.
        .process_group(0);
    if let Some(token) = &settings.token_file {
        command.arg("--token-file").arg(token);
    }
    if let Some(engine) = &settings.engine {
        command.arg("--engine").arg(engine);
    }
    if let Some(file) = &settings.registry_config {
        command.arg("--registry-config").arg(file);
    }
    tracing::debug!(%platform, worker = %id, "starting a local worker");
    command.spawn()
}

fn describe(status: std::io::Result<std::process::ExitStatus>) -> String {
    match status {
        Ok(status) => format!("its process ended: {status}"),
        Err(error) => format!("its process cannot be watched: {error}"),
    }
}

/// An empty log; the one of the worker before is kept beside it, and no older one.
fn new_log(path: &Path) -> std::io::Result<File> {
    match std::fs::rename(path, path.with_extension("log.1")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::create(path)
}

/// The last line of a worker's log, for the reason of its end.
async fn tail(log: &Path) -> String {
    let text = last_bytes(log).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.map_or_else(String::new, |line| format!("; its last words: {line}"))
}

async fn last_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = tokio::fs::File::open(path).await?;
    let length = file.metadata().await?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).await?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
