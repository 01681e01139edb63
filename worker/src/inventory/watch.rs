//! Which paths of an image matter.

use std::collections::BTreeSet;

/// Files and directories that matter, and every directory above them: a link
/// there says where they really are.
#[derive(Debug, Default)]
pub(super) struct Watch {
    files: BTreeSet<String>,
    directories: BTreeSet<String>,
    above: BTreeSet<String>,
}

/// A path that turns out to matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Watched {
    /// A file.
    File(String),
    /// A directory with everything directly in it.
    Directory(String),
    /// A path of which only the kind matters.
    Above(String),
}

impl Watch {
    /// Adds a path.
    pub(super) fn add(&mut self, path: Watched) {
        let path = match path {
            Watched::File(path) => {
                self.files.insert(path.clone());
                path
            }
            Watched::Directory(path) => {
                self.directories.insert(path.clone());
                path
            }
            Watched::Above(path) => path,
        };
        for (end, _) in path.match_indices('/') {
            self.above.insert(path[..end].to_owned());
        }
        self.above.insert(path);
    }

    /// Adds paths.
    pub(super) fn extend(&mut self, paths: impl IntoIterator<Item = Watched>) {
        paths.into_iter().for_each(|path| self.add(path));
    }

    /// Whether the content of a file there matters.
    pub(super) fn has_file(&self, path: &str) -> bool {
        self.files.contains(path)
            || path.rsplit_once('/').is_some_and(|(parent, _)| self.directories.contains(parent))
    }

    /// Whether everything directly in the directory matters.
    pub(super) fn has_directory(&self, path: &str) -> bool {
        self.directories.contains(path)
    }

    /// Whether it matters what is there.
    pub(super) fn has(&self, path: &str) -> bool {
        self.above.contains(path) || self.has_file(path)
    }
}
