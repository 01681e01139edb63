//! One record as it lies in a segment file.
//!
//! All numbers are little-endian.
//!
//! ```text
//! u32 length of what follows the header   ┐
//! u32 the same, all bits inverted         │ header
//! u32 CRC-32 (IEEE) of what follows       ┘
//! u8  kind: 0 text, 1 notice that text is left out, 2 left out
//! u8  stream: 1 build, 2 worker, 3 orchestrator
//! i64 when the line was read, microseconds since 1970, UTC
//! u64 work order: first 8 bytes of the SHA-256 of its id; 0 for none
//! u64 kind 0: bytes of the work order's log before this text
//!     kind 2: bytes of the work order's log that need not come again
//! u8  length of the platform's name, 0 for none
//! u16 length of the step's name
//!     platform, step, text (none for kind 2)
//! ```
//!
//! The inverted length tells a header that was half written from one that was
//! damaged later: only the former may be cut off.

use std::io::{self, Read};

use common::{
    log::{LogStream, MAX_RECORD_BYTES},
    names::WorkOrderId,
};
use sha2::{Digest as _, Sha256};

pub(super) const HEADER: usize = 12;
const FIXED: usize = 29;
const MAX_PLATFORM: usize = u8::MAX as usize;
/// Longest name of a step that is kept; the rest is cut off.
const MAX_STEP: usize = 512;
const MAX_PAYLOAD: usize = FIXED + MAX_PLATFORM + MAX_STEP + MAX_RECORD_BYTES;

/// A work order, by a hash of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct OrderKey(u64);

impl OrderKey {
    pub(super) fn of(order: &WorkOrderId) -> Self {
        let hash = Sha256::digest(order.as_str());
        let first = hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
        Self(first.max(1))
    }
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Log text.
    Text,
    /// Text of the store itself: from here on text is left out.
    Notice,
    /// Text was left out here.
    LeftOut,
}

/// One record, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    pub(super) stream: LogStream,
    /// Microseconds since 1970.
    pub(super) at: i64,
    pub(super) order: Option<OrderKey>,
    pub(super) order_offset: u64,
    /// Empty for none.
    pub(super) platform: &'a str,
    pub(super) step: &'a str,
    pub(super) text: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Appends the frame. A platform or step that is too long is cut.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let platform = shortened(self.platform, MAX_PLATFORM);
        let step = shortened(self.step, MAX_STEP);
        let start = out.len();
        out.extend_from_slice(&[0; HEADER]);
        out.push(self.kind as u8);
        out.push(match self.stream {
            LogStream::Build => 1,
            LogStream::Worker => 2,
            LogStream::Orchestrator => 3,
        });
        out.extend_from_slice(&self.at.to_le_bytes());
        out.extend_from_slice(&self.order.map_or(0, |key| key.0).to_le_bytes());
        out.extend_from_slice(&self.order_offset.to_le_bytes());
        out.push(platform.len() as u8);
        out.extend_from_slice(&(step.len() as u16).to_le_bytes());
        out.extend_from_slice(platform.as_bytes());
        out.extend_from_slice(step.as_bytes());
        out.extend_from_slice(self.text);
        let payload = &out[start + HEADER..];
        let (length, checksum) = (payload.len() as u32, crc32fast::hash(payload));
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        out[start + 4..start + 8].copy_from_slice(&(!length).to_le_bytes());
        out[start + 8..start + HEADER].copy_from_slice(&checksum.to_le_bytes());
    }

    fn parse(payload: &'a [u8]) -> Option<Self> {
        let (&[kind], rest) = payload.split_first_chunk()?;
        let (&[stream], rest) = rest.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (order, rest) = rest.split_first_chunk()?;
        let (order_offset, rest) = rest.split_first_chunk()?;
        let (&[platform], rest) = rest.split_first_chunk()?;
        let (step, rest) = rest.split_first_chunk()?;
        let (platform, rest) = rest.split_at_checked(usize::from(platform))?;
        let (step, text) = rest.split_at_checked(usize::from(u16::from_le_bytes(*step)))?;
        Some(Self {
            kind: match kind {
                0 => Kind::Text,
                1 => Kind::Notice,
                2 => Kind::LeftOut,
                _ => return None,
            },
            stream: match stream {
                1 => LogStream::Build,
                2 => LogStream::Worker,
                3 => LogStream::Orchestrator,
                _ => return None,
            },
            at: i64::from_le_bytes(*at),
            order: Some(u64::from_le_bytes(*order)).filter(|key| *key != 0).map(OrderKey),
            order_offset: u64::from_le_bytes(*order_offset),
            platform: str::from_utf8(platform).ok()?,
            step: str::from_utf8(step).ok()?,
            text,
        })
    }
}

