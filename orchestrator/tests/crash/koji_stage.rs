//! Koji behind the real bridge: a hub that keeps everything in a directory, and a
//! bridge in a runtime of its own, so that both can die at any call and be started
//! again where they were.

use std::{
    collections::BTreeMap,
    future::pending,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use common::{
    flow::event::BuildResult,
    service::{Listener, ServiceAddress, Shutdown},
};
use koji_bridge::{
    serve::Bridge,
    settings::{KojiSettings, ServiceSettings, UploadSettings},
};
use md5::{Digest as _, Md5};
use testkit::hub::{
    Effect, FaultOrder, HubSettings, KojiHub, State,
    state::{Task, build_state, task_state},
    tasks::settle,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};

use crate::world::NVR;

/// The task that the build belongs to.
pub(crate) const TASK: u64 = 88;
const USER: &str = "osbs";
const PASSWORD: &str = "hunter2-password";
/// How long a process may take to let go of its address and its files.
const PATIENCE: Duration = Duration::from_secs(20);
/// From one look to the next.
const MOMENT: Duration = Duration::from_millis(1);

/// The hub and the bridge.
pub(crate) struct Stage {
    directory: PathBuf,
    address: ServiceAddress,
    hub: Mutex<Option<KojiHub>>,
    hub_address: SocketAddr,
    bridge: Mutex<Option<Runtime>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kill_bridge();
    }
}

/// What dies at a call to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Bridge,
    Hub,
    Both,
}

