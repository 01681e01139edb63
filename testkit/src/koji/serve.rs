//! The calls of the service.

use std::{future::pending, sync::Arc};

use common::{
    failure::{Failure, FailureClass},
    koji::{ImageTask, KojiCapability},
    nvr::Nvr,
};
use futures::{StreamExt as _, stream};
use proto::v1::{self, koji_bridge_service_server::KojiBridgeService};
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream};

use super::{Effect, Inner, State, Task};

/// The service over a bridge's state.
#[derive(Debug)]
pub(super) struct Bridge(pub(super) Arc<Inner>);

type Answer<T> = Result<Response<T>, Status>;

/// Bytes in one message of a download.
const CHUNK: usize = 64 * 1024;

fn absent<T>() -> Answer<T> {
    Err(Status::unimplemented("this bridge does not do that"))
}

fn nothing(what: &str) -> Status {
    Status::not_found(format!("the hub has no {what}"))
}

impl Bridge {
    /// Notes the call, and lets a fault strike. `None` means that nothing is in
    /// its way, else where to cut a download.
    async fn enter(&self, call: &str, needs: Option<KojiCapability>) -> Result<Option<usize>, Status> {
        let effect = {
            let mut state = self.0.state();
            state.calls.push(call.to_owned());
            if needs.is_some_and(|needed| !state.bridge.capabilities.contains(&needed)) {
                return Err(Status::unimplemented("this bridge does not do that"));
            }
            strike(&mut state, call)
        };
        match effect {
            None => Ok(None),
            Some(Effect::Status(code, message)) => Err(Status::new(code, message)),
            Some(Effect::Silence) => pending().await,
            Some(Effect::Late(by)) => {
                tokio::time::sleep(by).await;
                Ok(None)
            }
            Some(Effect::Cut(bytes)) => Ok(Some(bytes)),
        }
    }
}

fn strike(state: &mut State, call: &str) -> Option<Effect> {
    let (_, times, effect) = state.faults.iter_mut().find(|(name, times, _)| name == call && *times > 0)?;
    *times -= 1;
    Some(effect.clone())
}

#[tonic::async_trait]
impl KojiBridgeService for Bridge {
    type WatchTaskStream = BoxStream<v1::WatchTaskResponse>;
    type DownloadTaskOutputStream = BoxStream<v1::DownloadTaskOutputResponse>;

    async fn describe(&self, _: Request<v1::DescribeRequest>) -> Answer<v1::DescribeResponse> {
        self.enter("Describe", None).await?;
        Ok(Response::new(self.0.state().bridge.clone().into()))
    }

    async fn resolve_target(
        &self,
        request: Request<v1::ResolveTargetRequest>,
    ) -> Answer<v1::ResolveTargetResponse> {
        self.enter("ResolveTarget", Some(KojiCapability::Targets)).await?;
        let name = request.into_inner().name;
        let target = self.0.state().targets.get(&name).cloned();
        Ok(Response::new(target.ok_or_else(|| nothing("such target"))?.into()))
    }

    async fn find_build(&self, request: Request<v1::FindBuildRequest>) -> Answer<v1::FindBuildResponse> {
        self.enter("FindBuild", Some(KojiCapability::Builds)).await?;
        let request = request.into_inner();
        let nvr = request.nvr.map(Nvr::try_from).transpose()?;
        let mut state = self.0.state();
        let found = state.builds.iter().find(|build| match &nvr {
            Some(nvr) => build.nvr == *nvr,
            None => build.id == request.build_id,
        });
        let build = found.cloned().ok_or_else(|| nothing("such build"))?;
        if let Some(times) = state.hidden.get_mut(&build.id).filter(|times| **times > 0) {
            *times -= 1;
            return Err(nothing("such build yet"));
        }
        Ok(Response::new(build.into()))
    }

    async fn next_release(
        &self,
        request: Request<v1::NextReleaseRequest>,
    ) -> Answer<v1::NextReleaseResponse> {
        self.enter("NextRelease", Some(KojiCapability::Releases)).await?;
        let request = request.into_inner();
        let release = self.0.state().releases.get(&(request.name, request.version)).cloned();
        Ok(Response::new(v1::NextReleaseResponse { release: release.unwrap_or_else(|| "1".to_owned()) }))
    }

    async fn list_archives(
        &self,
        request: Request<v1::ListArchivesRequest>,
    ) -> Answer<v1::ListArchivesResponse> {
        self.enter("ListArchives", Some(KojiCapability::Archives)).await?;
        let request = request.into_inner();
        let archives = self.0.state().archives.get(&request.build_id).cloned().unwrap_or_default();
        let wanted = |kind: &String| request.kind.is_empty() || *kind == request.kind;
        let archives = archives.into_iter().filter(|(kind, _)| wanted(kind)).map(|(_, file)| file.into());
        Ok(Response::new(v1::ListArchivesResponse { archives: archives.collect() }))
    }

    async fn get_repository(
        &self,
        request: Request<v1::GetRepositoryRequest>,
    ) -> Answer<v1::GetRepositoryResponse> {
        self.enter("GetRepository", Some(KojiCapability::Repositories)).await?;
        let found = self.0.state().repositories.get(&request.into_inner().tag).cloned();
        let (repository_id, base_url) = found.ok_or_else(|| nothing("repository of that tag"))?;
        Ok(Response::new(v1::GetRepositoryResponse { repository_id, base_url }))
    }

