//! The task that stores log text: gathers appends, syncs each file once, answers.
//!
//! It waits until nothing has come for a moment, and not longer than 50 ms, so
//! that many workers share the price of a sync. It is the only one that writes
//! to segment files and the only one that makes [`Slots`] forget a build which
//! somebody uses.

use std::{collections::HashMap, sync::Arc, time::Duration};

use common::{
    log::LogRecord,
    names::{BuildId, WorkOrderId},
};
use futures::{StreamExt, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    task::spawn_blocking,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    LogLimits,
    error::LogError,
    files,
    slots::{Slot, Slots},
    staging::Staged,
};
use crate::store::lock::DirectoryLock;

/// How long text waits for more text, in all and since the last that came.
const GATHER: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_millis(2);
/// Most appends that are synced together.
const GROUP: usize = 1024;
/// Files that are synced at the same time: the file system joins such syncs.
const SYNCS: usize = 16;

/// Records to store.
pub(super) struct Append {
    pub(super) order: Option<WorkOrderId>,
    pub(super) records: Vec<LogRecord>,
    pub(super) answer: oneshot::Sender<Result<u64, LogError>>,
    /// The part of the memory for waiting text that this takes.
    pub(super) room: OwnedSemaphorePermit,
}

/// What the flusher can be asked to do.
pub(super) enum Order {
    /// Store records of a build.
    Append(BuildId, Append),
    /// Forget a build that has ended.
    Finish(BuildId, oneshot::Sender<()>),
}

pub(super) struct Flusher {
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) slots: Arc<Slots>,
    pub(super) limits: LogLimits,
    pub(super) closing: CancellationToken,
    /// Nobody else may open the directory before the last sync.
    pub(super) lock: Arc<DirectoryLock>,
}

impl Flusher {
    /// Works until the store is closed or nobody has it any more.
    pub(super) async fn run(mut self) {
        let closing = self.closing.clone();
        loop {
            tokio::select! {
                order = self.orders.recv() => {
                    let Some(order) = order else { break };
                    let group = self.gather(order).await;
                    self.flush(group).await;
                }
                () = closing.cancelled(), if !self.orders.is_closed() => self.orders.close(),
            }
        }
        self.slots.forget_all();
        drop(self.lock);
    }

    async fn gather(&mut self, first: Order) -> Vec<Order> {
        let mut group = vec![first];
        let deadline = Instant::now() + GATHER;
        while group.len() < GROUP {
            let idle = deadline.min(Instant::now() + IDLE);
            match timeout_at(idle, self.orders.recv()).await {
                Ok(Some(order)) => group.push(order),
                Ok(None) | Err(_) => break,
            }
        }
        group
    }

    async fn flush(&self, group: Vec<Order>) {
        let mut appends: HashMap<BuildId, Vec<Append>> = HashMap::new();
        let mut finished = Vec::new();
        for order in group {
            match order {
                Order::Append(build, append) => appends.entry(build).or_default().push(append),
                Order::Finish(build, done) => finished.push((build, done)),
            }
        }
        stream::iter(appends).for_each_concurrent(SYNCS, |(build, appends)| self.store(build, appends)).await;
        for (build, done) in finished {
            self.slots.forget(&build);
            let _ = done.send(());
        }
    }

    async fn store(&self, build: BuildId, appends: Vec<Append>) {
        let slot = match self.slots.get(&build).await {
            Ok(slot) => slot,
            Err(error) => return answer_all(appends.into_iter().map(|a| (a.answer, a.room)), &error),
        };
        let limits = self.limits;
        // Answers are given in the blocking task too, so that a runtime that is
        // shutting down cannot come between storing and answering.
        let stored = spawn_blocking(move || store(&build, &slot, appends, limits)).await;
        if let Err(error) = stored {
            tracing::error!(error = &error as &dyn std::error::Error, "storing log text stopped");
        }
    }
}

/// Stores what came for one build, syncs once, answers everybody.
fn store(build: &BuildId, slot: &Slot, appends: Vec<Append>, limits: LogLimits) {
    let (mut waiting, mut outcomes) = (Vec::new(), Vec::new());
    let mut add_and_write = || -> Result<u64, LogError> {
        let contents = slot.contents(build)?;
        contents.check()?;
        let untidy = contents.untidy;
        let mut staged = Staged::after(&contents, limits);
        drop(contents);
        for append in &appends {
            outcomes.push(staged.add(append.order.as_ref(), &append.records));
        }
        if staged.writes().next().is_some() {
            // Until all is well again, the files may hold more than is known.
            let mut contents = slot.contents(build)?;
            contents.untidy = true;
            if untidy {
                files::tidy(&slot.directory, &contents)?;
            }
            drop(contents);
            files::write(&slot.directory, staged.writes())?;
            let mut contents = slot.contents(build)?;
            contents.untidy = false;
            staged.into_contents(&mut contents);
        }
        Ok(slot.contents(build)?.end)
    };
    let end = add_and_write();
    waiting.extend(appends.into_iter().map(|append| (append.answer, append.room)));
    match end {
        Ok(end) => {
            slot.end.send_if_modified(|value| std::mem::replace(value, end) != end);
            for ((answer, _room), outcome) in waiting.into_iter().zip(outcomes) {
                let _ = answer.send(outcome);
            }
        }
        Err(error) => {
            tracing::error!(%build, error = &error as &dyn std::error::Error, "log text could not be stored");
            answer_all(waiting.into_iter(), &error);
        }
    }
}

type Waiting = (oneshot::Sender<Result<u64, LogError>>, OwnedSemaphorePermit);

fn answer_all(waiting: impl Iterator<Item = Waiting>, error: &LogError) {
    for (answer, _room) in waiting {
        let _ = answer.send(Err(error.clone()));
    }
}
