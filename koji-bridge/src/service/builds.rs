//! Calls that make builds: reservations, imports, tags.

use common::secret::Secret;
use proto::{convert::BadField, v1};
use tonic::Status;

use super::{required, required_number};
use crate::hub::{Hub, ImportRequest, Refund, ReserveRequest, Tagging};
use crate::upload::Uploads;

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

pub(super) async fn reserve_build(
    hub: &Hub,
    request: v1::ReserveBuildRequest,
) -> Result<v1::ReserveBuildResponse, Status> {
    let nvr = request.nvr.ok_or_else(|| BadField::missing("nvr"))?;
    required("nvr.name", &nvr.name)?;
    required("nvr.version", &nvr.version)?;
    required("key", &request.key)?;
    let reserved = hub.reserve(ReserveRequest {
        name: nvr.name,
        version: nvr.version,
        release: filled(nvr.release),
        key: request.key,
        task: Some(request.task_id).filter(|task| *task != 0),
    });
    let reserved = reserved.await?;
    Ok(v1::ReserveBuildResponse {
        build_id: reserved.build,
        nvr: Some((&reserved.nvr).into()),
        token: reserved.token.expose().to_owned(),
    })
}

pub(super) async fn refund_build(
    hub: &Hub,
    request: v1::RefundBuildRequest,
) -> Result<v1::RefundBuildResponse, Status> {
    let refund = if request.build_id == 0 {
        let nvr = request.nvr.ok_or_else(|| BadField::missing("nvr"))?;
        required("nvr.name", &nvr.name)?;
        required("nvr.version", &nvr.version)?;
        required("key", &request.key)?;
        let release = filled(nvr.release);
        Refund::Key { name: nvr.name, version: nvr.version, release, key: request.key }
    } else {
        required("token", &request.token)?;
        let token = Secret::new(request.token);
        Refund::Either { id: request.build_id, token, cancelled: request.cancelled, key: request.key }
    };
    let refunded = hub.refund(refund).await?;
    let reason = request.failure.map(|failure| failure.code).unwrap_or_default();
    tracing::info!(build = request.build_id, refunded, reason, "a reservation was to be given back");
    Ok(v1::RefundBuildResponse { refunded })
}

pub(super) async fn import_build(
    hub: &Hub,
    uploads: &Uploads,
    request: v1::ImportBuildRequest,
) -> Result<v1::ImportBuildResponse, Status> {
    required("metadata_json", &request.metadata_json)?;
    required("directory", &request.directory)?;
    super::uploads::check_ticket(uploads, &request)?;
    let imported = hub.import(ImportRequest {
        metadata: request.metadata_json,
        directory: request.directory,
        token: filled(request.token).map(Secret::new),
    });
    let imported = imported.await?;
    Ok(v1::ImportBuildResponse {
        build_id: imported.build,
        found: imported.found,
        warnings: imported.warnings,
    })
}

pub(super) async fn tag_build(
    hub: &Hub,
    request: v1::TagBuildRequest,
) -> Result<v1::TagBuildResponse, Status> {
    let build = required_number("build_id", request.build_id)?;
    required("tag", &request.tag)?;
    Ok(match hub.tag_build(build, request.tag).await? {
        Tagging::Tagged => v1::TagBuildResponse { task_id: 0, tagged: true },
        Tagging::Task(task_id) => v1::TagBuildResponse { task_id, tagged: false },
    })
}
