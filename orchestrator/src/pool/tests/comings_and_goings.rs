//! Workers that leave, come back, come back late, or come back without their
//! work.

use super::*;

/// Everything the pool has told a worker and the worker has not read.
fn told(attachment: &mut Attachment) -> Vec<String> {
    let mut told = Vec::new();
    while let Ok(message) = attachment.inbound.try_recv() {
        told.push(match message {
            ToWorker::Order(order) => format!("order {}", order.id),
            ToWorker::Cancel { order, .. } => format!("cancel {order}"),
            ToWorker::ResultStored(order) => format!("stored {order}"),
        });
    }
    told
}

/// The updates that are there, without their reasons.
fn updates(submission: &mut Submission) -> Vec<&'static str> {
    let mut seen = Vec::new();
    while let Ok(update) = submission.updates.try_recv() {
        seen.push(match update {
            Update::Waiting(_) => "waiting",
            Update::Assigned(_) => "assigned",
            Update::Reattached(_) => "reattached",
            Update::Lost(..) => "lost",
            Update::Hopeless(_) => "hopeless",
            Update::Finished(..) => "finished",
        });
    }
    seen
}

fn answer(code: &str) -> WorkOutcome {
    Err(Failure::new(FailureClass::Infrastructure, code, "no"))
}

async fn after_the_window(pool: &Pool) {
    tokio::time::advance(WINDOW).await;
    pool.sweep(&mut HashMap::new(), Instant::now());
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_comes_late_goes_on_if_nobody_else_has_the_order() {
    let pool = pool();
    let mut held = pool.submit(order("1", "x86_64"), true);
    after_the_window(&pool).await;
    let mut holder = pool.attach(worker("a", "x86_64", 1, &[&held.id]));
    assert_eq!(updates(&mut held), ["waiting", "waiting", "reattached"]);
    assert_eq!(told(&mut holder), ["order wo_1-x86_64-1"], "once, and no cancellation");
    assert!(pool.finish(&holder.worker, &held.id, failed()));
    assert_eq!(updates(&mut held), ["finished"]);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_comes_later_than_another_worker_stops() {
    let pool = pool();
    let mut held = pool.submit(order("1", "x86_64"), true);
    let other = pool.attach(worker("b", "x86_64", 1, &[]));
    after_the_window(&pool).await;
    assert_eq!(updates(&mut held).last(), Some(&"assigned"));
    let mut late = pool.attach(worker("a", "x86_64", 1, &[&held.id]));
    assert_eq!(told(&mut late), ["cancel wo_1-x86_64-1", "stored wo_1-x86_64-1"]);
    assert!(pool.holds(&other.worker, &held.id) && !pool.holds(&late.worker, &held.id));
    assert!(!pool.finish(&late.worker, &held.id, failed()));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_a_worker_comes_back_without_is_lost_at_once() {
    for detached_in_time in [true, false] {
        let pool = pool();
        let mut first = pool.submit(order("1", "x86_64"), false);
        let old = pool.attach(worker("a", "x86_64", 1, &[]));
        assert_eq!(updates(&mut first), ["waiting", "assigned"]);
        if detached_in_time {
            pool.detach(&old.worker, old.epoch);
        }
        let new = pool.attach(worker("a", "x86_64", 1, &[]));
        pool.detach(&old.worker, old.epoch);
        assert_eq!(updates(&mut first), ["lost"]);
        assert!(!pool.holds(&new.worker, &first.id));
        let mut second = pool.submit(order("2", "x86_64"), false);
        assert_eq!(updates(&mut second), ["assigned"], "the worker has its place back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_worker_that_comes_back_gets_nothing_before_it_has_stopped() {
    let pool = pool();
    let mut first = pool.submit(order("1", "x86_64"), false);
    let old = pool.attach(worker("a", "x86_64", 1, &[]));
    pool.detach(&old.worker, old.epoch);
    after_the_window(&pool).await;
    assert_eq!(updates(&mut first), ["waiting", "assigned", "lost"]);
    let id = first.id.clone();
    drop(first);
    let mut second = pool.submit(order("2", "x86_64"), false);
    let mut again = pool.attach(worker("a", "x86_64", 1, &[&id]));
    assert_eq!(told(&mut again), ["cancel wo_1-x86_64-1", "stored wo_1-x86_64-1"]);
    assert_eq!(updates(&mut second), ["waiting", "waiting"], "no worker, then a busy one");
    assert!(!pool.finish(&again.worker, &id, failed()), "nobody waits for it");
    assert_eq!(updates(&mut second), ["assigned"]);
    assert_eq!(told(&mut again), ["order wo_2-x86_64-1"]);
}

#[tokio::test]
async fn a_released_build_keeps_its_place_until_the_worker_has_stopped() {
    let pool = pool();
    let mut a = pool.attach(worker("a", "x86_64", 1, &[]));
    let first = pool.submit(order("1", "x86_64"), false);
    let mut second = pool.submit(order("2", "x86_64"), false);
    pool.release(&first.id.build().unwrap());
    assert_eq!(told(&mut a), ["order wo_1-x86_64-1", "cancel wo_1-x86_64-1", "stored wo_1-x86_64-1"]);
    assert_eq!(updates(&mut second), ["waiting"]);
    pool.finish(&a.worker, &first.id, failed());
    assert_eq!(updates(&mut second), ["assigned"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_worker_costs_no_attempt_and_is_asked_again_later() {
    let pool = pool();
    let mut a = pool.attach(worker("a", "x86_64", 2, &[]));
    let mut first = pool.submit(order("1", "x86_64"), false);
    assert_eq!(updates(&mut first), ["assigned"]);
    assert!(pool.finish(&a.worker, &first.id, answer("worker.no_free_slot")));
    assert_eq!(updates(&mut first), ["waiting"]);
    assert_eq!(told(&mut a), ["order wo_1-x86_64-1"]);
    pool.sweep(&mut HashMap::new(), Instant::now());
    assert_eq!(told(&mut a), [""; 0], "not at once");
    tokio::time::advance(Duration::from_secs(5)).await;
    pool.sweep(&mut HashMap::new(), Instant::now());
    assert_eq!(updates(&mut first), ["assigned"]);
}

#[tokio::test]
async fn a_worker_that_goes_away_gets_nothing_new() {
    for code in ["worker.shutting_down", "worker.leaving"] {
        let pool = pool();
        let mut a = pool.attach(worker("a", "x86_64", 1, &[]));
        let mut first = pool.submit(order("1", "x86_64"), false);
        told(&mut a);
        assert!(pool.finish(&a.worker, &first.id, answer(code)));
        let mut second = pool.submit(order("2", "x86_64"), false);
        expect_waiting_for_one_that_stays(&mut second).await;
        assert!(!pool.has_worker_for(&"x86_64".parse().unwrap()), "a launcher starts another one");
        let _b = pool.attach(worker("b", "x86_64", 2, &[]));
        assert_eq!(updates(&mut second), ["assigned"]);
        if code == "worker.leaving" {
            assert_eq!(updates(&mut first), ["assigned", "waiting", "assigned"], "it never began");
        } else {
            assert_eq!(updates(&mut first), ["assigned", "finished"]);
            assert_eq!(told(&mut a), ["stored wo_1-x86_64-1"], "it can end");
        }
    }
}

async fn expect_waiting_for_one_that_stays(submission: &mut Submission) {
    expect_waiting(submission, "no worker for x86_64 is attached that stays").await;
}

#[tokio::test]
async fn an_order_that_nobody_follows_is_given_to_nobody() {
    for expected in [false, true] {
        let pool = pool();
        let submission = pool.submit(order("1", "x86_64"), expected);
        let id = submission.id.clone();
        drop(submission);
        let mut idle = pool.attach(worker("a", "x86_64", 1, &[]));
        assert_eq!(told(&mut idle), [""; 0]);
        let mut holder = pool.attach(worker("b", "x86_64", 1, &[&id]));
        assert_eq!(told(&mut holder), ["cancel wo_1-x86_64-1", "stored wo_1-x86_64-1"]);
    }
}

#[tokio::test]
async fn an_order_that_nobody_follows_any_more_is_stopped() {
    let pool = pool();
    let mut a = pool.attach(worker("a", "x86_64", 1, &[]));
    drop(pool.submit(order("1", "x86_64"), false));
    assert_eq!(told(&mut a), ["order wo_1-x86_64-1", "cancel wo_1-x86_64-1", "stored wo_1-x86_64-1"]);

    let pool = super::pool();
    let a = pool.attach(worker("a", "x86_64", 1, &[]));
    let submission = pool.submit(order("1", "x86_64"), false);
    pool.detach(&a.worker, a.epoch);
    let id = submission.id.clone();
    drop(submission);
    let mut again = pool.attach(worker("a", "x86_64", 1, &[&id]));
    assert_eq!(told(&mut again), ["cancel wo_1-x86_64-1", "stored wo_1-x86_64-1"]);
}

#[tokio::test]
async fn what_will_be_submitted_again_goes_on() {
    let pool = pool();
    let mut a = pool.attach(worker("a", "x86_64", 1, &[]));
    pool.submit(order("1", "x86_64"), false).keep();
    assert_eq!(told(&mut a), ["order wo_1-x86_64-1"]);
    let mut again = pool.submit(order("1", "x86_64"), true);
    assert_eq!(updates(&mut again), ["reattached"]);
    assert_eq!(told(&mut a), ["order wo_1-x86_64-1"]);

    pool.lock().ending.cancel();
    drop(again);
    assert_eq!(told(&mut a), [""; 0], "the next process takes it up");
}

#[tokio::test]
async fn the_last_update_always_finds_room() {
    let pool = pool();
    let mut submission = pool.submit(order("1", "x86_64"), false);
    for busy in 0..100 {
        pool.attach(worker(&format!("{busy}"), "x86_64", 1, &[&format!("wo_other-{busy}").parse().unwrap()]));
    }
    let free = pool.attach(worker("free", "x86_64", 1, &[]));
    pool.finish(&free.worker, &submission.id, failed());
    let seen = updates(&mut submission);
    assert!(seen.iter().filter(|update| **update == "waiting").count() > 2, "{seen:?}");
    assert_eq!(seen[seen.len() - 2..], ["assigned", "finished"]);
}

#[tokio::test]
async fn positions_count_one_platform() {
    let pool = pool();
    let _first = pool.submit(order("1", "s390x"), false);
    let mut second = pool.submit(order("2", "x86_64"), false);
    expect_waiting(&mut second, "(position 1)").await;
}
