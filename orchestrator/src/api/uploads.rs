//! What moves in bulk: the context to a worker, blobs from it.

use std::{
    fs,
    io::{self, SeekFrom},
    path::Path,
    sync::Arc,
    time::Duration,
};

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
use registry_client::{Layout, Registry as _};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    task::spawn_blocking,
    time::timeout,
};
use tonic::{Status, Streaming};

use super::streams::Out;
use crate::services::{Services, build_directory, disk_failure, staging_directory};

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
    let staging = staging(services, order).await?;
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
    let staging = staging(services, order).await?;
    check_room(staging.root(), blob.size, services.site.builds.max_image.bytes()).await?;
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

/// The layout of the order's build. It is only opened: a build that has ended
/// has none, and gets no new one.
async fn staging(services: &Services, order: &WorkOrder) -> Result<Layout, Status> {
    let directory = staging_directory(&services.work_directory, &order.build);
    Layout::open(directory)
        .await
        .map_err(|error| Status::failed_precondition(format!("{} takes no blobs: {error}", order.build)))
}

/// Refuses a blob that would make the build larger than `limit`.
async fn check_room(root: &Path, size: u64, limit: u64) -> Result<(), Status> {
    let directory = root.to_owned();
    let counted = spawn_blocking(move || bytes_below(&directory)).await;
    let stored = counted
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(|error| failure_status(&disk_failure("cannot read", root, &error)))?;
    if size > limit.saturating_sub(stored) {
        let message =
            format!("a blob of {size} bytes beside {stored}: a build may have {limit} bytes in all");
        return Err(Status::out_of_range(message));
    }
    Ok(())
}

/// Bytes in the files of a directory, unfinished ones included.
fn bytes_below(directory: &Path) -> io::Result<u64> {
    let mut total = 0_u64;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let bytes = match entry.metadata() {
            Ok(found) if found.is_dir() => bytes_below(&entry.path()),
            Ok(found) => Ok(found.len()),
            Err(error) => Err(error),
        };
        match bytes {
            Ok(bytes) => total = total.saturating_add(bytes),
            // An unfinished blob gets its final name meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_build_has_room_for_so_many_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = directory.path().join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        fs::write(blobs.join("a"), [0; 60]).unwrap();
        fs::write(directory.path().join("unfinished"), [0; 10]).unwrap();
        check_room(directory.path(), 30, 100).await.unwrap();
        for size in [31, u64::MAX] {
            let refused = check_room(directory.path(), size, 100).await.unwrap_err();
            assert_eq!(refused.code(), tonic::Code::OutOfRange, "{refused}");
        }
    }
}
