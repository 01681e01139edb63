//! What Koji is told of a build, put together. Pure.
//!
//! The keys are those that readers of Koji's builds have met since 2018; where
//! OSBS changed them later, the later form is written, and what only the earlier
//! one had is written beside it. Formats: "Content Generator Metadata" of the Koji
//! documentation, and the `extra` maps of OSBS.

mod build;
mod buildroots;
mod output;
#[cfg(test)]
mod tests;

use common::{
    koji::metadata::Metadata,
    names::BuildId,
    packages::PackageInventory,
    platform::Platform,
    work::{Descriptor, KojiFile},
};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    plan::{Plan, Recording, Target},
    run::BuiltMember,
};

/// Everything that the document is made of.
#[derive(Debug)]
pub struct MetadataFacts<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What planning knows of the record.
    pub recording: &'a Recording,
    /// Our own name of the build.
    pub build: &'a BuildId,
    /// Our own version.
    pub version: &'a str,
    /// The index.
    pub index: &'a Descriptor,
    /// The members, in the order of the index; at least one.
    pub members: &'a [MemberFacts<'a>],
    /// The logs that Koji has got.
    pub logs: &'a [UploadedLog],
    /// The Koji user that imports.
    pub submitter: String,
    /// The Koji user whose task asked for the build.
    pub owner: Option<String>,
    /// When the build was accepted.
    pub started: Timestamp,
    /// When it was done.
    pub ended: Timestamp,
}

/// A member, and what is in it.
#[derive(Debug)]
pub struct MemberFacts<'a> {
    /// The member.
    pub member: &'a BuiltMember,
    /// Its packages.
    pub inventory: PackageInventory,
    /// Its image configuration.
    pub config: Map<String, Value>,
}

/// A log that Koji has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedLog {
    /// The file.
    pub file: KojiFile,
    /// The platform that it is about; `None` for the orchestrator's.
    pub platform: Option<Platform>,
}

/// The document.
pub fn compose(facts: &MetadataFacts<'_>) -> Metadata {
    Metadata::new(build::build(facts), buildroots::buildroots(facts), output::outputs(facts))
}

impl MetadataFacts<'_> {
    /// Where the image is published in registries. Example:
    /// `registry.example.org/hello`.
    fn repositories(&self) -> Vec<String> {
        let registry = |target: &Target| match target {
            Target::Registry { host, repository, .. } => Some(format!("{host}/{repository}")),
            Target::Layout { .. } => None,
        };
        self.plan.targets.iter().filter_map(registry).collect()
    }

    /// The tag that names this build best: version and release, else the unique
    /// one.
    fn best_tag(&self) -> Option<String> {
        let tags = &self.plan.tags;
        let primary = tags.primary.iter().find(|tag| tag.as_str().contains('-'));
        primary.or(tags.unique.first()).map(ToString::to_string)
    }
}

/// Tags as text.
fn texts(tags: &[common::image::Tag]) -> Vec<String> {
    tags.iter().map(ToString::to_string).collect()
}

/// Name of the buildroot of a platform.
fn buildroot_id(platform: &Platform) -> String {
    format!("{platform}-1")
}
