//! Blobs of a layout: streaming in, streaming out, links between layouts.

use std::{
    fs,
    io::Write as _,
    path::Path,
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use common::{image::Digest, work::Descriptor};
use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::{
    Layout, UPLOADS, blocking, file_error, make_readable, make_uploads, regular_file, sync_directory,
};
use crate::{BlobSource, BlobStream, Registry as _, RegistryError, verified::verified};

/// Bytes that are gathered before they are handed to a blocking thread.
const GATHER_BYTES: usize = 512 * 1024;
/// No upload goes on for so long; what is older was left by a process that died.
const LEFT_OVER: Duration = Duration::from_secs(7 * 24 * 3600);

/// Removes what processes that died have left. Failing at that is no reason to fail.
pub(super) fn sweep(uploads: &Path) {
    let Ok(entries) = fs::read_dir(uploads) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|found| found.modified());
        let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if age.is_some_and(|age| age > LEFT_OVER)
            && let Err(error) = fs::remove_file(entry.path())
        {
            tracing::warn!(%error, file = %entry.path().display(), "cannot remove an old upload");
        }
    }
}

/// A blob on its way into a layout. If it is dropped before it is finished, nothing of it stays.
#[derive(Debug)]
pub struct BlobWriter {
    layout: Layout,
    max_bytes: u64,
    taken: u64,
    gathered: BytesMut,
    /// Absent only while a blocking thread has it, or after it failed.
    sink: Option<Sink>,
}

#[derive(Debug)]
struct Sink {
    file: NamedTempFile,
    hash: Sha256,
}

impl BlobWriter {
    pub(super) async fn begin(layout: Layout, max_bytes: u64) -> Result<Self, RegistryError> {
        let directory = layout.root().join(UPLOADS);
        let file = blocking(move || {
            make_uploads(&directory).map_err(|source| file_error("make", &directory, source))?;
            let file = tempfile::Builder::new().prefix("blob-").tempfile_in(&directory);
            file.map_err(|source| file_error("write in", &directory, source))
        })
        .await?;
        let sink = Some(Sink { file, hash: Sha256::new() });
        Ok(Self { layout, max_bytes, taken: 0, gathered: BytesMut::new(), sink })
    }

    /// Bytes that were written so far.
    pub fn written(&self) -> u64 {
        self.taken
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// More bytes than the writer was made for, or the disk is full. The writer is of no use after an error.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        self.taken += bytes.len() as u64;
        if self.taken > self.max_bytes {
            return Err(RegistryError::TooLarge {
                what: format!("a blob for {}", self.layout.describe()),
                limit: self.max_bytes,
            });
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(GATHER_BYTES - self.gathered.len()));
            self.gathered.extend_from_slice(now);
            if self.gathered.len() >= GATHER_BYTES {
                self.flush().await?;
            }
            rest = later;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), RegistryError> {
        let bytes = self.gathered.split();
        let sink = self.take_sink()?;
        let sink = blocking(move || {
            let Sink { mut file, mut hash } = sink;
            hash.update(&bytes);
            file.write_all(&bytes).map_err(|source| file_error("write", file.path(), source))?;
            Ok(Sink { file, hash })
        })
        .await?;
        self.sink = Some(sink);
        Ok(())
    }

    /// Makes the blob durable and puts it in its place.
    ///
    /// # Errors
    /// What was written is not `blob`, or trouble with the disk. Nothing of it stays then.
    pub async fn finish(mut self, blob: &Descriptor) -> Result<(), RegistryError> {
        self.flush().await?;
        let place = self.layout.describe();
        let what = || format!("blob for {place}");
        if self.taken != blob.size {
            return Err(RegistryError::SizeMismatch { what: what(), expected: blob.size, found: self.taken });
        }
        let Sink { file, hash } = self.take_sink()?;
        let found = Digest::from_sha256(&hash.finalize().into());
        if found != blob.digest {
            return Err(RegistryError::DigestMismatch {
                what: what(),
                expected: blob.digest.clone(),
                found: found.to_string(),
            });
        }
        let path = self.layout.blob_path(&blob.digest);
        blocking(move || {
            let fail = |source| file_error("write", &path, source);
            make_readable(file.as_file()).map_err(fail)?;
            file.as_file().sync_all().map_err(fail)?;
            file.persist(&path).map_err(|error| fail(error.error))?;
            sync_parent(&path)
        })
        .await
    }

    fn take_sink(&mut self) -> Result<Sink, RegistryError> {
        let gone = || std::io::Error::other("an earlier part of it could not be written");
        self.sink.take().ok_or_else(|| file_error("write in", self.layout.root(), gone()))
    }
}

fn sync_parent(path: &Path) -> Result<(), RegistryError> {
    match path.parent() {
        Some(parent) => sync_directory(parent).map_err(|source| file_error("make durable", parent, source)),
        None => Ok(()),
    }
}

impl Layout {
    pub(super) async fn stream(&self, blob: &Descriptor) -> Result<BlobStream, RegistryError> {
        let path = self.blob_path(&blob.digest);
        let checked = path.clone();
        if blocking(move || regular_file(&checked)).await?.is_none() {
            let what = format!("blob {} in {}", blob.digest, self.describe());
            return Err(RegistryError::Missing { what });
        }
        let content = BlobSource::File(path).open(blob, 0).await?;
        Ok(verified(content, blob, self.describe()))
    }

    pub(super) async fn take(&self, blob: &Descriptor, source: &BlobSource<'_>) -> Result<(), RegistryError> {
        if self.has_blob(blob).await? || self.link(blob, source).await? {
            return Ok(());
        }
        let mut writer = self.blob_writer(blob.size).await?;
        let mut content = source.open(blob, 0).await?;
        while let Some(chunk) = content.try_next().await? {
            let chunk: Bytes = chunk;
            writer.write(&chunk).await?;
        }
        writer.finish(blob).await
    }

    /// Links a blob of another layout on the same file system. Its size is checked; its content was when it was
    /// written there.
    async fn link(&self, blob: &Descriptor, source: &BlobSource<'_>) -> Result<bool, RegistryError> {
        let BlobSource::Registry(registry) = source else { return Ok(false) };
        let Some(from) = registry.local_blob(&blob.digest) else { return Ok(false) };
        let (to, size) = (self.blob_path(&blob.digest), blob.size);
        blocking(move || {
            if regular_file(&from)? != Some(size) {
                return Ok(false);
            }
            match fs::hard_link(&from, &to) {
                Ok(()) => sync_parent(&to).map(|()| true),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    Ok(regular_file(&to)? == Some(size))
                }
                // Another file system, or one without links: the content is copied then.
                Err(_) => Ok(false),
            }
        })
        .await
    }
}
