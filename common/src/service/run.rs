//! Serving: health, reflection, keepalive, and an end that comes in time.

use std::{io, time::Duration};

use futures::Stream;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    service::Routes,
    transport::{self, ServerTlsConfig, server::Connected},
};
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};
use tracing::{info, warn};

use super::{
    Listener, Shutdown, TlsError, TlsFiles,
    listener::{self, Incoming},
};

/// Most bytes of one message, for both sides: `max_decoding_message_size` of
/// each generated server and client. Big enough for the largest manifest that
/// a registry takes (4 MiB) and what is around it.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// How often a silent connection is asked whether it is alive.
pub(super) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long it may take to answer.
pub(super) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls at a time on one connection.
const MAX_CALLS: u32 = 1024;
/// Bytes under way before the receiver has to agree, for a call and for a whole
/// connection: uploads should not wait for a round trip each 64 KiB.
const CALL_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// How long connections may take to notice that they were cut.
const CUT_TIMEOUT: Duration = Duration::from_secs(2);

/// A server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address says https and there are no certificates.
    #[error("the address says https, but no TLS certificate and key are configured")]
    NoCertificate,
    /// A TLS file cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The descriptors are not a file descriptor set.
    #[error("cannot offer reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the server failed")]
    Transport(#[from] transport::Error),
}

/// A gRPC server with everything around its services.
#[derive(Debug)]
pub struct Server {
    /// The services.
    pub routes: Routes,
    /// Their full names: each gets a health status and is listed by reflection.
    /// Example: `reactor.v1.BuildService`.
    pub service_names: Vec<&'static str>,
    /// Names that are published as the others but not served: their health is
    /// `NOT_SERVING` and calls answer `UNIMPLEMENTED`.
    pub absent: Vec<&'static str>,
    /// Names that are published and served, and whose health somebody else tells
    /// through [`health`](Self::health); `NOT_SERVING` once the end has begun.
    pub supervised: Vec<&'static str>,
    /// Encoded `FileDescriptorSet` of the contract.
    pub descriptors: &'static [u8],
    /// Whether reflection is offered.
    pub reflection: bool,
    /// Certificates; `None` means no TLS.
    pub tls: Option<TlsFiles>,
    /// How long calls may go on after shutdown was asked for.
    pub grace: Duration,
    /// Health of the services, for those who know of a change.
    pub health: HealthReporter,
}

impl Server {
    /// A server with reflection, without TLS, with 10 s of grace.
    pub fn new(routes: Routes, service_names: &[&'static str], descriptors: &'static [u8]) -> Self {
        Self {
            routes,
            service_names: service_names.to_vec(),
            absent: Vec::new(),
            supervised: Vec::new(),
            descriptors,
            reflection: true,
            tls: None,
            grace: Duration::from_secs(10),
            health: HealthReporter::new(),
        }
    }

    /// Serves until shutdown is asked for, then drains: health says
    /// `NOT_SERVING`, nobody is accepted any more, calls may end within the
    /// grace period, and what is left of them is cut.
    ///
    /// # Errors
    /// Reflection or TLS cannot be set up, or the transport fails.
    pub async fn serve(self, listener: Listener, shutdown: &Shutdown) -> Result<(), ServeError> {
        let tls = match &self.tls {
            Some(files) => Some(files.read().await?),
            None if listener.wants_tls() => return Err(ServeError::NoCertificate),
            None => None,
        };
        self.announce(ServingStatus::Serving).await;
        info!(address = %listener.local_address(), services = ?self.service_names, tls = tls.is_some(), "serving");
        let cut = CancellationToken::new();
        match listener.into_incoming(cut.clone()) {
            Incoming::Tcp(socket, token) => self.run(listener::tcp(socket, token), tls, cut, shutdown).await,
            Incoming::Unix(socket, file, token) => {
                self.run(listener::unix(socket, file, token), tls, cut, shutdown).await
            }
        }
    }

    async fn run<I, C>(
        self,
        incoming: I,
        tls: Option<ServerTlsConfig>,
        cut: CancellationToken,
        shutdown: &Shutdown,
    ) -> Result<(), ServeError>
    where
        I: Stream<Item = io::Result<C>>,
        C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    {
        let routes = self.routes_with_extras()?;
        let mut builder = transport::Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .max_concurrent_streams(MAX_CALLS)
            .initial_stream_window_size(CALL_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        if let Some(tls) = tls {
            builder = builder.tls_config(tls)?;
        }
        let announced = CancellationToken::new();
        let serving = builder
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, announced.clone().cancelled_owned());
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => return Ok(ended?),
            () = shutdown.token.cancelled() => {}
        }
        self.announce(ServingStatus::NotServing).await;
        for name in &self.supervised {
            self.health.set_service_status(name, ServingStatus::NotServing).await;
        }
        self.end_health_watches().await;
        announced.cancel();
        match timeout(self.grace, &mut serving).await {
            Ok(ended) => Ok(ended?),
            Err(_) => {
                warn!(grace = ?self.grace, "calls are still open after the grace period; cutting them");
                cut.cancel();
                timeout(CUT_TIMEOUT, serving).await.unwrap_or(Ok(()))?;
                Ok(())
            }
        }
    }

    fn routes_with_extras(&self) -> Result<Routes, ServeError> {
        let health = HealthServer::new(HealthService::from_health_reporter(self.health.clone()));
        let mut routes = self.routes.clone().add_service(health);
        if self.reflection {
            let builder = || {
                let names = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];
                let names =
                    names.iter().chain(&self.service_names).chain(&self.absent).chain(&self.supervised);
                let builder = tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(self.descriptors)
                    .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
                names.fold(builder, |builder, name| builder.with_service_name(*name))
            };
            routes = routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?);
        }
        Ok(routes)
    }

    /// Sets every service that is served, and the server as a whole.
    async fn announce(&self, status: ServingStatus) {
        for name in self.service_names.iter().chain(&[""]) {
            self.health.set_service_status(name, status).await;
        }
        for name in &self.absent {
            self.health.set_service_status(name, ServingStatus::NotServing).await;
        }
    }

    /// Ends the streams of `Watch` after they have seen the last status; each
    /// of them would otherwise use up the whole grace period.
    async fn end_health_watches(&self) {
        let mut health = self.health.clone();
        for name in self.service_names.iter().chain(&self.absent).chain(&self.supervised).chain(&[""]) {
            health.clear_service_status(name).await;
        }
    }
}

#[cfg(test)]
mod tests;
