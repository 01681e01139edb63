//! Where a build ran.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Component;

/// The environment that a platform was built in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Buildroot {
    /// Its name in this document; unique, and named by an output. Example:
    /// `x86_64-1`.
    pub id: String,
    /// The machine.
    pub host: Host,
    /// The program that imports; the same in all buildroots of a document.
    pub content_generator: ContentGenerator,
    /// What kept the build apart from the machine.
    pub container: Container,
    /// Programs that built; each name once.
    pub tools: Vec<Tool>,
    /// Packages of the environment; may be empty.
    pub components: Vec<Component>,
    /// More about it; absent when there is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<BuildrootExtra>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its operating system; null when unknown. Example: `Fedora Linux 44`.
    pub os: Option<String>,
    /// Its architecture; null when unknown. Example: `x86_64`.
    pub arch: Option<String>,
}

/// A program that imports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentGenerator {
    /// Its name as the hub knows it. Example: `atomic-reactor`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What kept a build apart from its machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its kind. Examples: `docker`, `none`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its architecture. Example: `x86_64`.
    pub arch: String,
}

/// A program that built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name. Example: `podman`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// More about an environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BuildrootExtra {
    /// What OSBS said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub osbs: Option<OsbsBuildroot>,
}

/// What OSBS said of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OsbsBuildroot {
    /// Name of the build that ran in it.
    pub build_id: String,
    /// The image of the environment; empty when unknown.
    pub builder_image_id: String,
    /// The environment's own Koji build, which some versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub koji: Option<BuilderBuild>,
}

/// The Koji build of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuilderBuild {
    /// Its name, version and release.
    pub build_name: String,
    /// Its image, in the form that the version of OSBS had.
    pub builder_image_id: Value,
}
