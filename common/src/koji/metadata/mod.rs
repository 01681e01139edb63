//! The document that a content generator imports a container build with.
//!
//! A build that Koji did not make itself comes with one JSON document: what was
//! built, on which hosts, which files came out. These types hold such a document
//! for a container build. They write the keys and types that readers of Koji's
//! builds have met since 2018: a key that is absent there is absent here, one
//! that is null is null, times and sizes are whole numbers.
//!
//! Format: "Content Generator Metadata" of the Koji documentation, and what OSBS
//! put into its `extra` maps.

mod build;
mod buildroot;
mod component;
mod escape;
mod image;
mod output;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize};

pub use build::{AppRegistry, Build, BuildExtra, OsbsBuild};
pub use buildroot::{
    BuilderBuild, Buildroot, BuildrootExtra, Container, ContentGenerator, Host, OsbsBuildroot, Tool,
};
pub use component::{Component, FileComponent, KojiFileComponent, RpmComponent};
pub use escape::{Escaped, escape_control_characters, has_control_characters};
pub use image::{
    Composes, GoModule, GoModules, Image, Index, OperatorManifests, ParentBuild, PinnedPullSpec, PncBuild,
    PncBuilds, RelatedImages, RemoteSource,
};
pub use output::{
    Archive, ArchiveExtra, ChecksumType, DockerExtra, ImageArch, ImageArchive, ImageArchiveExtra, LayerId,
    LayerSize, Log, Output, OutputFile,
};

/// Name of the file that holds the document in an upload directory and in the
/// directory of the build.
pub const FILE_NAME: &str = "metadata.json";

/// The only version of the format that hubs take.
pub const VERSION: u32 = 0;

/// A whole document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Version of the format; [`VERSION`].
    pub metadata_version: u32,
    /// What was built.
    pub build: Build,
    /// Where it was built: one for each platform. Never empty, and each is used by
    /// an output.
    pub buildroots: Vec<Buildroot>,
    /// The files that came out.
    pub output: Vec<Output>,
}

impl Metadata {
    /// A document of the version that hubs take.
    pub fn new(build: Build, buildroots: Vec<Buildroot>, output: Vec<Output>) -> Self {
        Self { metadata_version: VERSION, build, buildroots, output }
    }

    /// The document as it is to be written to [`FILE_NAME`]: without characters
    /// that would make the hub's later answers unreadable.
    ///
    /// # Errors
    /// A map's key is no text, which these types do not allow.
    pub fn escaped(&self) -> serde_json::Result<Escaped> {
        serde_json::to_value(self).map(escape_control_characters)
    }
}

/// Reads a key that may be absent (`None`), null (`Some(None)`) or have a value.
fn nullable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
