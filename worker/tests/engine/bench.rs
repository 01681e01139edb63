//! A worker at an orchestrator that the test plays, and looks into the engine.

use std::{collections::BTreeMap, io::Read as _};

use bollard::Docker;
use bytes::Bytes;
use common::{
    failure::Failure,
    image::Digest,
    names::WorkOrderId,
    request::Limits,
    secret::Secret,
    work::{Descriptor, ManifestFormat, PlatformImage, WorkOrder, WorkOutcome},
};
use proto::v1::{attach_request, attach_response::Message};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use worker::{WorkerSettings, engine::Endpoint};

use crate::stand_in::{Attached, PATIENCE, StandIn};

/// A shell that runs what follows, on its own line.
pub(crate) fn with_run(command: &str) -> String {
    format!(
        "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"{command}\"]\n"
    )
}

pub(crate) fn context() -> Bytes {
    let mut archive = tar::Builder::new(Vec::new());
    let busybox = std::fs::read("/bin/busybox").expect("install busybox-static");
    let mut header = tar::Header::new_gnu();
    header.set_size(busybox.len() as u64);
    header.set_mode(0o755);
    archive.append_data(&mut header, "busybox", busybox.as_slice()).unwrap();
    archive.into_inner().unwrap().into()
}

pub(crate) struct Bench {
    pub(crate) server: StandIn,
    pub(crate) attached: Attached,
    scratch: tempfile::TempDir,
    pub(crate) shutdown: CancellationToken,
    worker: JoinSet<Result<(), worker::WorkerError>>,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let mut server = StandIn::start().await;
        *server.content.context.lock().unwrap() = context();
        let scratch = tempfile::tempdir().unwrap();
        let shutdown = CancellationToken::new();
        let settings = WorkerSettings {
            orchestrator: server.address.to_string().parse().unwrap(),
            platforms: vec!["x86_64".parse().unwrap()],
            slots: 2,
            id: "wrk_engine-test".parse().unwrap(),
            token_file: None,
            ca_file: None,
            registry_config: None,
            scratch_dir: scratch.path().to_owned(),
            engine: Endpoint::default(),
            exit_with_parent: None,
        };
        let worker = JoinSet::from_iter([worker::run(settings, shutdown.clone())]);
        let attached = server.welcomed().await;
        assert!(attached.hello.engine.contains("API"), "{}", attached.hello.engine);
        Self { server, attached, scratch, shutdown, worker }
    }

    /// A work order that no other run of these tests has.
    pub(crate) fn order(&self, dockerfile: &str) -> WorkOrder {
        let context = self.server.content.context.lock().unwrap().clone();
        let unique = common::names::BuildId::generate();
        let native = if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" };
        WorkOrder {
            id: WorkOrderId::derive(&unique, &"x86_64".parse().unwrap(), 1),
            build: unique,
            platform: "x86_64".parse().unwrap(),
            engine_platform: native.to_owned(),
            attempt: 1,
            context: Descriptor {
                media_type: "application/x-tar".to_owned(),
                digest: Digest::of(&context),
                size: context.len() as u64,
            },
            dockerfile_path: "build/Dockerfile".to_owned(),
            dockerfile: Bytes::copy_from_slice(dockerfile.as_bytes()),
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            host_label: None,
            limits: Limits::default(),
            use_cache: false,
            parents: Vec::new(),
            manifest_format: ManifestFormat::Oci,
            ticket: Secret::new("ticket"),
            koji_upload: None,
            list_packages: false,
        }
    }

    pub(crate) async fn hand_out(&self, order: &WorkOrder) {
        self.attached.say(Message::WorkOrder(order.clone().into())).await;
    }

    /// Hands an order out and waits for its end.
    pub(crate) async fn build(&mut self, order: &WorkOrder) -> (String, WorkOutcome) {
        self.hand_out(order).await;
        self.result(order).await
    }

    pub(crate) async fn result(&mut self, order: &WorkOrder) -> (String, WorkOutcome) {
        let (log, result) = self.attached.until_result().await;
        self.attached.stored(order.id.as_str()).await;
        let (id, outcome) = result.try_into().unwrap();
        assert_eq!(id, order.id);
        (log, outcome)
    }

    pub(crate) async fn failure(&mut self, order: &WorkOrder) -> (String, Failure) {
        let (log, outcome) = self.build(order).await;
        (log, outcome.expect_err("the build should fail"))
    }

    /// Waits until a text is in the log.
    pub(crate) async fn until_logged(&mut self, text: &str) {
        let mut log = Vec::new();
        while !String::from_utf8_lossy(&log).contains(text) {
            match self.attached.next().await {
                attach_request::Message::Logs(batch) => self.attached.store(&mut log, batch).await,
                other => panic!("{other:?} before '{text}'"),
            }
        }
    }

    pub(crate) async fn end(mut self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.worker.join_next()).await.unwrap().unwrap().unwrap().unwrap();
        let left: Vec<_> = std::fs::read_dir(self.scratch.path()).unwrap().flatten().collect();
        assert!(left.iter().all(|entry| entry.file_name() == "lock"), "{left:?}");
    }

    pub(crate) fn blob(&self, digest: &Digest) -> Bytes {
        self.server.content.blobs.lock().unwrap()[digest.as_str()].clone()
    }
}

pub(crate) fn docker() -> Docker {
    // The oldest version that has what the tests ask for; every engine has it.
    Docker::connect_with_unix(
        "/var/run/docker.sock",
        120,
        &bollard::ClientVersion { major_version: 1, minor_version: 41 },
    )
    .unwrap()
}

/// Which of these images the engine has.
pub(crate) async fn images_left(ids: &[String]) -> Vec<&String> {
    let docker = docker();
    let mut left = Vec::new();
    for id in ids {
        if docker.inspect_image(id).await.is_ok() {
            left.push(id);
        }
    }
    left
}

/// Containers that run a command with this text in it.
pub(crate) async fn containers_running(text: &str) -> Vec<String> {
    let docker = docker();
    let options = bollard::query_parameters::ListContainersOptions { all: true, ..Default::default() };
    let all = docker.list_containers(Some(options)).await.unwrap();
    all.into_iter()
        .filter(|it| it.command.as_deref().is_some_and(|command| command.contains(text)))
        .filter_map(|it| it.id)
        .collect()
}

pub(crate) fn files_of(layer: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(layer));
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        files.insert(name, String::from_utf8_lossy(&text).into_owned());
    }
    files
}

pub(crate) fn config_of(bench: &Bench, image: &PlatformImage) -> serde_json::Value {
    serde_json::from_slice(&bench.blob(&image.config.digest)).unwrap()
}
