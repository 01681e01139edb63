//! A hub, a bridge in front of it, and a client of the bridge.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use common::service::{ConnectOptions, Connection, Listener, ServiceAddress, Shutdown, connect};
use koji_bridge::{
    serve::Bridge,
    session::{Chunk, Session},
    settings::{KojiSettings, ServiceSettings, UploadSettings},
};
use md5::{Digest as _, Md5};
use proto::{
    convert::{KojiFailure, koji_failure},
    v1::{self, koji_bridge_service_client::KojiBridgeServiceClient},
};
use serde_json::{Value, json};
use testkit::hub::{HubSettings, KojiHub};
use tokio::{net::TcpListener, task::JoinSet};
use tonic::{Code, Status};

pub(crate) const USER: &str = "osbs";
pub(crate) const PASSWORD: &str = "hunter2-password";
pub(crate) const GENERATOR: &str = "atomic-reactor";
pub(crate) const PACKAGE: &str = "hello-container";

pub(crate) type Client = KojiBridgeServiceClient<Connection>;

pub(crate) struct Stage {
    pub(crate) hub: KojiHub,
    pub(crate) bridge: Running,
}

pub(crate) struct Running {
    pub(crate) address: ServiceAddress,
    /// Where workers bring files, if it was asked for.
    pub(crate) for_workers: Option<ServiceAddress>,
    /// Where metrics are.
    pub(crate) metrics: SocketAddr,
    shutdown: Shutdown,
    _server: JoinSet<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.token.cancel();
    }
}

impl Running {
    pub(crate) async fn connection(&self) -> Connection {
        connect(&self.address, &ConnectOptions::default()).await.unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        Client::new(self.connection().await)
    }

    /// Ends it as a signal would, and waits for its end.
    pub(crate) async fn stop(mut self) {
        self.shutdown.token.cancel();
        while self._server.join_next().await.is_some() {}
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(HubSettings::default()).await
    }

    pub(crate) async fn with(settings: HubSettings) -> Self {
        let hub = KojiHub::start_with(settings).await.unwrap();
        hub.with_user(USER, PASSWORD).unwrap();
        hub.grant(USER, GENERATOR).unwrap();
        let bridge = start(&hub, &login()).await;
        Self { hub, bridge }
    }

    pub(crate) async fn client(&self) -> Client {
        self.bridge.client().await
    }

    /// Another bridge with the same user, as after a restart.
    pub(crate) async fn another_client(&self) -> (Running, Client) {
        let bridge = start(&self.hub, &login()).await;
        let client = bridge.client().await;
        (bridge, client)
    }

    /// A session of the bridge's user, to upload with.
    pub(crate) fn session(&self) -> Session {
        Session::new(Arc::new(settings(&self.hub, &login()).hub("test").unwrap())).unwrap()
    }

    /// Uploads an image and a log, and answers with a document that imports them.
    pub(crate) async fn prepare(&self, directory: &str, release: &str) -> Value {
        let session = self.session();
        let (document, files) = document(directory, release);
        for (name, content) in files {
            let data = Bytes::from(content);
            session.upload_chunk(&Chunk { directory, name, offset: 0, overwrite: true, data }).await.unwrap();
        }
        document
    }

    /// Imports a build and answers with its number.
    pub(crate) async fn imported(&self, directory: &str, release: &str) -> u64 {
        let request = import_request(&self.prepare(directory, release).await, directory, "");
        self.client().await.import_build(request).await.unwrap().into_inner().build_id
    }
}

