//! The session against a real server, with work that is made up.

use bytes::Bytes;
use common::{
    log::LogStream,
    service::{ConnectOptions, connect},
};
use proto::v1::{attach_request, attach_response::Message, work_result::Outcome};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tonic::Status;

use super::{
    stand_in::{Attached, PATIENCE, StandIn},
    *,
};
use crate::holdings::tests::order;

/// An order whose work panics.
const PANICS: &str = "wo_panics";

/// A worker whose work is to print lines as the test allows.
struct Worker {
    session: Arc<Session>,
    /// Lines that may be printed.
    allowed: Arc<Semaphore>,
    /// Ids of orders that were begun.
    begun: mpsc::UnboundedReceiver<String>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), WorkerError>>,
}

/// Everything that the made-up work prints.
fn expected(lines: usize) -> String {
    (0..lines).map(|number| format!("line {number} of the build\n")).collect()
}

async fn worker(server: &StandIn, lines: usize) -> Worker {
    worker_with_slots(server, lines, 1).await
}

async fn worker_with_slots(server: &StandIn, lines: usize, slots: u32) -> Worker {
    let address = server.address.to_string().parse().unwrap();
    let allowed = Arc::new(Semaphore::new(0));
    let (sender, begun) = mpsc::unbounded_channel();
    let permits = Arc::clone(&allowed);
    let carry_out: CarryOut = Arc::new(move |order, held| {
        let (permits, sender) = (Arc::clone(&permits), sender.clone());
        Box::pin(async move {
            assert_ne!(order.id.as_str(), PANICS, "a bug");
            sender.send(order.id.to_string()).unwrap();
            let print = async {
                for number in 0..lines {
                    permits.acquire().await.unwrap().forget();
                    let text = format!("line {number} of the build\n");
                    held.log.push(LogStream::Build, Bytes::from(text)).await;
                }
            };
            tokio::select! {
                reason = held.stopped() => Err(reason.failure()),
                () = print => Err(Failure::new(FailureClass::Source, "build.made_up", "printed everything")),
            }
        })
    });
    let shutdown = CancellationToken::new();
    let tracker = TaskTracker::new();
    let session = Arc::new(Session {
        identity: Identity {
            id: "wrk_test-1".parse().unwrap(),
            platforms: vec!["x86_64".parse().unwrap()],
            slots,
            host: "test".to_owned(),
        },
        connection: connect(&address, &ConnectOptions::default()).await.unwrap(),
        carry_out,
        describe_engine: Arc::new(|| Box::pin(async { "none".to_owned() })),
        tracker: tracker.clone(),
        shutdown: shutdown.clone(),
        // Longer than any test waits.
        grace: PATIENCE * 2,
        holdings: Holdings::new(1),
        attached: watch::Sender::new(false),
    });
    let task = TaskTracker::new().spawn(Arc::clone(&session).run());
    Worker { session, allowed, begun, shutdown, task }
}

impl Worker {
    async fn end(self) -> Result<(), WorkerError> {
        self.shutdown.cancel();
        timeout(PATIENCE, self.task).await.unwrap().unwrap()
    }
}

async fn hand_out(attached: &Attached, id: &str, ticket: &str) {
    let mut order = order(id);
    order.ticket = common::secret::Secret::new(ticket);
    attached.say(Message::WorkOrder(order.into())).await;
}

