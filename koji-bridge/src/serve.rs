//! `koji-bridge serve`.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use common::service::{ListenError, Listener, ServeError, Server, Shutdown};
use proto::v1::koji_bridge_service_server::SERVICE_NAME;
use tonic::service::Routes;
use tracing::warn;

use crate::arguments::ServeArguments;

/// The bridge cannot serve, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
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

/// Binds, says `listening on ADDR` on standard output, and serves until a
/// signal comes.
///
/// # Errors
/// The address cannot be bound, or the server fails.
pub async fn run(arguments: &ServeArguments) -> Result<(), BridgeError> {
    let shutdown = Shutdown::on_signals().map_err(BridgeError::Signals)?;
    let listener = Listener::bind(&arguments.listen).await?;
    let mut output = io::stdout().lock();
    writeln!(output, "listening on {}", listener.local_address())
        .and_then(|()| output.flush())
        .map_err(BridgeError::Output)?;
    drop(output);
    let grace = Duration::from_secs(arguments.grace);
    serve(listener, !arguments.no_reflection, grace, &shutdown).await?;
    shutdown.wait(grace).await;
    Ok(())
}

/// Serves on a bound listener until shutdown is asked for.
///
/// # Errors
/// The server fails.
pub async fn serve(
    listener: Listener,
    reflection: bool,
    grace: Duration,
    shutdown: &Shutdown,
) -> Result<(), ServeError> {
    warn!(
        service = SERVICE_NAME,
        "no Koji hub is configured: the service is NOT_SERVING and its calls answer UNIMPLEMENTED"
    );
    let mut server = Server::new(Routes::default(), &[], proto::DESCRIPTORS);
    server.absent.push(SERVICE_NAME);
    server.reflection = reflection;
    server.grace = grace;
    server.serve(listener, shutdown).await
}
