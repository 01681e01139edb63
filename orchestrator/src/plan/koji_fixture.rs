//! Planning steps against a bridge in memory, each run as a flow runs it.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use common::{
    failure::Failure,
    flow::{Flow, MemoryJournal, Step},
};
use tempfile::TempDir;
use testkit::koji::InMemoryBridge;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Site,
    outside::Koji,
    services::{BuildServices, BuildStamp, Narrator, PlanServices, Reach, Vault, fixture},
};

/// The planning of one build.
pub(crate) struct Planning {
    pub(crate) bridge: Arc<InMemoryBridge>,
    pub(crate) services: PlanServices,
    pub(crate) journal: MemoryJournal,
    pub(crate) cancel: CancellationToken,
    said: Arc<Said>,
    state: Arc<TempDir>,
}

#[derive(Default)]
struct Said(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl Narrator for Said {
    async fn say(&self, _: &str, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

impl Planning {
    pub(crate) async fn start() -> Self {
        let bridge = Arc::new(InMemoryBridge::start().await.unwrap());
        let state = Arc::new(TempDir::new().unwrap());
        let cancel = CancellationToken::new();
        let shared = fixture::services(state.path(), Site::default(), cancel.clone()).await;
        let stamp = BuildStamp { build: "bld_1".parse().unwrap(), created_at: jiff::Timestamp::UNIX_EPOCH };
        let request = common::request::BuildRequest::new("https://git.example.org/hello.git", None);
        let stored = shared.store.create(&request, None).await.unwrap().id;
        let vault = Vault::of(shared.store.clone(), stored);
        let mut services = BuildServices::new(shared, stamp).planning;
        services.vault = vault;
        services.outside.koji = Some(Koji::new(bridge.address().clone()));
        let said = Arc::new(Said::default());
        services.narrator = said.clone();
        Self { bridge, services, journal: MemoryJournal::default(), cancel, said, state }
    }

    /// Another build with the same bridge, with nothing done yet.
    pub(crate) fn again(&self) -> Self {
        let said = Arc::new(Said::default());
        let services = PlanServices {
            shutdown: tokio_util::sync::CancellationToken::new(),
            site: self.services.site.clone(),
            outside: self.services.outside.clone(),
            stamp: self.services.stamp.clone(),
            directory: self.services.directory.clone(),
            layout_root: self.services.layout_root.clone(),
            reach: self.services.reach,
            narrator: said.clone(),
            vault: self.services.vault.clone(),
        };
        let (bridge, state) = (self.bridge.clone(), self.state.clone());
        let (journal, cancel) = (MemoryJournal::default(), CancellationToken::new());
        Self { bridge, services, journal, cancel, said, state }
    }

    pub(crate) fn reaching(&self, reach: Reach) -> Self {
        let mut again = self.again();
        again.services.reach = reach;
        again
    }

    pub(crate) fn without_koji(&self) -> Self {
        let mut again = self.again();
        again.services.outside.koji = None;
        again
    }

    pub(crate) async fn run<T: Step<PlanServices>>(&self, step: T) -> Result<T::Output, Failure> {
        Flow::new(&self.services, &self.journal, self.cancel.clone()).run(step).await
    }

    /// What steps have told the user, in lines.
    pub(crate) fn said(&self) -> String {
        self.said.0.lock().unwrap().join("\n")
    }

    /// Codes of the warnings.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let code = |kind| match kind {
            common::flow::event::EventKind::Warning { code, .. } => Some(code),
            _ => None,
        };
        self.journal.events().into_iter().filter_map(code).collect()
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.services.directory
    }
}
