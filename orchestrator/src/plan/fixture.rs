//! Services of a planning test: everything real, in a directory of its own.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{flow::MemoryJournal, names::BuildId, retry::Patience};
use jiff::Timestamp;
use registry_client::{Client, RegistrySettings};

use crate::{
    config::{Settings, Site},
    outside::{Http, HttpSettings, Outside},
    repository::GitAccess,
    services::{BuildStamp, LayoutRoot, Narrator, PlanServices, Reach},
};

/// What was told, line by line.
#[derive(Default)]
pub(super) struct Told(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl Narrator for Told {
    async fn say(&self, _step: &str, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// Services, what they told, and what was recorded.
pub(super) struct World {
    pub(super) services: PlanServices,
    pub(super) told: Arc<Told>,
    pub(super) journal: MemoryJournal,
}

impl World {
    pub(super) fn new(directory: &Path, reach: Reach, settings: Settings) -> Self {
        let told = Arc::<Told>::default();
        let patience = Patience {
            attempts: 3,
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(5),
        };
        let services = PlanServices {
            shutdown: tokio_util::sync::CancellationToken::new(),
            site: Arc::new(Site { settings, ..Site::default() }),
            outside: Outside {
                registries: Client::new(RegistrySettings::default()),
                git: GitAccess::default(),
                koji: None,
                http: Http::with(HttpSettings { patience, ..HttpSettings::default() }).unwrap(),
            },
            stamp: BuildStamp { build: BuildId::generate(), created_at: Timestamp::now() },
            directory: directory.to_owned(),
            layout_root: LayoutRoot::Free(directory.join("layouts")),
            reach,
            narrator: told.clone(),
            vault: crate::services::Vault::none(),
        };
        Self { services, told, journal: MemoryJournal::default() }
    }

    /// Everything that was told.
    pub(super) fn told(&self) -> String {
        self.told.0.lock().unwrap().join("\n")
    }

    /// A flow over these services.
    pub(super) fn flow(&self) -> common::flow::Flow<'_, PlanServices> {
        common::flow::Flow::new(&self.services, &self.journal, tokio_util::sync::CancellationToken::new())
    }
}
