//! What the segment files of one build hold, in memory.
//!
//! Only what is on the disk for certain is in here. It is small: a mark for
//! every 128 KiB of file, and a number for each work order.

use std::collections::HashMap;

use super::{
    error::LogError,
    frame::{Frame, Kind, OrderKey},
};

/// A read has to skip at most this many bytes of file before its first record.
const MARK_EVERY: u64 = 128 * 1024;

/// One segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// Its name, from 1 without gaps.
    pub(super) number: u32,
    /// Bytes of text in the segments before.
    pub(super) start: u64,
    /// Bytes of file that hold good frames.
    pub(super) length: u64,
    marks: Vec<Mark>,
}

/// A frame that begins here: text before it, and its place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) offset: u64,
    pub(super) position: u64,
}

impl Segment {
    fn new(number: u32, start: u64) -> Self {
        Self { number, start, length: 0, marks: Vec::new() }
    }

    /// A frame at or before the one that holds the byte `offset` of the build's
    /// log, which is in this segment.
    pub(super) fn mark_before(&self, offset: u64) -> Mark {
        let after = self.marks.partition_point(|mark| mark.offset <= offset);
        let none = Mark { offset: self.start, position: 0 };
        after.checked_sub(1).and_then(|index| self.marks.get(index)).copied().unwrap_or(none)
    }
}

/// What a frame adds to the contents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Note {
    kind: Kind,
    text: u64,
    size: u64,
    order: Option<(OrderKey, u64)>,
}

impl Note {
    /// For a frame that takes `size` bytes of file.
    pub(super) fn of(frame: &Frame<'_>, size: u64) -> Self {
        let text = frame.text.len() as u64;
        let order = frame.order.map(|key| (key, frame.order_offset.saturating_add(text)));
        Self { kind: frame.kind, text, size, order }
    }
}

/// Everything that is known of one build's log.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The files, in order.
    pub(super) segments: Vec<Segment>,
    /// Bytes of text.
    pub(super) end: u64,
    /// Bytes of each work order's log that need not come again.
    pub(super) orders: HashMap<OrderKey, u64>,
    /// The limit was reached and the notice about it is written.
    pub(super) full: bool,
    /// The last file may go on after its good frames with what an unfinished
    /// write left there.
    pub(super) untidy: bool,
    /// What comes after the good frames is damaged. They can be read, and
    /// nothing can be added.
    pub(super) damage: Option<LogError>,
}

impl Contents {
    /// Fails if the files hold something that cannot be read.
    pub(super) fn check(&self) -> Result<(), LogError> {
        self.damage.clone().map_or(Ok(()), Err)
    }

    /// Makes the next segment the last one.
    pub(super) fn begin_segment(&mut self) {
        let number = self.segments.last().map_or(1, |last| last.number + 1);
        self.segments.push(Segment::new(number, self.end));
    }

    /// Whether a segment is known, however empty.
    pub(super) fn has_segment(&self, number: u32) -> bool {
        self.segments.last().is_some_and(|last| last.number >= number)
    }

    /// Takes a frame that follows the last one of the last segment.
    pub(super) fn take(&mut self, note: Note) {
        let Some(segment) = self.segments.last_mut() else { return };
        let last = segment.marks.last().map_or(0, |mark| mark.position);
        if segment.length >= last + MARK_EVERY {
            segment.marks.push(Mark { offset: self.end, position: segment.length });
        }
        segment.length += note.size;
        self.end += note.text;
        self.full |= note.kind == Kind::Notice;
        if let Some((key, stored)) = note.order {
            let known = self.orders.entry(key).or_default();
            *known = stored.max(*known);
        }
    }

    /// The segment that holds the byte `offset`, and those after it.
    pub(super) fn segments_from(&self, offset: u64) -> &[Segment] {
        let after = self.segments.partition_point(|segment| segment.start <= offset);
        &self.segments[after.saturating_sub(1)..]
    }
}
