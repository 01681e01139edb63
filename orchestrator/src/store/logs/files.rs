//! Writing to segment files so that it survives a crash.
//!
//! Files are opened for each write and closed again: beside the sync that costs
//! nothing, and no number of builds can use up the file handles. A segment is
//! synced before the next one is made, so that only the last one of a build can
//! end with an unfinished write.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::Path,
};

use super::{
    contents::Contents,
    error::LogError,
    recovery::{last_segment, segment_path},
    staging::Write,
};

/// Cuts off what unfinished writes left behind the contents.
pub(super) fn tidy(directory: &Path, contents: &Contents) -> Result<(), LogError> {
    let known = contents.segments.last().map_or(0, |last| last.number);
    // From the end, so that a crash in between leaves no hole in the numbers.
    for number in (known + 1..=last_segment(directory)?).rev() {
        let path = segment_path(directory, number);
        fs::remove_file(&path).map_err(LogError::io("remove", &path))?;
    }
    if let Some(last) = contents.segments.last() {
        let path = segment_path(directory, last.number);
        let file = OpenOptions::new().write(true).open(&path).map_err(LogError::io("open", &path))?;
        file.set_len(last.length).map_err(LogError::io("shorten", &path))?;
        file.sync_all().map_err(LogError::io("sync", &path))?;
    }
    Ok(())
}

/// Writes and syncs. When this returns, the bytes survive a crash.
pub(super) fn write<'a>(directory: &Path, writes: impl Iterator<Item = &'a Write>) -> Result<(), LogError> {
    for write in writes {
        let path = segment_path(directory, write.number);
        let new = write.position == 0;
        if new && write.number == 1 {
            make(directory)?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create(new)
            .truncate(new)
            .mode(0o600)
            .open(&path)
            .map_err(LogError::io("open", &path))?;
        file.write_all_at(&write.bytes, write.position).map_err(LogError::io("write", &path))?;
        file.sync_data().map_err(LogError::io("sync", &path))?;
        if new {
            sync_directory(directory)?;
        }
    }
    Ok(())
}

fn make(directory: &Path) -> Result<(), LogError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(LogError::io("create", directory))?;
    directory.parent().map_or(Ok(()), sync_directory)
}

/// A new name is only safe when the directory that has it is.
fn sync_directory(directory: &Path) -> Result<(), LogError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(LogError::io("sync", directory))
}
