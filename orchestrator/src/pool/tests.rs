use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use common::{
    failure::{Failure, FailureClass},
    image::Digest,
    request::Limits,
    secret::Secret,
    work::{Descriptor, ManifestFormat},
};

use super::*;

mod comings_and_goings;

const WINDOW: Duration = Duration::from_secs(30);

fn pool() -> Pool {
    Pool::new(PoolSettings { reattach_window: WINDOW })
}

fn order(id: &str, platform: &str) -> WorkOrder {
    let platform: Platform = platform.parse().unwrap();
    let build: BuildId = format!("bld_{id}").parse().unwrap();
    WorkOrder {
        id: WorkOrderId::derive(&build, &platform, 1),
        build,
        platform,
        engine_platform: "linux/amd64".into(),
        attempt: 1,
        context: Descriptor { media_type: "x".into(), digest: Digest::of(b""), size: 0 },
        dockerfile_path: "Dockerfile".into(),
        dockerfile: Bytes::new(),
        build_args: BTreeMap::new(),
        labels: BTreeMap::new(),
        host_label: None,
        limits: Limits::default(),
        use_cache: false,
        parents: vec![],
        manifest_format: ManifestFormat::Oci,
        ticket: Secret::new("t"),
        koji_upload: None,
        list_packages: false,
    }
}

fn worker(name: &str, platform: &str, slots: usize, held: &[&WorkOrderId]) -> Credentials {
    Credentials {
        id: format!("wrk_{name}").parse().unwrap(),
        platforms: [platform.parse().unwrap()].into(),
        slots,
        version: "0".into(),
        host: "h".into(),
        engine: "e".into(),
        held: held.iter().map(|id| (*id).clone()).collect(),
        unknown: [].into(),
    }
}

fn failed() -> WorkOutcome {
    Err(Failure::new(FailureClass::Source, "test", "exit 1"))
}

