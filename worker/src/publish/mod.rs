//! From an image in the engine to blobs at the orchestrator.
//!
//! [`export`] reads the engine's archive once and compresses each layer on the
//! way; [`manifest`] describes the result; [`upload`] sends what the
//! orchestrator does not have. Another way out of the engine would stand beside
//! [`export`] and hand over the same [`SpooledImage`].

pub mod export;
mod layer;
pub mod manifest;
mod stream;
pub(crate) mod upload;

use std::path::PathBuf;

use common::{image::Digest, work::Descriptor};

pub use export::ExportError;
pub(crate) use stream::export_image;

/// A file on disk with the content of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpooledBlob {
    /// Where it is.
    pub path: PathBuf,
    /// Digest of the file.
    pub digest: Digest,
    /// Size of the file in bytes.
    pub size: u64,
}

impl SpooledBlob {
    /// The descriptor of the blob.
    pub fn descriptor(&self, media_type: &str) -> Descriptor {
        Descriptor { media_type: media_type.to_owned(), digest: self.digest.clone(), size: self.size }
    }
}

/// A layer, compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpooledLayer {
    /// The compressed layer.
    pub blob: SpooledBlob,
    /// Digest of the uncompressed layer.
    pub diff_id: Digest,
    /// Size of the uncompressed layer in bytes.
    pub uncompressed_size: u64,
}

/// An image out of the engine, verified against its own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpooledImage {
    /// The configuration, byte for byte as the engine has it.
    pub config: SpooledBlob,
    /// Layers from the bottom up.
    pub layers: Vec<SpooledLayer>,
}
