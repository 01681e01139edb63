//! What Koji is told of a build, put together. Pure.
//!
//! The keys are those that readers of Koji's builds have met since 2018; where
//! OSBS changed them later, the later form is written, and what only the earlier
//! one had is written beside it. An image index is always published, so the tags
//! of version and release, and the floating ones, are those of the index
//! (`image.index`); `repositories` and `tags` of a platform's file name the unique
//! tags, in the later form. Formats: "Content Generator Metadata" of the Koji
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
pub(super) struct MetadataFacts<'a> {
    /// The plan.
    pub(super) plan: &'a Plan,
    /// What planning knows of the record.
    pub(super) recording: &'a Recording,
    /// Our own name of the build.
    pub(super) build: &'a BuildId,
    /// Our own version.
    pub(super) version: &'a str,
    /// The index.
    pub(super) index: &'a Descriptor,
    /// The members, in the order of the index; at least one.
    pub(super) members: &'a [MemberFacts<'a>],
    /// The logs that Koji has got.
    pub(super) logs: &'a [UploadedLog],
    /// The Koji user that imports.
    pub(super) submitter: String,
    /// The Koji user whose task asked for the build.
    pub(super) owner: Option<String>,
    /// When the build was accepted.
    pub(super) started: Timestamp,
    /// When it was done.
    pub(super) ended: Timestamp,
}

/// A member, and what is in it.
#[derive(Debug)]
pub(super) struct MemberFacts<'a> {
    /// The member.
    pub(super) member: &'a BuiltMember,
    /// Its packages.
    pub(super) inventory: PackageInventory,
    /// Its image configuration.
    pub(super) config: Map<String, Value>,
}

/// A log that Koji has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UploadedLog {
    /// The file.
    pub(super) file: KojiFile,
    /// The platform whose engine printed it; `None` for what the orchestrator wrote
    /// down, whether of the whole build or of one platform.
    pub(super) platform: Option<Platform>,
}

/// The document.
pub(super) fn compose(facts: &MetadataFacts<'_>) -> Metadata {
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
