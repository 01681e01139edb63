//! Uploads of files for imports. This bridge takes none yet.

use proto::v1;
use tonic::{Status, Streaming};

use crate::hub::Hub;

/// Whether the bridge offers uploads.
pub(super) const OFFERED: bool = false;

fn not_offered() -> Status {
    Status::unimplemented("this bridge takes no uploads")
}

/// Opens a directory for uploads.
pub(super) async fn prepare_upload(
    _: &Hub,
    _: v1::PrepareUploadRequest,
) -> Result<v1::PrepareUploadResponse, Status> {
    Err(not_offered())
}

/// Takes a file.
pub(super) async fn upload_file(
    _: &Hub,
    _: Streaming<v1::UploadFileRequest>,
) -> Result<v1::UploadFileResponse, Status> {
    Err(not_offered())
}

/// Tells how much of a file is there.
pub(super) async fn find_upload(_: &Hub, _: v1::FindUploadRequest) -> Result<v1::FindUploadResponse, Status> {
    Err(not_offered())
}

/// Whether a ticket opens a directory, which an import must show as well.
///
/// # Errors
/// It does not.
pub(super) fn check_ticket(_: &Hub, _: &v1::ImportBuildRequest) -> Result<(), Status> {
    Ok(())
}
