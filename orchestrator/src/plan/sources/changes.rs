//! What a command has done to a working tree.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use common::failure::{Failure, FailureClass};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::super::{ExtraFileContent, ExtraFileRecord};
use crate::{
    repository::{
        SourceTree,
        tree::{Entry, EntryKind},
    },
    services::disk_failure,
};

/// Most files that are taken over: what a step may record.
const MAX_FILES: usize = 800;
/// Directories inside one another at most.
const MAX_DEPTH: usize = 64;
/// Entries of the working tree at most, the repository's included.
const MAX_ENTRIES: usize = 1_000_000;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Regular files that are new or differ from the commit.
    pub(super) files: Vec<ExtraFileRecord>,
    /// Other new things: links, sockets, names that are not UTF-8.
    pub(super) left_out: Vec<String>,
    seen: usize,
    size: u64,
}

/// Copies the files below `directory` that are not as in the commit to `kept`,
/// each under its SHA-256. Links are not followed.
pub(super) fn changes(
    tree: &SourceTree,
    directory: &Path,
    kept: &Path,
    limit: u64,
    token: &CancellationToken,
) -> Result<Changes, Failure> {
    fs::create_dir_all(kept).map_err(|error| disk_failure("cannot make", kept, &error))?;
    let mut found = Changes::default();
    let walk = Walk { tree, kept, limit, token };
    walk.directory(directory, "", 0, &mut found)?;
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

struct Walk<'a> {
    tree: &'a SourceTree,
    kept: &'a Path,
    limit: u64,
    token: &'a CancellationToken,
}

impl Walk<'_> {
    fn directory(&self, at: &Path, above: &str, depth: usize, found: &mut Changes) -> Result<(), Failure> {
        let failed = |error: io::Error| disk_failure("cannot read", at, &error);
        for entry in fs::read_dir(at).map_err(failed)? {
            if self.token.is_cancelled() {
                return Err(Failure::cancelled("while collecting sources"));
            }
            let entry = entry.map_err(failed)?;
            found.seen += 1;
            if found.seen > MAX_ENTRIES || depth > MAX_DEPTH {
                return Err(too_much("more files or deeper directories than a build takes"));
            }
            let name = entry.file_name();
            if above.is_empty() && name == ".git" {
                continue;
            }
            let Some(name) = name.to_str().filter(|name| !name.eq_ignore_ascii_case(".git")) else {
                found.left_out.push(format!("{above}{}", name.to_string_lossy()));
                continue;
            };
            let path = format!("{above}{name}");
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                self.directory(&entry.path(), &format!("{path}/"), depth + 1, found)?;
            } else if kind.is_file() {
                self.file(&entry.path(), path, found)?;
            } else if !self.tree.entry(path.as_bytes()).is_some_and(|entry| entry.kind == EntryKind::Link) {
                found.left_out.push(path);
            }
        }
        Ok(())
    }

    fn file(&self, at: &Path, path: String, found: &mut Changes) -> Result<(), Failure> {
        let failed = |error: io::Error| disk_failure("cannot read", at, &error);
        // Somebody who outlived the command could put a link here now.
        let no_links = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let mut file = File::options().read(true).custom_flags(no_links).open(at).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let executable = metadata.mode() & 0o100 != 0;
        let known = self.tree.entry(path.as_bytes());
        if let Some(known) = known
            && self.is_same(known, &mut file, metadata.len(), executable).map_err(failed)?
        {
            return Ok(());
        }
        let mut file = File::options().read(true).custom_flags(no_links).open(at).map_err(failed)?;
        let left = self.limit.saturating_sub(found.size);
        if metadata.len() > left || found.files.len() >= MAX_FILES {
            return Err(too_much("more than a build context takes"));
        }
        let (sha256, size) = self.keep(&mut file, left)?;
        found.size += size;
        found.files.push(ExtraFileRecord {
            path,
            executable,
            content: ExtraFileContent::Source { sha256, size },
        });
        Ok(())
    }

    fn is_same(&self, known: &Entry, file: &mut File, size: u64, executable: bool) -> io::Result<bool> {
        if known.kind != (EntryKind::File { executable }) {
            return Ok(false);
        }
        let Ok(content) = self.tree.blob(known, size) else { return Ok(false) };
        if content.len() as u64 != size {
            return Ok(false);
        }
        let mut now = Vec::with_capacity(content.len());
        file.take(size + 1).read_to_end(&mut now)?;
        Ok(now == content)
    }

    /// Copies a file to its SHA-256; returns that and its size.
    fn keep(&self, file: &mut File, limit: u64) -> Result<(String, u64), Failure> {
        let failed = |error: io::Error| disk_failure("cannot write", self.kept, &error);
        let mut copy = tempfile::Builder::new().prefix(".source-").tempfile_in(self.kept).map_err(failed)?;
        let (mut hash, mut size, mut buffer) = (Sha256::new(), 0_u64, vec![0; 1 << 16]);
        loop {
            let count = file.read(&mut buffer).map_err(failed)?;
            let chunk = buffer.get(..count).unwrap_or_default();
            if chunk.is_empty() {
                break;
            }
            size += count as u64;
            if size > limit {
                return Err(too_much("more than a build context takes"));
            }
            hash.update(chunk);
            copy.write_all(chunk).map_err(failed)?;
        }
        copy.as_file().sync_all().map_err(failed)?;
        let sha256 = hex::encode(hash.finalize());
        copy.persist(self.kept.join(&sha256)).map_err(|error| failed(error.error))?;
        Ok((sha256, size))
    }
}

fn too_much(what: &str) -> Failure {
    Failure::new(FailureClass::Source, "sources.too_large", format!("the sources command left {what}"))
        .with_advice("a build takes at most 800 such files, and builds.max_context bytes")
}
