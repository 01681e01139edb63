//! What of an image Koji gets from the worker: one archive.
//!
//! [`archive`] describes it as a row of pieces, most of which are the layers as
//! they lie compressed on disk, so that nothing is compressed or written twice;
//! [`send`] brings it to wherever the work order says, and goes on where an
//! upload was cut off.

mod archive;
mod send;

use common::{
    image::Digest,
    platform::Platform,
    work::{ArchiveContent, KojiFile, KojiUpload},
};

use self::{archive::Archive, send::Destination};
use crate::{publish::SpooledImage, report::Reporter, transfer::Transfer};

pub(crate) use send::KojiUploadError;

/// Sends the archive of an image, and says what Koji has then.
///
/// # Errors
/// The archive cannot be read from the disk, nobody takes it for a long time, or
/// it is refused.
pub(crate) async fn send_archive(
    transfer: &Transfer,
    upload: &KojiUpload,
    image: &SpooledImage,
    platform: &Platform,
    report: &Reporter,
) -> Result<KojiFile, KojiUploadError> {
    let name = archive_name(&image.config.digest, platform);
    let archive = match upload.archive {
        ArchiveContent::Image => Archive::of_image(image),
        ArchiveContent::Reference => Archive::of_reference(&upload.pull_specs),
    };
    let archive = archive.map_err(KojiUploadError::Scratch)?;
    let (archive, md5) = archive.with_md5().await.map_err(KojiUploadError::Scratch)?;
    let file = KojiFile { name, size: archive.size(), md5 };
    report.say(format!("uploading {} ({} bytes) to Koji", file.name, file.size)).await;
    let destination = Destination::open(transfer, upload).await?;
    destination.send(&file, &archive, report).await?;
    Ok(file)
}

/// What the archive is called in Koji: the image's id and the platform tell it
/// from every other.
fn archive_name(image: &Digest, platform: &Platform) -> String {
    format!("docker-image-{image}.{platform}.tar.gz")
}
