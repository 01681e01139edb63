//! Whole work orders with a real container engine: the worker attaches to an
//! orchestrator that the test plays, builds, and uploads.

#[allow(dead_code, reason = "the session's tests need more of it")]
#[path = "../src/session/stand_in.rs"]
mod stand_in;

use std::{collections::BTreeMap, io::Read as _, time::Duration};

use bollard::Docker;
use bytes::Bytes;
use common::{
    failure::Failure,
    image::Digest,
    names::WorkOrderId,
    request::Limits,
    secret::Secret,
    work::{Descriptor, ManifestFormat, Parent, PlatformImage, WorkOrder, WorkOutcome},
};
use proto::v1::{attach_request, attach_response::Message};
use stand_in::{Attached, PATIENCE, StandIn};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use worker::{WorkerSettings, engine::Endpoint};

/// Two stages; the first runs a program of its own.
const TWO_STAGES: &str = "\
FROM scratch AS tools
COPY busybox /bin/busybox
RUN [\"/bin/busybox\", \"sh\", \"-c\", \"echo made in the first stage > /made; echo said aloud\"]

FROM scratch
COPY --from=tools /made /made
LABEL from=dockerfile
";

/// A shell that runs what follows, on its own line.
fn with_run(command: &str) -> String {
    format!("FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"{command}\"]\n")
}

fn context() -> Bytes {
    let mut archive = tar::Builder::new(Vec::new());
    let busybox = std::fs::read("/bin/busybox").expect("install busybox-static");
    let mut header = tar::Header::new_gnu();
    header.set_size(busybox.len() as u64);
    header.set_mode(0o755);
    archive.append_data(&mut header, "busybox", busybox.as_slice()).unwrap();
    archive.into_inner().unwrap().into()
}

struct Bench {
    server: StandIn,
    attached: Attached,
    scratch: tempfile::TempDir,
    shutdown: CancellationToken,
    worker: JoinSet<Result<(), worker::WorkerError>>,
}

impl Bench {
    async fn start() -> Self {
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
    fn order(&self, dockerfile: &str) -> WorkOrder {
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
            limits: Limits::default(),
            use_cache: false,
            parents: Vec::new(),
            manifest_format: ManifestFormat::Oci,
            ticket: Secret::new("ticket"),
        }
    }

    async fn hand_out(&self, order: &WorkOrder) {
        self.attached.say(Message::WorkOrder(order.clone().into())).await;
    }

    /// Hands an order out and waits for its end.
    async fn build(&mut self, order: &WorkOrder) -> (String, WorkOutcome) {
        self.hand_out(order).await;
        self.result(order).await
    }

    async fn result(&mut self, order: &WorkOrder) -> (String, WorkOutcome) {
        let (log, result) = self.attached.until_result().await;
        self.attached.stored(order.id.as_str()).await;
        let (id, outcome) = result.try_into().unwrap();
        assert_eq!(id, order.id);
        (log, outcome)
    }

    async fn failure(&mut self, order: &WorkOrder) -> (String, Failure) {
        let (log, outcome) = self.build(order).await;
        (log, outcome.expect_err("the build should fail"))
    }

    /// Waits until a text is in the log.
    async fn until_logged(&mut self, text: &str) {
        let mut log = Vec::new();
        while !String::from_utf8_lossy(&log).contains(text) {
            match self.attached.next().await {
                attach_request::Message::Logs(batch) => self.attached.store(&mut log, batch).await,
                other => panic!("{other:?} before '{text}'"),
            }
        }
    }

    async fn end(mut self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.worker.join_next()).await.unwrap().unwrap().unwrap().unwrap();
        let left: Vec<_> = std::fs::read_dir(self.scratch.path()).unwrap().flatten().collect();
        assert!(left.iter().all(|entry| entry.file_name() == "lock"), "{left:?}");
    }

    fn blob(&self, digest: &Digest) -> Bytes {
        self.server.content.blobs.lock().unwrap()[digest.as_str()].clone()
    }
}

fn docker() -> Docker {
    Docker::connect_with_socket_defaults().unwrap()
}

