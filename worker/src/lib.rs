//! The worker: it dials the orchestrator, takes work orders, and builds one
//! platform of one build at a time in each of its slots.
//!
//! `session` speaks with the orchestrator, `work` carries out an order from top
//! to bottom with `engine` and `publish`, and `holdings` is what the two share:
//! logs, progress and results that outlive connections. A worker has no git, no
//! Koji and no say in what is built.

pub mod cli;
pub mod engine;
mod holdings;
mod inventory;
mod koji;
mod logs;
mod parent;
pub mod publish;
mod report;
mod scratch;
mod session;
mod transfer;
mod work;

use std::{path::PathBuf, sync::Arc, time::Duration};

use common::{
    credentials::LoginsError,
    names::WorkerId,
    platform::Platform,
    secret::{Secret, SecretFileError},
    service::{ConnectError, ConnectOptions, ServiceAddress, connect},
};
use tokio::{sync::watch, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use scratch::ScratchError;

use engine::{DockerEngine, Endpoint, RegistryCredentials};
use holdings::Holdings;
use scratch::Scratch;
use session::{CarryOut, DescribeEngine, Identity, Session};
use work::Workshop;

/// How long running builds and unsent results hold up the end.
const GRACE: Duration = Duration::from_secs(20);
/// How long Hello waits for the engine to introduce itself.
const INTRODUCTION: Duration = Duration::from_secs(3);

/// Everything that a worker has to be told.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Where the orchestrator listens.
    pub orchestrator: ServiceAddress,
    /// Platforms to build for.
    pub platforms: Vec<Platform>,
    /// Work orders at a time.
    pub slots: u32,
    /// Who the worker is.
    pub id: WorkerId,
    /// File with the token for the orchestrator.
    pub token_file: Option<PathBuf>,
    /// Authorities to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Docker `config.json` with credentials for pulling parents.
    pub registry_config: Option<PathBuf>,
    /// Base of the scratch directories; several workers may share it.
    pub scratch_dir: PathBuf,
    /// Where the container engine listens.
    pub engine: Endpoint,
    /// Process whose end is the worker's end too.
    pub exit_with_parent: Option<u32>,
}

/// Why a worker ends before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Hello was refused: the contract, the token or the settings are wrong.
    #[error("the orchestrator refuses this worker: {message} ({code})")]
    Refused {
        /// gRPC status code.
        code: tonic::Code,
        /// The orchestrator's reason.
        message: String,
    },
    /// The address or the TLS settings cannot work.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The token cannot be read.
    #[error(transparent)]
    Token(#[from] SecretFileError),
    /// The credentials for registries cannot be read.
    #[error(transparent)]
    Credentials(#[from] LoginsError),
    /// The scratch directory cannot be used.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
}

impl WorkerError {
    /// The process's exit code: 4 when the orchestrator refuses the worker, 2
    /// for settings that cannot work, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused { .. } => 4,
            Self::Connect(_) | Self::Token(_) | Self::Credentials(_) => 2,
            Self::Scratch(_) => 1,
        }
    }
}

/// Works until `shutdown` fires, then stops what runs, sends the results and
/// returns.
///
/// # Errors
/// The settings cannot work, or the orchestrator refuses the worker. An
/// orchestrator that cannot be reached is no error: the worker dials on.
pub async fn run(settings: WorkerSettings, shutdown: CancellationToken) -> Result<(), WorkerError> {
    let token = settings.token_file.as_deref().map(Secret::from_file).transpose()?;
    let credentials = settings.registry_config.as_deref().map(RegistryCredentials::from_file).transpose()?;
    let options = ConnectOptions { ca_file: settings.ca_file.clone(), token, ..Default::default() };
    let connection = connect(&settings.orchestrator, &options).await?;
    let (base, id) = (settings.scratch_dir.clone(), settings.id.clone());
    let claimed = tokio::task::spawn_blocking(move || Scratch::claim(&base, &id)).await;
    let (scratch, leftovers) =
        claimed.unwrap_or_else(|error| Err(ScratchError::interrupted(&settings.scratch_dir, &error)))?;

    let tracker = TaskTracker::new();
    let host = host_name();
    tracing::info!(worker = %settings.id, orchestrator = %settings.orchestrator, slots = settings.slots, "worker starts");
    // Only what is not ours any more is touched, so work may begin meanwhile.
    let endpoint = settings.engine.clone();
    tracker.spawn(async move { work::sweep_leftovers(&endpoint, leftovers).await });
    if let Some(parent) = settings.exit_with_parent {
        tracker.spawn(parent::watch(parent, shutdown.clone()));
    }

    let workshop = Arc::new(Workshop {
        endpoint: settings.engine.clone(),
        credentials: credentials.unwrap_or_default(),
        connection: connection.clone(),
        ca_file: settings.ca_file.clone(),
        scratch,
        host: host.clone(),
        tracker: tracker.clone(),
    });
    let slots = usize::try_from(settings.slots).unwrap_or(usize::MAX);
    let session = Arc::new(Session {
        identity: Identity { id: settings.id, platforms: settings.platforms, slots: settings.slots, host },
        connection,
        carry_out: carry_out(&workshop),
        describe_engine: describe_engine(settings.engine),
        tracker,
        shutdown: shutdown.clone(),
        grace: GRACE,
        holdings: Holdings::new(slots),
        attached: watch::Sender::new(false),
    });
    let result = session.run().await;
    // Whoever follows the parent ends with the worker.
    shutdown.cancel();
    if let Some(workshop) = Arc::into_inner(workshop) {
        workshop.scratch.release();
    }
    result
}

fn carry_out(workshop: &Arc<Workshop>) -> CarryOut {
    let workshop = Arc::downgrade(workshop);
    Arc::new(move |order, held| {
        let workshop = workshop.upgrade();
        Box::pin(async move {
            match workshop {
                Some(workshop) => workshop.carry_out(order, held).await,
                None => Err(holdings::StopReason::ShuttingDown.failure()),
            }
        })
    })
}

fn describe_engine(endpoint: Endpoint) -> DescribeEngine {
    Arc::new(move || {
        let endpoint = endpoint.clone();
        Box::pin(async move {
            match timeout(INTRODUCTION, DockerEngine::connect(&endpoint)).await {
                Ok(Ok(engine)) => engine.info().to_string(),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "no engine; work orders will fail until there is one");
                    format!("none at {endpoint}")
                }
                Err(_) => format!("silent at {endpoint}"),
            }
        })
    })
}

/// The host's name as the kernel has it.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}
