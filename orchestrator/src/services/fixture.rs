//! Services of a test: everything real, in a directory of its own, without
//! workers.

use std::{path::Path, sync::Arc, time::Duration};

use registry_client::{Client, RegistrySettings};
use tokio_util::sync::CancellationToken;

use super::{LayoutRoot, Services};
use crate::{
    config::Site,
    launch::Launcher,
    outside::{Http, Outside},
    pool::{Pool, PoolSettings, TicketMaker},
    repository::GitAccess,
    store::{
        Store,
        logs::{LogLimits, LogStore},
    },
};

/// Services with their state in `state`.
pub(crate) async fn services(state: &Path, site: Site, shutdown: CancellationToken) -> Arc<Services> {
    let store = Store::open(state).await.unwrap();
    Arc::new(Services {
        logs: LogStore::open(state, LogLimits::default()).unwrap(),
        store,
        pool: Pool::new(PoolSettings { reattach_window: Duration::from_secs(1) }),
        launcher: Launcher::default(),
        tickets: TicketMaker::open(&state.join("ticket.key")).unwrap(),
        outside: Outside {
            registries: Client::new(RegistrySettings::default()),
            git: GitAccess { allow_local: false, ..GitAccess::default() },
            koji: None,
            http: Http::new().unwrap(),
        },
        work_directory: state.join("work"),
        layout_root: LayoutRoot::Free(state.join("layouts")),
        shutdown,
        site: Arc::new(site),
    })
}