/// A document that imports an image and a log, and the two files: name and content.
pub(crate) fn document(about: &str, release: &str) -> (Value, Vec<(&'static str, String)>) {
    let (mut output, mut files) = (Vec::new(), Vec::new());
    for (name, kind, extra) in [
        ("image.tar.gz", "docker-image", json!({"image": {"arch": "x86_64"}, "docker": {"id": "sha256:1"}})),
        ("x86_64.log", "log", Value::Null),
    ] {
        let content = format!("{about} {release} {name}");
        let mut file = json!({
            "filename": name, "filesize": content.len(), "checksum": hex::encode(Md5::digest(&content)),
            "checksum_type": "md5", "arch": "x86_64", "type": kind, "buildroot_id": 1, "components": [],
        });
        if !extra.is_null() {
            file["extra"] = extra;
        }
        output.push(file);
        files.push((name, content));
    }
    let document = json!({
        "metadata_version": 0,
        "build": {
            "name": PACKAGE, "version": "1.0", "release": release, "owner": null,
            "source": "git://git.example.org/hello#4f1c2d", "start_time": 1_524_680_960,
            "end_time": 1_524_681_060, "extra": {"image": {}},
        },
        "buildroots": [{
            "id": 1, "host": {"os": "Fedora", "arch": "x86_64"},
            "content_generator": {"name": GENERATOR, "version": "1.0"},
            "container": {"type": "none", "arch": "x86_64"}, "tools": [], "components": [],
        }],
        "output": output,
    });
    (document, files)
}

pub(crate) fn login() -> Value {
    let file = tempfile::NamedTempFile::new().unwrap().into_temp_path().keep().unwrap();
    std::fs::write(&file, PASSWORD).unwrap();
    json!({"user": USER, "password_file": file})
}

/// The settings of a bridge that is in a hurry.
pub(crate) fn settings(hub: &KojiHub, login: &Value) -> KojiSettings {
    let mut settings = json!({
        "hub_url": hub.url(), "files_url": hub.files_url(), "web_url": "https://koji.example.org/koji/",
        "patience": {
            "retries": 1, "retry_interval_seconds": 0, "offline_limit_seconds": 1,
            "offline_interval_seconds": 1, "task_poll_seconds": 1, "reservation_seconds": 0,
            "look_seconds": 0, "health_seconds": 1, "call_seconds": 20, "import_quiet_seconds": 1,
        },
    });
    if !login.is_null() {
        settings["login"] = login.clone();
    }
    serde_json::from_value(settings).unwrap()
}

pub(crate) async fn start(hub: &KojiHub, login: &Value) -> Running {
    start_with(settings(hub, login), UploadSettings::default()).await
}

pub(crate) async fn start_with(koji: KojiSettings, uploads: UploadSettings) -> Running {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_address().clone();
    let for_workers = match &uploads.listen {
        Some(address) => Some(Listener::bind(address).await.unwrap()),
        None => None,
    };
    let workers = for_workers.as_ref().map(|listener| listener.local_address().clone());
    let metrics = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let told = metrics.local_addr().unwrap();
    let session = koji.hub("test").unwrap();
    let service = ServiceSettings { shutdown_grace_seconds: 1, ..ServiceSettings::default() };
    let bridge = Bridge {
        listeners: vec![listener],
        for_workers,
        metrics: Some(metrics),
        uploads,
        koji: Some((koji, session)),
        service,
    };
    let (shutdown, mut server) = (Shutdown::new(), JoinSet::new());
    let end = shutdown.clone();
    server.spawn(async move { bridge.serve(&end).await.unwrap() });
    Running { address, for_workers: workers, metrics: told, shutdown, _server: server }
}

pub(crate) fn nvr(release: &str) -> v1::Nvr {
    v1::Nvr { name: PACKAGE.into(), version: "1.0".into(), release: release.into() }
}

pub(crate) fn import_request(document: &Value, directory: &str, token: &str) -> v1::ImportBuildRequest {
    v1::ImportBuildRequest {
        metadata_json: document.to_string(),
        directory: directory.into(),
        token: token.into(),
        ticket: String::new(),
    }
}

/// The code of gRPC, the failure, and its stable code.
pub(crate) fn told(status: &Status) -> (Code, KojiFailure, String) {
    let failure = koji_failure(status).unwrap_or_else(|| panic!("no details: {status:?}"));
    let code = failure.failure.code.clone();
    (status.code(), failure, code)
}