/// Ids of all images that no name points to.
async fn dangling() -> Vec<String> {
    let docker = docker().negotiate_version().await.unwrap();
    let filters = [("dangling".to_owned(), vec!["true".to_owned()])].into();
    let options = bollard::query_parameters::ListImagesOptions { all: false, filters: Some(filters), ..Default::default() };
    docker.list_images(Some(options)).await.unwrap().into_iter().map(|image| image.id).collect()
}

/// Containers that run a command with this text in it.
async fn containers_running(text: &str) -> Vec<String> {
    let docker = docker().negotiate_version().await.unwrap();
    let options = bollard::query_parameters::ListContainersOptions { all: true, ..Default::default() };
    let all = docker.list_containers(Some(options)).await.unwrap();
    all.into_iter().filter(|it| it.command.as_deref().is_some_and(|command| command.contains(text))).filter_map(|it| it.id).collect()
}

fn files_of(layer: &[u8]) -> BTreeMap<String, String> {
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

fn config_of(bench: &Bench, image: &PlatformImage) -> serde_json::Value {
    serde_json::from_slice(&bench.blob(&image.config.digest)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine"]
async fn two_stages_become_an_image_whose_every_digest_recomputes() {
    let mut bench = Bench::start().await;
    bench.server.content.breaks.store(1, std::sync::atomic::Ordering::SeqCst);
    let mut order = bench.order(TWO_STAGES);
    order.labels.insert("from".to_owned(), "order".to_owned());
    order.labels.insert("com.redhat.build-host".to_owned(), "bench".to_owned());
    let before = dangling().await;
    let (log, outcome) = bench.build(&order).await;
    let image = outcome.unwrap();

    assert!(log.contains("said aloud\n") && log.contains("Step 6/"), "{log}");
    let offsets = bench.server.content.offsets.lock().unwrap().clone();
    assert!(offsets.len() == 2 && offsets[1] > 0, "resumed where it broke: {offsets:?}");

    assert_eq!(Digest::of(&bench.blob(&image.config.digest)), image.config.digest);
    let config = config_of(&bench, &image);
    assert_eq!(config["config"]["Labels"]["from"], "order");
    assert_eq!(config["config"]["Labels"]["com.redhat.build-host"], "bench");
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    assert_eq!((diff_ids.len(), image.layers.len()), (1, 1));
    let layer = bench.blob(&image.layers[0].blob.digest);
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&layer[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(diff_ids[0], Digest::of(&plain).as_str());
    assert_eq!(files_of(&layer)["made"], "made in the first stage\n");
    let manifest: serde_json::Value = serde_json::from_slice(&image.manifest).unwrap();
    assert_eq!(manifest["layers"][0]["digest"], image.layers[0].blob.digest.as_str());
    assert_eq!(manifest["config"]["size"], image.config.size);

    let after = dangling().await;
    assert!(after.iter().all(|id| before.contains(id)), "images are left: {after:?}");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine"]
async fn errors_of_the_dockerfile_name_the_line() {
    let mut bench = Bench::start().await;
    let bad = "FROM scratch\nCOPY busybox /b\n\n\n\n\nRUM true\n";
    let (_, failure) = bench.failure(&bench.order(bad)).await;
    assert_eq!(failure.code, "build.dockerfile_invalid", "{failure}");
    assert!(failure.message.contains("line 7") && failure.message.contains("RUM"), "{failure}");

    let failing = format!("# first\n{}", with_run("echo to the end; exit 7"));
    let (log, failure) = bench.failure(&bench.order(&failing)).await;
    assert_eq!((failure.code.as_str(), failure.step.as_str()), ("build.instruction_failed", "x86_64/build_image"));
    assert!(failure.message.contains("Step 3/3") && failure.message.contains("line 4"), "{failure}");
    assert!(failure.message.contains("non-zero code: 7"), "{failure}");
    assert!(log.contains("to the end\n"), "{log}");

    let missing = "FROM scratch\nCOPY nothing /\n";
    let (_, failure) = bench.failure(&bench.order(missing)).await;
    assert_eq!(failure.code, "build.instruction_failed", "{failure}");
    assert!(failure.message.contains("Step 2/2 : COPY nothing /"), "{failure}");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine"]
async fn a_cancelled_build_leaves_no_container() {
    let mut bench = Bench::start().await;
    let order = bench.order(&with_run("echo begun; exec /bin/busybox sleep 1013"));
    bench.hand_out(&order).await;
    bench.until_logged("begun\n").await;
    assert_eq!(containers_running("sleep 1013").await.len(), 1);
    let cancel = proto::v1::CancelWork { work_order_id: order.id.to_string(), reason: "enough".to_owned() };
    bench.attached.say(Message::Cancel(cancel)).await;
    // The log goes on where it was: gaps are checked from its beginning only.
    let result = loop {
        if let attach_request::Message::Result(result) = bench.attached.next().await {
            break result;
        }
    };
    bench.attached.stored(order.id.as_str()).await;
    let (_, outcome): (WorkOrderId, WorkOutcome) = result.try_into().unwrap();
    let failure = outcome.unwrap_err();
    assert_eq!(failure.code, "cancelled", "{failure}");
    assert!(containers_running("sleep 1013").await.is_empty());
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine"]
async fn a_worker_that_ends_takes_its_builds_along() {
    let mut bench = Bench::start().await;
    let order = bench.order(&with_run("echo begun; exec /bin/busybox sleep 1017"));
    bench.hand_out(&order).await;
    bench.until_logged("begun\n").await;
    bench.shutdown.cancel();
    loop {
        if let attach_request::Message::Result(result) = bench.attached.next().await {
            let (_, outcome): (WorkOrderId, WorkOutcome) = result.try_into().unwrap();
            assert_eq!(outcome.unwrap_err().code, "worker.shutting_down");
            break;
        }
    }
    assert!(containers_running("sleep 1017").await.is_empty());
    bench.attached.stored(order.id.as_str()).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine"]
async fn limits_of_time_and_memory_hold() {
    let mut bench = Bench::start().await;
    let mut slow = bench.order(&with_run("exec /bin/busybox sleep 1019"));
    slow.limits.time = Some(Duration::from_secs(5));
    let (_, failure) = bench.failure(&slow).await;
    assert_eq!(failure.code, "build.time_limit", "{failure}");
    assert!(containers_running("sleep 1019").await.is_empty());

    // Three gibibytes do not fit into 32 bits and must arrive all the same.
    let mut large = bench.order(&with_run(
        "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; true",
    ).replace("cat", "/bin/busybox cat"));
    large.limits.memory_bytes = Some(3 << 30);
    let (log, outcome) = bench.build(&large).await;
    outcome.unwrap();
    assert!(log.contains("3221225472"), "{log}");

    let hungry = "x=x; while true; do x=$x$x; done";
    let mut greedy = bench.order(&with_run(hungry));
    greedy.limits.memory_bytes = Some(64 << 20);
    let (_, failure) = bench.failure(&greedy).await;
    assert_eq!(failure.code, "build.out_of_memory", "{failure}");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine"]
async fn parents_that_are_missing_are_named() {
    let mut bench = Bench::start().await;
    let mut order = bench.order("FROM reactor.invalid/nothing:1\n");
    order.parents = vec![Parent { written_as: "reactor.invalid/nothing:1".to_owned(), pinned: None }];
    let (_, failure) = bench.failure(&order).await;
    assert_eq!(failure.code, "parent.not_found", "{failure}");
    assert!(failure.message.contains("reactor.invalid/nothing:1"), "{failure}");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine"]
async fn an_image_for_another_architecture_needs_no_emulation_without_run() {
    let mut bench = Bench::start().await;
    let mut order = bench.order("FROM scratch\nCOPY busybox /bin/busybox\n");
    order.engine_platform = "linux/s390x".to_owned();
    order.manifest_format = ManifestFormat::Docker;
    let (_, outcome) = bench.build(&order).await;
    let image = outcome.unwrap();
    assert_eq!(config_of(&bench, &image)["architecture"], "s390x");
    assert_eq!(image.layers[0].blob.media_type, ManifestFormat::Docker.layer());
    bench.end().await;
}
