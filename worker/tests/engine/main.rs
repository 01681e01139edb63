//! Whole work orders with a real container engine: the worker attaches to an
//! orchestrator that the test plays, builds, and uploads.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod bench;
mod parents;
#[allow(dead_code, reason = "the session's tests need more of it")]
#[path = "../../src/session/stand_in.rs"]
mod stand_in;

use std::{io::Read as _, time::Duration};

use bench::{Bench, config_of, containers_running, docker, files_of, images_left, with_run};
use common::{
    image::Digest,
    names::WorkOrderId,
    work::{ManifestFormat, WorkOutcome},
};
use proto::v1::{attach_request, attach_response::Message};

/// Two stages; the first runs a program of its own.
const TWO_STAGES: &str = "\
FROM scratch AS tools
COPY busybox /bin/busybox
RUN [\"/bin/busybox\", \"sh\", \"-c\", \"echo made in the first stage > /made; echo said aloud\"]

FROM scratch
COPY --from=tools /made /made
LABEL from=dockerfile
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine"]
async fn two_stages_become_an_image_whose_every_digest_recomputes() {
    let mut bench = Bench::start().await;
    bench.server.content.breaks.store(1, std::sync::atomic::Ordering::SeqCst);
    let mut order = bench.order(TWO_STAGES);
    order.labels.insert("from".to_owned(), "order".to_owned());
    order.labels.insert("com.redhat.build-host".to_owned(), "bench".to_owned());
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

    let mut made: Vec<String> =
        log.lines().filter_map(|line| line.strip_prefix(" ---> ")).map(str::to_owned).collect();
    made.retain(|id| id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    assert!(made.len() >= 4, "{made:?}");
    made.push(image.config.digest.to_string());
    assert_eq!(images_left(&made).await, Vec::<&String>::new());
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
    assert_eq!(
        (failure.code.as_str(), failure.step.as_str()),
        ("build.instruction_failed", "x86_64/build_image")
    );
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
    let running = containers_running("sleep 1013").await;
    let container = docker().inspect_container(&running[0], None).await.unwrap();
    let hosts = container.host_config.unwrap().extra_hosts.unwrap();
    assert!(hosts.iter().any(|host| host.starts_with("reactor-")), "{hosts:?}");
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
    let mut large = bench.order(
        &with_run(
            "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; true",
        )
        .replace("cat", "/bin/busybox cat"),
    );
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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine"]
async fn a_missing_emulation_is_told_before_anything_is_built() {
    let mut bench = Bench::start().await;
    let mut order = bench.order(&with_run("true"));
    order.engine_platform = "linux/mips64le".to_owned();
    let (log, outcome) = bench.build(&order).await;
    if std::path::Path::new("/proc/sys/fs/binfmt_misc/qemu-mips64el").exists() {
        // The program is for this host after all, so the build itself is fine.
        outcome.unwrap();
    } else {
        let failure = outcome.unwrap_err();
        assert_eq!(failure.code, "engine.platform_not_emulated", "{failure}");
        assert!(failure.advice.contains("qemu-user-static"), "{failure}");
        assert!(!log.contains("Step 1"), "{log}");
    }
    bench.end().await;
}