    async fn watch_task(&self, request: Request<v1::WatchTaskRequest>) -> Answer<Self::WatchTaskStream> {
        self.enter("WatchTask", Some(KojiCapability::ImageTasks)).await?;
        let number = request.into_inner().task_id;
        let watched = self.0.state().tasks.get(&number).map(|task| task.state.subscribe());
        let mut state = watched.ok_or_else(|| nothing("such task"))?;
        state.mark_changed();
        let changes = stream::unfold(Some(state), async |state| {
            let mut state = state?;
            state.changed().await.ok()?;
            let (now, reason) = state.borrow_and_update().clone();
            let failure = (now == v1::KojiTaskState::Failed)
                .then(|| Failure::new(FailureClass::Infrastructure, "koji.task_failed", reason).into());
            let over = matches!(
                now,
                v1::KojiTaskState::Closed | v1::KojiTaskState::Canceled | v1::KojiTaskState::Failed
            );
            let answer = v1::WatchTaskResponse { state: now.into(), failure };
            Some((Ok(answer), (!over).then_some(state)))
        });
        Ok(Response::new(changes.boxed()))
    }

    async fn start_image_build(
        &self,
        request: Request<v1::StartImageBuildRequest>,
    ) -> Answer<v1::StartImageBuildResponse> {
        self.enter("StartImageBuild", Some(KojiCapability::ImageTasks)).await?;
        let request = request.into_inner();
        let key = request.key.clone();
        let asked = ImageTask::try_from(request)?;
        let mut state = self.0.state();
        if let Some(&task_id) = state.keys.get(&key).filter(|_| !key.is_empty()) {
            return Ok(Response::new(v1::StartImageBuildResponse { task_id }));
        }
        let task_id = state.tasks.last_key_value().map_or(9000, |(last, _)| last + 1);
        state.tasks.insert(task_id, Task::new(Some(asked)));
        state.keys.insert(key, task_id);
        Ok(Response::new(v1::StartImageBuildResponse { task_id }))
    }

    async fn list_task_outputs(
        &self,
        request: Request<v1::ListTaskOutputsRequest>,
    ) -> Answer<v1::ListTaskOutputsResponse> {
        self.enter("ListTaskOutputs", Some(KojiCapability::ImageTasks)).await?;
        let state = self.0.state();
        let task = state.tasks.get(&request.into_inner().task_id).ok_or_else(|| nothing("such task"))?;
        let outputs = task.outputs.iter().map(|(output, _)| output.clone().into()).collect();
        Ok(Response::new(v1::ListTaskOutputsResponse { outputs }))
    }

    async fn download_task_output(
        &self,
        request: Request<v1::DownloadTaskOutputRequest>,
    ) -> Answer<Self::DownloadTaskOutputStream> {
        let cut = self.enter("DownloadTaskOutput", Some(KojiCapability::ImageTasks)).await?;
        let request = request.into_inner();
        let state = self.0.state();
        let found = state.tasks.values().flat_map(|task| &task.outputs).find(|(output, _)| {
            output.task == request.task_id && output.name == request.name && output.volume == request.volume
        });
        let (_, content) = found.ok_or_else(|| nothing("such file"))?;
        let whole = content.len();
        let content = content.get(..cut.unwrap_or(whole).min(whole)).unwrap_or_default();
        let chunk = |data: &[u8]| Ok(v1::DownloadTaskOutputResponse { data: data.to_vec().into() });
        let mut messages: Vec<_> = content.chunks(CHUNK).map(chunk).collect();
        if cut.is_some() {
            messages.push(Err(Status::unavailable("the hub is gone")));
        }
        Ok(Response::new(stream::iter(messages).boxed()))
    }

    async fn cancel_task(&self, request: Request<v1::CancelTaskRequest>) -> Answer<v1::CancelTaskResponse> {
        self.enter("CancelTask", Some(KojiCapability::ImageTasks)).await?;
        let state = self.0.state();
        let task = state.tasks.get(&request.into_inner().task_id).ok_or_else(|| nothing("such task"))?;
        let running = task.state.borrow().0 == v1::KojiTaskState::Open;
        if running {
            task.state.send_replace((v1::KojiTaskState::Canceled, String::new()));
        }
        Ok(Response::new(v1::CancelTaskResponse {}))
    }

    async fn reserve_build(&self, _: Request<v1::ReserveBuildRequest>) -> Answer<v1::ReserveBuildResponse> {
        absent()
    }

    async fn refund_build(&self, _: Request<v1::RefundBuildRequest>) -> Answer<v1::RefundBuildResponse> {
        absent()
    }

    async fn upload_file(
        &self,
        _: Request<Streaming<v1::UploadFileRequest>>,
    ) -> Answer<v1::UploadFileResponse> {
        absent()
    }

    async fn import_build(&self, _: Request<v1::ImportBuildRequest>) -> Answer<v1::ImportBuildResponse> {
        absent()
    }

    async fn tag_build(&self, _: Request<v1::TagBuildRequest>) -> Answer<v1::TagBuildResponse> {
        absent()
    }

    async fn prepare_upload(
        &self,
        _: Request<v1::PrepareUploadRequest>,
    ) -> Answer<v1::PrepareUploadResponse> {
        absent()
    }

    async fn find_upload(&self, _: Request<v1::FindUploadRequest>) -> Answer<v1::FindUploadResponse> {
        absent()
    }

    async fn get_task(&self, _: Request<v1::GetTaskRequest>) -> Answer<v1::GetTaskResponse> {
        absent()
    }

    async fn get_user(&self, _: Request<v1::GetUserRequest>) -> Answer<v1::GetUserResponse> {
        absent()
    }

    async fn find_package_owners(
        &self,
        _: Request<v1::FindPackageOwnersRequest>,
    ) -> Answer<v1::FindPackageOwnersResponse> {
        absent()
    }
}
