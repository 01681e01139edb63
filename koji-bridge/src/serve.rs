//! `koji-bridge serve`.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    sync::Arc,
};

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use common::service::{
    ListenError, Listener, ServeError, Server, ServiceAddress, Shutdown,
    settings::{SettingsError, process_environment},
};
use futures::future::try_join_all;
use proto::v1::koji_bridge_service_server::{KojiBridgeServiceServer, SERVICE_NAME};
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};
use tracing::{info, warn};

use crate::{
    arguments::ServeArguments,
    hub::Hub,
    metrics::Metrics,
    monitor,
    service::{MAX_REQUEST_BYTES, Restricted, WithHub},
    session::{HubSettings, SessionError},
    settings::{ENVIRONMENT_PREFIX, KojiSettings, ServiceSettings, Settings, UploadSettings},
    upload::Uploads,
};

/// What Prometheus takes the metrics for.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The bridge cannot serve, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The hub's settings cannot be used.
    #[error("koji")]
    Hub(#[from] SessionError),
    /// The key of tickets can be neither read nor written.
    #[error("uploads.ticket_key_file: cannot use {}", path.display())]
    TicketKey {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The process cannot be started again with what Kerberos needs.
    #[error("cannot start again with the environment that Kerberos needs")]
    Restart(#[source] io::Error),
    /// The system refuses to tell about signals.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    /// The address cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The address of metrics cannot be had.
    #[error("service.metrics_listen: cannot listen on {address}")]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Nobody can be told the address.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// The server failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl BridgeError {
    /// The process's exit code: 3 for settings that cannot be used, else 1.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Settings(_) | Self::Hub(_)) { 3 } else { 1 }
    }
}

/// A bridge that is configured and has its addresses.
#[derive(Debug)]
pub struct Bridge {
    /// Where it is called.
    pub listeners: Vec<Listener>,
    /// Where workers bring files.
    pub for_workers: Option<Listener>,
    /// Where it tells its metrics.
    pub metrics: Option<TcpListener>,
    /// How files reach the hub.
    pub uploads: UploadSettings,
    /// Its hub.
    pub koji: Option<(KojiSettings, HubSettings)>,
    /// The rest.
    pub service: ServiceSettings,
}

/// Binds, says `listening on ADDR` on standard output, and serves until a
/// signal comes.
///
/// # Errors
/// An address cannot be bound, the hub's settings cannot be used, or the server
/// fails.
pub async fn run(arguments: &ServeArguments) -> Result<(), BridgeError> {
    let settings = Settings::load(arguments, &process_environment(ENVIRONMENT_PREFIX))?;
    let layer = layer_name(&arguments.config);
    let koji = match settings.koji {
        Some(koji) => {
            let hub = koji.hub(&layer)?;
            restart_for_kerberos(&hub)?;
            Some((koji, hub))
        }
        None => None,
    };
    let service = settings.service;
    let shutdown = Shutdown::on_signals().map_err(BridgeError::Signals)?;
    let mut listeners = Vec::new();
    for address in [Some(&service.listen), service.also_listen.as_ref()].into_iter().flatten() {
        listeners.push(Listener::bind(address).await?);
    }
    // Without a hub there is nothing to upload to.
    let uploads = if koji.is_some() { settings.uploads.with_ticket_key() } else { settings.uploads };
    let for_workers = match &uploads.listen {
        Some(address) => Some(Listener::bind(address).await?),
        None => None,
    };
    let metrics = match service.metrics_listen {
        Some(address) => {
            let failed = |source| BridgeError::Metrics { address, source };
            Some(TcpListener::bind(address).await.map_err(failed)?)
        }
        None => None,
    };
    let mut output = io::stdout().lock();
    for listener in &listeners {
        writeln!(output, "listening on {}", listener.local_address()).map_err(BridgeError::Output)?;
    }
    if let Some(listener) = &for_workers {
        writeln!(output, "listening for workers on {}", listener.local_address())
            .map_err(BridgeError::Output)?;
    }
    output.flush().map_err(BridgeError::Output)?;
    drop(output);
    let grace = service.grace();
    Bridge { listeners, for_workers, metrics, uploads, koji, service }.serve(&shutdown).await?;
    shutdown.wait(grace).await;
    Ok(())
}

/// Where settings come from, for errors that a check of all of them finds.
pub(crate) fn layer_name(files: &[PathBuf]) -> String {
    match files {
        [] => "the environment".to_owned(),
        files => files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", "),
    }
}

