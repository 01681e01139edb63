//! One worker's connection, from Welcome to its end.

use std::{collections::BTreeSet, sync::Arc};

use common::{
    log::LogRecord,
    names::{BuildId, WorkOrderId, WorkerId},
    work::{WorkOutcome, WorkPhase},
};
use proto::{
    convert::{BadField, to_duration},
    v1::{self, attach_request::Message as Up, attach_response::Message as Down},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::{ConnectionSettings, log_status, store_status, streams::Out};
use crate::{
    pool::{Attachment, Credentials, Pool, Progress, ToWorker},
    services::Services,
    store::Store,
};

/// An attached worker. It is detached however its connection ends.
struct Presence<'a> {
    pool: &'a Pool,
    worker: WorkerId,
    epoch: u64,
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.pool.detach(&self.worker, self.epoch);
    }
}

pub(super) struct Connection {
    pub(super) services: Arc<Services>,
    pub(super) settings: ConnectionSettings,
    pub(super) stop: CancellationToken,
}

impl Connection {
    /// Serves the connection until either side ends it.
    pub(super) async fn serve(
        self,
        mut hello: Credentials,
        inbound: Streaming<v1::AttachRequest>,
        out: Out<v1::AttachResponse>,
    ) -> Result<(), Status> {
        let platforms: Vec<&str> = hello.platforms.iter().map(common::platform::Platform::as_str).collect();
        tracing::info!(worker = %hello.id, ?platforms, slots = hello.slots, engine = hello.engine, "worker attached");
        (hello.held, hello.unknown) = sort_held(&self.services.store, hello.held).await?;
        self.say(&out, Down::Welcome(self.welcome())).await?;
        let pool = &self.services.pool;
        let attachment = pool.attach(hello);
        let worker = attachment.worker.clone();
        let presence = Presence { pool, worker: worker.clone(), epoch: attachment.epoch };
        let ending = self.exchange(attachment, inbound, &out).await;
        drop(presence);
        let reason = ending.as_ref().err().map_or("closed", |status| status.message());
        tracing::info!(%worker, reason, "worker detached");
        ending
    }

    async fn exchange(
        &self,
        mut attachment: Attachment,
        mut inbound: Streaming<v1::AttachRequest>,
        out: &Out<v1::AttachResponse>,
    ) -> Result<(), Status> {
        let worker = attachment.worker.clone();
        loop {
            tokio::select! {
                message = timeout(self.settings.heartbeat_timeout, inbound.message()) => {
                    let Ok(message) = message else {
                        let seconds = self.settings.heartbeat_timeout.as_secs();
                        return Err(Status::deadline_exceeded(format!("nothing was heard for {seconds} s")));
                    };
                    match message?.map(|request| request.message) {
                        Some(Some(message)) => self.hear(&worker, message, out).await?,
                        Some(None) => return Err(Status::invalid_argument("an empty message: is this worker newer?")),
                        None => return Ok(()),
                    }
                }
                message = attachment.inbound.recv() => match message {
                    Some(message) => self.say(out, down(message)).await?,
                    None => return Err(Status::aborted("a newer connection of this worker took over")),
                },
                () = self.stop.cancelled() => {
                    let reason = "shutting down".to_owned();
                    self.say(out, Down::Goodbye(v1::Goodbye { reason })).await?;
                    return Ok(());
                }
            }
        }
    }

    async fn hear(
        &self,
        worker: &WorkerId,
        message: Up,
        out: &Out<v1::AttachResponse>,
    ) -> Result<(), Status> {
        match message {
            Up::Heartbeat(_) => Ok(()),
            Up::Hello(_) => Err(Status::invalid_argument("Hello comes only once")),
            Up::Logs(batch) => self.store_logs(worker, batch, out).await,
            Up::Progress(progress) => {
                let (order, phase, done, total): (WorkOrderId, WorkPhase, u64, u64) = progress.try_into()?;
                if self.services.pool.note_progress(worker, &order, Progress { phase, done, total }) {
                    tracing::debug!(%worker, %order, ?phase, "progress");
                }
                Ok(())
            }
            Up::Result(result) => {
                let (order, outcome): (WorkOrderId, WorkOutcome) = result.try_into()?;
                if self.services.pool.finish(worker, &order, outcome) {
                    return Ok(());
                }
                // Nobody waits for it: the worker may forget it.
                tracing::warn!(%worker, %order, "a result that nobody asked for");
                self.say(out, Down::ResultStored(v1::ResultStored { work_order_id: order.to_string() })).await
            }
        }
    }

