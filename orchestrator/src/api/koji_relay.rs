//! `KojiBridgeService`, as much of it as workers need: files for Koji come in
//! here and go on to the bridge.
//!
//! A worker that reaches the orchestrator need not reach the bridge. Messages are
//! handed on one by one, as fast as the bridge takes them; whether a ticket opens
//! a directory is for the bridge to say. Everything else is not for workers.

use std::{sync::Arc, time::Duration};

use common::service::{Connection, Shutdown};
use proto::{
    convert::failure_status,
    v1::{
        self, koji_bridge_service_client::KojiBridgeServiceClient,
        koji_bridge_service_server::KojiBridgeService,
    },
};
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream};

use super::Access;
use crate::services::Services;

/// Files that are handed on at a time; more wait for a place.
const AT_ONCE: usize = 64;
/// Messages of one file that wait for the bridge.
const WAITING: usize = 4;
/// Most bytes in one message, as the contract has it.
const MAX_DATA: usize = 256 * 1024;
/// Silence after which a call is given up, and the wait for a place.
const STALL: Duration = Duration::from_secs(60);
/// How long the bridge may take to say that the hub has everything. It may have
/// the hub add up a large file.
const ANSWER: Duration = Duration::from_secs(1800);

/// Hands files for Koji on to the bridge.
pub struct KojiRelay {
    services: Arc<Services>,
    access: Access,
    shutdown: Shutdown,
    places: Semaphore,
}

impl KojiRelay {
    /// The relay over these parts.
    pub fn new(services: Arc<Services>, access: Access, shutdown: Shutdown) -> Self {
        Self { services, access, shutdown, places: Semaphore::new(AT_ONCE) }
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, Status> {
        let busy = || Status::unavailable("too many files for Koji are on their way; try again");
        match timeout(STALL, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    async fn bridge(&self) -> Result<KojiBridgeServiceClient<Connection>, Status> {
        let Some(koji) = &self.services.outside.koji else {
            return Err(Status::failed_precondition("this orchestrator has no koji-bridge"));
        };
        koji.raw_client().await.map_err(|failure| failure_status(&failure))
    }

    async fn hand_on(
        &self,
        inbound: Streaming<v1::UploadFileRequest>,
    ) -> Result<Response<v1::UploadFileResponse>, Status> {
        let _place = self.place().await?;
        let mut bridge = self.bridge().await?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let call = bridge.upload_file(ReceiverStream::new(receiver));
        tokio::pin!(call);
        // The call ends with whichever ends first; when the worker breaks off, the
        // call to the bridge is dropped and not ended as if it were whole.
        tokio::select! {
            answer = &mut call => return answer.map(answered).map_err(plain),
            pumped = pump(inbound, sender) => pumped?,
        }
        let silent = |_| Status::unavailable("koji-bridge does not say whether the hub has the file");
        timeout(ANSWER, call).await.map_err(silent)?.map(answered).map_err(plain)
    }
}

/// Hands messages on until the worker has sent its last.
async fn pump(
    mut inbound: Streaming<v1::UploadFileRequest>,
    sender: mpsc::Sender<v1::UploadFileRequest>,
) -> Result<(), Status> {
    let stalled = |_| Status::deadline_exceeded("the upload has stalled");
    while let Some(message) = timeout(STALL, inbound.message()).await.map_err(stalled)?? {
        if let Some(v1::upload_file_request::Part::Data(data)) = &message.part
            && data.len() > MAX_DATA
        {
            return Err(Status::invalid_argument(format!(
                "a message holds at most {MAX_DATA} bytes of data"
            )));
        }
        if sender.send(message).await.is_err() {
            // The bridge has answered already, or is gone: the call tells.
            return std::future::pending().await;
        }
    }
    Ok(())
}

/// The answer without headers, which were for us.
fn answered<T>(answer: Response<T>) -> Response<T> {
    Response::new(answer.into_inner())
}

/// The status without headers, which were for us; what it tells in detail stays.
fn plain(status: Status) -> Status {
    Status::with_details(status.code(), status.message(), bytes::Bytes::copy_from_slice(status.details()))
}

fn elsewhere<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("the orchestrator only hands files on; ask koji-bridge"))
}

/// Calls that are not for workers.
macro_rules! elsewhere {
    ($($call:ident: $request:ident -> $response:ident)*) => {$(
        fn $call<'life, 'call>(
            &'life self,
            _: Request<v1::$request>,
        ) -> std::pin::Pin<
            Box<dyn Future<Output = Result<Response<v1::$response>, Status>> + Send + 'call>,
        >
        where
            'life: 'call,
            Self: 'call,
        {
            Box::pin(std::future::ready(elsewhere()))
        }
    )*};
}

#[tonic::async_trait]
impl KojiBridgeService for KojiRelay {
    type WatchTaskStream = BoxStream<v1::WatchTaskResponse>;
    type DownloadTaskOutputStream = BoxStream<v1::DownloadTaskOutputResponse>;

    async fn upload_file(
        &self,
        request: Request<Streaming<v1::UploadFileRequest>>,
    ) -> Result<Response<v1::UploadFileResponse>, Status> {
        self.access.worker(&request)?;
        tokio::select! {
            answer = self.hand_on(request.into_inner()) => answer,
            () = self.shutdown.token.cancelled() => Err(Status::unavailable("the orchestrator ends")),
        }
    }

    async fn find_upload(
        &self,
        request: Request<v1::FindUploadRequest>,
    ) -> Result<Response<v1::FindUploadResponse>, Status> {
        self.access.worker(&request)?;
        let mut bridge = self.bridge().await?;
        let silent = |_| Status::unavailable("koji-bridge does not answer");
        let asked = bridge.find_upload(request.into_inner());
        timeout(STALL, asked).await.map_err(silent)?.map(answered).map_err(plain)
    }

    async fn watch_task(
        &self,
        _: Request<v1::WatchTaskRequest>,
    ) -> Result<Response<Self::WatchTaskStream>, Status> {
        elsewhere()
    }

    async fn download_task_output(
        &self,
        _: Request<v1::DownloadTaskOutputRequest>,
    ) -> Result<Response<Self::DownloadTaskOutputStream>, Status> {
        elsewhere()
    }

    elsewhere! {
        describe: DescribeRequest -> DescribeResponse
        resolve_target: ResolveTargetRequest -> ResolveTargetResponse
        find_build: FindBuildRequest -> FindBuildResponse
        next_release: NextReleaseRequest -> NextReleaseResponse
        list_archives: ListArchivesRequest -> ListArchivesResponse
        get_repository: GetRepositoryRequest -> GetRepositoryResponse
        reserve_build: ReserveBuildRequest -> ReserveBuildResponse
        refund_build: RefundBuildRequest -> RefundBuildResponse
        prepare_upload: PrepareUploadRequest -> PrepareUploadResponse
        import_build: ImportBuildRequest -> ImportBuildResponse
        tag_build: TagBuildRequest -> TagBuildResponse
        start_image_build: StartImageBuildRequest -> StartImageBuildResponse
        list_task_outputs: ListTaskOutputsRequest -> ListTaskOutputsResponse
        cancel_task: CancelTaskRequest -> CancelTaskResponse
        get_task: GetTaskRequest -> GetTaskResponse
        get_user: GetUserRequest -> GetUserResponse
        find_package_owners: FindPackageOwnersRequest -> FindPackageOwnersResponse
    }
}

#[cfg(test)]
mod tests;
