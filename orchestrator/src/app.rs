//! The wiring: every part of the orchestrator, started in order and stopped in
//! the reverse one.

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    secret::SecretFileError,
    service::{
        ConnectError, ListenError, Listener, MAX_MESSAGE_BYTES, ServeError, Server, ServiceAddress, Shutdown,
        TlsFiles,
    },
};
use proto::{
    DESCRIPTORS,
    v1::{build_service_server::BuildServiceServer, worker_service_server::WorkerServiceServer},
};
use registry_client::{Client, HostSettings, RegistrySettings};
use tonic::service::Routes;

use crate::{
    api::{Access, BuildApi, ConnectionSettings, WorkerApi},
    config::Site,
    launch::{Launcher, LocalWorkers},
    pool::{Pool, PoolSettings, TicketMaker},
    repository::GitAccess,
    services::{LayoutRoot, Services},
    store::{
        Store, StoreError,
        logs::{LogError, LogLimits, LogStore},
    },
    supervisor::Supervisor,
};

/// Services of this process, by full name.
pub const SERVICE_NAMES: &[&str] = &["reactor.v1.BuildService", "reactor.v1.WorkerService"];

/// How the orchestrator is started.
#[derive(Debug, Clone)]
pub struct AppOptions {
    /// The site's configuration.
    pub site: Site,
    /// Where everything that survives a restart is kept.
    pub state_directory: PathBuf,
    /// Where to listen.
    pub listen: ServiceAddress,
    /// One build for the user of this terminal: local workers for every
    /// platform, and layouts anywhere.
    pub foreground: bool,
    /// The end of the process.
    pub shutdown: Shutdown,
}

