//! The build context: one deterministic archive of a commit's files, named by its
//! content.
//!
//! The same tree gives the same bytes everywhere: entries in the order of their
//! paths, owner and group 0, modes 0644 and 0755, and the time of the commit on
//! everything. The format is an uncompressed tar of ustar blocks with GNU
//! extensions for long names. The Dockerfile is not in it, for it travels in the
//! work order, and neither are `.dockerignore`, what that excludes, and submodules.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use common::{
    failure::{Failure, FailureClass},
    image::Digest,
    work::Descriptor,
};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};
use tokio_util::sync::CancellationToken;

use super::{
    SourceError, SourceTree,
    dockerignore::{self, Dockerignore, DockerignoreError},
    tree::{Entry, EntryKind},
};

/// Media type of a build context: an uncompressed tar archive.
pub const MEDIA_TYPE: &str = "application/vnd.reactor.context.v1.tar";

/// The build context cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The repository cannot be read, or the disk cannot be written.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// `.dockerignore` is not valid.
    #[error(transparent)]
    Dockerignore(#[from] DockerignoreError),
    /// The files are more than is allowed.
    #[error("the build context is larger than {limit} bytes; it passes the limit at '{path}'")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
        /// The file that was one too many.
        path: String,
    },
    /// Somebody asked for it to stop.
    #[error("cancelled while writing the build context")]
    Cancelled,
}

impl From<ContextError> for Failure {
    fn from(error: ContextError) -> Self {
        match error {
            ContextError::Source(error) => error.into(),
            ContextError::Dockerignore(error) => error.into(),
            ContextError::TooLarge { .. } => {
                Failure::from_error(FailureClass::Source, "context.too_large", &error)
                    .with_advice("exclude files that the build does not need in .dockerignore")
            }
            ContextError::Cancelled => Failure::from_error(FailureClass::Cancelled, "cancelled", &error),
        }
    }
}

/// Writes the build context of a commit to `directory`, in a file whose name is
/// the hexadecimal part of its digest. `dockerfile` is the path that the work
/// order gives to its Dockerfile; what the repository has there stays out. The
/// archive has at most `limit` bytes. A context that is there already is kept.
///
/// # Errors
/// The repository cannot be read, `.dockerignore` is not valid, the archive would
/// be too large, the disk refuses, or `token` is cancelled.
pub async fn write_context(
    tree: &SourceTree,
    dockerfile: &str,
    directory: &Path,
    limit: u64,
    token: &CancellationToken,
) -> Result<Descriptor, ContextError> {
    let (dockerfile, directory) = (dockerfile.to_owned(), directory.to_owned());
    // Also when the caller is dropped the thread ends.
    let token = token.child_token();
    let _stops_on_drop = token.clone().drop_guard();
    tree.on_thread(move |tree| write(tree, &dockerfile, &directory, limit, &token)).await
}

fn write(
    tree: &SourceTree,
    dockerfile: &str,
    directory: &Path,
    limit: u64,
    token: &CancellationToken,
) -> Result<Descriptor, ContextError> {
    let rules = match tree.read(dockerignore::FILE)? {
        Some(text) => Dockerignore::parse(&text)?,
        None => Dockerignore::default(),
    };
    fs::create_dir_all(directory).map_err(storage(directory))?;
    let file =
        tempfile::Builder::new().prefix(".context-").tempfile_in(directory).map_err(storage(directory))?;
    let (hash, size) =
        archive(tree, &chosen(tree, dockerfile, &rules), file.as_file(), limit, directory, token)?;
    if size > limit {
        return Err(ContextError::TooLarge { limit, path: "the end of the archive".to_owned() });
    }
    let digest = Digest::from_sha256(&hash);
    let path = directory.join(digest.hex());
    let there = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == size);
    if !there {
        file.as_file().sync_all().map_err(storage(&path))?;
        file.persist(&path).map_err(|error| storage(&path)(error.error))?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(storage(directory))?;
    }
    Ok(Descriptor { media_type: MEDIA_TYPE.to_owned(), digest, size })
}

