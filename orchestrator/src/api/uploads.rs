//! What moves in bulk: the context to a worker, blobs from it.

use std::{io::SeekFrom, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use common::{
    image::Digest,
    names::BuildId,
    work::{Descriptor, WorkOrder},
};
use proto::{
    convert::{BadField, failure_status},
    v1,
};
use registry_client::Registry as _;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    time::timeout,
};
use tonic::{Status, Streaming};

use super::streams::Out;
use crate::services::{Services, build_directory, disk_failure, open_staging};

/// Bytes in one message.
const CHUNK: usize = 256 * 1024;
/// Silence after which an upload is given up.
const STALL: Duration = Duration::from_secs(60);
const MAX_DIGESTS: usize = 1000;

/// Sends the context of a work order from an offset.
pub(super) async fn send_context(
    services: Arc<Services>,
    order: WorkOrder,
    offset: u64,
    out: Out<v1::FetchContextResponse>,
) -> Result<(), Status> {
    let path = context_path(&services, &order.build, &order.context);
    let disk = |error: std::io::Error| failure_status(&disk_failure("cannot read", &path, &error));
    let mut file = File::open(&path).await.map_err(disk)?;
    file.seek(SeekFrom::Start(offset)).await.map_err(disk)?;
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        while chunk.len() < CHUNK && file.read_buf(&mut chunk).await.map_err(disk)? > 0 {}
        let data: Bytes = chunk.freeze();
        if data.is_empty() || out.send(Ok(v1::FetchContextResponse { data })).await.is_err() {
            return Ok(());
        }
    }
}

fn context_path(services: &Services, build: &BuildId, context: &Descriptor) -> std::path::PathBuf {
    build_directory(&services.work_directory, build).join("context").join(context.digest.hex())
}

/// Which blobs are here already.
pub(super) async fn find(
    services: &Services,
    order: &WorkOrder,
    digests: &[String],
) -> Result<Vec<String>, Status> {
    if digests.len() > MAX_DIGESTS {
        return Err(BadField::new("digests", format!("at most {MAX_DIGESTS} at a time")).into());
    }
    let staging =
        open_staging(&services.work_directory, &order.build).await.map_err(|f| failure_status(&f))?;
    let mut present = Vec::new();
    for text in digests {
        let digest: Digest = text.parse().map_err(BadField::from)?;
        if staging.stat_blob(&digest).await.map_err(|error| failure_status(&error.into()))?.is_some() {
            present.push(text.clone());
        }
    }
    Ok(present)
}

/// The next part of an upload.
pub(super) async fn next(
    inbound: &mut Streaming<v1::UploadBlobRequest>,
) -> Result<Option<v1::upload_blob_request::Part>, Status> {
    let message = timeout(STALL, inbound.message())
        .await
        .map_err(|_| Status::deadline_exceeded("the upload has stalled"))??;
    Ok(message.and_then(|request| request.part))
}

/// Takes one blob into the staging layout of the order's build.
pub(super) async fn receive(
    services: &Services,
    order: &WorkOrder,
    header: &v1::upload_blob_request::Header,
    inbound: &mut Streaming<v1::UploadBlobRequest>,
) -> Result<v1::UploadBlobResponse, Status> {
    let digest: Digest = header.digest.parse().map_err(BadField::from)?;
    let blob = Descriptor { media_type: "application/octet-stream".to_owned(), digest, size: header.size };
    let failed = |error: registry_client::RegistryError| failure_status(&error.into());
    let staging =
        open_staging(&services.work_directory, &order.build).await.map_err(|f| failure_status(&f))?;
    let mut writer = staging.blob_writer(blob.size).await.map_err(failed)?;
    while let Some(part) = next(inbound).await? {
        let v1::upload_blob_request::Part::Data(data) = part else {
            return Err(Status::invalid_argument("the header of an upload comes only once"));
        };
        writer.write(&data).await.map_err(failed)?;
    }
    writer.finish(&blob).await.map_err(failed)?;
    Ok(v1::UploadBlobResponse { digest: blob.digest.to_string(), size: blob.size })
}
