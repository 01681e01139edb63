//! `KojiBridgeService` of a bridge that has no hub: it can say what it is, and
//! nothing else.

use common::koji::KojiBridge;
use proto::v1::{self, koji_bridge_service_server::KojiBridgeService};
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream};

/// A bridge without a hub.
#[derive(Debug, Clone, Copy, Default)]
pub struct WithoutHub;

type Answer<T> = Result<Response<T>, Status>;

fn no_hub<T>() -> Answer<T> {
    Err(Status::unimplemented("no Koji hub is configured"))
}

#[tonic::async_trait]
impl KojiBridgeService for WithoutHub {
    type WatchTaskStream = BoxStream<v1::WatchTaskResponse>;
    type DownloadTaskOutputStream = BoxStream<v1::DownloadTaskOutputResponse>;

    async fn describe(&self, _: Request<v1::DescribeRequest>) -> Answer<v1::DescribeResponse> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(Response::new(KojiBridge { version, ..KojiBridge::default() }.into()))
    }

    async fn resolve_target(
        &self,
        _: Request<v1::ResolveTargetRequest>,
    ) -> Answer<v1::ResolveTargetResponse> {
        no_hub()
    }

    async fn find_build(&self, _: Request<v1::FindBuildRequest>) -> Answer<v1::FindBuildResponse> {
        no_hub()
    }

    async fn next_release(&self, _: Request<v1::NextReleaseRequest>) -> Answer<v1::NextReleaseResponse> {
        no_hub()
    }

    async fn list_archives(&self, _: Request<v1::ListArchivesRequest>) -> Answer<v1::ListArchivesResponse> {
        no_hub()
    }

    async fn get_repository(
        &self,
        _: Request<v1::GetRepositoryRequest>,
    ) -> Answer<v1::GetRepositoryResponse> {
        no_hub()
    }

    async fn reserve_build(&self, _: Request<v1::ReserveBuildRequest>) -> Answer<v1::ReserveBuildResponse> {
        no_hub()
    }

    async fn refund_build(&self, _: Request<v1::RefundBuildRequest>) -> Answer<v1::RefundBuildResponse> {
        no_hub()
    }

    async fn upload_file(
        &self,
        _: Request<Streaming<v1::UploadFileRequest>>,
    ) -> Answer<v1::UploadFileResponse> {
        no_hub()
    }

    async fn import_build(&self, _: Request<v1::ImportBuildRequest>) -> Answer<v1::ImportBuildResponse> {
        no_hub()
    }

    async fn tag_build(&self, _: Request<v1::TagBuildRequest>) -> Answer<v1::TagBuildResponse> {
        no_hub()
    }

    async fn watch_task(&self, _: Request<v1::WatchTaskRequest>) -> Answer<Self::WatchTaskStream> {
        no_hub()
    }

    async fn start_image_build(
        &self,
        _: Request<v1::StartImageBuildRequest>,
    ) -> Answer<v1::StartImageBuildResponse> {
        no_hub()
    }

    async fn list_task_outputs(
        &self,
        _: Request<v1::ListTaskOutputsRequest>,
    ) -> Answer<v1::ListTaskOutputsResponse> {
        no_hub()
    }

    async fn download_task_output(
        &self,
        _: Request<v1::DownloadTaskOutputRequest>,
    ) -> Answer<Self::DownloadTaskOutputStream> {
        no_hub()
    }

    async fn cancel_task(&self, _: Request<v1::CancelTaskRequest>) -> Answer<v1::CancelTaskResponse> {
        no_hub()
    }

    async fn prepare_upload(
        &self,
        _: Request<v1::PrepareUploadRequest>,
    ) -> Answer<v1::PrepareUploadResponse> {
        no_hub()
    }

    async fn find_upload(&self, _: Request<v1::FindUploadRequest>) -> Answer<v1::FindUploadResponse> {
        no_hub()
    }

    async fn get_task(&self, _: Request<v1::GetTaskRequest>) -> Answer<v1::GetTaskResponse> {
        no_hub()
    }

    async fn get_user(&self, _: Request<v1::GetUserRequest>) -> Answer<v1::GetUserResponse> {
        no_hub()
    }

    async fn find_package_owners(
        &self,
        _: Request<v1::FindPackageOwnersRequest>,
    ) -> Answer<v1::FindPackageOwnersResponse> {
        no_hub()
    }
}
