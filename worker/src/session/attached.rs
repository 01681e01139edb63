//! One connection: Hello, Welcome, then both directions until it breaks.

use std::{sync::Arc, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    names::WorkOrderId,
    work::WorkOrder,
};
use proto::v1::{self, AttachRequest, AttachResponse, attach_request, attach_response::Message};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::{Lost, Session, outgoing::Outgoing};
use crate::holdings::{StopReason, Taken};

/// Messages that wait for the network.
const QUEUE: usize = 16;
/// Answers that wait to be sent.
const ANSWERS: usize = 64;
/// Longest wait for Welcome.
const WELCOME: Duration = Duration::from_secs(30);
/// Heartbeats when the orchestrator names no interval.
const HEARTBEAT: Duration = Duration::from_secs(5);
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(100);

type Answers = mpsc::Sender<v1::WorkResult>;

impl Session {
    /// One connection from dialling to its end. `welcomed` tells whether the
    /// orchestrator accepted the worker.
    pub(super) async fn attach(self: &Arc<Self>, welcomed: &mut bool) -> Lost {
        let lost = match self.attached(welcomed).await {
            Err(lost) => lost,
            Ok(()) => Lost::Closed,
        };
        self.attached.send_replace(false);
        lost
    }

    async fn attached(self: &Arc<Self>, welcomed: &mut bool) -> Result<(), Lost> {
        let (up, requests) = mpsc::channel(QUEUE);
        send(&up, attach_request::Message::Hello(self.hello().await)).await?;
        let silent = |_| Lost::Silent(WELCOME);
        let mut client = self.client();
        let down = timeout(WELCOME, client.attach(ReceiverStream::new(requests))).await.map_err(silent)?;
        let mut down = down.map_err(refusal)?.into_inner();
        let first = timeout(WELCOME, down.message()).await.map_err(silent)?.map_err(refusal)?;
        let Some(AttachResponse { message: Some(Message::Welcome(welcome)) }) = first else {
            return Err(if first.is_none() {
                Lost::Closed
            } else {
                Lost::Contract("its first message is no Welcome")
            });
        };
        *welcomed = true;
        self.attached.send_replace(true);
        self.holdings.window().set(welcome.log_window_bytes);
        tracing::info!(orchestrator = welcome.version, held = self.holdings.all().len(), "attached");

        let (answers, to_send) = mpsc::channel(ANSWERS);
        tokio::select! {
            lost = self.receive(&mut down, answers) => Err(lost),
            sent = self.send_all(&up, to_send, heartbeat_interval(&welcome)) => sent,
        }
    }

    async fn send_all(
        &self,
        up: &mpsc::Sender<AttachRequest>,
        mut answers: mpsc::Receiver<v1::WorkResult>,
        heartbeats: Duration,
    ) -> Result<(), Lost> {
        let mut heartbeats = interval(heartbeats);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut outgoing = Outgoing::default();
        loop {
            let (mut messages, again) = outgoing.collect(&self.holdings.all(), Instant::now());
            while let Some(message) = messages.pop_front() {
                send(up, message).await?;
            }
            let later = async {
                match again {
                    Some(again) => sleep_until(again).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = heartbeats.tick() => send(up, attach_request::Message::Heartbeat(v1::Heartbeat {})).await?,
                Some(answer) = answers.recv() => send(up, attach_request::Message::Result(answer)).await?,
                () = self.holdings.changed() => {}
                () = later => {}
            }
        }
    }

    async fn receive(self: &Arc<Self>, down: &mut Streaming<AttachResponse>, answers: Answers) -> Lost {
        loop {
            let message = match down.message().await {
                Ok(Some(response)) => response.message,
                Ok(None) => return Lost::Closed,
                Err(status) => return Lost::Status(Box::new(status)),
            };
            match message {
                Some(Message::WorkOrder(order)) => self.take(order, &answers).await,
                Some(Message::LogsStored(stored)) => {
                    if let Some(held) = parse(&stored.work_order_id).and_then(|id| self.holdings.get(&id)) {
                        held.log.acknowledge(stored.up_to);
                    }
                }
                Some(Message::ResultStored(stored)) => {
                    if let Some(id) = parse(&stored.work_order_id) {
                        self.holdings.forget(&id);
                    }
                }
                Some(Message::Cancel(cancel)) => self.cancel(cancel, &answers).await,
                Some(Message::Goodbye(goodbye)) => return Lost::Goodbye(goodbye.reason),
                Some(Message::Welcome(_)) => return Lost::Contract("it sent a second Welcome"),
                // A newer orchestrator may say more than this worker knows.
                None => {}
            }
        }
    }

    async fn take(&self, order: v1::WorkOrder, answers: &Answers) {
        let id = order.id.clone();
        let order = match WorkOrder::try_from(order) {
            Ok(order) => order,
            Err(bad) => {
                let failure = Failure::new(FailureClass::Internal, "work_order.invalid", bad.to_string())
                    .with_advice("orchestrator and worker do not fit together; compare their versions");
                return answer(answers, id, failure).await;
            }
        };
        if self.shutdown.is_cancelled() && self.holdings.get(&order.id).is_none() {
            let message = "the worker goes away and takes nothing new";
            let failure = Failure::new(FailureClass::Infrastructure, "worker.leaving", message);
            return answer(answers, id, failure).await;
        }
        match self.holdings.take(&order) {
            Taken::New(held) => {
                tracing::info!(work_order = id, build = %order.build, platform = %order.platform, "work order");
                self.begin(order, held);
            }
            Taken::Adopted => tracing::info!(work_order = id, "still at it"),
            Taken::NoSlot => {
                let message = format!("all {} slots of the worker are in use", self.identity.slots);
                let failure = Failure::new(FailureClass::Infrastructure, "worker.no_free_slot", message);
                answer(answers, id, failure).await;
            }
        }
    }

    async fn cancel(&self, cancel: v1::CancelWork, answers: &Answers) {
        match parse(&cancel.work_order_id).and_then(|id| self.holdings.get(&id)) {
            Some(held) => {
                tracing::info!(work_order = %held.id, reason = cancel.reason, "cancelling");
                held.stop(StopReason::Cancelled(cancel.reason));
            }
            None => answer(answers, cancel.work_order_id, Failure::cancelled(&cancel.reason)).await,
        }
    }
}

/// Answers for a work order that is not held. It is sent once: if the
/// connection breaks, the orchestrator sees that the worker does not hold it.
async fn answer(answers: &Answers, id: String, failure: Failure) {
    let outcome = Some(v1::work_result::Outcome::Failure(failure.into()));
    // The receiver goes away only together with the connection.
    let _ = answers.send(v1::WorkResult { work_order_id: id, outcome }).await;
}

async fn send(up: &mpsc::Sender<AttachRequest>, message: attach_request::Message) -> Result<(), Lost> {
    up.send(AttachRequest { message: Some(message) }).await.map_err(|_| Lost::Closed)
}

fn parse(id: &str) -> Option<WorkOrderId> {
    id.parse().ok()
}

/// What a failed Hello means.
fn refusal(status: Status) -> Lost {
    match status.code() {
        Code::FailedPrecondition | Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument => {
            Lost::Refused(Box::new(status))
        }
        _ => Lost::Status(Box::new(status)),
    }
}

fn heartbeat_interval(welcome: &v1::Welcome) -> Duration {
    let named = welcome.heartbeat_interval.and_then(|interval| Duration::try_from(interval).ok());
    named.filter(|interval| !interval.is_zero()).unwrap_or(HEARTBEAT).max(SHORTEST_HEARTBEAT)
}
