//! `koji-bridge serve`.

use std::io::{self, Write as _};

use common::service::{
    ListenError, Listener, ServeError, Server, Shutdown,
    settings::{SettingsError, process_environment},
};
use proto::v1::koji_bridge_service_server::{KojiBridgeServiceServer, SERVICE_NAME};
use tonic::service::Routes;
use tracing::warn;

use crate::{
    arguments::ServeArguments,
    service::WithoutHub,
    settings::{ENVIRONMENT_PREFIX, ServiceSettings, Settings},
};

/// The bridge cannot serve, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The system refuses to tell about signals.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    /// The address cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
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
        if matches!(self, Self::Settings(_)) { 3 } else { 1 }
    }
}

/// Binds, says `listening on ADDR` on standard output, and serves until a
/// signal comes.
///
/// # Errors
/// The address cannot be bound, or the server fails.
pub async fn run(arguments: &ServeArguments) -> Result<(), BridgeError> {
    let settings = Settings::load(arguments, &process_environment(ENVIRONMENT_PREFIX))?.service;
    let shutdown = Shutdown::on_signals().map_err(BridgeError::Signals)?;
    let listener = Listener::bind(&settings.listen).await?;
    let mut output = io::stdout().lock();
    writeln!(output, "listening on {}", listener.local_address())
        .and_then(|()| output.flush())
        .map_err(BridgeError::Output)?;
    drop(output);
    serve(listener, &settings, &shutdown).await?;
    shutdown.wait(settings.grace()).await;
    Ok(())
}

/// Serves on a bound listener until shutdown is asked for.
///
/// # Errors
/// The server fails.
pub async fn serve(
    listener: Listener,
    settings: &ServiceSettings,
    shutdown: &Shutdown,
) -> Result<(), ServeError> {
    warn!(
        service = SERVICE_NAME,
        "no Koji hub is configured: the service is NOT_SERVING and its calls but Describe answer UNIMPLEMENTED"
    );
    let routes = Routes::new(KojiBridgeServiceServer::new(WithoutHub));
    let mut server = Server::new(routes, &[], proto::DESCRIPTORS);
    // Registered, so that Describe can tell why nothing else is answered; absent
    // for whoever asks whether there is a hub to work with.
    server.absent.push(SERVICE_NAME);
    server.reflection = settings.reflection;
    server.grace = settings.grace();
    server.tls = settings.tls_files();
    server.serve(listener, shutdown).await
}
