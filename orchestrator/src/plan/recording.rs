//! What Koji will be told of the build, as far as planning knows it.

use std::collections::BTreeMap;

use common::{image::Digest, nvr::Nvr, platform::Platform, work::ArchiveContent};
use serde::{Deserialize, Serialize};

use super::Reserved;

/// What Koji will be told of the build, beside what is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// What the build is called.
    pub nvr: Nvr,
    /// The reservation, if there is one.
    pub reserved: Option<Reserved>,
    /// The content generator that imports. Example: `atomic-reactor`.
    pub content_generator: String,
    /// Koji's web site, without a slash at the end; may be empty.
    pub web_url: String,
    /// Where the source is and which commit. Example: `https://git.example.org/hello#4f1c2d`.
    pub source: String,
    /// The Koji task that asked for the build.
    pub task: Option<u64>,
    /// The Koji task that made the file systems.
    pub filesystem_task: Option<u64>,
    /// The tag that the build gets.
    pub tag: Option<String>,
    /// What Koji keeps of the images.
    pub archive: ArchiveContent,
    /// Whether it is an automatic rebuild.
    pub autorebuild: bool,
    /// Whether it is an isolated build.
    pub isolated: bool,
    /// Name of the help file, if there is one.
    pub help: Option<String>,
    /// All images that FROM instructions name, as they are written and in order.
    pub parent_images: Vec<String>,
    /// Number and name of the build of each of them, by the same text; `None` where
    /// Koji has none. Without file systems that Koji makes.
    pub parent_builds: BTreeMap<String, Option<(u64, Nvr)>>,
    /// The image that the final stage stands on; `None` for `scratch`.
    pub base: Option<RecordedBase>,
    /// Addresses of repository files.
    pub repository_urls: Vec<String>,
    /// The composes that packages came from.
    pub composes: Option<RecordedComposes>,
    /// Data of the caller's own.
    pub user_data: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The base image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedBase {
    /// Number and name of its build, where Koji has one.
    pub build: Option<(u64, Nvr)>,
    /// Which image it is on each platform.
    pub images: BTreeMap<Platform, BaseIdentity>,
}

/// How it is known which image a base image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaseIdentity {
    /// By its registry: the image id, which is the digest of the configuration.
    Id(Digest),
    /// By the worker, whose engine alone has it: under this name among the parents
    /// it says which image that was.
    Local(String),
}

/// Composes that packages came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedComposes {
    /// Their numbers.
    pub ids: Vec<u64>,
    /// The signing intent.
    pub signing_intent: String,
    /// Whether it is another one than was configured.
    pub overridden: bool,
}
