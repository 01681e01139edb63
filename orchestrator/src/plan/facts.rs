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

    /// Whether the build will be recorded in Koji, so that it needs a name there.
    pub fn is_recorded(&self) -> bool {
        super::catalogue::entry("record_build")
            .is_some_and(|entry| (entry.applies)(self) == super::catalogue::Answer::Runs)
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

#[cfg(test)]
mod tests {
    use common::koji::{KojiBridge, KojiCapability};

    use super::*;
    use crate::plan::policy;

    #[test]
    fn a_bridge_alone_is_a_koji() {
        let settings = Settings {
            koji: crate::config::KojiSetting {
                bridge: Some("unix:/run/bridge.sock".parse().unwrap()),
                ..Default::default()
            },
            ..Settings::default()
        };
        let request = BuildRequest::new("https://git.example.org/hello.git", None);
        let recording = vec![KojiCapability::Upload, KojiCapability::Import];
        // What the bridge can do, whether the build is recorded, whether it may be made.
        for (capabilities, is_recorded) in [(recording, true), (vec![KojiCapability::Builds], false)] {
            let bridge = KojiBridge { capabilities, ..KojiBridge::default() };
            let koji = &KojiReach::Serving { bridge };
            let facts = Facts {
                settings: &settings,
                request: &request,
                repository: None,
                assumed_parent: None,
                koji,
            };
            assert_eq!(facts.is_recorded(), is_recorded);
            assert_eq!(policy::records(&facts).map(|verdict| verdict.allowed), Some(is_recorded));
        }
    }
}
