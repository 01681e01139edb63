//! `KojiBridgeService`, with a hub and without one.

mod builds;
mod deadline;
mod queries;
mod restricted;
mod tasks;
mod uploads;

use std::{fmt::Display, future::Future, sync::Arc, time::Instant};

use proto::v1::{self, koji_bridge_service_server::KojiBridgeService};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, Streaming, codegen::BoxStream};

pub use restricted::Restricted;

use crate::{hub::Hub, metrics::Metrics, upload::Uploads};

/// Most bytes of one request: the metadata of a large import is one.
pub const MAX_REQUEST_BYTES: usize = 64 << 20;

/// A bridge with a hub.
#[derive(Debug, Clone)]
pub struct WithHub {
    hub: Hub,
    uploads: Arc<Uploads>,
    metrics: Metrics,
    /// Cancelled when streams are to end.
    end: CancellationToken,
}

type Answer<T> = Result<Response<T>, Status>;

impl WithHub {
    /// The service over a hub. Streams end when `end` is cancelled.
    pub fn new(hub: Hub, uploads: Arc<Uploads>, metrics: Metrics, end: CancellationToken) -> Self {
        Self { hub, uploads, metrics, end }
    }

    async fn answer<T>(
        &self,
        method: &'static str,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Answer<T> {
        answered(&self.metrics, method, answer).await
    }
}

/// Answers a call, counts it, and logs what went wrong.
async fn answered<T>(
    metrics: &Metrics,
    method: &'static str,
    answer: impl Future<Output = Result<T, Status>>,
) -> Answer<T> {
    let call = Counted { metrics, method, began: Instant::now(), code: Code::Cancelled };
    call.end(answer.await).map(Response::new)
}

/// A call that is counted when it ends, also when nobody waits for it any more.
struct Counted<'a> {
    metrics: &'a Metrics,
    method: &'static str,
    began: Instant,
    code: Code,
}

impl Counted<'_> {
    fn end<T>(mut self, answer: Result<T, Status>) -> Result<T, Status> {
        self.code = Code::Ok;
        if let Err(status) = &answer {
            self.code = status.code();
            if status.code() != Code::NotFound {
                let (method, code) = (self.method, status.code() as i32);
                tracing::warn!(method, code, message = status.message(), "a call failed");
            }
        }
        answer
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.count(self.method, self.code, self.began.elapsed());
    }
}

/// A field that a request lacks, or that cannot be.
fn bad_field(field: &str, reason: impl Display) -> Status {
    proto::convert::BadField::new(field, reason.to_string()).into()
}

/// A text that a request must have.
fn required<'a>(field: &str, text: &'a str) -> Result<&'a str, Status> {
    match text {
        "" => Err(proto::convert::BadField::missing(field).into()),
        text => Ok(text),
    }
}

/// A number that a request must have.
fn required_number(field: &str, number: u64) -> Result<u64, Status> {
    match number {
        0 => Err(proto::convert::BadField::missing(field).into()),
        number => Ok(number),
    }
}

#[tonic::async_trait]
impl KojiBridgeService for WithHub {
    type WatchTaskStream = BoxStream<v1::WatchTaskResponse>;
    type DownloadTaskOutputStream = BoxStream<v1::DownloadTaskOutputResponse>;

    async fn describe(&self, _: Request<v1::DescribeRequest>) -> Answer<v1::DescribeResponse> {
        self.answer("Describe", async { Ok(queries::describe(&self.hub).await) }).await
    }

    async fn resolve_target(
        &self,
        request: Request<v1::ResolveTargetRequest>,
    ) -> Answer<v1::ResolveTargetResponse> {
        self.answer("ResolveTarget", queries::resolve_target(&self.hub, request.into_inner())).await
    }

    async fn find_build(&self, request: Request<v1::FindBuildRequest>) -> Answer<v1::FindBuildResponse> {
        self.answer("FindBuild", queries::find_build(&self.hub, request.into_inner())).await
    }

    async fn next_release(
        &self,
        request: Request<v1::NextReleaseRequest>,
    ) -> Answer<v1::NextReleaseResponse> {
        self.answer("NextRelease", queries::next_release(&self.hub, request.into_inner())).await
    }

    async fn list_archives(
        &self,
        request: Request<v1::ListArchivesRequest>,
    ) -> Answer<v1::ListArchivesResponse> {
        self.answer("ListArchives", queries::list_archives(&self.hub, request.into_inner())).await
    }

