//! Calls about tasks.

use std::future::Future;

use common::koji::ImageTask;
use futures::StreamExt as _;
use proto::v1;
use tonic::{Status, codegen::BoxStream};

use super::{deadline::until, required, required_number};
use crate::hub::{Hub, TaskChange};

pub(super) async fn watch_task(
    hub: &Hub,
    request: v1::WatchTaskRequest,
    end: impl Future<Output = Status> + Send + 'static,
) -> Result<BoxStream<v1::WatchTaskResponse>, Status> {
    let changes = hub.watch_task(required_number("task_id", request.task_id)?).await?;
    let message = |change: TaskChange| v1::WatchTaskResponse {
        state: change.state.into(),
        failure: change.failure.map(v1::Failure::from),
    };
    let changes = changes.map(move |change| change.map(message).map_err(Status::from));
    Ok(until(changes, end).boxed())
}

pub(super) async fn start_image_build(
    hub: &Hub,
    mut request: v1::StartImageBuildRequest,
) -> Result<v1::StartImageBuildResponse, Status> {
    let key = std::mem::take(&mut request.key);
    let task_id = hub.start_image_task(ImageTask::try_from(request)?, key).await?;
    Ok(v1::StartImageBuildResponse { task_id })
}

pub(super) async fn list_task_outputs(
    hub: &Hub,
    request: v1::ListTaskOutputsRequest,
) -> Result<v1::ListTaskOutputsResponse, Status> {
    let outputs = hub.task_outputs(required_number("task_id", request.task_id)?).await?;
    Ok(v1::ListTaskOutputsResponse { outputs: outputs.into_iter().map(v1::KojiTaskOutput::from).collect() })
}

pub(super) async fn download(
    hub: &Hub,
    request: v1::DownloadTaskOutputRequest,
    end: impl Future<Output = Status> + Send + 'static,
) -> Result<BoxStream<v1::DownloadTaskOutputResponse>, Status> {
    let task = required_number("task_id", request.task_id)?;
    let content = hub.task_output(task, required("name", &request.name)?, &request.volume).await?;
    let message = |data: bytes::Bytes| v1::DownloadTaskOutputResponse { data };
    let parts = content.into_parts().map(move |part| part.map(message).map_err(Status::from));
    Ok(until(parts, end).boxed())
}

pub(super) async fn cancel_task(
    hub: &Hub,
    request: v1::CancelTaskRequest,
) -> Result<v1::CancelTaskResponse, Status> {
    hub.cancel_task(required_number("task_id", request.task_id)?).await?;
    Ok(v1::CancelTaskResponse {})
}