/// Writes the archive; returns its hash and size.
fn archive(
    tree: &SourceTree,
    entries: &[&Entry],
    file: &File,
    limit: u64,
    directory: &Path,
    token: &CancellationToken,
) -> Result<([u8; 32], u64), ContextError> {
    let sink = Sink { file: BufWriter::with_capacity(1 << 20, file), hash: Sha256::new(), size: 0 };
    let mut archive = Archive { tree, builder: Builder::new(sink), limit, directory };
    for entry in entries {
        if token.is_cancelled() {
            return Err(ContextError::Cancelled);
        }
        archive.append(entry)?;
    }
    let mut sink = archive.builder.into_inner().map_err(storage(directory))?;
    sink.file.flush().map_err(storage(directory))?;
    Ok((sink.hash.finalize().into(), sink.size))
}

fn storage(path: &Path) -> impl FnOnce(io::Error) -> ContextError + '_ {
    move |source| ContextError::Source(SourceError::Storage { path: path.to_owned(), source })
}

/// The entries that go into the context, in order. A directory is in it when it
/// is not ignored, or when something below it is not.
fn chosen<'a>(tree: &'a SourceTree, dockerfile: &str, rules: &Dockerignore) -> Vec<&'a Entry> {
    let left_out = |entry: &Entry| {
        let path = entry.path.as_bytes();
        path == dockerfile.as_bytes()
            || path == dockerignore::FILE.as_bytes()
            || entry.kind == EntryKind::Submodule
            || rules.ignores(path)
    };
    let mut kept: BTreeSet<&[u8]> = BTreeSet::new();
    for entry in tree.entries().iter().filter(|entry| !left_out(entry)) {
        let path = entry.path.as_bytes();
        let ends = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
        kept.extend(ends.map(|end| &path[..end]));
        kept.insert(path);
    }
    tree.entries().iter().filter(|entry| kept.contains(entry.path.as_bytes())).collect()
}

/// Writes to a file and hashes and counts what it writes.
struct Sink<'a> {
    file: BufWriter<&'a File>,
    hash: Sha256,
    size: u64,
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

struct Archive<'a> {
    tree: &'a SourceTree,
    builder: Builder<Sink<'a>>,
    limit: u64,
    directory: &'a Path,
}

impl Archive<'_> {
    /// Appends one entry; of all files one at a time is in memory.
    fn append(&mut self, entry: &Entry) -> Result<(), ContextError> {
        use std::os::unix::ffi::OsStrExt as _;

        let bytes = entry.path.as_bytes();
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
        let mut header = Header::new_gnu();
        header.set_mtime(u64::try_from(self.tree.committed_at()).unwrap_or(0));
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        let written = match entry.kind {
            EntryKind::Directory => {
                header.set_entry_type(EntryType::Directory);
                header.set_mode(0o755);
                self.builder.append_data(&mut header, path, io::empty())
            }
            EntryKind::Link => {
                let target = self.tree.target(entry)?;
                header.set_entry_type(EntryType::Symlink);
                header.set_mode(0o777);
                self.builder.append_link(&mut header, path, std::ffi::OsStr::from_bytes(&target))
            }
            EntryKind::File { executable } => {
                let size = self.tree.size(entry)?;
                let so_far = self.builder.get_ref().size;
                if so_far.saturating_add(size) > self.limit {
                    return Err(ContextError::TooLarge { limit: self.limit, path: entry.path.to_string() });
                }
                let content = self.tree.blob(entry, self.limit)?;
                header.set_entry_type(EntryType::Regular);
                header.set_mode(if executable { 0o755 } else { 0o644 });
                header.set_size(content.len() as u64);
                self.builder.append_data(&mut header, path, content.as_slice())
            }
            EntryKind::Submodule => Ok(()),
        };
        written.map_err(storage(self.directory))?;
        if self.builder.get_ref().size > self.limit {
            return Err(ContextError::TooLarge { limit: self.limit, path: entry.path.to_string() });
        }
        Ok(())
    }
}
