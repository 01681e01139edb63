//! From records to bytes that are to be written, without touching a file.
//!
//! What is stored already is left out, text that is missing is noticed, and a
//! log that is too large is closed with a notice. Several appends to one build
//! are worked out one after another and then written at once.

use std::collections::HashMap;

use common::{
    log::{LogRecord, LogStream, MAX_RECORD_BYTES},
    names::WorkOrderId,
};

use super::{
    LogLimits,
    contents::{Contents, Note},
    error::LogError,
    frame::{Frame, Kind, OrderKey},
};

/// Bytes for one file.
#[derive(Debug)]
pub(super) struct Write {
    /// The segment.
    pub(super) number: u32,
    /// Where in the file the bytes go; 0 means that the file is new.
    pub(super) position: u64,
    pub(super) bytes: Vec<u8>,
    notes: Vec<Note>,
}

/// What is to be written for one build.
#[derive(Debug)]
pub(super) struct Staged {
    limits: LogLimits,
    writes: Vec<Write>,
    end: u64,
    full: bool,
    orders: HashMap<OrderKey, u64>,
}

impl Staged {
    pub(super) fn after(contents: &Contents, limits: LogLimits) -> Self {
        let last = contents.segments.last().map(|last| Write::at(last.number, last.length));
        let orders = contents.orders.clone();
        let writes = vec![last.unwrap_or_else(|| Write::at(1, 0))];
        Self { limits, writes, end: contents.end, full: contents.full, orders }
    }

    /// Adds records and returns what will then be stored of the work order's
    /// log (of the build's log without one). Adds nothing if text is missing.
    pub(super) fn add(
        &mut self,
        order: Option<&WorkOrderId>,
        records: &[LogRecord],
    ) -> Result<u64, LogError> {
        let Some(order) = order else {
            for record in records {
                self.text(None, 0, record, &record.text);
            }
            return Ok(self.end);
        };
        let key = OrderKey::of(order);
        let stored = self.orders.get(&key).copied().unwrap_or(0);
        let mut next = stored;
        for record in records {
            if record.offset > next {
                return Err(LogError::Gap { order: order.clone(), expected: next, found: record.offset });
            }
            next = next.max(record.end());
        }
        let mut reached = stored;
        for record in records {
            // The beginning may have come before, up to the middle of a line.
            let known = usize::try_from(reached - record.offset).unwrap_or(usize::MAX);
            let Some(news) = record.text.get(known..).filter(|news| !news.is_empty()) else { continue };
            self.text(Some(key), reached, record, news);
            reached = record.end();
        }
        if self.full && next > stored {
            self.left_out(key, next);
        }
        self.orders.insert(key, next);
        Ok(next)
    }

    /// Files with something to write, in order.
    pub(super) fn writes(&self) -> impl Iterator<Item = &Write> {
        self.writes.iter().filter(|write| !write.bytes.is_empty())
    }

    /// Tells the contents what is on the disk now.
    pub(super) fn into_contents(self, contents: &mut Contents) {
        for write in self.writes {
            if write.position == 0 && !write.notes.is_empty() && !contents.has_segment(write.number) {
                contents.begin_segment();
            }
            for note in write.notes {
                contents.take(note);
            }
        }
    }

    fn text(&mut self, order: Option<OrderKey>, mut order_offset: u64, record: &LogRecord, text: &[u8]) {
        for piece in text.chunks(MAX_RECORD_BYTES) {
            if !self.full && self.end + piece.len() as u64 > self.limits.build_bytes {
                self.notice(record);
            }
            if self.full {
                return;
            }
            self.push(&Frame {
                kind: Kind::Text,
                stream: record.stream,
                at: record.at.as_microsecond(),
                order,
                order_offset,
                platform: record.platform.as_ref().map_or("", |platform| platform.as_str()),
                step: &record.step,
                text: piece,
            });
            order_offset += piece.len() as u64;
        }
    }

    fn notice(&mut self, record: &LogRecord) {
        let limit = self.limits.build_bytes;
        let text = format!("[the log of this build has reached {limit} bytes; what follows is left out]\n");
        self.push(&Frame {
            kind: Kind::Notice,
            stream: LogStream::Orchestrator,
            at: record.at.as_microsecond(),
            order: None,
            order_offset: 0,
            platform: "",
            step: "",
            text: text.as_bytes(),
        });
        self.full = true;
    }

    /// Remembers across a restart that text was acknowledged though it is not
    /// stored: the worker has forgotten it.
    fn left_out(&mut self, order: OrderKey, up_to: u64) {
        self.push(&Frame {
            kind: Kind::LeftOut,
            stream: LogStream::Orchestrator,
            at: 0,
            order: Some(order),
            order_offset: up_to,
            platform: "",
            step: "",
            text: b"",
        });
    }

    fn push(&mut self, frame: &Frame<'_>) {
        let limit = self.limits.segment_bytes;
        let next = self.writes.last().map_or(1, |write| write.number + 1);
        match self.writes.last_mut() {
            Some(write) if write.position + (write.bytes.len() as u64) < limit => write.push(frame),
            _ => {
                let mut write = Write::at(next, 0);
                write.push(frame);
                self.writes.push(write);
            }
        }
        self.end += frame.text.len() as u64;
    }
}

impl Write {
    fn at(number: u32, position: u64) -> Self {
        Self { number, position, bytes: Vec::new(), notes: Vec::new() }
    }

    fn push(&mut self, frame: &Frame<'_>) {
        let before = self.bytes.len();
        frame.write(&mut self.bytes);
        self.notes.push(Note::of(frame, (self.bytes.len() - before) as u64));
    }
}
