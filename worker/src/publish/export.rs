//! Takes an image out of what `docker save` gives.
//!
//! Two layouts are in use. Up to Docker 24 each layer is `ID/layer.tar`, a layer
//! that occurs twice is a symbolic link the second time, and the configuration
//! is `ID.json`; from 25 on everything is `blobs/sha256/…`. Both have a
//! `manifest.json` that says which file is what, and it may come last: so every
//! file that is not a small JSON document is spooled as a layer, and sorted out
//! at the end. The archive is read once, and no layer is ever whole in memory.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use common::{
    failure::{Failure, FailureClass},
    image::Digest,
    platform::Architecture,
};
use serde::Deserialize;

use super::{SpooledBlob, SpooledImage, SpooledLayer, layer};

/// Largest JSON document that is taken into memory, in bytes.
const MAX_DOCUMENT: u64 = 4 * 1024 * 1024;
/// Most documents in an archive with one image.
const MAX_DOCUMENTS: usize = 64;
/// Longest chain of links.
const MAX_LINKS: usize = 16;

/// Why an archive gives no image.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message names its fields")]
pub enum ExportError {
    #[error("the engine's archive cannot be read")]
    Archive(#[source] io::Error),
    #[error("cannot write {}", path.display())]
    Spool { path: PathBuf, source: io::Error },
    #[error("the engine's archive is not whole: {0}")]
    Incomplete(String),
    #[error("{document} in the engine's archive is not what it should be")]
    Document { document: String, source: serde_json::Error },
    #[error("a layer is compressed with {0}, which image manifests of this format do not know")]
    Compression(&'static str),
    #[error("layer {number} of the image has the digest {found}; its configuration says {expected}")]
    WrongLayer { number: usize, expected: Digest, found: Digest },
    #[error("the image has {layers} layers; its configuration says {expected}")]
    LayerCount { layers: usize, expected: usize },
    #[error("the image is made for {found}, and {wanted} was asked for")]
    Architecture { found: Architecture, wanted: Architecture },
}

impl ExportError {
    /// The failure that leaves this crate.
    pub fn failure(&self) -> Failure {
        use FailureClass::{Infrastructure, Source};
        let (class, code, advice) = match self {
            Self::Spool { source, .. } if source.kind() == io::ErrorKind::StorageFull => (
                Infrastructure,
                "worker.no_space",
                "free space on the disk of the worker's scratch directory, or name another with --scratch-dir",
            ),
            Self::Spool { .. } => {
                (Infrastructure, "worker.scratch_failed", "check the worker's scratch directory")
            }
            Self::Architecture { .. } => (
                Source,
                "build.wrong_architecture",
                "check that the Dockerfile names no parent or platform of another architecture",
            ),
            Self::Archive(_)
            | Self::Incomplete(_)
            | Self::Document { .. }
            | Self::Compression(_)
            | Self::WrongLayer { .. }
            | Self::LayerCount { .. } => {
                (Infrastructure, "engine.bad_export", "look at the engine's log on the worker's host")
            }
        };
        Failure::from_error(class, code, self).with_advice(advice)
    }
}

/// One image of `manifest.json`.
#[derive(Debug, Deserialize)]
struct ManifestEntry {
    #[serde(rename = "Config")]
    config: String,
    #[serde(rename = "Layers", default)]
    layers: Option<Vec<String>>,
}

/// What has to be known of an image configuration (OCI image specification).
#[derive(Debug, Deserialize)]
struct Config {
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    rootfs: RootFs,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

/// Everything in an archive, by path.
#[derive(Debug, Default)]
struct Contents {
    documents: BTreeMap<String, Vec<u8>>,
    layers: BTreeMap<String, SpooledLayer>,
    links: BTreeMap<String, String>,
}

/// Reads an archive to its end, leaves configuration and layers in `directory`,
/// and checks them against each other and against the platform.
///
/// Blocks; not for a runtime's own threads.
///
/// # Errors
/// The archive or the disk fails, or the image is not what it says it is.
pub fn read_archive(
    archive: impl Read,
    directory: &Path,
    wanted: &Architecture,
) -> Result<SpooledImage, ExportError> {
    let contents = Contents::read(archive, directory)?;
    let entry = contents.manifest()?;
    let config_bytes = contents.documents.get(&normal(&entry.config)).ok_or_else(|| {
        ExportError::Incomplete(format!("its image configuration {} is missing", entry.config))
    })?;
    let config: Config = serde_json::from_slice(config_bytes)
        .map_err(|source| ExportError::Document { document: entry.config.clone(), source })?;

    let found = Architecture {
        architecture: config.architecture,
        variant: config.variant.filter(|variant| !variant.is_empty()),
    };
    if !wanted.accepts(&found) {
        return Err(ExportError::Architecture { found, wanted: wanted.clone() });
    }
    let layers = entry.layers.unwrap_or_default();
    let layers: Vec<SpooledLayer> =
        layers.iter().map(|path| contents.layer(path).cloned()).collect::<Result<_, _>>()?;
    check_layers(&layers, &config.rootfs.diff_ids.unwrap_or_default())?;

    let path = directory.join("config.json");
    std::fs::write(&path, config_bytes)
        .map_err(|source| ExportError::Spool { path: path.clone(), source })?;
    let config = SpooledBlob { path, digest: Digest::of(config_bytes), size: config_bytes.len() as u64 };
    Ok(SpooledImage { config, layers })
}

fn check_layers(layers: &[SpooledLayer], expected: &[Digest]) -> Result<(), ExportError> {
    if layers.len() != expected.len() {
        return Err(ExportError::LayerCount { layers: layers.len(), expected: expected.len() });
    }
    for (index, (layer, expected)) in layers.iter().zip(expected).enumerate() {
        if layer.diff_id != *expected {
            let (expected, found) = (expected.clone(), layer.diff_id.clone());
            return Err(ExportError::WrongLayer { number: index + 1, expected, found });
        }
    }
    Ok(())
}

impl Contents {
    fn read(archive: impl Read, directory: &Path) -> Result<Self, ExportError> {
        let mut contents = Self::default();
        let mut archive = tar::Archive::new(archive);
        for entry in archive.entries().map_err(ExportError::Archive)? {
            let mut entry = entry.map_err(ExportError::Archive)?;
            let name = normal(&entry.path().map_err(ExportError::Archive)?.to_string_lossy());
            match entry.header().entry_type() {
                tar::EntryType::Symlink | tar::EntryType::Link => {
                    let target = entry.link_name().map_err(ExportError::Archive)?.unwrap_or_default();
                    let hard = entry.header().entry_type() == tar::EntryType::Link;
                    let parent =
                        if hard { Path::new("") } else { Path::new(&name).parent().unwrap_or(Path::new("")) };
                    let target = normal(&parent.join(target).to_string_lossy());
                    contents.links.insert(name, target);
                }
                tar::EntryType::Regular | tar::EntryType::Continuous if !is_metadata(&name) => {
                    contents.take(name, &mut entry, directory)?;
                }
                _ => {}
            }
        }
        Ok(contents)
    }

    /// Takes one file: into memory if it is a small JSON document, else to disk
    /// as a layer.
    fn take<R: Read>(
        &mut self,
        name: String,
        entry: &mut tar::Entry<'_, R>,
        directory: &Path,
    ) -> Result<(), ExportError> {
        let size = entry.size();
        let mut head = Vec::new();
        entry.by_ref().take(1).read_to_end(&mut head).map_err(ExportError::Archive)?;
        if matches!(head.as_slice(), b"{" | b"[") && size <= MAX_DOCUMENT {
            entry.read_to_end(&mut head).map_err(ExportError::Archive)?;
            // A tar archive may begin with these characters too, but is no JSON.
            if serde_json::from_slice::<serde::de::IgnoredAny>(&head).is_ok() {
                if self.documents.len() == MAX_DOCUMENTS {
                    return Err(ExportError::Incomplete(format!(
                        "it has more than {MAX_DOCUMENTS} documents"
                    )));
                }
                self.documents.insert(name, head);
                return Ok(());
            }
        }
        let path = directory.join(format!("layer-{}", self.layers.len()));
        let layer = layer::spool(io::Cursor::new(head).chain(entry), &path)?;
        self.layers.insert(name, layer);
        Ok(())
    }

    fn manifest(&self) -> Result<ManifestEntry, ExportError> {
        let bytes = self
            .documents
            .get("manifest.json")
            .ok_or_else(|| ExportError::Incomplete("it has no manifest.json".to_owned()))?;
        let mut entries: Vec<ManifestEntry> = serde_json::from_slice(bytes)
            .map_err(|source| ExportError::Document { document: "manifest.json".to_owned(), source })?;
        match (entries.pop(), entries.len()) {
            (Some(entry), 0) => Ok(entry),
            (_, others) => Err(ExportError::Incomplete(format!("it has {others} other images, or none"))),
        }
    }

    fn layer(&self, path: &str) -> Result<&SpooledLayer, ExportError> {
        let mut name = normal(path);
        for _ in 0..MAX_LINKS {
            if let Some(layer) = self.layers.get(&name) {
                return Ok(layer);
            }
            match self.links.get(&name) {
                Some(target) => name.clone_from(target),
                None => break,
            }
        }
        Err(ExportError::Incomplete(format!("its layer {path} is missing")))
    }
}

/// Files that say nothing that the others do not say: the metadata of image
/// format 1, and the index of an OCI layout.
fn is_metadata(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    matches!(file, "json" | "VERSION" | "repositories" | "oci-layout" | "index.json")
}

/// A path inside the archive without `.` and `..`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(part) => parts.extend(part.to_str()),
            Component::ParentDir => {
                parts.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests;
