//! The wiring: every part of the orchestrator, started in order and stopped in
//! the reverse one.

mod parts;

pub use parts::outside;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use common::{
    failure::{Failure, FailureClass},
    secret::SecretFileError,
    service::{ConnectError, ListenError, Listener, ServeError, ServiceAddress, Shutdown},
};

use crate::{
    api::Access,
    config::Site,
    outside::HttpError,
    pool::{Pool, PoolSettings, TicketMaker},
    run,
    services::Services,
    store::{
        Store, StoreError,
        logs::{LogError, LogLimits, LogStore},
    },
    supervisor::Supervisor,
};

/// Services of this process, by full name.
pub const SERVICE_NAMES: &[&str] =
    &["reactor.v1.BuildService", "reactor.v1.WorkerService", "reactor.v1.KojiBridgeService"];

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
    /// The service cannot be served, or not any longer.
    #[error("the service failed")]
    Serve(#[from] ServeError),
    /// What ended builds left behind cannot be looked through.
    #[error(transparent)]
    Sweep(#[from] Failure),
    /// Web servers cannot be reached from here.
    #[error(transparent)]
    Http(#[from] HttpError),
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
    broken: Broken,
}

/// What ended the orchestrator, if it was not asked to end. The first error
/// counts: those after it follow from it.
#[derive(Clone, Default)]
struct Broken(Arc<Mutex<Option<AppError>>>);

impl Broken {
    fn by(&self, error: AppError) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn take(&self) -> Option<AppError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
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
        let launcher = parts::launcher(&site, foreground, &address, &state_directory, &pool, &shutdown);
        let work_directory = parts::make_directory(state_directory.join("work"))?;
        run::sweep(&work_directory, &store.unfinished().await?).await?;
        let ticket_key = state_directory.join("ticket.key");
        let services = Arc::new(Services {
            logs: LogStore::open(
                &state_directory,
                LogLimits { build_bytes: site.builds.log_limit.bytes(), ..LogLimits::default() },
            )?,
            store,
            pool: pool.clone(),
            launcher,
            tickets: TicketMaker::open(&ticket_key)
                .map_err(|source| AppError::State { path: ticket_key, source })?,
            outside: parts::outside(&site)?,
            work_directory,
            layout_root: parts::layout_root(&site, foreground, &state_directory)?,
            shutdown: shutdown.token.clone(),
            site: Arc::new(site),
        });

        shutdown.tracker.spawn(pool.look_after(shutdown.token.clone()));
        shutdown.tracker.spawn(run::look_after_refunds(services.clone()));
        let supervisor = Supervisor::new(services.clone(), shutdown.clone());
        let server = parts::server(&services, &supervisor, access, &shutdown, foreground);
        let grace = services.site.service.shutdown_grace.duration();
        let broken = Broken::default();
        let (end, because) = (shutdown.clone(), broken.clone());
        shutdown.tracker.spawn(async move {
            if let Err(error) = server.serve(listener, &end).await {
                tracing::error!(%error, "the service failed");
                because.by(error.into());
                end.token.cancel();
            }
        });
        // In the foreground a worker is started when an order waits for one.
        if !foreground {
            for platform in &services.site.workers.local.platforms {
                services.launcher.ensure(platform);
            }
        }
        let (end, because) = (shutdown.token.clone(), broken.clone());
        shutdown.tracker.spawn(async move {
            if let Err(error) = supervisor.run().await {
                tracing::error!(%error, "builds cannot be taken up");
                because.by(error.into());
                end.cancel();
            }
        });
        Ok(RunningApp { address, services, shutdown, grace, broken })
    }
}

impl RunningApp {
    /// Ends everything: no new work, calls and steps end within the grace
    /// period, local workers stop, the store is closed.
    ///
    /// # Errors
    /// What had ended the service before it was asked to end.
    pub async fn stop(self) -> Result<(), AppError> {
        self.shutdown.token.cancel();
        self.services.launcher.stop();
        if !self.shutdown.wait(self.grace).await {
            tracing::warn!("not everything ended within the grace period");
        }
        self.services.logs.close().await;
        self.services.store.close().await;
        self.broken.take().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests;