fn shortened(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// What a file holds at some place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A frame and the bytes that it takes in the file.
    Frame(Frame<'a>, u64),
    /// The end of the file.
    End,
    /// The beginning of a frame whose rest is not there.
    HalfFrame,
    /// Something that was never written like this.
    Damage {
        /// What is wrong.
        reason: &'static str,
        /// Where the frame ends, if its length can be believed.
        end: Option<u64>,
    },
}

/// Reads frames one after another.
pub(super) struct FrameReader<R> {
    input: R,
    position: u64,
    payload: Vec<u8>,
}

impl<R: Read> FrameReader<R> {
    /// A reader whose input is at `position` of its file.
    pub(super) fn new(input: R, position: u64) -> Self {
        Self { input, position, payload: Vec::new() }
    }

    /// Where the next frame begins in the file.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next frame. Moves on only if there is one.
    pub(super) fn next(&mut self) -> io::Result<Found<'_>> {
        let mut header = [0; HEADER];
        match fill(&mut self.input, &mut header)? {
            0 => return Ok(Found::End),
            HEADER => {}
            _ => return Ok(Found::HalfFrame),
        }
        let number =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let length = number(0) as usize;
        if number(0) != !number(4) || !(FIXED..=MAX_PAYLOAD).contains(&length) {
            return Ok(Found::Damage { reason: "the length of a record is wrong", end: None });
        }
        self.payload.resize(length, 0);
        if fill(&mut self.input, &mut self.payload)? < length {
            return Ok(Found::HalfFrame);
        }
        let size = (HEADER + length) as u64;
        let end = self.position + size;
        if crc32fast::hash(&self.payload) != number(8) {
            return Ok(Found::Damage { reason: "the checksum of a record is wrong", end: Some(end) });
        }
        match Frame::parse(&self.payload) {
            Some(frame) => {
                self.position = end;
                Ok(Found::Frame(frame, size))
            }
            None => Ok(Found::Damage { reason: "a record has an unknown form", end: None }),
        }
    }
}

/// Reads until the buffer is full or the input ends.
pub(super) fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> [Frame<'static>; 3] {
        let text = Frame {
            kind: Kind::Text,
            stream: LogStream::Build,
            at: -1,
            order: Some(OrderKey::of(&"wo_1".parse().unwrap())),
            order_offset: u64::MAX,
            platform: "x86_64",
            step: "x86_64/build_image",
            text: b"Step 1/7 : FROM fedora\n\xff\0",
        };
        let notice = Frame {
            kind: Kind::Notice,
            stream: LogStream::Orchestrator,
            order: None,
            order_offset: 0,
            platform: "",
            step: "",
            ..text
        };
        [text, notice, Frame { kind: Kind::LeftOut, stream: LogStream::Worker, text: b"", ..text }]
    }

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        frames().iter().for_each(|frame| frame.write(&mut bytes));
        bytes
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = written();
        let mut reader = FrameReader::new(bytes.as_slice(), 0);
        for frame in frames() {
            let Found::Frame(found, _) = reader.next().unwrap() else { panic!("no frame") };
            assert_eq!(found, frame);
        }
        assert_eq!(reader.next().unwrap(), Found::End);
        assert_eq!(reader.position(), bytes.len() as u64);
    }

    #[test]
    fn a_changed_bit_is_noticed_wherever_it_is() {
        let bytes = written();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut reader = FrameReader::new(bytes.as_slice(), 0);
            let damaged = frames().iter().any(|_| matches!(reader.next().unwrap(), Found::Damage { .. }));
            assert!(damaged, "bit {bit}");
        }
    }

    #[test]
    fn a_half_frame_is_not_damage() {
        let mut bytes = Vec::new();
        frames()[0].write(&mut bytes);
        for length in 1..bytes.len() {
            let mut reader = FrameReader::new(&bytes[..length], 0);
            assert_eq!(reader.next().unwrap(), Found::HalfFrame, "{length} bytes");
            assert_eq!(reader.position(), 0);
        }
    }

    #[test]
    fn names_that_are_too_long_are_cut() {
        let step = "ä".repeat(MAX_STEP);
        let mut bytes = Vec::new();
        Frame { step: &step, ..frames()[0] }.write(&mut bytes);
        let mut reader = FrameReader::new(bytes.as_slice(), 0);
        let Found::Frame(found, _) = reader.next().unwrap() else { panic!("no frame") };
        assert_eq!(found.step.len(), MAX_STEP);
        assert_eq!(found.text, frames()[0].text);
    }
}
