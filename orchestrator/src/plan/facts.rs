//! What decides which steps a build has.

use common::request::{BuildMode, BuildRequest};

use super::{KojiReach, RepositoryFacts};
use crate::config::Settings;

/// The base image that stands for a file system made by Koji.
const KOJI_FILESYSTEM: &str = "koji/image-build";

/// Everything that the catalogue's answers depend on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The site's settings.
    pub settings: &'a Settings,
    /// What the user asked for.
    pub request: &'a BuildRequest,
    /// What the repository says; `None` while it was not read.
    pub repository: Option<&'a RepositoryFacts>,
    /// What the first FROM is said to be, for when the repository was not read.
    pub assumed_parent: Option<&'a str>,
    /// What Koji can do for this build.
    pub koji: &'a KojiReach,
}

impl Facts<'_> {
    /// Whether this is a scratch build.
    pub fn is_scratch(&self) -> bool {
        self.request.mode == BuildMode::Scratch
    }

    /// Whether the image begins with a file system that Koji makes.
    pub fn begins_with_koji_filesystem(&self) -> bool {
        match self.repository {
            Some(repository) => repository.base_is_koji_filesystem,
            None => self.assumed_parent.is_some_and(is_koji_filesystem),
        }
    }

    /// Whether a Flatpak is built.
    pub fn is_flatpak(&self) -> bool {
        self.request.flatpak
    }
}

/// Whether an image's name stands for a file system made by Koji
/// (`koji/image-build`, with or without a tag).
pub fn is_koji_filesystem(image: &str) -> bool {
    image.strip_prefix(KOJI_FILESYSTEM).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}