/// The orchestrator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The store cannot be opened.
    #[error("cannot open the state directory")]
    Store(#[from] StoreError),
    /// The logs cannot be opened.
    #[error("cannot open the logs")]
    Logs(#[from] LogError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A token file cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// A directory or file of the state cannot be made.
    #[error("cannot use {}", path.display())]
    State {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A registry's settings cannot be used.
    #[error("the settings of the registries cannot be used")]
    Registries(#[source] registry_client::RegistryError),
    /// A worker cannot be connected to its own orchestrator.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Failure::from_error(FailureClass::Infrastructure, "orchestrator.start", &error)
    }
}

/// A running orchestrator.
pub struct RunningApp {
    /// Where it listens; the port is the real one.
    pub address: ServiceAddress,
    services: Arc<Services>,
    shutdown: Shutdown,
    grace: Duration,
    server: tokio::task::JoinHandle<Result<(), ServeError>>,
}

/// Starts an orchestrator. When this returns, it listens and takes up builds.
pub struct App;

impl App {
    /// Starts everything.
    ///
    /// # Errors
    /// The state directory is in use or unusable, or the address is taken.
    pub async fn start(options: AppOptions) -> Result<RunningApp, AppError> {
        let AppOptions { site, state_directory, listen, foreground, shutdown } = options;
        let listener = Listener::bind(&listen).await?;
        let address = listener.local_address().clone();
        let store = Store::open(&state_directory).await?;

        let access = Access::from_files(
            site.service.worker_token_file.as_deref(),
            site.service.client_token_file.as_deref(),
        )?;
        let pool = Pool::new(PoolSettings { reattach_window: site.workers.reattach_window.duration() });
        let launcher = launcher(&site, foreground, &address, &state_directory, &pool, &shutdown);
        let work_directory = make_directory(state_directory.join("work"))?;
        let ticket_key = state_directory.join("ticket.key");
        let services = Arc::new(Services {
            logs: LogStore::open(
                &state_directory,
                LogLimits { build_bytes: site.builds.log_limit.bytes(), ..LogLimits::default() },
            )?,
            store,
            pool: pool.clone(),
            launcher,
            registries: registries(&site),
            tickets: TicketMaker::open(&ticket_key)
                .map_err(|source| AppError::State { path: ticket_key, source })?,
            git: git_access(&site),
            work_directory,
            layout_root: layout_root(&site, foreground, &state_directory)?,
            shutdown: shutdown.token.clone(),
            site,
        });

        shutdown.tracker.spawn(pool.look_after(shutdown.token.clone()));
        let (supervisor, queue) = Supervisor::new(services.clone());
        let server = server(&services, &supervisor, access, &shutdown);
        let grace = services.site.service.shutdown_grace.duration();
        let end = shutdown.clone();
        let serving = shutdown.tracker.spawn(async move { server.serve(listener, &end).await });
        for platform in &services.site.workers.local.platforms {
            services.launcher.ensure(platform);
        }
        let end = shutdown.clone();
        shutdown.tracker.spawn(async move {
            if let Err(error) = supervisor.run(queue, end.clone()).await {
                tracing::error!(%error, "builds cannot be taken up");
                end.token.cancel();
            }
        });
        Ok(RunningApp { address, services, shutdown, grace, server: serving })
    }
}

impl RunningApp {
    /// Waits for the process to be told to stop, then ends everything.
    ///
    /// # Errors
    /// The server failed.
    pub async fn until_shutdown(self) -> Result<(), ServeError> {
        self.shutdown.token.cancelled().await;
        self.stop().await
    }

    /// Ends everything: no new work, calls and steps end within the grace
    /// period, local workers stop, the store is closed.
    ///
    /// # Errors
    /// The server failed.
    pub async fn stop(self) -> Result<(), ServeError> {
        self.shutdown.token.cancel();
        self.services.launcher.stop();
        if !self.shutdown.wait(self.grace).await {
            tracing::warn!("not everything ended within the grace period");
        }
        self.services.logs.close().await;
        self.services.store.close().await;
        if self.server.is_finished() { self.server.await.unwrap_or(Ok(())) } else { Ok(()) }
    }
}

fn server(services: &Arc<Services>, supervisor: &Supervisor, access: Access, shutdown: &Shutdown) -> Server {
    let site = &services.site;
    let connections = ConnectionSettings {
        heartbeat_interval: site.workers.heartbeat_interval.duration(),
        heartbeat_timeout: site.workers.heartbeat_timeout.duration(),
        log_window: site.workers.log_window.bytes(),
    };
    let builds = BuildApi::new(services.clone(), supervisor.clone(), access.clone(), shutdown.clone());
    let workers = WorkerApi::new(services.clone(), access, shutdown.clone(), connections);
    let routes = Routes::default()
        .add_service(BuildServiceServer::new(builds).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(WorkerServiceServer::new(workers).max_decoding_message_size(MAX_MESSAGE_BYTES));
    let mut server = Server::new(routes, SERVICE_NAMES, DESCRIPTORS);
    server.reflection = site.service.reflection;
    server.grace = site.service.shutdown_grace.duration();
    server.tls = site.service.tls.files().map(|(certificate, key)| TlsFiles {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        client_ca: None,
    });
    server
}

/// In the foreground every platform gets a local worker; a service starts them
/// for the platforms that the site names, and for no other.
fn launcher(
    site: &Site,
    foreground: bool,
    address: &ServiceAddress,
    state_directory: &std::path::Path,
    pool: &Pool,
    shutdown: &Shutdown,
) -> Launcher {
    let local = &site.workers.local;
    if !foreground && local.platforms.is_empty() {
        return Launcher::default();
    }
    let settings = LocalWorkers {
        program: local.program.clone().unwrap_or_else(worker_program),
        slots: local.slots,
        orchestrator: address.to_string(),
        token_file: site.service.worker_token_file.clone(),
        directory: state_directory.join("workers"),
        platforms: (!foreground).then(|| local.platforms.iter().cloned().collect::<HashSet<_>>()),
    };
    Launcher::local(settings, pool.clone(), shutdown.clone())
}

/// `worker` beside this program, else by name on the search path.
fn worker_program() -> PathBuf {
    let name = "worker";
    std::env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.join(name)))
        .filter(|program| program.is_file())
        .unwrap_or_else(|| PathBuf::from(name))
}

fn registries(site: &Site) -> Client {
    let entry = |setting: &crate::config::RegistrySetting| {
        let settings = HostSettings {
            plain_http: setting.plain_http,
            ca_file: setting.ca_file.clone(),
            credentials_file: setting.credentials_file.clone(),
            ..HostSettings::default()
        };
        (setting.host.clone(), settings)
    };
    let hosts = site.registries.iter().map(entry).collect();
    Client::new(RegistrySettings { hosts, ..RegistrySettings::default() })
}

fn git_access(site: &Site) -> GitAccess {
    GitAccess {
        credentials_file: site.git.credentials_file.clone(),
        ssh_key_file: site.git.ssh_key_file.clone(),
        ssh_known_hosts_file: site.git.ssh_known_hosts_file.clone(),
        timeout: site.git.timeout.duration(),
        allow_local: true,
    }
}

fn layout_root(
    site: &Site,
    foreground: bool,
    state_directory: &std::path::Path,
) -> Result<LayoutRoot, AppError> {
    if foreground {
        let here =
            std::env::current_dir().map_err(|source| AppError::State { path: PathBuf::from("."), source })?;
        return Ok(LayoutRoot::Free(here));
    }
    let root = site.publication.layout_root.clone().unwrap_or_else(|| state_directory.join("layouts"));
    let root = std::path::absolute(&root).map_err(|source| AppError::State { path: root, source })?;
    Ok(LayoutRoot::Fence(make_directory(root)?))
}

fn make_directory(path: PathBuf) -> Result<PathBuf, AppError> {
    match std::fs::create_dir_all(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(AppError::State { path, source }),
    }
}
