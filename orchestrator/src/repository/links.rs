//! Following symbolic links inside a commit, without a file system.
//!
//! A path is walked component by component as the kernel would do it: a link in
//! the middle is followed before `..` is applied. Whatever would go above the
//! root, or begins with `/`, leaves the tree.

use std::collections::VecDeque;

use super::{
    SourceError, SourceTree,
    tree::{Entry, EntryKind, printable},
};

/// Links that are followed on one way; the kernel stops at 40 (path_resolution(7)).
const MAX_LINKS: usize = 255;

/// Bytes of a link's target at most (Linux, PATH_MAX).
const MAX_TARGET: u64 = 4096;

/// Where a walk ended.
enum End {
    /// At this path, whether or not anything is there.
    At(Vec<u8>),
    /// Outside of the tree.
    Outside,
    /// Nowhere: the links go round in a circle.
    Circle,
}

impl SourceTree {
    /// Refuses the commit if any of its symbolic links leads out of it.
    ///
    /// # Errors
    /// The first such link in the order of paths, or one that cannot be read.
    pub fn check_links(&self) -> Result<(), SourceError> {
        for entry in self.entries().iter().filter(|entry| entry.kind == EntryKind::Link) {
            let target = self.target(entry)?;
            let outside = target.is_empty()
                || target.starts_with(b"/")
                || matches!(self.walk(directory(entry.path.as_bytes()), &target)?, End::Outside);
            if outside {
                return Err(escapes(entry, &target));
            }
        }
        Ok(())
    }

    /// The path at which one ends after all links are followed. `None` when the
    /// links go round in a circle.
    pub(super) fn follow(&self, path: &str) -> Result<Option<Vec<u8>>, SourceError> {
        let outside = || SourceError::HostilePath { path: path.to_owned(), reason: "leaves the repository" };
        if path.starts_with('/') || path.contains('\0') {
            return Err(outside());
        }
        match self.walk(b"", path.as_bytes())? {
            End::At(real) => Ok(Some(real)),
            End::Circle => Ok(None),
            End::Outside => match self.entry(path.as_bytes()) {
                Some(link) if link.kind == EntryKind::Link => Err(escapes(link, &self.target(link)?)),
                _ => Err(outside()),
            },
        }
    }

    /// What a link says.
    pub(super) fn target(&self, link: &Entry) -> Result<Vec<u8>, SourceError> {
        self.blob(link, MAX_TARGET)
    }

    fn walk(&self, from: &[u8], path: &[u8]) -> Result<End, SourceError> {
        let mut real: Vec<Vec<u8>> = components(from).collect();
        let mut ahead: VecDeque<Vec<u8>> = components(path).collect();
        let mut followed = 0;
        while let Some(component) = ahead.pop_front() {
            if component == b".." {
                if real.pop().is_none() {
                    return Ok(End::Outside);
                }
                continue;
            }
            real.push(component);
            let Some(link) = self.entry(&real.join(&b'/')).filter(|entry| entry.kind == EntryKind::Link)
            else {
                continue;
            };
            followed += 1;
            if followed > MAX_LINKS {
                return Ok(End::Circle);
            }
            let target = self.target(link)?;
            if target.starts_with(b"/") {
                return Ok(End::Outside);
            }
            real.pop();
            for component in components(&target).collect::<Vec<_>>().into_iter().rev() {
                ahead.push_front(component);
            }
        }
        Ok(End::At(real.join(&b'/')))
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    path.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec)
}

fn directory(path: &[u8]) -> &[u8] {
    path.iter().rposition(|b| *b == b'/').map_or(b"", |at| &path[..at])
}

fn escapes(link: &Entry, target: &[u8]) -> SourceError {
    SourceError::LinkEscapes { link: link.path.to_string(), target: printable(target) }
}
