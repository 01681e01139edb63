//! The hub as tests and the binary start it.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use super::{
    authority::Authority,
    connection::{Peer, Wires, acceptor},
    engine::{Engine, RecordedCall},
    faults::{Effect, FaultOrder, Offline},
    http::{self, FILES, HUB},
    settings::HubSettings,
    state::State,
    store::Store,
};

/// How long the last calls may take when the hub is stopped.
const LONGEST_STOP: Duration = Duration::from_secs(10);

/// A Koji hub on loopback. It stops when this is dropped.
#[derive(Debug)]
pub struct KojiHub {
    origin: String,
    address: SocketAddr,
    engine: Arc<Engine>,
    authority: Option<Authority>,
    server: JoinSet<()>,
    /// All connections end with it.
    open: watch::Sender<()>,
    /// The files of a hub that keeps nothing.
    _temporary: Option<TempDir>,
}

impl KojiHub {
    /// Starts a hub that keeps nothing, over plain HTTP.
    ///
    /// # Errors
    /// No port or no directory is to be had.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(HubSettings::default()).await
    }

    /// The same with settings.
    ///
    /// # Errors
    /// No port or no directory is to be had.
    pub async fn start_with(settings: HubSettings) -> io::Result<Self> {
        Self::temporary(settings, None).await
    }

    /// Starts a hub that keeps nothing, over TLS, with an authority of its own.
    ///
    /// # Errors
    /// No port or no directory is to be had, or a certificate cannot be made.
    pub async fn start_tls(settings: HubSettings) -> io::Result<Self> {
        let authority = Authority::new()?;
        Self::temporary(settings, Some(authority)).await
    }

    /// Starts a hub that keeps everything in a directory, over plain HTTP.
    ///
    /// # Errors
    /// Another hub has the directory, or it cannot be used, or no port is to be had.
    pub async fn start_in(directory: &Path, settings: HubSettings) -> io::Result<Self> {
        Self::serve(directory, SocketAddr::from(([127, 0, 0, 1], 0)), settings, None).await
    }

    /// Starts a hub that keeps everything in a directory, at an address. With an
    /// authority it speaks TLS.
    ///
    /// # Errors
    /// Another hub has the directory, or it cannot be used, or the address is taken,
    /// or a certificate cannot be made.
    pub async fn serve(
        directory: &Path,
        address: SocketAddr,
        settings: HubSettings,
        authority: Option<Authority>,
    ) -> io::Result<Self> {
        let (store, mut state) = Store::open(directory)?;
        state.prepare();
        let engine = Engine::new(settings, directory.join("topdir"), Some(store), state);
        Self::listen(engine, address, authority, None).await
    }

    async fn temporary(settings: HubSettings, authority: Option<Authority>) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut state = State::default();
        state.prepare();
        let engine = Engine::new(settings, directory.path().join("topdir"), None, state);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::listen(engine, address, authority, Some(directory)).await
    }

    async fn listen(
        engine: Engine,
        address: SocketAddr,
        authority: Option<Authority>,
        temporary: Option<TempDir>,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(engine.top_directory.join("work"))?;
        let clients = engine.settings.client_certificates;
        let tls = authority.as_ref().map(|authority| authority.server(clients)).transpose()?;
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        // A name that both kinds of certificates and all clients take.
        let origin = match tls {
            Some(_) => format!("https://localhost:{}", address.port()),
            None => format!("http://{address}"),
        };
        let engine = Arc::new(engine);
        let router = Router::new().fallback(http::handle).with_state(Arc::clone(&engine));
        let service = router.into_make_service_with_connect_info::<Peer>();
        let (open, receiver) = watch::channel(());
        let wires = Wires::new(listener, tls.map(acceptor), receiver);
        let mut server = JoinSet::new();
        server.spawn(async move {
            // Serving ends with the hub, not by itself.
            let _ = axum::serve(wires, service).await;
        });
        Ok(Self { origin, address, engine, authority, server, open, _temporary: temporary })
    }

    /// The address of the hub. Example: `http://127.0.0.1:41873/kojihub`.
    pub fn url(&self) -> String {
        format!("{}{HUB}", self.origin)
    }

    /// The address of its files. Example: `http://127.0.0.1:41873/kojifiles`.
    pub fn files_url(&self) -> String {
        format!("{}{FILES}", self.origin)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory with its files (`KojiDir`).
    pub fn top_directory(&self) -> PathBuf {
        self.engine.top_directory.clone()
    }

    /// The authority of a hub that speaks TLS.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// Looks at the state.
    pub fn state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.engine.inner().state)
    }

    /// Changes the state and stores it.
    ///
    /// # Errors
    /// It cannot be stored; then nothing has changed.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> io::Result<T> {
        self.engine.change(change)
    }

    /// Orders a fault for the next calls of a method; `rawUpload` for uploads, `*`
    /// for all calls. Of several that match, the first one strikes.
    pub fn fault(&self, method: &str, times: usize, effect: Effect) {
        self.engine.order(FaultOrder { method: method.to_owned(), skip: 0, times, effect });
    }

    /// Orders a fault.
    pub fn order(&self, order: FaultOrder) {
        self.engine.order(order);
    }

    /// Takes back all faults that have not struck.
    pub fn clear_faults(&self) {
        self.engine.inner().orders.clear();
    }

    /// The hub is offline from now on, for so long or until [`Self::go_online`].
    pub fn go_offline(&self, time: Option<Duration>) {
        self.engine.inner().offline = Offline::after(time);
    }

    /// The hub is no longer offline.
    pub fn go_online(&self) {
        self.engine.inner().offline = Offline::No;
    }

    /// The calls so far, in the order in which they ended; the latest 10000.
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.engine.inner().calls.iter().cloned().collect()
    }

    /// How often a method was called.
    pub fn count(&self, method: &str) -> usize {
        self.engine.inner().calls.iter().filter(|call| call.method == method).count()
    }

    /// How many sessions have a call that has outlived its client and is still being
    /// carried out.
    pub fn outliving(&self) -> usize {
        self.engine.inner().outliving.len()
    }

    /// Stops the hub and all its connections. Calls that are being carried out end
    /// first.
    pub async fn stop(self) {
        let Self { engine, mut server, open, .. } = self;
        server.shutdown().await;
        drop(open);
        // The store is free when the last connection has let go of it.
        let deadline = Instant::now() + LONGEST_STOP;
        while Arc::strong_count(&engine) > 1 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
