//! Uploads of files for imports: messages into files at the hub, and tickets.

use common::koji::UploadDirectory;
use futures::StreamExt as _;
use proto::{
    convert::koji_status,
    v1::{self, upload_file_request::Part},
};
use tokio::time::timeout;
use tonic::{Status, Streaming};

use crate::upload::{FileHeader, Place, UploadError, Uploads};

impl From<UploadError> for Status {
    fn from(error: UploadError) -> Self {
        koji_status(&error.into_failure())
    }
}

/// Opens a directory for uploads.
pub(super) fn prepare_upload(
    uploads: &Uploads,
    request: &v1::PrepareUploadRequest,
) -> Result<v1::PrepareUploadResponse, Status> {
    let UploadDirectory { directory, ticket, worker_address } = uploads.prepare(&request.key)?;
    let worker_address = worker_address.map(|address| address.to_string()).unwrap_or_default();
    Ok(v1::PrepareUploadResponse { directory, ticket: ticket.expose().to_owned(), worker_address })
}

/// Takes a file.
pub(super) async fn upload_file(
    uploads: &Uploads,
    mut messages: Streaming<v1::UploadFileRequest>,
) -> Result<v1::UploadFileResponse, Status> {
    let first = timeout(uploads.silence(), messages.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no header came"))??;
    let Some(v1::UploadFileRequest { part: Some(Part::Header(header)) }) = first else {
        return Err(Status::invalid_argument("part: the first message must be the header"));
    };
    uploads.admit(&header.directory, &header.ticket)?;
    let header = FileHeader {
        place: Place::new(&header.directory, &header.name)?,
        size: header.size,
        offset: header.offset,
        md5: Some(header.md5.to_ascii_lowercase()).filter(|md5| !md5.is_empty()),
    };
    let place = header.place.clone();
    let data = messages.map(move |message| match message {
        Ok(v1::UploadFileRequest { part: Some(Part::Data(data)) }) => Ok(data),
        Ok(_) => {
            let reason = "after the header only data may come".to_owned();
            Err(UploadError::BadMessage { place: place.clone(), reason })
        }
        Err(status) => {
            let reason = status.message().to_owned();
            Err(UploadError::BrokenOff { place: place.clone(), received: 0, reason })
        }
    });
    let uploaded = uploads.receive(header, data).await?;
    Ok(v1::UploadFileResponse { size: uploaded.size, adler32: uploaded.adler32, verified: uploaded.verified })
}

/// Tells how much of a file is there.
pub(super) async fn find_upload(
    uploads: &Uploads,
    request: v1::FindUploadRequest,
) -> Result<v1::FindUploadResponse, Status> {
    uploads.admit(&request.directory, &request.ticket)?;
    let size = uploads.find(&Place::new(&request.directory, &request.name)?).await?;
    Ok(v1::FindUploadResponse { size })
}

/// Whether a ticket opens a directory, where an import shows one. Who may import
/// may name any directory; a ticket only catches mistakes.
///
/// # Errors
/// It does not.
pub(super) fn check_ticket(uploads: &Uploads, request: &v1::ImportBuildRequest) -> Result<(), Status> {
    if request.ticket.is_empty() {
        return Ok(());
    }
    Ok(uploads.admit(&request.directory, &request.ticket)?)
}
