//! `KojiBridgeService` of a bridge that has no hub, and that for workers: it can
//! say what it is, take uploads from workers, and nothing else.

use std::sync::Arc;

use common::koji::{KojiBridge, KojiCapability};
use proto::v1::{self, koji_bridge_service_server::KojiBridgeService};
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream};

use super::{answered, uploads};
use crate::{metrics::Metrics, upload::Uploads};

/// A service that answers few calls.
#[derive(Debug, Clone)]
pub struct Restricted {
    uploads: Option<(Arc<Uploads>, Metrics)>,
    reason: &'static str,
}

impl Restricted {
    /// A bridge without a hub.
    pub fn without_hub() -> Self {
        Self { uploads: None, reason: "no Koji hub is configured" }
    }

    /// What workers may do: upload files that they have a ticket for.
    pub fn for_workers(uploads: Arc<Uploads>, metrics: Metrics) -> Self {
        Self {
            uploads: Some((uploads, metrics)),
            reason: "this address takes uploads from workers, and nothing else",
        }
    }

    fn refuse<T>(&self) -> Answer<T> {
        Err(Status::unimplemented(self.reason))
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl KojiBridgeService for Restricted {
    type WatchTaskStream = BoxStream<v1::WatchTaskResponse>;
    type DownloadTaskOutputStream = BoxStream<v1::DownloadTaskOutputResponse>;

    async fn describe(&self, _: Request<v1::DescribeRequest>) -> Answer<v1::DescribeResponse> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let capabilities = self.uploads.iter().map(|_| KojiCapability::Upload).collect();
        Ok(Response::new(KojiBridge { version, capabilities, ..KojiBridge::default() }.into()))
    }

    async fn resolve_target(
        &self,
        _: Request<v1::ResolveTargetRequest>,
    ) -> Answer<v1::ResolveTargetResponse> {
        self.refuse()
    }

    async fn find_build(&self, _: Request<v1::FindBuildRequest>) -> Answer<v1::FindBuildResponse> {
        self.refuse()
    }

    async fn next_release(&self, _: Request<v1::NextReleaseRequest>) -> Answer<v1::NextReleaseResponse> {
        self.refuse()
    }

    async fn list_archives(&self, _: Request<v1::ListArchivesRequest>) -> Answer<v1::ListArchivesResponse> {
        self.refuse()
    }

    async fn get_repository(
        &self,
        _: Request<v1::GetRepositoryRequest>,
    ) -> Answer<v1::GetRepositoryResponse> {
        self.refuse()
    }

    async fn reserve_build(&self, _: Request<v1::ReserveBuildRequest>) -> Answer<v1::ReserveBuildResponse> {
        self.refuse()
    }

    async fn refund_build(&self, _: Request<v1::RefundBuildRequest>) -> Answer<v1::RefundBuildResponse> {
        self.refuse()
    }

    async fn upload_file(
        &self,
        request: Request<Streaming<v1::UploadFileRequest>>,
    ) -> Answer<v1::UploadFileResponse> {
        let Some((uploads, metrics)) = &self.uploads else { return self.refuse() };
        let answer = uploads::upload_file(uploads, request.into_inner());
        answered(metrics, "UploadFile", answer).await
    }

    async fn import_build(&self, _: Request<v1::ImportBuildRequest>) -> Answer<v1::ImportBuildResponse> {
        self.refuse()
    }

    async fn tag_build(&self, _: Request<v1::TagBuildRequest>) -> Answer<v1::TagBuildResponse> {
        self.refuse()
    }

    async fn watch_task(&self, _: Request<v1::WatchTaskRequest>) -> Answer<Self::WatchTaskStream> {
        self.refuse()
    }

    async fn start_image_build(
        &self,
        _: Request<v1::StartImageBuildRequest>,
    ) -> Answer<v1::StartImageBuildResponse> {
        self.refuse()
    }

    async fn list_task_outputs(
        &self,
        _: Request<v1::ListTaskOutputsRequest>,
    ) -> Answer<v1::ListTaskOutputsResponse> {
        self.refuse()
    }

    async fn download_task_output(
        &self,
        _: Request<v1::DownloadTaskOutputRequest>,
    ) -> Answer<Self::DownloadTaskOutputStream> {
        self.refuse()
    }

    async fn cancel_task(&self, _: Request<v1::CancelTaskRequest>) -> Answer<v1::CancelTaskResponse> {
        self.refuse()
    }

    async fn prepare_upload(
        &self,
        _: Request<v1::PrepareUploadRequest>,
    ) -> Answer<v1::PrepareUploadResponse> {
        self.refuse()
    }

    async fn find_upload(&self, request: Request<v1::FindUploadRequest>) -> Answer<v1::FindUploadResponse> {
        let Some((uploads, metrics)) = &self.uploads else { return self.refuse() };
        let answer = uploads::find_upload(uploads, request.into_inner());
        answered(metrics, "FindUpload", answer).await
    }

    async fn get_task(&self, _: Request<v1::GetTaskRequest>) -> Answer<v1::GetTaskResponse> {
        self.refuse()
    }

    async fn get_user(&self, _: Request<v1::GetUserRequest>) -> Answer<v1::GetUserResponse> {
        self.refuse()
    }

    async fn find_package_owners(
        &self,
        _: Request<v1::FindPackageOwnersRequest>,
    ) -> Answer<v1::FindPackageOwnersResponse> {
        self.refuse()
    }
}
