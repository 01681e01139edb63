//! The image's file system, as far as it matters.
//!
//! Layers are put on each other as the OCI image specification says: what an
//! upper layer has replaces what is below, `.wh.NAME` removes `NAME`, and
//! `.wh..wh..opq` removes everything in its directory, both only of lower layers.
//! Links are followed inside the image, and a directory that no layer mentions
//! counts as one.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    spool::SpooledFile,
    watch::{Watch, Watched},
};

/// Longest chain of symbolic links that is followed; Linux has the same.
const MAX_LINKS: usize = 40;
/// Most nodes that are kept.
const MAX_NODES: usize = 20_000;

/// What is at a path.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// A directory.
    Directory,
    /// A file that matters.
    File(Rc<SpooledFile>),
    /// A symbolic link to this target.
    Symlink(String),
    /// A hard link to a file that did not matter when it was passed.
    Alias(String),
    /// Anything else.
    Other,
}

#[derive(Debug)]
struct Node {
    layer: usize,
    kind: Kind,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Located<T> {
    /// It is there, under this path.
    Found(String, T),
    /// Nothing of the wanted kind is there.
    Absent,
    /// Not known, as long as these paths are not watched.
    Unknown(Vec<Watched>),
}

/// Where links lead.
struct Resolved {
    path: String,
    /// The first path on the way that is not watched.
    unwatched: Option<String>,
}

/// There are more nodes than may be kept.
#[derive(Debug)]
pub(super) struct TooManyNodes;

impl TooManyNodes {
    /// The bound in words.
    pub(super) fn limit() -> String {
        format!("{MAX_NODES} files")
    }
}

/// The file system.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    watch: &'a Watch,
    nodes: BTreeMap<String, Node>,
}

impl<'a> Tree<'a> {
    /// A file system with nothing in it.
    pub(super) fn new(watch: &'a Watch) -> Self {
        Self { watch, nodes: BTreeMap::new() }
    }

    /// What matters in it.
    pub(super) fn watch(&self) -> &'a Watch {
        self.watch
    }

    /// Where an entry of a layer really is: links above it are followed. `None`:
    /// links lead in a circle.
    pub(super) fn real_path(&self, path: &str) -> Option<String> {
        self.resolve(path, false).map(|resolved| resolved.path)
    }

    /// What is at a real path.
    pub(super) fn kind(&self, path: &str) -> Option<&Kind> {
        self.nodes.get(path).map(|node| &node.kind)
    }

    /// Puts something at a real path, in place of what is there.
    pub(super) fn put(&mut self, path: &str, layer: usize, kind: Kind) -> Result<(), TooManyNodes> {
        let merges = matches!((&kind, self.kind(path)), (Kind::Directory, Some(Kind::Directory) | None));
        if !merges {
            self.remove(path, usize::MAX);
        }
        if self.watch.has(path) {
            if self.nodes.len() >= MAX_NODES {
                return Err(TooManyNodes);
            }
            self.nodes.insert(path.to_owned(), Node { layer, kind });
        }
        Ok(())
    }

    /// Removes a real path and everything below, as far as it comes from a layer
    /// below `layer`.
    pub(super) fn remove(&mut self, path: &str, layer: usize) {
        if self.nodes.get(path).is_some_and(|node| node.layer < layer) {
            self.nodes.remove(path);
        }
        self.empty(path, layer);
    }

    /// Removes everything below a real path, as far as it comes from a layer
    /// below `layer`.
    pub(super) fn empty(&mut self, path: &str, layer: usize) {
        let inside = if path.is_empty() { String::new() } else { format!("{path}/") };
        let below = self.nodes.range(inside.clone()..).take_while(|(path, _)| path.starts_with(&inside));
        let gone: Vec<String> =
            below.filter(|(_, node)| node.layer < layer).map(|(path, _)| path.clone()).collect();
        for path in gone {
            self.nodes.remove(&path);
        }
    }

    /// The file that a path leads to.
    pub(super) fn file(&self, path: &str) -> Located<Rc<SpooledFile>> {
        let Some(real) = self.resolve(path, true) else { return Located::Absent };
        if let Some(unwatched) = real.unwatched {
            return Located::Unknown(vec![Watched::Above(unwatched), Watched::File(real.path)]);
        }
        match self.kind(&real.path) {
            Some(Kind::File(file)) => Located::Found(real.path, Rc::clone(file)),
            Some(Kind::Alias(target)) if !self.watch.has_file(target) => {
                Located::Unknown(vec![Watched::File(target.clone())])
            }
            Some(Kind::Other) if !self.watch.has_file(&real.path) => {
                Located::Unknown(vec![Watched::File(real.path)])
            }
            _ => Located::Absent,
        }
    }

    /// The names in the directory that a path leads to.
    pub(super) fn directory(&self, path: &str) -> Located<Vec<String>> {
        let Some(real) = self.resolve(path, true) else { return Located::Absent };
        if let Some(unwatched) = real.unwatched {
            return Located::Unknown(vec![Watched::Above(unwatched), Watched::Directory(real.path)]);
        }
        if !matches!(self.kind(&real.path), Some(Kind::Directory) | None) {
            return Located::Absent;
        }
        if !self.watch.has_directory(&real.path) {
            return Located::Unknown(vec![Watched::Directory(real.path)]);
        }
        let inside = format!("{}/", real.path);
        let below = self.nodes.range(inside.clone()..).map_while(|(path, _)| path.strip_prefix(&inside));
        let names: Vec<String> = below.filter(|name| !name.contains('/')).map(str::to_owned).collect();
        if names.is_empty() { Located::Absent } else { Located::Found(real.path, names) }
    }

    /// Follows the links in a path, the one at its end only with `last`. `None`:
    /// there are too many.
    fn resolve(&self, path: &str, last: bool) -> Option<Resolved> {
        let mut pending: Vec<&str> = path.rsplit('/').collect();
        let (mut real, mut unwatched, mut links) = (String::new(), None, 0);
        while let Some(name) = pending.pop() {
            match name {
                "" | "." => continue,
                ".." => {
                    real.truncate(real.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let parent = real.len();
            if parent > 0 {
                real.push('/');
            }
            real.push_str(name);
            match self.nodes.get(&real) {
                Some(Node { kind: Kind::Symlink(target), .. }) if last || !pending.is_empty() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return None;
                    }
                    real.truncate(if target.starts_with('/') { 0 } else { parent });
                    pending.extend(target.rsplit('/'));
                }
                None if unwatched.is_none() && !self.watch.has(&real) => unwatched = Some(real.clone()),
                _ => {}
            }
        }
        Some(Resolved { path: real, unwatched })
    }
}
