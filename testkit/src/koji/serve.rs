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

/// How the answer of a call that was carried out gets lost, if it does.
struct LostAnswer(Option<Status>);

impl LostAnswer {
    fn answer<T>(self, answer: T) -> Answer<T> {
        self.0.map_or(Ok(Response::new(answer)), Err)
    }
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
            Some(Effect::Lost(code, message)) => Err(Status::new(code, message)),
        }
    }

    /// The same for a call that changes something: its answer can be lost.
    async fn begin(&self, call: &str, needs: KojiCapability) -> Result<LostAnswer, Status> {
        let lost = {
            let mut state = self.0.state();
            let mut faults = state.faults.iter_mut();
            let fault = faults.find(|(name, times, _)| name == call && *times > 0);
            match fault {
                Some((_, times, Effect::Lost(code, message))) => {
                    *times -= 1;
                    Some(Status::new(*code, *message))
                }
                _ => None,
            }
        };
        if lost.is_some() {
            self.0.state().calls.push(call.to_owned());
            return Ok(LostAnswer(lost));
        }
        self.enter(call, Some(needs)).await.map(|_| LostAnswer(None))
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

    async fn reserve_build(
        &self,
        request: Request<v1::ReserveBuildRequest>,
    ) -> Answer<v1::ReserveBuildResponse> {
        let lost = self.begin("ReserveBuild", KojiCapability::Reserve).await?;
        let request = request.into_inner();
        let nvr: Nvr = request.nvr.unwrap_or_default().try_into()?;
        let answer = self.0.state().reserve(&nvr, &request.key)?;
        lost.answer(answer)
    }

    async fn refund_build(
        &self,
        request: Request<v1::RefundBuildRequest>,
    ) -> Answer<v1::RefundBuildResponse> {
        let lost = self.begin("RefundBuild", KojiCapability::Reserve).await?;
        let refunded = self.0.state().refund(&request.into_inner())?;
        lost.answer(v1::RefundBuildResponse { refunded })
    }

    async fn upload_file(
        &self,
        request: Request<Streaming<v1::UploadFileRequest>>,
    ) -> Answer<v1::UploadFileResponse> {
        use v1::upload_file_request::Part;
        let cut = self.enter("UploadFile", Some(KojiCapability::Upload)).await?;
        let mut inbound = request.into_inner();
        let Some(Part::Header(header)) = inbound.message().await?.and_then(|message| message.part) else {
            return Err(Status::invalid_argument("the header comes first"));
        };
        self.0.state().admit(&header.directory, &header.ticket)?;
        let mut at = usize::try_from(header.offset).unwrap_or(usize::MAX);
        let (mut here, mut sum) = (0, simd_adler32::Adler32::new());
        self.0.state().write(&header, at, b"")?;
        while let Some(message) = inbound.message().await? {
            let Some(Part::Data(data)) = message.part else {
                return Err(Status::invalid_argument("the header comes once"));
            };
            let room = cut.map_or(data.len(), |cut| cut.saturating_sub(here).min(data.len()));
            let data = data.slice(..room);
            self.0.state().write(&header, at, &data)?;
            sum.write(&data);
            (at, here) = (at + data.len(), here + data.len());
            if cut.is_some_and(|cut| here >= cut) {
                return Err(Status::unavailable("the hub is gone"));
            }
        }
        if at as u64 != header.size {
            return Err(Status::unavailable("the file is not whole"));
        }
        self.0.state().check(&header)?;
        let adler32 = format!("{:08x}", sum.finish());
        Ok(Response::new(v1::UploadFileResponse { size: at as u64, adler32, verified: false }))
    }

    async fn import_build(
        &self,
        request: Request<v1::ImportBuildRequest>,
    ) -> Answer<v1::ImportBuildResponse> {
        let lost = self.begin("ImportBuild", KojiCapability::Import).await?;
        let (build_id, found) = self.0.state().import(&request.into_inner())?;
        lost.answer(v1::ImportBuildResponse { build_id, found, warnings: Vec::new() })
    }

    async fn tag_build(&self, request: Request<v1::TagBuildRequest>) -> Answer<v1::TagBuildResponse> {
        let lost = self.begin("TagBuild", KojiCapability::Tag).await?;
        let answer = self.0.state().tag(&request.into_inner())?;
        lost.answer(answer)
    }

    async fn prepare_upload(
        &self,
        request: Request<v1::PrepareUploadRequest>,
    ) -> Answer<v1::PrepareUploadResponse> {
        let lost = self.begin("PrepareUpload", KojiCapability::Upload).await?;
        let answer = self.0.state().prepare(&request.into_inner().key);
        lost.answer(answer)
    }

    async fn find_upload(&self, request: Request<v1::FindUploadRequest>) -> Answer<v1::FindUploadResponse> {
        self.enter("FindUpload", Some(KojiCapability::Upload)).await?;
        let request = request.into_inner();
        let state = self.0.state();
        state.admit(&request.directory, &request.ticket)?;
        let size = state.recorded.files.get(&(request.directory, request.name)).map_or(0, Vec::len);
        Ok(Response::new(v1::FindUploadResponse { size: size as u64 }))
    }

    async fn get_task(&self, request: Request<v1::GetTaskRequest>) -> Answer<v1::GetTaskResponse> {
        self.enter("GetTask", Some(KojiCapability::People)).await?;
        let number = request.into_inner().task_id;
        let state = self.0.state();
        let task = state.tasks.get(&number).ok_or_else(|| nothing("such task"))?;
        let owner = state.owners.get(&number).map(|name| user(name));
        let (now, method) = (task.state.borrow().0, "buildContainer".to_owned());
        Ok(Response::new(v1::GetTaskResponse { state: now.into(), method, owner }))
    }

    async fn get_user(&self, request: Request<v1::GetUserRequest>) -> Answer<v1::GetUserResponse> {
        self.enter("GetUser", Some(KojiCapability::People)).await?;
        let name = request.into_inner().name;
        let name = if name.is_empty() { "reactor".to_owned() } else { name };
        Ok(Response::new(v1::GetUserResponse { user: Some(user(&name)) }))
    }

    async fn find_package_owners(
        &self,
        _: Request<v1::FindPackageOwnersRequest>,
    ) -> Answer<v1::FindPackageOwnersResponse> {
        self.enter("FindPackageOwners", Some(KojiCapability::People)).await?;
        Ok(Response::new(v1::FindPackageOwnersResponse { owners: vec![user("owner")] }))
    }
}

fn user(name: &str) -> v1::KojiUser {
    v1::KojiUser { name: name.to_owned(), principals: vec![format!("{name}@EXAMPLE.ORG")] }
}
