//! A working tree of a commit, for a command of the site that wants one.
//!
//! This is the one place where names of a repository meet the file system. The
//! directory is new and belongs to one build. Directories and regular files come
//! first; symbolic links come last, and only those that stay inside, so that no
//! file is ever written through one.

use std::{
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use common::failure::Failure;
use tokio_util::sync::CancellationToken;

use super::{
    SourceTree,
    tree::{EntryKind, TreePath},
};
use crate::services::disk_failure;

/// Writes the files of a commit to `directory`, which must not be there yet. The
/// files have at most `limit` bytes together.
///
/// # Errors
/// They are more, the disk refuses, or `token` is cancelled.
pub fn checkout(
    tree: &SourceTree,
    directory: &Path,
    limit: u64,
    token: &CancellationToken,
) -> Result<(), Failure> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| disk_failure("cannot write", &path, &error)
    };
    fs::create_dir(directory).map_err(failed(directory))?;
    let mut left = limit;
    // A directory is in front of what is in it: the entries are in order.
    for entry in tree.entries() {
        if token.is_cancelled() {
            return Err(Failure::cancelled("while writing the working tree"));
        }
        let path = place(directory, &entry.path);
        match entry.kind {
            EntryKind::Directory | EntryKind::Submodule => fs::create_dir(&path).map_err(failed(&path))?,
            EntryKind::File { executable } => {
                let content = tree.blob(entry, left)?;
                left -= content.len() as u64;
                let mode = if executable { 0o755 } else { 0o644 };
                let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
                file.and_then(|mut file| file.write_all(&content)).map_err(failed(&path))?;
            }
            EntryKind::Link => {}
        }
    }
    for entry in tree.entries().iter().filter(|entry| entry.kind == EntryKind::Link) {
        let inside = std::str::from_utf8(entry.path.as_bytes())
            .is_ok_and(|path| tree.follow(path).is_ok_and(|goal| goal.is_some()));
        let target = tree.target(entry)?;
        if inside && !target.starts_with(b"/") {
            let path = place(directory, &entry.path);
            std::os::unix::fs::symlink(OsStr::from_bytes(&target), &path).map_err(failed(&path))?;
        }
    }
    Ok(())
}

fn place(directory: &Path, path: &TreePath) -> PathBuf {
    directory.join(OsStr::from_bytes(path.as_bytes()))
}
