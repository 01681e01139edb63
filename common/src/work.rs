//! A work order and its result: all that passes between orchestrator and worker
//! about one platform of one build.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    image::Digest,
    names::{BuildId, WorkOrderId},
    platform::Platform,
    request::Limits,
    secret::Secret,
    service::ServiceAddress,
};

/// A blob by content (OCI image specification, descriptor).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Descriptor {
    /// Media type. Example: `application/vnd.oci.image.layer.v1.tar+gzip`.
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
}

/// A parent image as the final Dockerfile has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// As the repository's Dockerfile names it.
    pub written_as: String,
    /// Reference by digest; `None` for an image that only the engine has.
    pub pinned: Option<String>,
}

/// One platform of one build, complete: nothing is left to decide.
#[derive(Debug, Clone)]
pub struct WorkOrder {
    /// Identity, the same at every delivery.
    pub id: WorkOrderId,
    /// The build it belongs to.
    pub build: BuildId,
    /// Koji's platform name.
    pub platform: Platform,
    /// The engine's platform. Example: `linux/arm64`.
    pub engine_platform: String,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The build context: an uncompressed tar archive without the Dockerfile.
    pub context: Descriptor,
    /// Path of the Dockerfile in the context.
    pub dockerfile_path: String,
    /// The final Dockerfile of this platform.
    pub dockerfile: Bytes,
    /// Values for ARG instructions.
    pub build_args: BTreeMap<String, String>,
    /// Labels that the engine sets on the image.
    pub labels: BTreeMap<String, String>,
    /// The label that says on which host the image was built: the only one whose
    /// value just the worker knows. Example: `com.redhat.build-host`.
    pub host_label: Option<String>,
    /// Bounds on the build.
    pub limits: Limits,
    /// Whether the engine may use its layer cache.
    pub use_cache: bool,
    /// Parents for the engine to pull.
    pub parents: Vec<Parent>,
    /// What kind of manifest to make.
    pub manifest_format: ManifestFormat,
    /// Opens context and upload of this work order and nothing else.
    pub ticket: Secret,
    /// What of the image Koji gets from the worker.
    pub koji_upload: Option<KojiUpload>,
    /// Whether the packages of the image are listed.
    pub list_packages: bool,
}

/// Files for Koji that only the worker has.
#[derive(Debug, Clone)]
pub struct KojiUpload {
    /// Where they are sent; `None` for the orchestrator.
    pub address: Option<ServiceAddress>,
    /// Directory below the hub's upload area.
    pub directory: String,
    /// Opens uploads to this directory and nothing else.
    pub ticket: Secret,
    /// What the archive of the image holds.
    pub archive: ArchiveContent,
    /// Where the published image will be found.
    pub pull_specs: Vec<String>,
}

/// What the archive of an image in Koji holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveContent {
    /// The whole image, as `docker load` takes it.
    Image,
    /// A note that says where the image is published.
    Reference,
}

/// A file that Koji has got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiFile {
    /// Its name. Example: `docker-image-sha256:9f86d0….x86_64.tar.gz`.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// MD5 in 32 lower-case hexadecimal digits.
    pub md5: String,
}

/// What built an image, for records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildEnvironment {
    /// Operating system of the engine's host. Example: `Debian GNU/Linux 12 (bookworm)`.
    pub operating_system: String,
    /// Architecture of the engine, by Koji's names. Example: `x86_64`.
    pub architecture: String,
    /// Architecture of the worker's kernel. Example: `x86_64`.
    pub kernel_architecture: String,
    /// Programs that took part: name and version, the engine last.
    pub tools: Vec<(String, String)>,
}

/// The two kinds of image manifest in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManifestFormat {
    /// OCI image manifest.
    Oci,
    /// Docker image manifest, version 2, schema 2.
    Docker,
}

impl ManifestFormat {
    /// Media type of an image manifest.
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    /// Media type of an index (OCI) or manifest list (Docker).
    pub fn index(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.index.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    /// Media type of an image configuration.
    pub fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    /// Media type of a gzip-compressed layer.
    pub fn layer(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }

    /// The format whose manifests have this media type.
    pub fn of_manifest(media_type: &str) -> Option<Self> {
        [Self::Oci, Self::Docker].into_iter().find(|format| format.manifest() == media_type)
    }
}

/// One layer of a finished image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The compressed layer.
    pub blob: Descriptor,
    /// Digest of the uncompressed layer.
    pub diff_id: Digest,
    /// Size of the uncompressed layer in bytes.
    #[serde(default)]
    pub uncompressed_size: u64,
}

/// One platform's finished image, all blobs uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformImage {
    /// Koji's platform name.
    pub platform: Platform,
    /// The manifest, byte for byte.
    pub manifest: Bytes,
    /// What kind of manifest it is.
    pub format: ManifestFormat,
    /// The image configuration; its digest is the image id.
    pub config: Descriptor,
    /// Layers from the bottom up.
    pub layers: Vec<Layer>,
    /// Image ids of local parents, by name as written.
    pub local_parents: BTreeMap<String, String>,
    /// Host that built it.
    pub build_host: String,
    /// How long the engine's build took.
    pub build_time: Duration,
    /// The blob with the inventory of its packages, if that was asked for.
    pub packages: Option<Descriptor>,
    /// Files that Koji has got.
    pub koji_files: Vec<KojiFile>,
    /// What built it.
    pub environment: BuildEnvironment,
}

impl PlatformImage {
    /// Digest of the manifest.
    pub fn manifest_digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// Bytes of configuration and compressed layers.
    pub fn size(&self) -> u64 {
        self.config.size + self.layers.iter().map(|layer| layer.blob.size).sum::<u64>()
    }
}

/// How a work order ended.
pub type WorkOutcome = Result<PlatformImage, Failure>;

/// What a worker does with a work order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkPhase {
    /// Reading the build context.
    FetchingContext,
    /// The engine builds.
    Building,
    /// Taking the image out of the engine.
    Exporting,
    /// Sending blobs.
    Uploading,
}
