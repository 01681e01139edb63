//! The build context: one deterministic archive of a commit's files, named by its
//! content.
//!
//! The same tree gives the same bytes everywhere: entries in the order of their
//! paths, owner and group 0, modes 0644 and 0755, and the time of the commit on
//! everything. The format is an uncompressed tar of ustar blocks with GNU
//! extensions for long names. The Dockerfile is not in it, for it travels in the
//! work order, and neither are `.dockerignore`, what that excludes, and submodules.
//!
//! Extra files (artifacts, files that a command fetched) are merged in by their
//! paths; `.dockerignore` does not concern them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
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
    extra::{self, ExtraContent, ExtraFile},
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
    /// An extra file has a path that it cannot have.
    #[error("the file '{path}' cannot be added to the build context: it {reason}")]
    ExtraPath {
        /// The path.
        path: String,
        /// Why not.
        reason: String,
    },
    /// An extra file is not what it was.
    #[error("the file for '{path}' of the build context has changed or is gone")]
    ExtraChanged {
        /// Its path in the context.
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
            ContextError::ExtraPath { .. } => {
                Failure::from_error(FailureClass::Source, "context.extra_path", &error)
                    .with_advice("rename the file, or what is in its way in the repository")
            }
            ContextError::ExtraChanged { .. } => {
                Failure::from_error(FailureClass::Infrastructure, "context.extra_changed", &error)
                    .with_advice("submit the build again")
            }
            ContextError::Cancelled => Failure::from_error(FailureClass::Cancelled, "cancelled", &error),
        }
    }
}

/// A context that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenContext {
    /// The archive.
    pub descriptor: Descriptor,
    /// Files of the repository in whose place extra files are.
    pub replaced: Vec<String>,
}

/// Writes the build context of a commit to `directory`, in a file whose name is
/// the hexadecimal part of its digest. `dockerfile` is the path that the work
/// order gives to its Dockerfile; what the repository has there stays out. `extra`
/// files are added, and replace those of the repository. The archive has at most
/// `limit` bytes. A context that is there already is kept.
///
/// # Errors
/// The repository cannot be read, `.dockerignore` is not valid, an extra file has
/// an impossible path or has changed, the archive would be too large, the disk
/// refuses, or `token` is cancelled.
pub async fn write_context(
    tree: &SourceTree,
    dockerfile: &str,
    extra: &[ExtraFile],
    directory: &Path,
    limit: u64,
    token: &CancellationToken,
) -> Result<WrittenContext, ContextError> {
    let (dockerfile, directory, extra) = (dockerfile.to_owned(), directory.to_owned(), extra.to_vec());
    // Also when the caller is dropped the thread ends.
    let token = token.child_token();
    let _stops_on_drop = token.clone().drop_guard();
    tree.on_thread(move |tree| write(tree, &dockerfile, &extra, &directory, limit, &token)).await
}

fn write(
    tree: &SourceTree,
    dockerfile: &str,
    extra: &[ExtraFile],
    directory: &Path,
    limit: u64,
    token: &CancellationToken,
) -> Result<WrittenContext, ContextError> {
    let mut extra: Vec<&ExtraFile> = extra.iter().collect();
    extra.sort_by(|a, b| a.path.cmp(&b.path));
    extra::check(tree, dockerfile, &extra)?;
    let rules = match tree.read(dockerignore::FILE)? {
        Some(text) => Dockerignore::parse(&text)?,
        None => Dockerignore::default(),
    };
    fs::create_dir_all(directory).map_err(storage(directory))?;
    let file =
        tempfile::Builder::new().prefix(".context-").tempfile_in(directory).map_err(storage(directory))?;
    let (items, replaced) = merged(chosen(tree, dockerfile, &rules), &extra);
    let (hash, size) = archive(tree, &items, file.as_file(), limit, directory, token)?;
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
    let descriptor = Descriptor { media_type: MEDIA_TYPE.to_owned(), digest, size };
    Ok(WrittenContext { descriptor, replaced })
}