    async fn get_repository(
        &self,
        request: Request<v1::GetRepositoryRequest>,
    ) -> Answer<v1::GetRepositoryResponse> {
        self.answer("GetRepository", queries::get_repository(&self.hub, request.into_inner())).await
    }

    async fn reserve_build(
        &self,
        request: Request<v1::ReserveBuildRequest>,
    ) -> Answer<v1::ReserveBuildResponse> {
        self.answer("ReserveBuild", builds::reserve_build(&self.hub, request.into_inner())).await
    }

    async fn refund_build(
        &self,
        request: Request<v1::RefundBuildRequest>,
    ) -> Answer<v1::RefundBuildResponse> {
        self.answer("RefundBuild", builds::refund_build(&self.hub, request.into_inner())).await
    }

    async fn prepare_upload(
        &self,
        request: Request<v1::PrepareUploadRequest>,
    ) -> Answer<v1::PrepareUploadResponse> {
        self.answer("PrepareUpload", async { uploads::prepare_upload(&self.uploads, &request.into_inner()) })
            .await
    }

    async fn find_upload(&self, request: Request<v1::FindUploadRequest>) -> Answer<v1::FindUploadResponse> {
        self.answer("FindUpload", uploads::find_upload(&self.uploads, request.into_inner())).await
    }

    async fn import_build(
        &self,
        request: Request<v1::ImportBuildRequest>,
    ) -> Answer<v1::ImportBuildResponse> {
        self.answer("ImportBuild", builds::import_build(&self.hub, &self.uploads, request.into_inner())).await
    }

    async fn tag_build(&self, request: Request<v1::TagBuildRequest>) -> Answer<v1::TagBuildResponse> {
        self.answer("TagBuild", builds::tag_build(&self.hub, request.into_inner())).await
    }

    async fn start_image_build(
        &self,
        request: Request<v1::StartImageBuildRequest>,
    ) -> Answer<v1::StartImageBuildResponse> {
        self.answer("StartImageBuild", tasks::start_image_build(&self.hub, request.into_inner())).await
    }

    async fn list_task_outputs(
        &self,
        request: Request<v1::ListTaskOutputsRequest>,
    ) -> Answer<v1::ListTaskOutputsResponse> {
        self.answer("ListTaskOutputs", tasks::list_task_outputs(&self.hub, request.into_inner())).await
    }

    async fn cancel_task(&self, request: Request<v1::CancelTaskRequest>) -> Answer<v1::CancelTaskResponse> {
        self.answer("CancelTask", tasks::cancel_task(&self.hub, request.into_inner())).await
    }

    async fn get_task(&self, request: Request<v1::GetTaskRequest>) -> Answer<v1::GetTaskResponse> {
        self.answer("GetTask", queries::get_task(&self.hub, request.into_inner())).await
    }

    async fn get_user(&self, request: Request<v1::GetUserRequest>) -> Answer<v1::GetUserResponse> {
        self.answer("GetUser", queries::get_user(&self.hub, request.into_inner())).await
    }

    async fn find_package_owners(
        &self,
        request: Request<v1::FindPackageOwnersRequest>,
    ) -> Answer<v1::FindPackageOwnersResponse> {
        self.answer("FindPackageOwners", queries::find_package_owners(&self.hub, request.into_inner())).await
    }
    async fn upload_file(
        &self,
        request: Request<Streaming<v1::UploadFileRequest>>,
    ) -> Answer<v1::UploadFileResponse> {
        self.answer("UploadFile", uploads::upload_file(&self.uploads, request.into_inner())).await
    }

    async fn watch_task(&self, request: Request<v1::WatchTaskRequest>) -> Answer<Self::WatchTaskStream> {
        let end = deadline::end_of_stream(request.metadata(), &self.end);
        self.answer("WatchTask", tasks::watch_task(&self.hub, request.into_inner(), end)).await
    }

    async fn download_task_output(
        &self,
        request: Request<v1::DownloadTaskOutputRequest>,
    ) -> Answer<Self::DownloadTaskOutputStream> {
        let end = deadline::end_of_stream(request.metadata(), &self.end);
        self.answer("DownloadTaskOutput", tasks::download(&self.hub, request.into_inner(), end)).await
    }
}
