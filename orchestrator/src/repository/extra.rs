//! Files of a build context that are not in the repository.

use std::path::PathBuf;

use bytes::Bytes;

use super::{
    SourceTree,
    context::ContextError,
    dockerignore,
    tree::{EntryKind, printable},
};

/// A file that goes into the context beside those of the repository, whatever
/// `.dockerignore` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraFile {
    /// Path in the context. Example: `artifacts/spam.jar`.
    pub path: String,
    /// Where its content is.
    pub content: ExtraContent,
    /// Whether it may be executed.
    pub executable: bool,
}

/// The content of an extra file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtraContent {
    /// It is here.
    Bytes(Bytes),
    /// It is in a file, which must not have changed since it was made.
    File {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// Its SHA-256, hexadecimal.
        sha256: String,
    },
}

impl ExtraContent {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }
}

/// Refuses files that would be outside of the tree, in place of something that
/// is no file, or behind a link of the tree.
///
/// # Errors
/// The first such file.
pub(super) fn check(tree: &SourceTree, dockerfile: &str, files: &[&ExtraFile]) -> Result<(), ContextError> {
    for (index, file) in files.iter().enumerate() {
        let path = file.path.as_str();
        let refuse = |reason: &str| {
            Err(ContextError::ExtraPath { path: printable(path.as_bytes()), reason: reason.to_owned() })
        };
        let bad_part = |part: &str| matches!(part, "" | "." | "..") || part.eq_ignore_ascii_case(".git");
        if path.len() > 4096 || path.contains('\0') || path.split('/').any(bad_part) {
            return refuse("is no path in the repository");
        }
        if path == dockerfile || path == dockerignore::FILE {
            return refuse("is not part of a build context");
        }
        match tree.entry(path.as_bytes()).map(|entry| entry.kind) {
            Some(EntryKind::Directory) => return refuse("is a directory of the repository"),
            Some(EntryKind::Submodule) => return refuse("is a submodule of the repository"),
            Some(EntryKind::File { .. } | EntryKind::Link) | None => {}
        }
        for above in above(path) {
            match tree.entry(above.as_bytes()).map(|entry| entry.kind) {
                Some(EntryKind::Directory) | None => {}
                Some(EntryKind::Link) => return refuse("goes through a symbolic link of the repository"),
                Some(_) => return refuse("goes through a file of the repository"),
            }
            if files.binary_search_by(|other| other.path.as_str().cmp(above)).is_ok() {
                return refuse("goes through another such file");
            }
        }
        if index > 0 && files[index - 1].path == path {
            return refuse("is there twice");
        }
    }
    Ok(())
}

/// The directories above a path, outermost first.
pub(super) fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}
