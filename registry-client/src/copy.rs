//! Carries an image from one place to another, byte for byte: blobs first, then
//! members, then what refers to them.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use common::{
    image::{Digest, Repository},
    work::Descriptor,
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};

use crate::{
    BlobSource, Manifest, Place, Registry, RegistryError, Selector,
    document::{Document, LayerEntry},
};

/// Blobs on their way at once.
const AT_ONCE: usize = 8;
/// Indexes within indexes that are followed.
const MAX_DEPTH: usize = 4;

/// What a copy did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Manifests and indexes that were put.
    pub manifests: u64,
    /// Blobs that were there before.
    pub present: u64,
    /// Blobs that the registry took from its other repository.
    pub mounted: u64,
    /// Blobs that were sent.
    pub sent: u64,
    /// Bytes of the blobs that were sent.
    pub sent_bytes: u64,
    /// Layers that may not be distributed and were left out.
    pub foreign: u64,
}

/// Copies a manifest, or an index with all its members, to the same digest elsewhere. No tag is set.
///
/// # Errors
/// Something is missing at the source, or trouble with either place. What was copied by then stays; it has no tag.
pub async fn copy_manifest_by_digest(
    from: &dyn Registry,
    to: &dyn Registry,
    manifest: &Descriptor,
) -> Result<Copied, RegistryError> {
    let copy = Copy { from, to, mount_from: mount_from(from, to), done: Mutex::default() };
    copy.manifest(manifest.digest.clone(), 0).await?;
    let done = copy.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(done.copied)
}

/// Copies one blob, unless it is there; mounts it where the two places are repositories of one registry.
///
/// # Errors
/// It is missing at the source, or trouble with either place.
pub async fn copy_blob(
    from: &dyn Registry,
    to: &dyn Registry,
    blob: &Descriptor,
) -> Result<Copied, RegistryError> {
    let copy = Copy { from, to, mount_from: mount_from(from, to), done: Mutex::default() };
    copy.blob(blob.clone(), false).await?;
    let done = copy.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(done.copied)
}

fn mount_from(from: &dyn Registry, to: &dyn Registry) -> Option<Repository> {
    match (from.place(), to.place()) {
        (Place::Remote(from_host, repository), Place::Remote(to_host, target)) => {
            (from_host == to_host && repository != target).then_some(repository)
        }
        _ => None,
    }
}

#[derive(Default)]
struct Done {
    blobs: BTreeSet<Digest>,
    copied: Copied,
}

struct Copy<'a> {
    from: &'a dyn Registry,
    to: &'a dyn Registry,
    mount_from: Option<Repository>,
    done: Mutex<Done>,
}

impl Copy<'_> {
    fn count(&self, count: impl FnOnce(&mut Copied)) {
        count(&mut self.done.lock().unwrap_or_else(PoisonError::into_inner).copied);
    }

    /// Whether the blob comes up for the first time.
    fn is_new(&self, blob: &Digest) -> bool {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).blobs.insert(blob.clone())
    }

    fn manifest(&self, digest: Digest, depth: usize) -> BoxFuture<'_, Result<(), RegistryError>> {
        async move {
            let what = || format!("manifest {digest} in {}", self.from.describe());
            if depth > MAX_DEPTH {
                let reason = "its indexes are nested too deep".to_owned();
                return Err(RegistryError::Document { what: what(), reason });
            }
            let found = self.from.manifest(&Selector::Digest(digest.clone())).await?;
            let Manifest { descriptor, bytes } =
                found.ok_or_else(|| RegistryError::Missing { what: what() })?;
            let manifest = Manifest { descriptor, bytes };
            match Document::parse(&manifest, &self.from.describe())? {
                Document::Index(members) => {
                    for member in members {
                        self.manifest(member.manifest.digest, depth + 1).await?;
                    }
                }
                Document::Image { config, layers } => self.blobs(config, layers).await?,
            }
            let Manifest { descriptor, bytes } = manifest;
            self.to.put_manifest(&Selector::Digest(descriptor.digest), &descriptor.media_type, bytes).await?;
            self.count(|copied| copied.manifests += 1);
            Ok(())
        }
        .boxed()
    }

    async fn blobs(&self, config: Descriptor, layers: Vec<LayerEntry>) -> Result<(), RegistryError> {
        let mut blobs: Vec<(Descriptor, bool)> =
            layers.into_iter().map(|layer| (layer.blob, layer.foreign)).collect();
        blobs.push((config, false));
        // The largest takes longest, so it begins first.
        blobs.sort_by_key(|(blob, _)| std::cmp::Reverse(blob.size));
        blobs.retain(|(blob, _)| self.is_new(&blob.digest));
        let work: Vec<BoxFuture<'_, _>> =
            blobs.into_iter().map(|(blob, foreign)| self.blob(blob, foreign).boxed()).collect();
        stream::iter(work).buffer_unordered(AT_ONCE).try_collect::<()>().await
    }

    async fn blob(&self, blob: Descriptor, foreign: bool) -> Result<(), RegistryError> {
        if self.to.has_blob(&blob).await? {
            self.count(|copied| copied.present += 1);
            return Ok(());
        }
        if foreign && !self.from.has_blob(&blob).await? {
            self.count(|copied| copied.foreign += 1);
            return Ok(());
        }
        if let Some(repository) = &self.mount_from
            && self.to.mount_blob(&blob.digest, repository).await?
        {
            self.count(|copied| copied.mounted += 1);
            return Ok(());
        }
        self.to.write_blob(&blob, &BlobSource::Registry(self.from)).await?;
        self.count(|copied| {
            copied.sent += 1;
            copied.sent_bytes += blob.size;
        });
        Ok(())
    }
}
