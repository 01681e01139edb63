//! Copies of files of the image on the worker's disk, with a bound on their
//! size together. A copy that is no longer part of the image is removed at once
//! and does not count.

use std::{
    cell::Cell,
    fs::File,
    io::{Read, Write as _},
    path::{Path, PathBuf},
    rc::Rc,
};

use tempfile::TempDir;

use super::InventoryError;

/// Most bytes of all copies together.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;
const PIECE: usize = 64 * 1024;

/// A directory for copies; removed with everything in it when dropped.
#[derive(Debug)]
pub(super) struct Spool {
    directory: TempDir,
    used: Rc<Cell<u64>>,
    next: Cell<u64>,
    limit: u64,
}

/// One copy.
#[derive(Debug)]
pub(super) struct SpooledFile {
    path: PathBuf,
    size: u64,
    used: Rc<Cell<u64>>,
}

impl SpooledFile {
    /// Where the copy is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SpooledFile {
    fn drop(&mut self) {
        self.used.set(self.used.get().saturating_sub(self.size));
        // What stays goes with the directory.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Which side of a copy failed.
#[derive(Debug)]
pub(super) enum CopyError {
    /// The layer.
    Layer(std::io::Error),
    /// The disk, or the bound.
    Spool(InventoryError),
}

impl Spool {
    /// A new directory below `scratch`.
    pub(super) fn below(scratch: &Path) -> Result<Self, InventoryError> {
        Self::with_limit(scratch, MAX_BYTES)
    }

    /// The same with another bound in bytes.
    pub(super) fn with_limit(scratch: &Path, limit: u64) -> Result<Self, InventoryError> {
        let directory = tempfile::Builder::new()
            .prefix("inventory-")
            .tempdir_in(scratch)
            .map_err(|source| InventoryError::Scratch { path: scratch.to_owned(), source })?;
        Ok(Self { directory, used: Rc::default(), next: Cell::new(0), limit })
    }

    /// Copies `content`, the file `name` of the image with `size` bytes.
    pub(super) fn copy(
        &self,
        name: &str,
        size: u64,
        mut content: impl Read,
    ) -> Result<Rc<SpooledFile>, CopyError> {
        let used = self.used.get().saturating_add(size);
        if used > self.limit {
            let limit = format!("{} MiB", self.limit / (1024 * 1024));
            return Err(CopyError::Spool(InventoryError::TooLarge { path: name.to_owned(), limit }));
        }
        let number = self.next.get();
        self.next.set(number + 1);
        self.used.set(used);
        let path = self.directory.path().join(number.to_string());
        let copy = SpooledFile { path, size, used: Rc::clone(&self.used) };

        let failed = |source| CopyError::Spool(InventoryError::Scratch { path: copy.path.clone(), source });
        let mut file = File::create(&copy.path).map_err(failed)?;
        let mut piece = vec![0; PIECE];
        loop {
            let count = content.read(&mut piece).map_err(CopyError::Layer)?;
            if count == 0 {
                break;
            }
            file.write_all(&piece[..count]).map_err(failed)?;
        }
        Ok(Rc::new(copy))
    }
}