/// Starts the process again with the variables that the system's Kerberos library
/// needs, unless it has them: it takes them from nowhere else, and only before
/// there are threads.
pub(crate) fn restart_for_kerberos(hub: &HubSettings) -> Result<(), BridgeError> {
    let wanted: BTreeMap<&str, OsString> = hub.login.environment().into_iter().collect();
    if wanted.iter().all(|(name, value)| std::env::var_os(name).as_ref() == Some(value)) {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(BridgeError::Restart)?;
    let mut again = std::process::Command::new(program);
    again.args(std::env::args_os().skip(1)).envs(wanted);
    Err(BridgeError::Restart(again.exec()))
}

impl Bridge {
    /// Serves until shutdown is asked for, then logs out of the hub.
    ///
    /// # Errors
    /// The hub's address cannot be used, or the server fails.
    pub async fn serve(self, shutdown: &Shutdown) -> Result<(), BridgeError> {
        let metrics = Metrics::default();
        let health = HealthReporter::new();
        if let Some(listener) = self.metrics {
            shutdown.tracker.spawn(tell(listener, metrics.clone(), shutdown.clone()));
        }
        let Some((koji, settings)) = self.koji else {
            warn!(
                service = SERVICE_NAME,
                "no Koji hub is configured: the service is NOT_SERVING and its calls but Describe answer UNIMPLEMENTED"
            );
            let routes = Routes::new(KojiBridgeServiceServer::new(Restricted::without_hub()));
            // Registered, so that Describe can tell why nothing else is answered;
            // absent for whoever asks whether there is a hub to work with.
            let named = |server: &mut Server| server.absent.push(SERVICE_NAME);
            return serve_all(self.listeners, &routes, &health, &self.service, named, shutdown).await;
        };
        let tickets =
            self.uploads.tickets().map_err(|(path, source)| BridgeError::TicketKey { path, source })?;
        let (hub_of_uploads, options) = (Arc::new(settings.clone()), self.uploads.options());
        let (counted, end) = (metrics.clone(), shutdown.token.clone());
        let uploads = Arc::new(Uploads::new(&hub_of_uploads, tickets, options, counted, end)?);
        let hub = Hub::new(settings, koji.options(), shutdown.clone())?;
        info!(hub = hub.url(), anonymous = hub.is_anonymous(), "speaking to a Koji hub");
        let service =
            WithHub::new(hub.clone(), Arc::clone(&uploads), metrics.clone(), shutdown.token.clone());
        let service = KojiBridgeServiceServer::new(service).max_decoding_message_size(MAX_REQUEST_BYTES);
        health.set_service_status(SERVICE_NAME, ServingStatus::NotServing).await;
        let watch = monitor::run(
            hub.clone(),
            health.clone(),
            metrics.clone(),
            koji.health_interval(),
            shutdown.token.clone(),
        );
        shutdown.tracker.spawn(watch);
        let named = |server: &mut Server| server.supervised.push(SERVICE_NAME);
        let routes = Routes::new(service);
        let served = serve_all(self.listeners, &routes, &health, &self.service, named, shutdown);
        let for_workers =
            KojiBridgeServiceServer::new(Restricted::for_workers(Arc::clone(&uploads), metrics.clone()));
        let for_workers = Routes::new(for_workers);
        let workers = serve_all(
            self.for_workers.into_iter().collect(),
            &for_workers,
            &health,
            &self.service,
            |server| server.supervised.push(SERVICE_NAME),
            shutdown,
        );
        let ended = tokio::try_join!(served, workers);
        tokio::join!(hub.close(), uploads.close());
        ended.map(|_| ())
    }
}

/// Serves the same on every address.
async fn serve_all(
    listeners: Vec<Listener>,
    routes: &Routes,
    health: &HealthReporter,
    settings: &ServiceSettings,
    named: impl Fn(&mut Server),
    shutdown: &Shutdown,
) -> Result<(), BridgeError> {
    let servers = listeners.into_iter().map(|listener| {
        let mut server = Server::new(routes.clone(), &[], proto::DESCRIPTORS);
        named(&mut server);
        server.reflection = settings.reflection;
        server.grace = settings.grace();
        server.health = health.clone();
        let in_the_clear = matches!(listener.local_address(), ServiceAddress::Unix(_));
        server.tls = settings.tls_files().filter(|_| !in_the_clear);
        server.serve(listener, shutdown)
    });
    try_join_all(servers).await?;
    Ok(())
}

/// Tells the metrics to whoever asks.
async fn tell(listener: TcpListener, metrics: Metrics, shutdown: Shutdown) {
    let text = get(async move || ([(CONTENT_TYPE, METRICS_TYPE)], metrics.text()));
    let router = Router::new().route("/metrics", text);
    let end = shutdown.token.clone().cancelled_owned();
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(end).await {
        warn!(%error, "metrics are not told any more");
    }
}