/// Writes the archive; returns its hash and size.
fn archive(
    tree: &SourceTree,
    items: &BTreeMap<&[u8], Item<'_>>,
    file: &File,
    limit: u64,
    directory: &Path,
    token: &CancellationToken,
) -> Result<([u8; 32], u64), ContextError> {
    let sink = Sink { file: BufWriter::with_capacity(1 << 20, file), hash: Sha256::new(), size: 0 };
    let mut archive = Archive { tree, builder: Builder::new(sink), limit, directory };
    for (path, item) in items {
        if token.is_cancelled() {
            return Err(ContextError::Cancelled);
        }
        match item {
            Item::Repository(entry) => archive.append(entry)?,
            Item::Extra(file) => archive.append_extra(file)?,
            Item::Directory => archive.append_directory(path)?,
        }
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

/// Something in the context.
enum Item<'a> {
    /// It is in the repository.
    Repository(&'a Entry),
    /// It is an extra file.
    Extra(&'a ExtraFile),
    /// It is a directory for an extra file.
    Directory,
}

/// Everything in the context by path, and the repository's files that extra ones
/// replace.
fn merged<'a>(
    entries: Vec<&'a Entry>,
    extra: &[&'a ExtraFile],
) -> (BTreeMap<&'a [u8], Item<'a>>, Vec<String>) {
    let mut items: BTreeMap<&[u8], Item<'_>> =
        entries.into_iter().map(|entry| (entry.path.as_bytes(), Item::Repository(entry))).collect();
    let mut replaced = Vec::new();
    for file in extra {
        for above in extra::above(&file.path) {
            items.entry(above.as_bytes()).or_insert(Item::Directory);
        }
        if items.insert(file.path.as_bytes(), Item::Extra(file)).is_some() {
            replaced.push(file.path.clone());
        }
    }
    (items, replaced)
}

/// Hashes what is read through it.
struct HashingReader<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
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
        let mut header = self.header();
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
        self.check_size(&entry.path.to_string())
    }

    /// A header with nothing but the commit's time.
    fn header(&self) -> Header {
        let mut header = Header::new_gnu();
        header.set_mtime(u64::try_from(self.tree.committed_at()).unwrap_or(0));
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        header
    }

    fn append_directory(&mut self, path: &[u8]) -> Result<(), ContextError> {
        use std::os::unix::ffi::OsStrExt as _;

        let mut header = self.header();
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o755);
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(path));
        self.builder.append_data(&mut header, &path, io::empty()).map_err(storage(self.directory))?;
        self.check_size(&path.display().to_string())
    }

    fn append_extra(&mut self, file: &ExtraFile) -> Result<(), ContextError> {
        let size = file.content.size();
        if self.builder.get_ref().size.saturating_add(size) > self.limit {
            return Err(ContextError::TooLarge { limit: self.limit, path: file.path.clone() });
        }
        let mut header = self.header();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(if file.executable { 0o755 } else { 0o644 });
        header.set_size(size);
        let written = match &file.content {
            ExtraContent::Bytes(bytes) => self.builder.append_data(&mut header, &file.path, bytes.as_ref()),
            ExtraContent::File { path, sha256, .. } => {
                let changed = || ContextError::ExtraChanged { path: file.path.clone() };
                let inner = File::open(path).map_err(|_| changed())?;
                if inner.metadata().map_err(|_| changed())?.len() != size {
                    return Err(changed());
                }
                let mut reader = HashingReader { inner: inner.take(size), hash: Sha256::new() };
                let written = self.builder.append_data(&mut header, &file.path, &mut reader);
                if written.is_ok() && hex::encode(reader.hash.finalize()) != *sha256 {
                    return Err(changed());
                }
                written
            }
        };
        written.map_err(storage(self.directory))?;
        self.check_size(&file.path)
    }

    fn check_size(&self, path: &str) -> Result<(), ContextError> {
        if self.builder.get_ref().size > self.limit {
            return Err(ContextError::TooLarge { limit: self.limit, path: path.to_owned() });
        }
        Ok(())
    }
}
