//! What goes up a stream, in order: log text, progress, results, heartbeats.
//!
//! For each connection a cursor per work order remembers what was sent on it; a
//! new connection begins at what is acknowledged. Sending never waits for log
//! windows, so a full one holds back no heartbeat.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use common::{log::LogRecord, names::WorkOrderId};
use jiff::Timestamp;
use proto::v1::{self, attach_request::Message};
use tokio::time::Instant;

use crate::holdings::{Held, Progress};

/// Records that are sent without waiting for more.
const FULL_BATCH: usize = 100;
/// Bytes of text in a batch; the contract allows 1 MiB.
const BATCH_BYTES: usize = 512 * 1024;
/// Longest wait of a record for company.
const BATCH_WAIT: Duration = Duration::from_millis(50);
/// Shortest time between two reports of progress in one phase.
const PROGRESS_WAIT: Duration = Duration::from_millis(200);

/// What was sent for one work order on this connection.
#[derive(Debug, Default)]
struct Cursor {
    logs: u64,
    progress: Option<(Progress, Instant)>,
    /// Up to which delivery of the order its result was sent.
    result: Option<u64>,
}

/// What was sent on this connection.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    cursors: BTreeMap<WorkOrderId, Cursor>,
}

impl Outgoing {
    /// Collects what should be sent now, and says when to look again if nothing
    /// happens until then.
    pub(super) fn collect(
        &mut self,
        held: &[Arc<Held>],
        now: Instant,
    ) -> (VecDeque<Message>, Option<Instant>) {
        self.cursors.retain(|id, _| held.iter().any(|held| held.id == *id));
        let mut messages = VecDeque::new();
        let mut again: Option<Instant> = None;
        for held in held {
            let cursor = self.cursors.entry(held.id.clone()).or_default();
            let wait = cursor.collect(held, now, &mut messages);
            again = again.into_iter().chain(wait).min();
        }
        (messages, again)
    }
}

impl Cursor {
    fn collect(&mut self, held: &Held, now: Instant, messages: &mut VecDeque<Message>) -> Option<Instant> {
        // An outcome comes after the last log text, so it is looked at first.
        let outcome = held.outcome();
        self.logs = self.logs.max(held.log.acknowledged());
        let mut again = None;
        loop {
            let batch = held.log.batch(self.logs, FULL_BATCH, BATCH_BYTES);
            let Some(last) = batch.last() else { break };
            let whole = batch.len() == FULL_BATCH || last.end() < held.log.end() || outcome.is_some();
            if !whole && let Some(wait) = remaining_wait(&batch) {
                again = Some(now + wait);
                break;
            }
            self.logs = last.end();
            messages.push_back(Message::Logs(v1::LogBatch {
                work_order_id: held.id.to_string(),
                records: batch.into_iter().map(Into::into).collect(),
            }));
        }
        if let Some(outcome) = outcome {
            let deliveries = Some(held.deliveries());
            if self.result != deliveries {
                self.result = deliveries;
                messages.push_back(Message::Result((held.id.clone(), outcome).into()));
            }
            return None;
        }
        let progress_again = self.collect_progress(held, now, messages);
        again.into_iter().chain(progress_again).min()
    }

    fn collect_progress(
        &mut self,
        held: &Held,
        now: Instant,
        messages: &mut VecDeque<Message>,
    ) -> Option<Instant> {
        let progress @ (phase, done, total) = held.progress()?;
        if let Some((sent, at)) = self.progress {
            if sent == progress {
                return None;
            }
            let due = at + PROGRESS_WAIT;
            if sent.0 == phase && now < due {
                return Some(due);
            }
        }
        self.progress = Some((progress, now));
        messages.push_back(Message::Progress((held.id.clone(), phase, done, total).into()));
        None
    }
}