    async fn store_logs(
        &self,
        worker: &WorkerId,
        batch: v1::LogBatch,
        out: &Out<v1::AttachResponse>,
    ) -> Result<(), Status> {
        let order: WorkOrderId = batch.work_order_id.parse().map_err(BadField::from)?;
        let records: Vec<LogRecord> =
            batch.records.into_iter().map(TryInto::try_into).collect::<Result<_, BadField>>()?;
        let up_to = match order.build() {
            Some(build) if self.services.pool.holds(worker, &order) => {
                let log = order.log_of(worker);
                self.services.logs.append(&build, Some(&log), records).await.map_err(log_status)?
            }
            // An order that the worker lost or never had: acknowledged, so that
            // it lets go of the text, and stored nowhere.
            _ => records.last().map_or(0, LogRecord::end),
        };
        let stored = v1::LogsStored { work_order_id: order.to_string(), up_to };
        self.say(out, Down::LogsStored(stored)).await
    }

    fn welcome(&self) -> v1::Welcome {
        v1::Welcome {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            heartbeat_interval: Some(to_duration(self.settings.heartbeat_interval)),
            heartbeat_timeout: Some(to_duration(self.settings.heartbeat_timeout)),
            log_window_bytes: self.settings.log_window,
        }
    }

    async fn say(&self, out: &Out<v1::AttachResponse>, message: Down) -> Result<(), Status> {
        let response = v1::AttachResponse { message: Some(message) };
        let sent = timeout(self.settings.heartbeat_timeout, out.send(Ok(response))).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Status::cancelled("the worker has gone")),
            Err(_) => Err(Status::deadline_exceeded("the worker does not read")),
        }
    }
}

/// Parts the orders that a worker says it holds: those of builds that are under
/// way, which give it rights, and the others.
async fn sort_held(
    store: &Store,
    held: BTreeSet<WorkOrderId>,
) -> Result<(BTreeSet<WorkOrderId>, BTreeSet<WorkOrderId>), Status> {
    let builds: BTreeSet<BuildId> = held.iter().filter_map(WorkOrderId::build).collect();
    let mut unfinished = BTreeSet::new();
    for build in builds {
        let history = store.history(&build).await.map_err(store_status)?;
        if history.is_some_and(|history| !history.state.is_final()) {
            unfinished.insert(build);
        }
    }
    let under_way = |order: &WorkOrderId| order.build().is_some_and(|build| unfinished.contains(&build));
    Ok(held.into_iter().partition(under_way))
}

fn down(message: ToWorker) -> Down {
    match message {
        ToWorker::Order(order) => Down::WorkOrder((*order).into()),
        ToWorker::Cancel { order, reason } => {
            Down::Cancel(v1::CancelWork { work_order_id: order.to_string(), reason })
        }
        ToWorker::ResultStored(order) => {
            Down::ResultStored(v1::ResultStored { work_order_id: order.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use common::{
        flow::{
            event::EventKind,
            state::{BuildState, Command},
        },
        request::BuildRequest,
    };

    use super::*;

    #[tokio::test]
    async fn only_orders_of_builds_that_are_under_way_give_rights() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).await.unwrap();
        let request = BuildRequest::new("https://git.example.org/hello.git", Some("main"));
        let under_way = store.create(&request, None).await.unwrap().id;
        let ended = store.create(&request, None).await.unwrap().id;
        store.command(&ended, Command::Claim).await.unwrap();
        store.command(&ended, Command::Finish).await.unwrap();
        let (state, later_failures) = (BuildState::Succeeded, vec![]);
        let event = EventKind::Ended { state, failure: None, later_failures, result: None, koji: None };
        store.append(&ended, vec![event]).await.unwrap();

        let platform = "x86_64".parse().unwrap();
        let of = |build: &BuildId| WorkOrderId::derive(build, &platform, 1);
        let wanted = of(&under_way);
        let unwanted: BTreeSet<WorkOrderId> =
            [of(&ended), of(&"bld_invented".parse().unwrap()), "wo_x".parse().unwrap()].into();
        let held = unwanted.iter().cloned().chain([wanted.clone()]).collect();
        assert_eq!(sort_held(&store, held).await.unwrap(), ([wanted].into(), unwanted));
    }
}
