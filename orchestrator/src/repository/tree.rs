//! A commit's files, read from git's objects.
//!
//! The whole listing is read once and checked: a path that could mislead a
//! program that unpacks it is refused before anything is read. All methods here
//! read the local disk and block; [`SourceTree::on_thread`] moves them off the
//! runtime's threads.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use git2::{ObjectType, Oid, Repository};

use super::{SourceError, source::CommitId};

/// Entries in one commit at most.
const MAX_ENTRIES: usize = 1_000_000;
/// Directories inside one another at most.
const MAX_DEPTH: usize = 256;
/// Bytes of one path at most (Linux, PATH_MAX).
const MAX_PATH: usize = 4096;

/// Largest text file that [`SourceTree::read`] reads, in bytes: 8 MiB.
pub const MAX_FILE: u64 = 8 * 1024 * 1024;

/// A path in a commit: components joined by `/`, any bytes but NUL. Its
/// `Display` replaces what cannot be printed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// The bytes as git has them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&printable(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", printable(&self.0))
    }
}

/// Bytes of a path as text that is safe on a terminal.
pub(super) fn printable(bytes: &[u8]) -> String {
    let safe = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(bytes).chars().map(safe).collect()
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link.
    Link,
    /// A directory.
    Directory,
    /// A submodule; its content is not part of the commit.
    Submodule,
}

/// One entry of a commit's tree.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it is.
    pub path: TreePath,
    /// What it is.
    pub kind: EntryKind,
    id: Oid,
}

struct Inner {
    repository: Mutex<Repository>,
    commit: CommitId,
    committed_at: i64,
    entries: Vec<Entry>,
}

/// The files of one commit. Clones share everything.
#[derive(Clone)]
pub struct SourceTree(Arc<Inner>);

impl fmt::Debug for SourceTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceTree({}, {} entries)", self.0.commit, self.0.entries.len())
    }
}

impl SourceTree {
    /// Opens a commit in a bare repository.
    pub(super) fn open(repository: &Path, commit: &CommitId) -> Result<Self, SourceError> {
        let damaged = |error: git2::Error| SourceError::Damaged {
            what: format!("commit {commit}"),
            reason: error.message().to_owned(),
        };
        let repository = Repository::open_bare(repository).map_err(damaged)?;
        let id = Oid::from_str(commit.as_str()).map_err(damaged)?;
        let (root, committed_at) = {
            let found = repository.find_commit(id).map_err(damaged)?;
            (found.tree_id(), found.time().seconds())
        };
        let mut entries = Vec::new();
        list(&repository, root, &[], 0, &mut entries)?;
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        if let Some(twice) = entries.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(SourceError::HostilePath {
                path: twice[0].path.to_string(),
                reason: "is there twice",
            });
        }
        let repository = Mutex::new(repository);
        Ok(Self(Arc::new(Inner { repository, commit: commit.clone(), committed_at, entries })))
    }

    /// The commit.
    pub fn commit(&self) -> &CommitId {
        &self.0.commit
    }

    /// When it was committed, in seconds since 1970-01-01 UTC.
    pub fn committed_at(&self) -> i64 {
        self.0.committed_at
    }

    /// All entries, directories included, in the order of their paths' bytes.
    pub fn entries(&self) -> &[Entry] {
        &self.0.entries
    }

    /// The submodules. Their content is not fetched; a caller should say so.
    pub fn submodules(&self) -> impl Iterator<Item = &TreePath> {
        self.0.entries.iter().filter(|entry| entry.kind == EntryKind::Submodule).map(|entry| &entry.path)
    }

    /// The entry at a path, links not followed.
    pub fn entry(&self, path: &[u8]) -> Option<&Entry> {
        let found = self.0.entries.binary_search_by(|entry| entry.path.as_bytes().cmp(path));
        found.ok().and_then(|index| self.0.entries.get(index))
    }

    /// Reads a file; links are followed as long as they stay in the tree. `None`
    /// when there is nothing at the path.
    ///
    /// # Errors
    /// The path leads out of the tree or to something that is no file, the file
    /// is larger than [`MAX_FILE`], or it cannot be read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, SourceError> {
        let Some(real) = self.follow(path)? else { return Ok(None) };
        let Some(entry) = self.entry(&real) else { return Ok(None) };
        let what = match entry.kind {
            EntryKind::File { .. } => return self.blob(entry, MAX_FILE).map(Some),
            EntryKind::Directory => "a directory",
            EntryKind::Submodule => "a submodule",
            EntryKind::Link => "a symbolic link that leads nowhere",
        };
        Err(SourceError::NotAFile { path: path.to_owned(), what })
    }

    /// Size of a file or link target in bytes.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn size(&self, entry: &Entry) -> Result<u64, SourceError> {
        let repository = self.0.repository.lock().unwrap_or_else(PoisonError::into_inner);
        let odb = repository.odb().map_err(|error| damaged(&entry.path, &error))?;
        let (size, _) = odb.read_header(entry.id).map_err(|error| damaged(&entry.path, &error))?;
        Ok(size as u64)
    }

    /// Content of a file, or target of a link, of at most `limit` bytes.
    ///
    /// # Errors
    /// It is larger, or cannot be read.
    pub fn blob(&self, entry: &Entry, limit: u64) -> Result<Vec<u8>, SourceError> {
        let size = self.size(entry)?;
        if size > limit {
            return Err(SourceError::TooLarge {
                what: format!("'{}'", entry.path),
                size: format!("{size} bytes"),
                limit: format!("{limit} bytes"),
            });
        }
        let repository = self.0.repository.lock().unwrap_or_else(PoisonError::into_inner);
        let blob = repository.find_blob(entry.id).map_err(|error| damaged(&entry.path, &error))?;
        Ok(blob.content().to_vec())
    }

    /// Runs work with this tree on a thread where it may block.
    ///
    /// # Errors
    /// Those of the work, and that it panicked.
    pub async fn on_thread<T, E>(
        &self,
        work: impl FnOnce(&SourceTree) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<SourceError> + Send + 'static,
    {
        let tree = self.clone();
        match tokio::task::spawn_blocking(move || work(&tree)).await {
            Ok(result) => result,
            Err(error) => {
                let uri = format!("commit {}", self.commit());
                Err(E::from(SourceError::Internal { uri, reason: error.to_string() }))
            }
        }
    }
}

