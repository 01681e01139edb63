//! A bridge to a Koji that is only in memory: a real gRPC server that serves
//! `KojiBridgeService` from what a test has told it.
//!
//! It is the bridge's side of the contract and no hub: what planning asks is
//! answered; reservations, uploads, imports and tags are kept in memory, and a
//! repeated call does nothing twice.

mod recording;
mod serve;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    koji::{ImageTask, KojiArchive, KojiBridge, KojiBuild, KojiCapability, KojiTarget, TaskOutput},
    service::{ListenError, Listener, Scheme, Server, ServiceAddress, Shutdown, TlsFiles},
};
use proto::v1::{self, koji_bridge_service_server as server};
use tokio::{sync::watch, task::JoinSet};
use tonic::{Code, service::Routes};

/// What happens instead of the right answer.
#[derive(Debug, Clone)]
pub enum Effect {
    /// The call fails with this code and message.
    Status(Code, &'static str),
    /// No answer ever.
    Silence,
    /// The answer comes that much later.
    Late(Duration),
    /// A download breaks off after so many bytes, an upload after so many; other
    /// calls are answered.
    Cut(usize),
    /// The call is carried out, and then fails with this code and message.
    Lost(Code, &'static str),
}

/// A bridge in memory. It stops when this is dropped.
#[derive(Debug)]
pub struct InMemoryBridge {
    address: ServiceAddress,
    inner: Arc<Inner>,
    shutdown: Shutdown,
    server: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bridge: KojiBridge,
    targets: HashMap<String, KojiTarget>,
    builds: Vec<KojiBuild>,
    /// Builds that are not found yet, with the number of times.
    hidden: HashMap<u64, usize>,
    archives: HashMap<u64, Vec<(String, KojiArchive)>>,
    releases: HashMap<(String, String), String>,
    repositories: HashMap<String, (u64, String)>,
    tasks: BTreeMap<u64, Task>,
    keys: HashMap<String, u64>,
    recorded: recording::Recorded,
    owners: HashMap<u64, String>,
    faults: Vec<(String, usize, Effect)>,
    calls: Vec<String>,
}

impl Default for State {
    fn default() -> Self {
        let bridge = KojiBridge {
            version: "0.0.0-test".into(),
            hub_url: "https://koji.example.org/kojihub".into(),
            files_url: "https://files.example.org".into(),
            capabilities: KojiCapability::ALL.into_iter().take(6).collect(),
            content_generator: "atomic-reactor".into(),
            web_url: "https://koji.example.org/koji".into(),
        };
        Self {
            bridge,
            targets: HashMap::new(),
            builds: Vec::new(),
            hidden: HashMap::new(),
            archives: HashMap::new(),
            releases: HashMap::new(),
            repositories: HashMap::new(),
            tasks: BTreeMap::new(),
            keys: HashMap::new(),
            recorded: recording::Recorded::default(),
            owners: HashMap::new(),
            faults: Vec::new(),
            calls: Vec::new(),
        }
    }
}

/// A task, and what it has left.
#[derive(Debug)]
struct Task {
    asked: Option<ImageTask>,
    state: watch::Sender<(v1::KojiTaskState, String)>,
    outputs: Vec<(TaskOutput, Vec<u8>)>,
}

impl Task {
    fn new(asked: Option<ImageTask>) -> Self {
        let state = watch::Sender::new((v1::KojiTaskState::Open, String::new()));
        Self { asked, state, outputs: Vec::new() }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InMemoryBridge {
    /// Starts a bridge on a free port of the loopback interface. It can do all
    /// that planning needs, and knows nothing.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start() -> Result<Self, ListenError> {
        let (scheme, host) = (Scheme::Unsaid, "127.0.0.1".to_owned());
        Self::listen(&ServiceAddress::Tcp { scheme, host, port: 0 }).await
    }

    /// Starts a bridge on an address. Example: `unix:/tmp/koji.sock`.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn listen(address: &ServiceAddress) -> Result<Self, ListenError> {
        Self::serve(address, None).await
    }

    /// Starts a bridge that speaks TLS. Example: `https://localhost:0`.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn listen_tls(address: &ServiceAddress, tls: TlsFiles) -> Result<Self, ListenError> {
        Self::serve(address, Some(tls)).await
    }

    async fn serve(address: &ServiceAddress, tls: Option<TlsFiles>) -> Result<Self, ListenError> {
        let listener = Listener::bind(address).await?;
        let address = listener.local_address().clone();
        let inner = Arc::new(Inner::default());
        let service = server::KojiBridgeServiceServer::from_arc(Arc::new(serve::Bridge(Arc::clone(&inner))));
        let mut server = Server::new(Routes::new(service), &[server::SERVICE_NAME], proto::DESCRIPTORS);
        server.grace = Duration::ZERO;
        server.tls = tls;
        let (mut tasks, shutdown) = (JoinSet::new(), Shutdown::new());
        let end = shutdown.clone();
        tasks.spawn(async move {
            // A server that fails is a bridge that does not answer.
            let _ = server.serve(listener, &end).await;
        });
        Ok(Self { address, inner, shutdown, server: tasks })
    }

    /// Ends it, open calls included.
    pub async fn stop(mut self) {
        self.shutdown.token.cancel();
        while self.server.join_next().await.is_some() {}
    }

    /// Where it listens.
    pub fn address(&self) -> &ServiceAddress {
        &self.address
    }

    /// Changes what it can do. Calls to the rest are `UNIMPLEMENTED`.
    pub fn set_capabilities(&self, capabilities: &[KojiCapability]) {
        self.inner.state().bridge.capabilities = capabilities.to_vec();
    }

    /// Forgets the hub's addresses, as a bridge without a hub.
    pub fn set_no_hub(&self) {
        let bridge = &mut self.inner.state().bridge;
        *bridge = KojiBridge { version: bridge.version.clone(), ..KojiBridge::default() };
    }

    /// Adds a target.
    pub fn add_target(&self, target: KojiTarget) {
        self.inner.state().targets.insert(target.name.clone(), target);
    }

    /// Adds a build.
    pub fn add_build(&self, build: KojiBuild) {
        self.inner.state().builds.push(build);
    }

    /// Adds a build that is found only after it was looked for so many times.
    pub fn add_build_after(&self, build: KojiBuild, times: usize) {
        let mut state = self.inner.state();
        state.hidden.insert(build.id, times);
        state.builds.push(build);
    }

    /// Adds files of one kind to a build.
    pub fn add_archives(&self, build: u64, kind: &str, archives: impl IntoIterator<Item = KojiArchive>) {
        let archives = archives.into_iter().map(|archive| (kind.to_owned(), archive));
        self.inner.state().archives.entry(build).or_default().extend(archives);
    }

    /// Sets the next release of `name`-`version`; it is `1` otherwise.
    pub fn set_next_release(&self, name: &str, version: &str, release: &str) {
        self.inner.state().releases.insert((name.to_owned(), version.to_owned()), release.to_owned());
    }

    /// Adds a repository of a tag.
    pub fn add_repository(&self, tag: &str, id: u64, base_url: &str) {
        self.inner.state().repositories.insert(tag.to_owned(), (id, base_url.to_owned()));
    }

    /// Adds a running task.
    pub fn add_task(&self, task: u64) {
        self.inner.state().tasks.insert(task, Task::new(None));
    }

    /// Adds a running task that somebody has submitted.
    pub fn add_task_of(&self, task: u64, owner: &str) {
        self.add_task(task);
        self.inner.state().owners.insert(task, owner.to_owned());
    }

    /// Lets so many tasks that tag builds fail.
    pub fn fail_tags(&self, times: usize) {
        self.inner.state().recorded.failing_tags = times;
    }

    /// All builds, in the order of their numbers.
    pub fn builds(&self) -> Vec<KojiBuild> {
        let mut builds = self.inner.state().builds.clone();
        builds.sort_by_key(|build| build.id);
        builds
    }

    /// Forgets all builds.
    pub fn forget_builds(&self) {
        self.inner.state().builds.clear();
    }

    /// The tags of a build.
    pub fn tags(&self, build: u64) -> Vec<String> {
        self.inner.state().recorded.tags.get(&build).into_iter().flatten().cloned().collect()
    }

    /// The document that a build was imported with.
    pub fn imported(&self, build: u64) -> Option<serde_json::Value> {
        self.inner.state().document(build)
    }

    /// How many imports were carried out.
    pub fn imports(&self) -> usize {
        self.inner.state().recorded.imports
    }

    /// A file that was uploaded and not imported yet.
    pub fn uploaded(&self, directory: &str, name: &str) -> Option<Vec<u8>> {
        self.inner.state().recorded.files.get(&(directory.to_owned(), name.to_owned())).cloned()
    }

    /// Changes a task's state; `reason` is why it failed.
    pub fn set_task_state(&self, task: u64, state: v1::KojiTaskState, reason: &str) {
        if let Some(task) = self.inner.state().tasks.get(&task) {
            task.state.send_replace((state, reason.to_owned()));
        }
    }

    /// A task's state.
    pub fn task_state(&self, task: u64) -> Option<v1::KojiTaskState> {
        Some(self.inner.state().tasks.get(&task)?.state.borrow().0)
    }

    /// Adds a file to what a task has left; `of` is the task or a descendant.
    pub fn add_task_output(&self, task: u64, of: u64, name: &str, content: impl Into<Vec<u8>>) {
        let content = content.into();
        let size = content.len() as u64;
        let output = TaskOutput { task: of, name: name.to_owned(), size, volume: String::new() };
        if let Some(task) = self.inner.state().tasks.get_mut(&task) {
            task.outputs.push((output, content));
        }
    }

    /// The image tasks that were asked for, by number.
    pub fn image_tasks(&self) -> BTreeMap<u64, ImageTask> {
        let state = self.inner.state();
        state.tasks.iter().filter_map(|(id, task)| Some((*id, task.asked.clone()?))).collect()
    }

    /// Orders a fault: so many times, on calls of this name. Of several that
    /// match, the first one strikes. Example of a name: `FindBuild`.
    pub fn add_fault(&self, call: &str, times: usize, effect: Effect) {
        self.inner.state().faults.push((call.to_owned(), times, effect));
    }

    /// All calls so far by name, in the order in which they came.
    pub fn calls(&self) -> Vec<String> {
        self.inner.state().calls.clone()
    }

    /// Number of calls of this name.
    pub fn count(&self, call: &str) -> usize {
        self.inner.state().calls.iter().filter(|name| *name == call).count()
    }
}
