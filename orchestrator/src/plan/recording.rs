//! What Koji will be told of the build, as far as planning knows it.

use std::collections::BTreeMap;

use common::{nvr::Nvr, work::ArchiveContent};
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
    /// Parents as FROM instructions name them, in order.
    pub parent_images: Vec<String>,
    /// The base image as FROM names it, and its build where Koji has one.
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
    /// As FROM names it.
    pub written_as: String,
    /// Number and name of its build.
    pub build: Option<(u64, Nvr)>,
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

impl Recording {
    /// The build of each parent, by its name in the Dockerfile. Only the base
    /// image is looked for in Koji.
    pub fn parent_builds(&self) -> BTreeMap<String, Option<(u64, Nvr)>> {
        let build = |name: &String| {
            let base = self.base.as_ref().filter(|base| base.written_as == *name);
            base.and_then(|base| base.build.clone())
        };
        self.parent_images.iter().map(|name| (name.clone(), build(name))).collect()
    }
}
