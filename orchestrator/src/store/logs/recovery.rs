//! Finding out what the files of a build hold, by reading all of them once.
//!
//! Nothing is changed here. What an unfinished write left behind the last good
//! frame is ignored, and cut off before the next write.

use std::{
    fs::{self, File},
    io::{self, BufReader, ErrorKind, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    contents::{Contents, Note},
    error::LogError,
    frame::{Found, FrameReader, fill},
};

const BUFFER: usize = 256 * 1024;

/// The file of a segment.
pub(super) fn segment_path(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("{number:06}.log"))
}

/// Reads everything in the directory of one build, which may be missing.
pub(super) fn scan(directory: &Path) -> Result<Contents, LogError> {
    let mut contents = Contents::default();
    let last = last_segment(directory)?;
    for number in 1..=last {
        contents.begin_segment();
        let path = segment_path(directory, number);
        let file = File::open(&path).map_err(LogError::io("open", &path))?;
        let mut reader = FrameReader::new(BufReader::with_capacity(BUFFER, &file), 0);
        let damage = loop {
            match reader.next().map_err(LogError::io("read", &path))? {
                Found::Frame(frame, size) => {
                    let note = Note::of(&frame, size);
                    contents.take(note);
                }
                Found::End => break None,
                Found::HalfFrame => break Some(("a record is cut off", None)),
                Found::Damage { reason, end } => break Some((reason, Some(end))),
            }
        };
        let Some((reason, damage)) = damage else { continue };
        let position = reader.position();
        let unfinished = match damage {
            _ if number < last => false,
            None => true,
            Some(end) => unfinished(&file, position, end).map_err(LogError::io("read", &path))?,
        };
        if !unfinished {
            contents.damage = Some(LogError::Corrupt { path, position, reason: reason.to_owned() });
            break;
        }
        tracing::warn!(path = %path.display(), position, reason, "a log ends with an unfinished write");
        contents.untidy = true;
    }
    Ok(contents)
}

/// Whether damage is what an interrupted write leaves: a last frame whose text
/// did not reach the disk, or a file that was made longer and not filled.
fn unfinished(mut file: &File, position: u64, end: Option<u64>) -> io::Result<bool> {
    if end.is_some_and(|end| file.metadata().is_ok_and(|data| data.len() == end)) {
        return Ok(true);
    }
    file.seek(SeekFrom::Start(position))?;
    let mut rest = BufReader::with_capacity(BUFFER, file);
    let mut block = vec![0; BUFFER];
    loop {
        match fill(&mut rest, &mut block)? {
            0 => return Ok(true),
            count if block[..count].iter().any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

/// The highest number of a segment file, 0 if there is none.
pub(super) fn last_segment(directory: &Path) -> Result<u32, LogError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(LogError::io("list", directory)(error)),
    };
    let mut last = 0;
    for entry in entries {
        let name = entry.map_err(LogError::io("list", directory))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last)
}
