//! Reads back what a place has and compares it with what it should be.

use std::collections::BTreeMap;

use common::{image::Digest, work::Descriptor};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};

use crate::{Registry, RegistryError, Selector, document::Document};

const AT_ONCE: usize = 8;
const MAX_DEPTH: usize = 4;

/// How much is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Manifests are read; of blobs, existence and size. A blob whose size the registry does not tell is read.
    Sizes,
    /// Every blob is read and hashed as well.
    Content,
}

/// What was found to be right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Manifests and indexes.
    pub manifests: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of the blobs.
    pub blob_bytes: u64,
}

/// Checks that a manifest, or an index with all its members, is in a place by digest, and with it every blob that it
/// refers to. Layers that may not be distributed need not be there.
///
/// # Errors
/// [`RegistryError::Missing`], [`RegistryError::DigestMismatch`] or [`RegistryError::SizeMismatch`] for the first
/// thing that is wrong, or trouble with the place.
pub async fn verify(
    registry: &dyn Registry,
    manifest: &Descriptor,
    depth: Depth,
) -> Result<Verified, RegistryError> {
    let mut found = Found::default();
    collect(registry, manifest.clone(), &mut found, 0).await?;
    let blobs = found.blobs.len() as u64;
    let blob_bytes = found.blobs.values().map(|(blob, _)| blob.size).sum();
    let checks: Vec<BoxFuture<'_, _>> = found
        .blobs
        .into_values()
        .map(|(blob, foreign)| check(registry, blob, foreign, depth).boxed())
        .collect();
    stream::iter(checks).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(Verified { manifests: found.manifests, blobs, blob_bytes })
}

#[derive(Default)]
struct Found {
    manifests: u64,
    blobs: BTreeMap<Digest, (Descriptor, bool)>,
}

fn collect<'a>(
    registry: &'a dyn Registry,
    expected: Descriptor,
    found: &'a mut Found,
    depth: usize,
) -> BoxFuture<'a, Result<(), RegistryError>> {
    async move {
        let what = || format!("manifest {} in {}", expected.digest, registry.describe());
        if depth > MAX_DEPTH {
            let reason = "its indexes are nested too deep".to_owned();
            return Err(RegistryError::Document { what: what(), reason });
        }
        let manifest = registry.manifest(&Selector::Digest(expected.digest.clone())).await?;
        let manifest = manifest.ok_or_else(|| RegistryError::Missing { what: what() })?;
        if manifest.descriptor.size != expected.size {
            return Err(RegistryError::SizeMismatch {
                what: what(),
                expected: expected.size,
                found: manifest.descriptor.size,
            });
        }
        if manifest.descriptor.media_type != expected.media_type {
            return Err(RegistryError::Document {
                what: what(),
                reason: format!(
                    "it is a {}, expected a {}",
                    manifest.descriptor.media_type, expected.media_type
                ),
            });
        }
        found.manifests += 1;
        match Document::parse(&manifest, &registry.describe())? {
            Document::Index(members) => {
                for member in members {
                    collect(registry, member.manifest, found, depth + 1).await?;
                }
            }
            Document::Image { config, layers } => {
                found.blobs.insert(config.digest.clone(), (config, false));
                let layers = layers.into_iter().map(|l| (l.blob.digest.clone(), (l.blob, l.foreign)));
                found.blobs.extend(layers);
            }
        }
        Ok(())
    }
    .boxed()
}

async fn check(
    registry: &dyn Registry,
    blob: Descriptor,
    foreign: bool,
    depth: Depth,
) -> Result<(), RegistryError> {
    let what = || format!("blob {} in {}", blob.digest, registry.describe());
    let size = match registry.stat_blob(&blob.digest).await? {
        Some(stat) => stat.size,
        None if foreign => return Ok(()),
        None => return Err(RegistryError::Missing { what: what() }),
    };
    if let Some(found) = size.filter(|size| *size != blob.size) {
        return Err(RegistryError::SizeMismatch { what: what(), expected: blob.size, found });
    }
    if depth == Depth::Content || size.is_none() {
        registry.read_blob(&blob).await?.try_for_each(|_| futures::future::ready(Ok(()))).await?;
    }
    Ok(())
}
