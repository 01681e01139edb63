//! The files that come out of a build.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Component;

/// A file that came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Output {
    /// The image of a platform.
    #[serde(rename = "docker-image")]
    Image(ImageArchive),
    /// A log.
    #[serde(rename = "log")]
    Log(Log),
    /// Another file, of a build type of its own.
    #[serde(untagged)]
    Archive(Archive),
}

impl Output {
    /// What every kind of file has.
    pub fn file(&self) -> &OutputFile {
        match self {
            Self::Image(image) => &image.file,
            Self::Log(log) => &log.file,
            Self::Archive(archive) => &archive.file,
        }
    }
}

/// What every file has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    /// Its name, as it was uploaded; one segment.
    pub filename: String,
    /// Its size in bytes, as it was uploaded.
    pub filesize: u64,
    /// Its checksum in lower-case hexadecimal digits.
    pub checksum: String,
    /// Kind of the checksum.
    pub checksum_type: ChecksumType,
    /// An architecture, or `noarch`.
    pub arch: String,
    /// The buildroot that it came out of.
    pub buildroot_id: String,
}

/// Kinds of checksums that hubs keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChecksumType {
    /// MD5, which every hub takes.
    Md5,
    /// SHA-256, which hubs take since 1.22.
    Sha256,
}

/// The image of a platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageArchive {
    /// The file. Its name is `docker-image-<image id>.<platform>.<extension>`.
    #[serde(flatten)]
    pub file: OutputFile,
    /// What is inside; may be empty.
    pub components: Vec<Component>,
    /// About the image.
    pub extra: ImageArchiveExtra,
}

/// About the image of a platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageArchiveExtra {
    /// What Koji asks of every image.
    pub image: ImageArch,
    /// What a container image is.
    pub docker: DockerExtra,
}

/// What Koji asks of every image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageArch {
    /// Its architecture; 16 characters at most.
    pub arch: String,
}

/// What a container image is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DockerExtra {
    /// Image identifier, the digest of its configuration.
    pub id: String,
    /// Image identifier of the base image; absent for `FROM scratch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// Pull specifications: for each registry by tag, then by digest.
    pub repositories: Vec<String>,
    /// Layers, oldest first.
    pub layer_sizes: Vec<LayerSize>,
    /// Tags.
    pub tags: Vec<String>,
    /// The image's configuration without `container_config`; absent when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Map<String, Value>>,
    /// Digests of its manifests, by media type; absent when empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digests: BTreeMap<String, String>,
    /// Floating tags, when no image index was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floating_tags: Option<Vec<String>>,
    /// Unique tags, when no image index was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_tags: Option<Vec<String>>,
}

/// A layer and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerSize {
    /// Which layer.
    #[serde(flatten)]
    pub layer: LayerId,
    /// Its size in bytes without compression.
    pub size: u64,
}

/// Digest of a layer; its kind is the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerId {
    /// Of the layer without compression.
    DiffId(String),
    /// Of the layer as it is pushed, in source containers.
    Digest(String),
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The file. Examples of names: `x86_64.log`, `orchestrator.log`.
    #[serde(flatten)]
    pub file: OutputFile,
    /// Directory below the build's logs; absent for the logs themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subdir: Option<String>,
}

/// A file of a build type of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Archive {
    /// The file. Its extension must be one that the hub knows.
    #[serde(flatten)]
    pub file: OutputFile,
    /// The build type. Example: `operator-manifests`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is inside; absent when nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub components: Option<Vec<Component>>,
    /// About the file.
    pub extra: ArchiveExtra,
}

/// About a file of a build type of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArchiveExtra {
    /// The build type, with what is particular to it: one entry, often empty.
    pub typeinfo: BTreeMap<String, Value>,
    /// What else there is to say. Example: `source-url`.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