/// How much longer the oldest record of a batch may wait; `None` when it must
/// go.
fn remaining_wait(batch: &[LogRecord]) -> Option<Duration> {
    let age = Timestamp::now().duration_since(batch.first()?.at);
    // A clock that was set back must not hold text up.
    let age = Duration::try_from(age).unwrap_or(BATCH_WAIT);
    BATCH_WAIT.checked_sub(age).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use common::{failure::Failure, log::LogStream, work::WorkPhase};

    use super::*;
    use crate::holdings::{Holdings, Taken, tests::order};

    fn held() -> Arc<Held> {
        let holdings = Holdings::new(1);
        holdings.window().set(1 << 20);
        match holdings.take(&order("wo_1")) {
            Taken::New(held) => held,
            other => panic!("{other:?}"),
        }
    }

    async fn write(held: &Held, lines: usize) {
        for _ in 0..lines {
            held.log.push(LogStream::Build, Bytes::from("line\n")).await;
        }
    }

    /// The kinds of messages, with the number of records of batches.
    fn kinds(messages: &VecDeque<Message>) -> Vec<String> {
        let kind = |message: &Message| match message {
            Message::Logs(batch) => format!("logs {}", batch.records.len()),
            Message::Progress(progress) => format!("progress {}", progress.done),
            Message::Result(_) => "result".to_owned(),
            other => format!("{other:?}"),
        };
        messages.iter().map(kind).collect()
    }

    #[tokio::test]
    async fn a_full_batch_goes_at_once_and_the_rest_waits_for_company() {
        let (held, now) = (held(), Instant::now());
        write(&held, 230).await;
        let mut outgoing = Outgoing::default();
        let (messages, again) = outgoing.collect(std::slice::from_ref(&held), now);
        assert_eq!(kinds(&messages)[..2], ["logs 100", "logs 100"]);
        // The last thirty are young, unless this machine was very slow.
        if messages.len() == 2 {
            assert!(again.is_some_and(|again| again <= now + BATCH_WAIT));
        }
        held.finish(Err(Failure::cancelled("x")));
        let (rest, _) = outgoing.collect(std::slice::from_ref(&held), now);
        let all: Vec<String> = kinds(&messages).into_iter().chain(kinds(&rest)).collect();
        assert_eq!(all, ["logs 100", "logs 100", "logs 30", "result"]);
        assert!(outgoing.collect(&[held], now).0.is_empty(), "everything goes once");
    }

    #[tokio::test]
    async fn an_order_that_comes_again_gets_its_result_again() {
        let (holdings, now) = (Holdings::new(1), Instant::now());
        let Taken::New(held) = holdings.take(&order("wo_1")) else { panic!("there was room") };
        held.finish(Err(Failure::cancelled("x")));
        let mut outgoing = Outgoing::default();
        let mut sent = || kinds(&outgoing.collect(std::slice::from_ref(&held), now).0);
        assert_eq!(sent(), ["result"]);
        assert_eq!(sent(), [""; 0]);
        assert!(matches!(holdings.take(&order("wo_1")), Taken::Adopted));
        assert_eq!(sent(), ["result"]);
        assert_eq!(sent(), [""; 0]);
    }

    #[tokio::test]
    async fn a_new_connection_begins_at_what_is_acknowledged() {
        let (held, now) = (held(), Instant::now());
        write(&held, 100).await;
        held.log.acknowledge(200);
        held.finish(Err(Failure::cancelled("x")));
        for _ in 0..2 {
            let (messages, _) = Outgoing::default().collect(std::slice::from_ref(&held), now);
            assert_eq!(kinds(&messages), ["logs 60", "result"]);
            let Some(Message::Logs(batch)) = messages.front() else { panic!("logs come first") };
            assert_eq!(batch.records[0].offset, 200);
        }
    }

    #[tokio::test]
    async fn progress_is_sent_when_it_changes_and_not_too_often() {
        let (held, now) = (held(), Instant::now());
        let mut outgoing = Outgoing::default();
        let mut at = |held: &Arc<Held>, now| {
            let (messages, again) = outgoing.collect(std::slice::from_ref(held), now);
            (kinds(&messages), again)
        };
        held.set_progress((WorkPhase::Building, 1, 9));
        assert_eq!(at(&held, now).0, ["progress 1"]);
        assert_eq!(at(&held, now), (vec![], None));
        held.set_progress((WorkPhase::Building, 2, 9));
        assert_eq!(at(&held, now), (vec![], Some(now + PROGRESS_WAIT)));
        assert_eq!(at(&held, now + PROGRESS_WAIT).0, ["progress 2"]);
        held.set_progress((WorkPhase::Uploading, 3, 9));
        assert_eq!(at(&held, now + PROGRESS_WAIT).0, ["progress 3"]);
    }
}