fn code(result: &v1::WorkResult) -> &str {
    match &result.outcome {
        Some(Outcome::Failure(failure)) => &failure.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_refused_worker_ends_with_the_reason() {
    for (status, code) in [
        (Status::failed_precondition("another contract"), 4),
        (Status::unauthenticated("no token"), 4),
        (Status::permission_denied("not this worker"), 4),
    ] {
        let mut server = StandIn::start().await;
        let worker = worker(&server, 0).await;
        // As the watch over the parent process does.
        worker.session.tracker.spawn(worker.shutdown.clone().cancelled_owned());
        let attached = server.attached().await;
        assert_eq!(attached.hello.contract_digest, proto::CONTRACT_DIGEST);
        assert_eq!(attached.hello.platforms, ["x86_64"]);
        let message = status.message().to_owned();
        attached.refuse(status).await;
        let error = timeout(PATIENCE, worker.task).await.unwrap().unwrap().unwrap_err();
        assert!(error.to_string().contains(&message), "{error}");
        assert_eq!(error.exit_code(), code);
    }
}

#[tokio::test]
async fn a_stream_that_breaks_loses_and_repeats_nothing() {
    const LINES: usize = 2000;
    let mut server = StandIn::start().await;
    let mut worker = worker(&server, LINES).await;
    let mut log = Vec::new();

    let mut attached = server.welcomed().await;
    hand_out(&attached, "wo_1", "first").await;
    worker.begun.recv().await.unwrap();
    let mut stored = 0;
    for cut in 0..4 {
        worker.allowed.add_permits(LINES / 5);
        // Two batches are stored, a third arrives and is lost with the connection.
        for batch in 0..3 {
            let attach_request::Message::Logs(logs) = attached.next().await else { panic!("no logs") };
            if batch < 2 {
                attached.store(&mut log, logs).await;
            }
        }
        stored = log.len() as u64;
        drop(attached);
        attached = server.attached().await;
        let held = attached.hello.held[0].clone();
        assert_eq!(held.work_order_id, "wo_1");
        assert!(held.logs_acknowledged <= stored, "cut {cut}: {held:?}");
        attached.welcome(1 << 20).await;
        hand_out(&attached, "wo_1", &format!("ticket {cut}")).await;
    }
    worker.allowed.add_permits(LINES);
    let result = loop {
        match attached.next().await {
            attach_request::Message::Logs(logs) => attached.store(&mut log, logs).await,
            attach_request::Message::Result(result) => break result,
            other => panic!("{other:?}"),
        }
    };
    assert!(stored > 0 && log.len() as u64 > stored);
    assert_eq!(String::from_utf8(log).unwrap(), expected(LINES));
    assert_eq!(code(&result), "build.made_up");
    let held = worker.session.holdings.all().pop().unwrap();
    assert_eq!(held.ticket().expose(), "ticket 3", "the order was adopted");
    assert!(worker.begun.try_recv().is_err(), "it was begun once");
    attached.stored("wo_1").await;
    worker.end().await.unwrap();
}

#[tokio::test]
async fn a_result_is_sent_until_it_is_stored() {
    let mut server = StandIn::start().await;
    let worker = worker(&server, 1).await;
    worker.allowed.add_permits(1);
    let attached = server.welcomed().await;
    hand_out(&attached, "wo_1", "t").await;
    let mut attached = attached;
    for _ in 0..3 {
        let (_, result) = attached.until_result().await;
        assert_eq!(result.work_order_id, "wo_1");
        drop(attached);
        attached = server.welcomed().await;
        assert_eq!(attached.hello.held.len(), 1);
    }
    attached.until_result().await;
    attached.stored("wo_1").await;
    timeout(PATIENCE, worker.session.holdings.emptied()).await.unwrap();
    attached.say(Message::Goodbye(v1::Goodbye { reason: "restart".into() })).await;
    let again = server.welcomed().await;
    assert!(again.hello.held.is_empty());
    worker.end().await.unwrap();
}

#[tokio::test]
async fn a_full_window_does_not_hold_heartbeats_back() {
    let mut server = StandIn::start().await;
    let worker = worker(&server, 100).await;
    let mut attached = server.attached().await;
    attached.welcome(64).await;
    hand_out(&attached, "wo_1", "t").await;
    worker.allowed.add_permits(100);
    let mut log: Vec<u8> = Vec::new();
    let mut heartbeats = 0;
    let mut kept = Vec::new();
    while heartbeats < 5 {
        match attached.any().await.unwrap() {
            attach_request::Message::Heartbeat(_) => heartbeats += 1,
            attach_request::Message::Logs(batch) => kept.push(batch),
            other => panic!("{other:?}"),
        }
    }
    let sent: usize = kept.iter().flat_map(|batch| &batch.records).map(|record| record.text.len()).sum();
    assert!(sent <= 64, "{sent} bytes are on their way");
    for batch in kept {
        attached.store(&mut log, batch).await;
    }
    loop {
        match attached.next().await {
            attach_request::Message::Logs(batch) => attached.store(&mut log, batch).await,
            attach_request::Message::Result(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(String::from_utf8(log).unwrap(), expected(100));
    attached.stored("wo_1").await;
    worker.end().await.unwrap();
}

#[tokio::test]
async fn orders_are_cancelled_refused_and_unknown_ones_answered() {
    let mut server = StandIn::start().await;
    let mut worker = worker(&server, 1).await;
    let mut attached = server.welcomed().await;
    let cancel = |id: &str| {
        Message::Cancel(v1::CancelWork { work_order_id: id.to_owned(), reason: "enough".to_owned() })
    };
    attached.say(cancel("wo_9")).await;
    let (_, result) = attached.until_result().await;
    assert_eq!((result.work_order_id.as_str(), code(&result)), ("wo_9", "cancelled"));

    hand_out(&attached, "wo_1", "t").await;
    assert_eq!(worker.begun.recv().await.unwrap(), "wo_1");
    hand_out(&attached, "wo_2", "t").await;
    let (_, result) = attached.until_result().await;
    assert_eq!((result.work_order_id.as_str(), code(&result)), ("wo_2", "worker.no_free_slot"));

    let mut bad: v1::WorkOrder = order("wo_3").into();
    bad.platform = "not a platform".to_owned();
    attached.say(Message::WorkOrder(bad)).await;
    let (_, result) = attached.until_result().await;
    assert_eq!((result.work_order_id.as_str(), code(&result)), ("wo_3", "work_order.invalid"));

    attached.say(cancel("wo_1")).await;
    let (_, result) = attached.until_result().await;
    assert_eq!((result.work_order_id.as_str(), code(&result)), ("wo_1", "cancelled"));
    attached.stored("wo_1").await;
    worker.end().await.unwrap();
}

#[tokio::test]
async fn shutting_down_stops_the_work_and_delivers_its_result() {
    let mut server = StandIn::start().await;
    let mut worker = worker(&server, 1).await;
    let mut attached = server.welcomed().await;
    hand_out(&attached, "wo_1", "t").await;
    worker.begun.recv().await.unwrap();
    worker.shutdown.cancel();
    let (_, result) = attached.until_result().await;
    assert_eq!(code(&result), "worker.shutting_down");
    hand_out(&attached, "wo_2", "t").await;
    let (_, refused) = attached.until_result().await;
    assert_eq!((refused.work_order_id.as_str(), code(&refused)), ("wo_2", "worker.leaving"));
    attached.stored("wo_1").await;
    timeout(PATIENCE, worker.task).await.unwrap().unwrap().unwrap();
    // What was under way when the worker ended may still come, and then the end.
    while let Some(message) = attached.any().await {
        assert!(matches!(message, attach_request::Message::Heartbeat(_)), "{message:?}");
    }
}

#[tokio::test]
async fn without_an_orchestrator_results_hold_up_the_end_only_shortly() {
    let mut server = StandIn::start().await;
    let mut worker = worker(&server, 1).await;
    let attached = server.welcomed().await;
    hand_out(&attached, "wo_1", "t").await;
    worker.begun.recv().await.unwrap();
    drop((attached, server));
    worker.shutdown.cancel();
    let end = timeout(PATIENCE, worker.task).await;
    end.expect("it does not wait for the whole grace period").unwrap().unwrap();
}

#[tokio::test]
async fn a_worker_that_goes_away_comes_back_without_room() {
    let mut server = StandIn::start().await;
    let mut worker = worker_with_slots(&server, 1, 3).await;
    let mut attached = server.welcomed().await;
    assert_eq!(attached.hello.slots, 3);
    hand_out(&attached, "wo_1", "t").await;
    worker.begun.recv().await.unwrap();
    worker.shutdown.cancel();
    attached.until_result().await;
    drop(attached);
    let again = server.welcomed().await;
    assert_eq!((again.hello.slots, again.hello.held.len()), (1, 1));
    again.stored("wo_1").await;
    timeout(PATIENCE, worker.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_panic_is_a_result() {
    let mut server = StandIn::start().await;
    let worker = worker(&server, 1).await;
    let mut attached = server.welcomed().await;
    hand_out(&attached, PANICS, "t").await;
    let (_, result) = attached.until_result().await;
    assert_eq!((result.work_order_id.as_str(), code(&result)), (PANICS, "worker.panicked"));
    attached.stored(PANICS).await;
    worker.end().await.unwrap();
}
