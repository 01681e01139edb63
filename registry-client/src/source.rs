//! Where the bytes of an upload come from. A source can be opened again, since
//! an upload may have to be.

use std::{fmt, io::SeekFrom, path::PathBuf};

use bytes::Bytes;
use common::work::Descriptor;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use crate::{BlobStream, Registry, RegistryError};

const READ_BYTES: usize = 128 * 1024;

/// Where the bytes of a blob come from.
pub enum BlobSource<'a> {
    /// Memory, for small blobs.
    Bytes(Bytes),
    /// A file that does not change.
    File(PathBuf),
    /// A blob in another place.
    Registry(&'a dyn Registry),
}

impl fmt::Debug for BlobSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Registry(registry) => f.write_str(&registry.describe()),
        }
    }
}

impl BlobSource<'_> {
    /// The content of `blob` from byte `from` on.
    pub(crate) async fn open(&self, blob: &Descriptor, from: u64) -> Result<BlobStream, RegistryError> {
        let wrong_size = |found: u64| RegistryError::SizeMismatch {
            what: format!("{self:?} for blob {}", blob.digest),
            expected: blob.size,
            found,
        };
        match self {
            Self::Bytes(bytes) => {
                if bytes.len() as u64 != blob.size {
                    return Err(wrong_size(bytes.len() as u64));
                }
                let rest = bytes.slice(usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len())..);
                Ok(futures::stream::iter([Ok(rest)]).boxed())
            }
            Self::File(path) => {
                let fail = |source| RegistryError::File { action: "read", path: path.clone(), source };
                let mut file = tokio::fs::File::open(path).await.map_err(fail)?;
                let found = file.metadata().await.map_err(fail)?.len();
                if found != blob.size {
                    return Err(wrong_size(found));
                }
                file.seek(SeekFrom::Start(from)).await.map_err(fail)?;
                let path = path.clone();
                let stream =
                    ReaderStream::with_capacity(file.take(blob.size.saturating_sub(from)), READ_BYTES);
                Ok(stream
                    .map_err(move |source| RegistryError::File { action: "read", path: path.clone(), source })
                    .boxed())
            }
            Self::Registry(registry) => Ok(skip(registry.read_blob(blob).await?, from)),
        }
    }
}

/// The stream without its first `bytes` bytes. They are read, since the whole content is verified.
pub(crate) fn skip(stream: BlobStream, bytes: u64) -> BlobStream {
    if bytes == 0 {
        return stream;
    }
    stream
        .scan(bytes, |left, item| {
            let item = item.map(|mut chunk| {
                let cut = usize::try_from(*left).unwrap_or(usize::MAX).min(chunk.len());
                *left -= cut as u64;
                chunk.split_off(cut)
            });
            futures::future::ready(Some(item))
        })
        .boxed()
}

#[cfg(test)]
mod tests {
    use common::image::Digest;

    use super::*;

    async fn read(source: BlobSource<'_>, size: u64, from: u64) -> Result<Vec<u8>, RegistryError> {
        let blob = Descriptor { media_type: "x/y".into(), digest: Digest::of(b"hello world"), size };
        let chunks: Vec<Bytes> = source.open(&blob, from).await?.try_collect().await?;
        Ok(chunks.concat())
    }

    #[tokio::test]
    async fn sources_open_at_any_byte_and_know_their_size() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello world").unwrap();
        for from in [0, 6, 11] {
            let expected = &b"hello world"[from as usize..];
            let bytes = BlobSource::Bytes(Bytes::from_static(b"hello world"));
            assert_eq!(read(bytes, 11, from).await.unwrap(), expected);
            assert_eq!(read(BlobSource::File(file.path().into()), 11, from).await.unwrap(), expected);
        }
        let error = read(BlobSource::File(file.path().into()), 12, 0).await.unwrap_err();
        assert!(matches!(error, RegistryError::SizeMismatch { expected: 12, found: 11, .. }));
    }

    #[tokio::test]
    async fn skipping_crosses_chunks() {
        let chunks = ["ab", "cd", "ef"].map(|c| Ok(Bytes::from(c)));
        let rest: Vec<Bytes> = skip(futures::stream::iter(chunks).boxed(), 3).try_collect().await.unwrap();
        assert_eq!(rest.concat(), b"def");
    }
}
