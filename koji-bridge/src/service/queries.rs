//! Calls that change nothing.

use common::koji::KojiBridge;
use proto::{convert::to_timestamp, v1};
use tonic::Status;

use super::{bad_field, required, required_number};
use crate::hub::{BuildName, FoundArchive, FoundTarget, Hub};

pub(super) async fn describe(hub: &Hub) -> v1::DescribeResponse {
    let options = hub.options();
    let bridge = KojiBridge {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hub_url: hub.url().to_owned(),
        files_url: options.files_url.clone(),
        capabilities: hub.capabilities().await,
        content_generator: options.content_generator.clone(),
        web_url: options.web_url.clone(),
    };
    bridge.into()
}

pub(super) async fn resolve_target(
    hub: &Hub,
    request: v1::ResolveTargetRequest,
) -> Result<v1::ResolveTargetResponse, Status> {
    let FoundTarget { target, build_tag_id } = hub.target(required("name", &request.name)?).await?;
    Ok(v1::ResolveTargetResponse { build_tag_id, ..target.into() })
}

pub(super) async fn find_build(
    hub: &Hub,
    request: v1::FindBuildRequest,
) -> Result<v1::FindBuildResponse, Status> {
    let name = match request.nvr {
        Some(nvr) => BuildName::Nvr(nvr.try_into()?),
        None => BuildName::Number(required_number("build_id", request.build_id)?),
    };
    let found = hub.build(&name).await?;
    Ok(v1::FindBuildResponse { completed_at: found.completed_at.map(to_timestamp), ..found.build.into() })
}

pub(super) async fn next_release(
    hub: &Hub,
    request: v1::NextReleaseRequest,
) -> Result<v1::NextReleaseResponse, Status> {
    let (name, version) = (required("name", &request.name)?, required("version", &request.version)?);
    Ok(v1::NextReleaseResponse { release: hub.next_release(name, version).await? })
}

pub(super) async fn list_archives(
    hub: &Hub,
    request: v1::ListArchivesRequest,
) -> Result<v1::ListArchivesResponse, Status> {
    let build = required_number("build_id", request.build_id)?;
    let kind = Some(request.kind.as_str()).filter(|kind| !kind.is_empty());
    let message = |found: FoundArchive| v1::KojiArchive { size: found.size, ..found.archive.into() };
    let archives = hub.archives(build, kind).await?.into_iter().map(message).collect();
    Ok(v1::ListArchivesResponse { archives })
}

pub(super) async fn get_repository(
    hub: &Hub,
    request: v1::GetRepositoryRequest,
) -> Result<v1::GetRepositoryResponse, Status> {
    let found = hub.repository(required("tag", &request.tag)?).await?;
    Ok(v1::GetRepositoryResponse { repository_id: found.id, base_url: found.base_url })
}

pub(super) async fn get_task(hub: &Hub, request: v1::GetTaskRequest) -> Result<v1::GetTaskResponse, Status> {
    let task = hub.task(required_number("task_id", request.task_id)?).await?;
    let owner = task.owner.map(v1::KojiUser::from);
    Ok(v1::GetTaskResponse { state: task.state.into(), method: task.method, owner })
}

pub(super) async fn get_user(hub: &Hub, request: v1::GetUserRequest) -> Result<v1::GetUserResponse, Status> {
    let name = Some(request.name.as_str()).filter(|name| !name.is_empty());
    if name.is_some_and(|name| name.chars().any(char::is_control)) {
        return Err(bad_field("name", "it has control characters"));
    }
    Ok(v1::GetUserResponse { user: Some(hub.user(name).await?.into()) })
}

pub(super) async fn find_package_owners(
    hub: &Hub,
    request: v1::FindPackageOwnersRequest,
) -> Result<v1::FindPackageOwnersResponse, Status> {
    let owners = hub.package_owners(required_number("build_id", request.build_id)?).await?;
    Ok(v1::FindPackageOwnersResponse { owners: owners.into_iter().map(v1::KojiUser::from).collect() })
}
