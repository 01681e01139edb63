//! One reading of all layers, from the bottom up.
//!
//! A layer is decompressed and unpacked on the way, and only what is watched is
//! kept. The archive reader takes long names whole into memory, so it is fed
//! through a meter that gives out only so much before the next entry has begun.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    rc::Rc,
};

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::{
    InventoryError,
    spool::{CopyError, Spool},
    tree::{Kind, TooManyNodes, Tree},
    watch::Watch,
};
use crate::publish::SpooledLayer;

/// Most bytes of headers, long names and attributes in front of an entry's
/// content.
const MAX_HEADERS: u64 = 4 * 1024 * 1024;
/// Longest path; Linux has the same. No watched path is longer.
const MAX_PATH: usize = 4096;
const PIECE: usize = 64 * 1024;
const BLOCK: u64 = 512;

const WHITEOUT: &str = ".wh.";
/// Bookkeeping of the format, none of it a file's removal; no more is a whiteout
/// without a name.
const WHITEOUT_META: &str = ".wh..wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// Reads the layers and returns the file system that they make.
pub(super) fn scan<'a>(
    layers: &[SpooledLayer],
    watch: &'a Watch,
    spool: &Spool,
) -> Result<Tree<'a>, InventoryError> {
    let mut tree = Tree::new(watch);
    for (index, layer) in layers.iter().enumerate() {
        let applied = apply(&layer.blob.path, index + 1, &mut tree, spool);
        applied.map_err(|error| match error {
            CopyError::Layer(source) => InventoryError::Layer { number: index + 1, source },
            CopyError::Spool(error) => error,
        })?;
    }
    Ok(tree)
}

fn apply(path: &Path, layer: usize, tree: &mut Tree<'_>, spool: &Spool) -> Result<(), CopyError> {
    let file = File::open(path).map_err(CopyError::Layer)?;
    let plain = MultiGzDecoder::new(BufReader::with_capacity(PIECE, file));
    let meter = Meter::default();
    let mut archive = Archive::new(Metered { inner: plain, meter: meter.clone() });
    meter.allow(MAX_HEADERS);
    for entry in archive.entries().map_err(CopyError::Layer)? {
        let mut entry = entry.map_err(CopyError::Layer)?;
        // The content of a sparse file is not as long as the file.
        let sparse = entry.header().entry_type() == EntryType::GNUSparse;
        let stored =
            if sparse { entry.header().entry_size().map_err(CopyError::Layer)? } else { entry.size() };
        meter.allow(stored.saturating_add(BLOCK + MAX_HEADERS));
        apply_entry(&mut entry, layer, tree, spool)?;
    }
    Ok(())
}

fn apply_entry(
    entry: &mut tar::Entry<'_, impl Read>,
    layer: usize,
    tree: &mut Tree<'_>,
    spool: &Spool,
) -> Result<(), CopyError> {
    let kind = entry.header().entry_type();
    if kind.is_pax_global_extensions() {
        return Ok(());
    }
    let Some(path) = normal(&entry.path_bytes()) else { return Ok(()) };
    let Some(real) = tree.real_path(&path) else { return Ok(()) };
    let (parent, name) = real.rsplit_once('/').unwrap_or(("", &real));
    if name == OPAQUE {
        tree.empty(parent, layer);
        return Ok(());
    }
    if name == WHITEOUT || name.starts_with(WHITEOUT_META) {
        return Ok(());
    }
    if let Some(name) = name.strip_prefix(WHITEOUT) {
        let separator = if parent.is_empty() { "" } else { "/" };
        tree.remove(&format!("{parent}{separator}{name}"), layer);
        return Ok(());
    }

    // Nothing that matters is below a path that does not.
    if !tree.watch().has(&real) {
        return Ok(());
    }
    let kind = match kind {
        EntryType::Directory => Kind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse if tree.watch().has_file(&real) => {
            // What it replaces goes first: both may not fit.
            tree.remove(&real, usize::MAX);
            Kind::File(spool.copy(&real, entry.size(), entry)?)
        }
        EntryType::Symlink => match entry.link_name_bytes() {
            Some(target) if target.len() <= MAX_PATH => {
                Kind::Symlink(String::from_utf8_lossy(&target).into_owned())
            }
            _ => Kind::Other,
        },
        EntryType::Link => {
            hard_link(&entry.link_name_bytes().unwrap_or_default(), tree).map_err(CopyError::Layer)?
        }
        _ => Kind::Other,
    };
    tree.put(&real, layer, kind).map_err(|TooManyNodes| {
        CopyError::Spool(InventoryError::TooLarge { path: real.clone(), limit: TooManyNodes::limit() })
    })
}

/// What a hard link to `target` makes another name of.
fn hard_link(target: &[u8], tree: &Tree<'_>) -> io::Result<Kind> {
    let Some(target) = normal(target).and_then(|target| tree.real_path(&target)) else {
        return Ok(Kind::Other);
    };
    match tree.kind(&target) {
        Some(kind @ (Kind::File(_) | Kind::Symlink(_) | Kind::Alias(_))) => Ok(kind.clone()),
        None if tree.watch().has_file(&target) => {
            let message = format!("a hard link leads to {target}, which is not there");
            Err(io::Error::new(io::ErrorKind::InvalidData, message))
        }
        _ => Ok(Kind::Alias(target)),
    }
}

/// A path of an archive without what says nothing; `None` if it leads out of the
/// image, is the image's root, or is longer than a path can be.
fn normal(path: &[u8]) -> Option<String> {
    if path.len() > MAX_PATH {
        return None;
    }
    let path = String::from_utf8_lossy(path);
    let names: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    if names.is_empty() || names.contains(&"..") {
        return None;
    }
    Some(names.join("/"))
}

/// How much was read, and how much may be.
#[derive(Debug, Clone, Default)]
struct Meter {
    position: Rc<Cell<u64>>,
    limit: Rc<Cell<u64>>,
}

impl Meter {
    /// Lets `bytes` more be read from here on.
    fn allow(&self, bytes: u64) {
        self.limit.set(self.position.get().saturating_add(bytes));
    }
}

struct Metered<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let position = self.meter.position.get();
        let room = self.meter.limit.get().saturating_sub(position);
        if room == 0 && !buffer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "an entry's name or its attributes are too long",
            ));
        }
        let most = buffer.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..most])?;
        self.meter.position.set(position.saturating_add(count as u64));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_what_says_nothing() {
        let rows: [(&[u8], Option<&str>); 8] = [
            (b"./var//lib/", Some("var/lib")),
            (b"/etc/passwd", Some("etc/passwd")),
            (b"a/./b", Some("a/b")),
            (b"./", None),
            (b"", None),
            (b"../etc", None),
            (b"a/../../b", None),
            (&[b'a'; MAX_PATH + 1], None),
        ];
        for (path, expected) in rows {
            assert_eq!(normal(path).as_deref(), expected);
        }
    }

    #[test]
    fn the_meter_gives_what_is_allowed() {
        let meter = Meter::default();
        let mut reader = Metered { inner: io::repeat(7), meter: meter.clone() };
        let mut buffer = [0; 10];
        assert!(reader.read(&mut buffer).is_err());
        meter.allow(4);
        assert_eq!(reader.read(&mut buffer).unwrap(), 4);
        assert!(reader.read(&mut buffer).is_err());
        meter.allow(u64::MAX);
        assert_eq!(reader.read(&mut buffer).unwrap(), 10);
    }
}
