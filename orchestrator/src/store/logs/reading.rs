//! Reading stored log text from any offset.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use common::{log::LogRecord, platform::Platform};
use jiff::Timestamp;

use super::{
    RECORD_OVERHEAD,
    contents::{Contents, Mark, Segment},
    error::LogError,
    frame::{Found, Frame, FrameReader},
    recovery::segment_path,
};

const BUFFER: usize = 64 * 1024;
/// Bytes of file that one call reads at most, however few records fit.
const MOST_READ: u64 = 16 * 1024 * 1024;

/// Some records of a build's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The records in order of arrival. Their offsets are those of the build's
    /// log. Can be empty before the end when a platform was asked for.
    pub records: Vec<LogRecord>,
    /// Where to go on from.
    pub next_offset: u64,
    /// Whether that is where the log ends by now.
    pub at_end: bool,
}

/// What a reader needs to know, so that it need not hold the contents.
pub(super) struct Place {
    segments: Vec<(u32, u64, u64)>,
    mark: Mark,
    /// Where the log ends, unless damage comes there.
    end: Option<u64>,
}

impl Place {
    /// Where to find the byte `from`; nothing if the log ends before.
    pub(super) fn find(contents: &Contents, from: u64) -> Result<Option<Self>, LogError> {
        if from >= contents.end {
            return contents.check().map(|()| None);
        }
        let segments = contents.segments_from(from);
        let Some(mark) = segments.first().map(|first| first.mark_before(from)) else { return Ok(None) };
        let extent = |segment: &Segment| (segment.number, segment.start, segment.length);
        let end = contents.damage.is_none().then_some(contents.end);
        Ok(Some(Self { segments: segments.iter().map(extent).collect(), mark, end }))
    }
}

/// Reads from the record that holds the byte `from`.
pub(super) fn read(
    directory: &Path,
    place: &Place,
    from: u64,
    platform: Option<&Platform>,
    most_bytes: usize,
) -> Result<LogPage, LogError> {
    let mut page = LogPage { records: Vec::new(), next_offset: from, at_end: false };
    let (mut room, mut read) = (most_bytes, 0);
    let Mark { mut offset, mut position } = place.mark;
    'segments: for &(number, start, length) in &place.segments {
        if number != place.segments[0].0 {
            (offset, position) = (start, 0);
        }
        let path = segment_path(directory, number);
        let mut file = File::open(&path).map_err(LogError::io("open", &path))?;
        file.seek(SeekFrom::Start(position)).map_err(LogError::io("read", &path))?;
        let input = BufReader::with_capacity(BUFFER, file.take(length - position));
        let mut reader = FrameReader::new(input, position);
        loop {
            let position = reader.position();
            let (frame, size) = match reader.next().map_err(LogError::io("read", &path))? {
                Found::Frame(frame, size) => (frame, size),
                Found::End if position == length => break,
                // What was read so far is good; the next call tells.
                _ if !page.records.is_empty() => break 'segments,
                Found::Damage { reason, .. } => return Err(damaged(path, position, reason)),
                Found::End | Found::HalfFrame => return Err(damaged(path, position, "a record is cut off")),
            };
            read += size;
            let frame_offset = offset;
            offset += frame.text.len() as u64;
            if frame.text.is_empty() || offset <= from {
                continue;
            }
            if platform.is_none_or(|platform| platform.as_str() == frame.platform) {
                let cost = frame.text.len() + RECORD_OVERHEAD;
                if cost > room && !page.records.is_empty() {
                    break 'segments;
                }
                let record = record(&frame, frame_offset)
                    .ok_or_else(|| damaged(path.clone(), position, "a record has an unknown form"))?;
                page.records.push(record);
                room = room.saturating_sub(cost);
            }
            page.next_offset = offset;
            if read >= MOST_READ {
                break 'segments;
            }
        }
    }
    page.at_end = place.end.is_some_and(|end| page.next_offset >= end);
    Ok(page)
}

fn record(frame: &Frame<'_>, offset: u64) -> Option<LogRecord> {
    let platform = match frame.platform {
        "" => None,
        name => Some(name.parse().ok()?),
    };
    Some(LogRecord {
        offset,
        at: Timestamp::from_microsecond(frame.at).ok()?,
        platform,
        stream: frame.stream,
        step: frame.step.to_owned(),
        text: Bytes::copy_from_slice(frame.text),
    })
}

fn damaged(path: PathBuf, position: u64, reason: &str) -> LogError {
    LogError::Corrupt { path, position, reason: reason.to_owned() }
}
