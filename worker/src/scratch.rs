//! The scratch directory: what work needs on disk, and what a worker that was
//! killed has left.
//!
//! Below the base directory each worker process has a directory of its own with
//! a lock file. A directory whose lock nobody holds belongs to a worker that
//! died: what it noted of its builds is handed to whoever starts next.
//!
//! ```text
//! BASE/lock                          held while a directory is taken or looked for
//! BASE/wrk_build07-1.0/lock          held as long as the worker lives
//! BASE/wrk_build07-1.0/wo_…/marker   how to find the containers of a build
//! BASE/wrk_build07-1.0/wo_…/images   images that the build made
//! BASE/wrk_build07-1.0/wo_…/…        context, configuration, layers
//! ```

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use common::names::{WorkOrderId, WorkerId};

use crate::engine::{images::CreatedImages, sweep::BuildMarker};

const LOCK: &str = "lock";
const MARKER: &str = "marker";
const IMAGES: &str = "images";

/// The scratch directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the scratch directory {}: {reason}", path.display())]
pub struct ScratchError {
    path: PathBuf,
    reason: String,
}

impl ScratchError {
    /// The thread that looked at the directory did not end well.
    pub(crate) fn interrupted(path: &Path, error: &tokio::task::JoinError) -> Self {
        Self { path: path.to_owned(), reason: error.to_string() }
    }
}

/// The directory of this process.
#[derive(Debug)]
pub(crate) struct Scratch {
    directory: PathBuf,
    _lock: File,
}

/// The directory of a worker that died.
#[derive(Debug)]
pub(crate) struct Leftover {
    /// What it was building: how to find the containers, and images.
    pub(crate) builds: Vec<(BuildMarker, Vec<String>)>,
    directory: PathBuf,
    _lock: File,
}

impl Leftover {
    /// Removes the directory.
    pub(crate) fn wipe(self) -> io::Result<()> {
        fs::remove_dir_all(&self.directory)
    }
}

impl Scratch {
    /// Takes a directory of its own below `base`, and finds those of workers
    /// that died. Blocks.
    ///
    /// # Errors
    /// The directory cannot be made or locked, or somebody else could write to
    /// it.
    pub(crate) fn claim(base: &Path, worker: &WorkerId) -> Result<(Self, Vec<Leftover>), ScratchError> {
        let fail = |reason: String| ScratchError { path: base.to_owned(), reason };
        let failed = |error: io::Error| fail(error.to_string());
        private_directory().recursive(true).create(base).map_err(failed)?;
        let base_lock = open_lock(base).map_err(failed)?;
        base_lock.lock().map_err(failed)?;

        let leftovers = find_leftovers(base).map_err(failed)?;
        let directory = own_directory(base, worker).map_err(failed)?;
        let lock = open_lock(&directory).map_err(failed)?;
        lock.try_lock().map_err(|error| fail(error.to_string()))?;

        let (mine, whole) = (lock.metadata().map_err(failed)?, fs::metadata(base).map_err(failed)?);
        if mine.uid() != whole.uid() || whole.mode() & 0o022 != 0 {
            drop(fs::remove_dir_all(&directory));
            let reason =
                "it belongs to another user, or others may write to it; name another with --scratch-dir";
            return Err(fail(reason.to_owned()));
        }
        Ok((Self { directory, _lock: lock }, leftovers))
    }

    /// Makes a place for a work order and notes its marker.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn begin(&self, order: &WorkOrderId, marker: &BuildMarker) -> io::Result<Place> {
        let directory = self.directory.join(order.as_str());
        private_directory().create(&directory)?;
        fs::write(directory.join(MARKER), marker.as_str())?;
        Ok(Place { directory })
    }

    /// Removes everything, unless a work order's place had to stay.
    pub(crate) fn release(self) {
        let places_left = fs::read_dir(&self.directory)
            .is_ok_and(|entries| entries.flatten().any(|entry| entry.path().is_dir()));
        if !places_left && let Err(error) = fs::remove_dir_all(&self.directory) {
            tracing::warn!(path = %self.directory.display(), %error, "cannot remove the scratch directory");
        }
    }
}

