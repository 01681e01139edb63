//! `WorkerService`: the stream of a worker, its context, its uploads.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use common::{names::WorkOrderId, service::Shutdown, work::WorkOrder};
use proto::{
    CONTRACT_DIGEST,
    convert::{BadField, to_timestamp},
    v1::{self, worker_service_server::WorkerService},
};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Access, attach, streams, uploads};
use crate::{
    pool::{Credentials, Progress},
    services::Services,
};

const MAX_SLOTS: u32 = 256;
/// Orders that a worker may hold; nearly all of them wait for their builds to end.
const MAX_HELD: usize = 1000;

/// How connections of workers are kept.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionSettings {
    /// How often a worker says that it is alive.
    pub heartbeat_interval: Duration,
    /// Silence after which a connection is given up.
    pub heartbeat_timeout: Duration,
    /// Log text of one work order that may be unacknowledged, in bytes.
    pub log_window: u64,
}

/// Serves `reactor.v1.WorkerService`.
pub struct WorkerApi {
    services: Arc<Services>,
    access: Access,
    shutdown: Shutdown,
    settings: ConnectionSettings,
}

impl WorkerApi {
    /// The service over these parts.
    pub fn new(
        services: Arc<Services>,
        access: Access,
        shutdown: Shutdown,
        settings: ConnectionSettings,
    ) -> Self {
        Self { services, access, shutdown, settings }
    }

    /// The work order that a ticket opens.
    #[allow(clippy::result_large_err)]
    fn admit(&self, order: &str, ticket: &str) -> Result<WorkOrder, Status> {
        let id: WorkOrderId = order.parse().map_err(BadField::from)?;
        if !self.services.tickets.accepts(&id, ticket) {
            return Err(Status::permission_denied(format!("this ticket does not open {id}")));
        }
        self.services
            .pool
            .order(&id)
            // After a restart the build may not have come to it yet, so the
            // worker should ask again; if it is over, the worker is told to stop.
            .ok_or_else(|| Status::unavailable(format!("{id} is not under way")))
    }
}

#[tonic::async_trait]
impl WorkerService for WorkerApi {
    type AttachStream = ReceiverStream<Result<v1::AttachResponse, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<v1::AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        self.access.worker(&request)?;
        let mut inbound = request.into_inner();
        let first = timeout(self.settings.heartbeat_timeout, inbound.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no Hello came"))??;
        let hello = match first.and_then(|request| request.message) {
            Some(v1::attach_request::Message::Hello(hello)) => credentials(hello)?,
            _ => return Err(Status::invalid_argument("the first message of Attach is Hello")),
        };
        let connection = attach::Connection {
            services: self.services.clone(),
            settings: self.settings,
            stop: self.shutdown.token.clone(),
        };
        Ok(Response::new(streams::send(&self.shutdown, move |out| connection.serve(hello, inbound, out))))
    }

    type FetchContextStream = ReceiverStream<Result<v1::FetchContextResponse, Status>>;

    async fn fetch_context(
        &self,
        request: Request<v1::FetchContextRequest>,
    ) -> Result<Response<Self::FetchContextStream>, Status> {
        self.access.worker(&request)?;
        let v1::FetchContextRequest { work_order_id, ticket, offset } = request.into_inner();
        let order = self.admit(&work_order_id, &ticket)?;
        let services = self.services.clone();
        Ok(Response::new(streams::send(&self.shutdown, move |out| {
            uploads::send_context(services, order, offset, out)
        })))
    }

    async fn find_blobs(
        &self,
        request: Request<v1::FindBlobsRequest>,
    ) -> Result<Response<v1::FindBlobsResponse>, Status> {
        self.access.worker(&request)?;
        let v1::FindBlobsRequest { work_order_id, ticket, digests } = request.into_inner();
        let order = self.admit(&work_order_id, &ticket)?;
        let present = uploads::find(&self.services, &order, &digests).await?;
        Ok(Response::new(v1::FindBlobsResponse { present }))
    }

    async fn upload_blob(
        &self,
        request: Request<Streaming<v1::UploadBlobRequest>>,
    ) -> Result<Response<v1::UploadBlobResponse>, Status> {
        self.access.worker(&request)?;
        let mut inbound = request.into_inner();
        let first = uploads::next(&mut inbound).await?;
        let Some(v1::upload_blob_request::Part::Header(header)) = first else {
            return Err(Status::invalid_argument("the first message of UploadBlob is the header"));
        };
        let order = self.admit(&header.work_order_id, &header.ticket)?;
        let stored = uploads::receive(&self.services, &order, &header, &mut inbound).await?;
        Ok(Response::new(stored))
    }

    async fn list_workers(
        &self,
        request: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersResponse>, Status> {
        self.access.client(&request)?;
        let workers = self.services.pool.workers().into_iter().map(|worker| v1::Worker {
            id: worker.credentials.id.to_string(),
            platforms: worker.credentials.platforms.iter().map(ToString::to_string).collect(),
            slots: u32::try_from(worker.credentials.slots).unwrap_or(u32::MAX),
            progress: worker
                .progress
                .into_iter()
                .map(|(order, Progress { phase, done, total })| (order, phase, done, total).into())
                .collect(),
            work_order_ids: worker.busy.iter().map(ToString::to_string).collect(),
            host: worker.credentials.host,
            version: worker.credentials.version,
            engine: worker.credentials.engine,
            attached_at: Some(to_timestamp(worker.attached_at)),
        });
        Ok(Response::new(v1::ListWorkersResponse { workers: workers.collect() }))
    }
}

/// What a Hello says, checked. The contract is compared first: with another one
/// nothing else can be believed.
#[allow(clippy::result_large_err)]
fn credentials(hello: v1::Hello) -> Result<Credentials, Status> {
    if hello.contract_digest != CONTRACT_DIGEST {
        return Err(Status::failed_precondition(format!(
            "worker {} (version {}) speaks the contract {}, this orchestrator (version {}) speaks {CONTRACT_DIGEST}: \
             install the worker of the same release",
            hello.worker_id,
            hello.version,
            hello.contract_digest,
            env!("CARGO_PKG_VERSION"),
        )));
    }
    let platforms: BTreeSet<_> =
        hello.platforms.iter().map(|text| text.parse().map_err(BadField::from)).collect::<Result<_, _>>()?;
    if platforms.is_empty() {
        return Err(BadField::new("platforms", "a worker builds for at least one platform").into());
    }
    if hello.slots == 0 || hello.slots > MAX_SLOTS {
        return Err(BadField::new("slots", format!("expected 1 to {MAX_SLOTS}")).into());
    }
    if hello.held.len() > MAX_HELD {
        return Err(BadField::new("held", format!("at most {MAX_HELD}")).into());
    }
    let held = hello
        .held
        .iter()
        .map(|held| held.work_order_id.parse().map_err(BadField::from))
        .collect::<Result<_, _>>()?;
    Ok(Credentials {
        id: hello.worker_id.parse().map_err(BadField::from)?,
        platforms,
        slots: hello.slots as usize,
        version: hello.version,
        host: hello.host,
        engine: hello.engine,
        held,
        unknown: BTreeSet::new(),
    })
}