fn damaged(path: &TreePath, error: &git2::Error) -> SourceError {
    SourceError::Damaged { what: format!("'{path}'"), reason: error.message().to_owned() }
}

/// Adds what is in and below a directory.
fn list(
    repository: &Repository,
    tree: Oid,
    above: &[u8],
    depth: usize,
    entries: &mut Vec<Entry>,
) -> Result<(), SourceError> {
    let here = TreePath(above.to_vec());
    let tree = repository.find_tree(tree).map_err(|error| damaged(&here, &error))?;
    for item in tree.iter() {
        let name = item.name_bytes();
        let mut path = above.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        if let Some(reason) = hostile(name, path.len(), depth) {
            return Err(SourceError::HostilePath { path: printable(&path), reason });
        }
        let kind = match (item.filemode_raw(), item.kind()) {
            (_, Some(ObjectType::Tree)) => EntryKind::Directory,
            (_, Some(ObjectType::Commit)) => EntryKind::Submodule,
            (0o120_000, _) => EntryKind::Link,
            (mode, Some(ObjectType::Blob)) => EntryKind::File { executable: mode & 0o100 != 0 },
            _ => {
                return Err(SourceError::HostilePath { path: printable(&path), reason: "has no known kind" });
            }
        };
        entries.push(Entry { path: TreePath(path.clone()), kind, id: item.id() });
        if entries.len() > MAX_ENTRIES {
            return Err(SourceError::TooLarge {
                what: "the commit".to_owned(),
                size: format!("more than {MAX_ENTRIES} entries"),
                limit: format!("{MAX_ENTRIES} entries"),
            });
        }
        if kind == EntryKind::Directory {
            list(repository, item.id(), &path, depth + 1, entries)?;
        }
    }
    Ok(())
}

/// Why a name is refused, if it is.
fn hostile(name: &[u8], path_length: usize, depth: usize) -> Option<&'static str> {
    match name {
        b"" => Some("has an empty component"),
        b"." | b".." => Some("has '.' or '..' as a component"),
        name if name.contains(&b'/') => Some("has '/' inside a component"),
        name if name.contains(&0) => Some("contains a NUL byte"),
        name if name.eq_ignore_ascii_case(b".git") => Some("has '.git' as a component"),
        _ if path_length > MAX_PATH => Some("is longer than 4096 bytes"),
        _ if depth > MAX_DEPTH => Some("is more than 256 directories deep"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mislead_are_hostile() {
        for bad in [&b""[..], b".", b"..", b"a/b", b"a\0b", b".git", b".GIT"] {
            assert!(hostile(bad, bad.len(), 0).is_some(), "{bad:?}");
        }
        for good in [&b"a"[..], b"...", b".gitignore", b"\xff", b"a b", b"a\\b"] {
            assert!(hostile(good, good.len(), 0).is_none(), "{good:?}");
        }
        assert!(hostile(b"a", 5000, 0).is_some() && hostile(b"a", 1, 300).is_some());
    }

    #[test]
    fn paths_are_safe_on_a_terminal() {
        assert_eq!(TreePath(b"a\x1b[2Jb\xff".to_vec()).to_string(), "a\u{fffd}[2Jb\u{fffd}");
    }
}