async fn expect_waiting(submission: &mut Submission, part: &str) {
    match submission.next().await {
        Some(Update::Waiting(reason)) => assert!(reason.contains(part), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_order_goes_to_a_free_worker_and_comes_back() {
    let pool = pool();
    let mut submission = pool.submit(order("1", "x86_64"), false);
    expect_waiting(&mut submission, "no worker for x86_64 is attached (position 1)").await;
    let mut attachment = pool.attach(worker("a", "x86_64", 1, &[]));
    assert!(matches!(submission.next().await, Some(Update::Assigned(id)) if id == attachment.worker));
    assert!(matches!(attachment.inbound.recv().await, Some(ToWorker::Order(o)) if o.id == submission.id));
    assert!(pool.holds(&attachment.worker, &submission.id));
    assert!(pool.finish(&attachment.worker, &submission.id, failed()));
    assert!(matches!(submission.next().await, Some(Update::Finished(_, outcome)) if outcome.is_err()));
    assert!(pool.finish(&attachment.worker, &submission.id, failed()), "said twice is taken twice");
    pool.release(&"bld_1".parse().unwrap());
    assert!(matches!(attachment.inbound.recv().await, Some(ToWorker::ResultStored(_))));
}

#[tokio::test]
async fn places_are_a_hard_limit_and_free_up_with_the_result() {
    let pool = pool();
    let attachment = pool.attach(worker("a", "x86_64", 1, &[]));
    let mut first = pool.submit(order("1", "x86_64"), false);
    let mut second = pool.submit(order("2", "x86_64"), false);
    assert!(matches!(first.next().await, Some(Update::Assigned(_))));
    expect_waiting(&mut second, "the one worker for x86_64 is busy").await;
    pool.finish(&attachment.worker, &first.id, failed());
    assert!(matches!(second.next().await, Some(Update::Assigned(_))));
}

#[tokio::test]
async fn the_worker_with_more_room_is_chosen() {
    let pool = pool();
    let _small = pool.attach(worker("a", "x86_64", 1, &[]));
    let large = pool.attach(worker("b", "x86_64", 3, &[]));
    let mut submission = pool.submit(order("1", "x86_64"), false);
    assert!(matches!(submission.next().await, Some(Update::Assigned(id)) if id == large.worker));
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_not_a_lost_worker() {
    let pool = pool();
    let mut submission = pool.submit(order("1", "x86_64"), false);
    expect_waiting(&mut submission, "no worker").await;
    let first = pool.attach(worker("a", "x86_64", 1, &[]));
    assert!(matches!(submission.next().await, Some(Update::Assigned(_))));
    pool.detach(&first.worker, first.epoch);
    tokio::time::advance(WINDOW / 2).await;
    pool.sweep(&mut HashMap::new(), Instant::now());
    let again = pool.attach(worker("a", "x86_64", 1, &[&submission.id]));
    assert!(matches!(submission.next().await, Some(Update::Reattached(_))));
    pool.detach(&first.worker, first.epoch);
    assert!(pool.has_worker_for(&"x86_64".parse().unwrap()), "the old connection ends late");
    pool.detach(&again.worker, again.epoch);
    tokio::time::advance(WINDOW).await;
    pool.sweep(&mut HashMap::new(), Instant::now());
    assert!(matches!(submission.next().await, Some(Update::Lost(..))));
}

#[tokio::test]
async fn a_dead_process_is_a_lost_worker_at_once() {
    let pool = pool();
    let mut submission = pool.submit(order("1", "x86_64"), false);
    let attachment = pool.attach(worker("a", "x86_64", 1, &[]));
    expect_waiting(&mut submission, "no worker").await;
    assert!(matches!(submission.next().await, Some(Update::Assigned(_))));
    pool.bury(&attachment.worker, "killed by signal 9");
    assert!(matches!(submission.next().await, Some(Update::Lost(_, reason)) if reason.contains("signal 9")));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_the_holder_is_waited_for_but_not_forever() {
    let pool = pool();
    let _idle = pool.attach(worker("idle", "x86_64", 1, &[]));
    let mut held = pool.submit(order("1", "x86_64"), true);
    expect_waiting(&mut held, "since before the restart; it has 30 s").await;
    let holder = pool.attach(worker("holder", "x86_64", 1, &[&held.id]));
    assert!(matches!(held.next().await, Some(Update::Reattached(id)) if id == holder.worker));
    let mut lost = pool.submit(order("2", "x86_64"), true);
    expect_waiting(&mut lost, "since before the restart").await;
    tokio::time::advance(WINDOW).await;
    pool.sweep(&mut HashMap::new(), Instant::now());
    assert!(matches!(lost.next().await, Some(Update::Assigned(_))), "given away again");
}

#[tokio::test]
async fn a_result_may_come_before_the_build_asks_for_it() {
    let pool = pool();
    let id = order("1", "x86_64").id;
    let holder = pool.attach(worker("a", "x86_64", 1, &[&id]));
    assert!(pool.finish(&holder.worker, &id, failed()));
    let mut submission = pool.submit(order("1", "x86_64"), true);
    assert!(matches!(submission.next().await, Some(Update::Finished(..))));
}

#[tokio::test(start_paused = true)]
async fn orders_that_no_build_asks_for_are_stopped() {
    let pool = pool();
    let id = order("1", "x86_64").id;
    let mut holder = pool.attach(worker("a", "x86_64", 1, &[&id]));
    let mut orphans = HashMap::new();
    pool.sweep(&mut orphans, Instant::now());
    tokio::time::advance(WINDOW).await;
    pool.sweep(&mut orphans, Instant::now());
    assert!(matches!(holder.inbound.recv().await, Some(ToWorker::Cancel { .. })));
}

#[tokio::test]
async fn an_answer_from_somebody_else_does_not_count() {
    let pool = pool();
    let rightful = pool.attach(worker("a", "x86_64", 1, &[]));
    let submission = pool.submit(order("1", "x86_64"), false);
    let stranger = pool.attach(worker("b", "x86_64", 1, &[]));
    assert!(!pool.holds(&stranger.worker, &submission.id));
    assert!(!pool.finish(&stranger.worker, &submission.id, failed()));
    assert!(pool.holds(&rightful.worker, &submission.id));
}
