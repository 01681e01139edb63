//! Streams that check themselves: size and digest are computed as bytes pass,
//! and the last bytes of wrong content are never given away.

use bytes::Bytes;
use common::{image::Digest, work::Descriptor};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use crate::{BlobStream, Registry, RegistryError};

struct Check {
    stream: BlobStream,
    blob: Descriptor,
    place: String,
    hash: Sha256,
    seen: u64,
}

impl Check {
    fn what(&self) -> String {
        format!("blob {} in {}", self.blob.digest, self.place)
    }

    fn compare(&self) -> Result<(), RegistryError> {
        if self.seen != self.blob.size {
            return Err(RegistryError::SizeMismatch {
                what: self.what(),
                expected: self.blob.size,
                found: self.seen,
            });
        }
        let found = Digest::from_sha256(&self.hash.clone().finalize().into());
        if found != self.blob.digest {
            return Err(RegistryError::DigestMismatch {
                what: self.what(),
                expected: self.blob.digest.clone(),
                found: found.to_string(),
            });
        }
        Ok(())
    }
}

/// `stream`, ended by an error if it is not the content of `blob`.
pub(crate) fn verified(stream: BlobStream, blob: &Descriptor, place: String) -> BlobStream {
    let check = Check { stream, blob: blob.clone(), place, hash: Sha256::new(), seen: 0 };
    stream::try_unfold(check, |mut check| async move {
        match check.stream.try_next().await? {
            None => check.compare().map(|()| None),
            Some(chunk) => {
                check.seen += chunk.len() as u64;
                if check.seen > check.blob.size {
                    check.compare()?;
                    return Ok(None);
                }
                check.hash.update(&chunk);
                // Before the last byte is given away: who counts bytes may not ask for more.
                if check.seen == check.blob.size {
                    check.compare()?;
                }
                Ok(Some((chunk, check)))
            }
        }
    })
    .boxed()
}

/// The whole content of a small blob, verified.
///
/// # Errors
/// Larger than `limit` bytes, or whatever [`Registry::read_blob`] says.
pub(crate) async fn read_small(
    registry: &dyn Registry,
    blob: &Descriptor,
    limit: u64,
) -> Result<Bytes, RegistryError> {
    if blob.size > limit {
        return Err(RegistryError::TooLarge {
            what: format!("blob {} in {}", blob.digest, registry.describe()),
            limit,
        });
    }
    let chunks: Vec<Bytes> = registry.read_blob(blob).await?.try_collect().await?;
    Ok(match <[Bytes; 1]>::try_from(chunks) {
        Ok([only]) => only,
        Err(chunks) => chunks.concat().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(content: &[&str], expected: &str) -> Result<Vec<u8>, RegistryError> {
        let blob = Descriptor {
            media_type: "x/y".into(),
            digest: Digest::of(expected.as_bytes()),
            size: expected.len() as u64,
        };
        let chunks: Vec<_> = content.iter().map(|c| Ok(Bytes::from(c.to_string()))).collect();
        let checked = verified(stream::iter(chunks).boxed(), &blob, "here".into());
        checked.try_collect::<Vec<Bytes>>().await.map(|chunks| chunks.concat())
    }

    #[tokio::test]
    async fn content_is_checked_as_it_passes() {
        assert_eq!(check(&["ab", "", "c"], "abc").await.unwrap(), b"abc");
        assert_eq!(check(&[], "").await.unwrap(), b"");
        assert!(matches!(check(&["abd"], "abc").await, Err(RegistryError::DigestMismatch { .. })));
        assert!(matches!(
            check(&["ab"], "abc").await,
            Err(RegistryError::SizeMismatch { found: 2, expected: 3, .. })
        ));
        assert!(matches!(
            check(&["abc", "d"], "abc").await,
            Err(RegistryError::SizeMismatch { found: 4, .. })
        ));
    }
}
