//! The trait: one repository in one place.

use std::{fmt, path::PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    image::{Digest, Host, Repository, Tag},
    work::Descriptor,
};
use futures::stream::BoxStream;

use crate::{BlobSource, RegistryError};

/// The content of a blob as it comes. It is verified when its last byte has come, not before.
pub type BlobStream = BoxStream<'static, Result<Bytes, RegistryError>>;

/// How a manifest is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selector {
    /// By a name that may move.
    Tag(Tag),
    /// By content.
    Digest(Digest),
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl From<Digest> for Selector {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

impl From<Tag> for Selector {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

/// A manifest or index, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Media type, digest and size; the digest is that of `bytes`.
    pub descriptor: Descriptor,
    /// The document.
    pub bytes: Bytes,
}

/// What is known about a blob that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobStat {
    /// Size in bytes, unless the registry keeps it to itself.
    pub size: Option<u64>,
}

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a registry.
    Remote(Host, Repository),
    /// On disk.
    Layout(PathBuf),
}

/// One repository in one place.
///
/// All calls make up for passing troubles themselves; an error that comes out is final for now.
#[async_trait]
pub trait Registry: Send + Sync {
    /// The place in words, for messages. Example: `registry.example.org/containers/hello`.
    fn describe(&self) -> String;

    /// The place.
    fn place(&self) -> Place;

    /// What a tag or digest names, without its content.
    async fn head_manifest(&self, selector: &Selector) -> Result<Option<Descriptor>, RegistryError>;

    /// The manifest or index that a tag or digest names.
    async fn manifest(&self, selector: &Selector) -> Result<Option<Manifest>, RegistryError>;

    /// Stores a manifest or index, under a tag or by digest only; answers its digest.
    async fn put_manifest(
        &self,
        selector: &Selector,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest, RegistryError>;

    /// What is known about a blob; `None` if it does not exist.
    async fn stat_blob(&self, digest: &Digest) -> Result<Option<BlobStat>, RegistryError>;

    /// Whether the blob is there, with its right size where that can be told.
    async fn has_blob(&self, blob: &Descriptor) -> Result<bool, RegistryError> {
        let stat = self.stat_blob(&blob.digest).await?;
        Ok(stat.is_some_and(|stat| stat.size.is_none_or(|size| size == blob.size)))
    }

    /// A blob's content. Size and digest are checked as it is read; what is wrong with them is the last item.
    async fn read_blob(&self, blob: &Descriptor) -> Result<BlobStream, RegistryError>;

    /// Stores a blob, unless it is there.
    async fn write_blob(&self, blob: &Descriptor, source: &BlobSource<'_>) -> Result<(), RegistryError>;

    /// Makes a blob of another repository in the same registry available here, without moving it. `false` means
    /// that it has to be written.
    async fn mount_blob(&self, digest: &Digest, from: &Repository) -> Result<bool, RegistryError>;

    /// The file that holds a blob, where there is one on this machine.
    fn local_blob(&self, _digest: &Digest) -> Option<PathBuf> {
        None
    }

    /// All tags, in the registry's order.
    async fn tags(&self) -> Result<Vec<Tag>, RegistryError>;

    /// Removes a tag and nothing else: what it pointed to stays, with its other tags. `false` if it was not there.
    async fn delete_tag(&self, tag: &Tag) -> Result<bool, RegistryError>;

    /// Removes a manifest and the tags on it; `false` if it was not there.
    async fn delete_manifest(&self, digest: &Digest) -> Result<bool, RegistryError>;
}