/// The place of one work order.
#[derive(Debug)]
pub(crate) struct Place {
    directory: PathBuf,
}

impl Place {
    /// The file for the build context.
    pub(crate) fn context(&self) -> PathBuf {
        self.directory.join("context.tar")
    }

    /// The directory for configuration and layers.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.directory.clone()
    }

    /// The list of images that the build makes.
    pub(crate) fn images(&self) -> CreatedImages {
        CreatedImages::new(self.directory.join(IMAGES))
    }

    /// Removes the place.
    pub(crate) async fn remove(self) {
        if let Err(error) = tokio::fs::remove_dir_all(&self.directory).await {
            tracing::warn!(path = %self.directory.display(), %error, "cannot remove scratch files");
        }
    }
}

fn private_directory() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

fn open_lock(directory: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(directory.join(LOCK))
}

fn own_directory(base: &Path, worker: &WorkerId) -> io::Result<PathBuf> {
    let mut number = 0;
    loop {
        let directory = base.join(format!("{worker}.{number}"));
        match private_directory().create(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            result => return result.map(|()| directory),
        }
    }
}

fn find_leftovers(base: &Path) -> io::Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(base)? {
        let directory = entry?.path();
        let is_worker = directory
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(WorkerId::PREFIX));
        if !is_worker || !directory.is_dir() {
            continue;
        }
        let lock = open_lock(&directory)?;
        match lock.try_lock() {
            Ok(()) => found.push(Leftover { builds: builds_in(&directory)?, directory, _lock: lock }),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(found)
}

fn builds_in(directory: &Path) -> io::Result<Vec<(BuildMarker, Vec<String>)>> {
    let mut builds = Vec::new();
    for entry in fs::read_dir(directory)? {
        let place = entry?.path();
        let marker = fs::read_to_string(place.join(MARKER)).ok();
        if let Some(marker) = marker.as_deref().and_then(BuildMarker::from_text) {
            builds.push((marker, CreatedImages::read(&place.join(IMAGES))));
        }
    }
    Ok(builds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker() -> WorkerId {
        "wrk_test-1".parse().unwrap()
    }

    fn begin(scratch: &Scratch) -> Place {
        let order: WorkOrderId = "wo_1".parse().unwrap();
        scratch.begin(&order, &BuildMarker::of(&order)).unwrap()
    }

    #[test]
    fn a_dead_workers_builds_are_found_and_a_living_ones_are_not() {
        let base = tempfile::tempdir().unwrap();
        let (dead, none) = Scratch::claim(base.path(), &worker()).unwrap();
        assert!(none.is_empty());
        let place = begin(&dead);
        place.images().add("0123456789ab");

        let (living, seen) = Scratch::claim(base.path(), &worker()).unwrap();
        assert!(seen.is_empty(), "its lock is held");
        drop(dead);

        let (_third, mut seen) = Scratch::claim(base.path(), &worker()).unwrap();
        let leftover = seen.pop().unwrap();
        assert!(seen.is_empty(), "only the dead one");
        let marker = BuildMarker::of(&"wo_1".parse().unwrap());
        assert_eq!(leftover.builds, [(marker, vec!["0123456789ab".to_owned()])]);
        leftover.wipe().unwrap();
        assert!(!place.context().parent().unwrap().exists());
        living.release();
    }

    #[tokio::test]
    async fn an_orderly_end_leaves_nothing() {
        let base = tempfile::tempdir().unwrap();
        let (scratch, _) = Scratch::claim(base.path(), &worker()).unwrap();
        let place = begin(&scratch);
        fs::write(place.context(), "x").unwrap();
        place.remove().await;
        scratch.release();
        let left: Vec<_> = fs::read_dir(base.path()).unwrap().flatten().map(|it| it.file_name()).collect();
        assert_eq!(left, ["lock"]);
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = Scratch::claim(base.path(), &worker()).unwrap_err();
        assert!(error.to_string().contains("--scratch-dir"), "{error}");
    }
}