impl Stage {
    /// Starts both, with their files in a directory.
    pub(crate) async fn start(directory: &Path) -> Result<Self> {
        let directory = directory.join("koji");
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("password"), PASSWORD)?;
        let hub = KojiHub::start_in(&directory.join("hub"), HubSettings::default()).await?;
        hub.with_user(USER, PASSWORD)?;
        hub.grant(USER, "atomic-reactor")?;
        hub.add_tag("f44-build", "x86_64 aarch64", &[])?;
        hub.add_target("f44", "f44-build", "f44-done")?;
        hub.add_package("f44-done", "hello-container", USER)?;
        hub.add_repository("f44-build")?;
        hub.change(|state| {
            let owner = state.add_user("somebody");
            state.tasks.insert(TASK, task(owner));
        })?;
        let hub_address = hub.address();
        let stage = Self {
            address: ServiceAddress::Unix(directory.join("bridge.sock")),
            directory,
            hub: Mutex::new(Some(hub)),
            hub_address,
            bridge: Mutex::new(None),
        };
        stage.start_bridge().await?;
        Ok(stage)
    }

    /// Where the bridge is.
    pub(crate) fn address(&self) -> &ServiceAddress {
        &self.address
    }

    /// Something that the hub tells or is told.
    pub(crate) fn hub<T>(&self, ask: impl FnOnce(&KojiHub) -> T) -> Result<T> {
        let hub = self.hub.lock().unwrap_or_else(PoisonError::into_inner);
        hub.as_ref().map(ask).context("the hub is down")
    }

    /// What the hub has.
    pub(crate) fn state<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T> {
        self.hub(|hub| hub.state(look))
    }

    /// The settings of a bridge that is in a hurry.
    fn settings(&self) -> Result<KojiSettings> {
        let origin = format!("http://{}", self.hub_address);
        Ok(serde_json::from_value(serde_json::json!({
            "hub_url": format!("{origin}/kojihub"),
            "files_url": format!("{origin}/kojifiles"),
            "web_url": "https://koji.example.org/koji/",
            "login": { "user": USER, "password_file": self.directory.join("password") },
            "patience": {
                "retries": 1, "retry_interval_seconds": 0, "offline_limit_seconds": 1,
                "offline_interval_seconds": 1, "task_poll_seconds": 1, "reservation_seconds": 0,
                "look_seconds": 0, "health_seconds": 600, "call_seconds": 20,
                "import_quiet_seconds": 1,
            },
        }))?)
    }

    /// Starts a bridge on the address of the one before it.
    async fn start_bridge(&self) -> Result<()> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let address = self.address.clone();
        let bound = runtime.spawn(async move {
            loop {
                match Listener::bind(&address).await {
                    Ok(listener) => return listener,
                    Err(_) => sleep(MOMENT).await,
                }
            }
        });
        let listener = timeout(PATIENCE, bound).await.context("the address is not free")??;
        let koji = self.settings()?;
        let session = koji.hub("test")?;
        let bridge = Bridge {
            listeners: vec![listener],
            for_workers: None,
            metrics: None,
            uploads: UploadSettings {
                ticket_key_file: Some(self.directory.join("ticket.key")),
                ..UploadSettings::default()
            },
            koji: Some((koji, session)),
            service: ServiceSettings::default(),
        };
        runtime.spawn(async move {
            // It ends when it is killed.
            let _ended = bridge.serve(&Shutdown::new()).await;
        });
        *self.bridge.lock().unwrap_or_else(PoisonError::into_inner) = Some(runtime);
        Ok(())
    }

    /// Everything that the bridge does ends where it is, answers that are on their
    /// way included, as with a process that is killed.
    fn kill_bridge(&self) {
        let runtime = self.bridge.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }

    /// The hub ends and forgets what it has not stored.
    async fn kill_hub(&self) {
        let hub = self.hub.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(hub) = hub {
            hub.stop().await;
        }
    }

    async fn start_hub(&self) -> Result<()> {
        let directory = self.directory.join("hub");
        let started = timeout(PATIENCE, async {
            loop {
                match KojiHub::serve(&directory, self.hub_address, HubSettings::default(), None).await {
                    Ok(hub) => return hub,
                    Err(_) => sleep(MOMENT).await,
                }
            }
        });
        let hub = started.await.context("the hub's address is not free")?;
        *self.hub.lock().unwrap_or_else(PoisonError::into_inner) = Some(hub);
        Ok(())
    }

    /// Orders a fault for the calls after the first `spared` ones, whatever they are.
    pub(crate) fn order(&self, spared: usize, times: usize, effect: Effect) -> Result<()> {
        self.hub(|hub| hub.order(FaultOrder { method: "*".to_owned(), skip: spared, times, effect }))
    }

    /// Orders that the answer of one call is lost and nothing is answered after it.
    pub(crate) fn silence(&self, spared: usize, effect: Effect) -> Result<()> {
        self.order(spared, 1, effect)?;
        self.order(spared, usize::MAX, Effect::Status(503))
    }

    /// Waits until the call has come that was to be struck.
    pub(crate) async fn struck(&self, spared: usize) -> Result<()> {
        while self.hub(|hub| hub.calls().len())? <= spared {
            sleep(MOMENT).await;
        }
        Ok(())
    }

    /// What dies is dead, and others are in its place.
    pub(crate) async fn replace(&self, victim: Victim) -> Result<()> {
        if matches!(victim, Victim::Bridge | Victim::Both) {
            self.kill_bridge();
        }
        if matches!(victim, Victim::Hub | Victim::Both) {
            self.kill_hub().await;
            self.start_hub().await?;
        }
        self.hub(KojiHub::clear_faults)?;
        if matches!(victim, Victim::Bridge | Victim::Both) {
            self.start_bridge().await?;
        }
        Ok(())
    }

    /// The struck call ends without an answer, its victim dies in that moment and is
    /// replaced. Then nothing any more, for ever.
    pub(crate) async fn death(&self, spared: usize, victim: Victim) -> Result<()> {
        self.struck(spared).await?;
        self.replace(victim).await?;
        pending().await
    }

    /// The hub has exactly this build, complete, with its tag once and all of its
    /// files, and nothing is in progress.
    pub(crate) fn check_recorded(&self, result: &BuildResult) -> Result<()> {
        let record = result.koji.as_ref().context("the result does not name the build")?;
        ensure!(record.nvr.to_string() == NVR && record.tag.as_deref() == Some("f44-done"), "{record:?}");
        // Tasks that are still under way have their effect, too.
        self.hub(|hub| hub.change(|state| settle(state, f64::MAX)))??;
        let mut files = BTreeMap::new();
        find_files(&self.hub(KojiHub::top_directory)?.join("packages"), &mut files)?;
        self.state(|state| {
            let builds: Vec<_> = state.builds.iter().collect();
            let [(id, build)] = builds.as_slice() else { anyhow::bail!("{builds:?}") };
            ensure!(build.nvr() == NVR && build.state == build_state::COMPLETE, "{build:?}");
            ensure!(**id == record.build, "{record:?} is not build {id}");
            let tag = state.tag_id("f44-done").context("no tag")?;
            ensure!(state.tagged == [(tag, **id)], "{:?}", state.tagged);
            let open =
                state.tasks.iter().filter(|(id, task)| **id != TASK && task.state != task_state::CLOSED);
            ensure!(open.clone().count() == 0, "{:?}", open.collect::<Vec<_>>());
            let index = build.extra.as_ref().map(|extra| &extra["image"]["index"]["digests"]);
            let index = index.with_context(|| format!("no extra: {build:?}"))?;
            ensure!(index[&result.index_media_type] == result.index_digest.as_str(), "{index}");

            let archives: Vec<_> = state.archives.values().collect();
            ensure!(archives.iter().all(|archive| archive.build == **id), "{archives:?}");
            let images = archives.iter().filter(|archive| archive.filename.ends_with(".tar.gz"));
            ensure!(images.count() == 2, "{archives:?}");
            for archive in archives {
                let content =
                    files.get(&archive.filename).with_context(|| format!("no file of {archive:?}"))?;
                ensure!(hex::encode(Md5::digest(content)) == archive.checksum, "{archive:?}");
                ensure!(content.len() as u64 == archive.size, "{archive:?}");
            }
            Ok(())
        })?
    }

    /// Nothing is reserved at the hub, and there is at most one build.
    pub(crate) fn check_nothing_reserved(&self) -> Result<()> {
        self.state(|state| {
            let reserved = state.builds.values().any(|build| build.state == build_state::BUILDING);
            ensure!(!reserved && state.builds.len() <= 1, "{:?}", state.builds);
            Ok(())
        })?
    }

    /// Whether the hub has a complete build.
    pub(crate) fn has_complete_build(&self) -> Result<bool> {
        self.state(|state| state.builds.values().any(|build| build.state == build_state::COMPLETE))
    }
}

/// A task that nobody ends.
fn task(owner: u64) -> Task {
    Task {
        method: "buildContainer".to_owned(),
        request: serde_json::json!([]),
        state: task_state::OPEN,
        owner,
        channel: 1,
        priority: 20,
        result: Ok(serde_json::Value::Null),
        created: 0.0,
        started: None,
        ends_at: None,
        completed: None,
        parent: None,
    }
}

/// All files below a directory, by name.
fn find_files(directory: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            find_files(&path, files)?;
        } else if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            files.insert(name.to_owned(), std::fs::read(&path)?);
        }
    }
    Ok(())
}
