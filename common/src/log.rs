//! Log records: what a build printed, where and when.

use bytes::Bytes;
use jiff::Timestamp;

use crate::platform::Platform;

/// Longest text of one record in bytes; longer lines are split.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;

/// Where a log line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Output of the build as the engine printed it.
    Build,
    /// What the worker says about its work.
    Worker,
    /// What the orchestrator says about the build.
    Orchestrator,
}

/// One piece of log text, usually a line with its line feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Bytes of text before this record in its log.
    pub offset: u64,
    /// When the line was read.
    pub at: Timestamp,
    /// The platform; `None` for the orchestrator's own lines.
    pub platform: Option<Platform>,
    /// Where the line came from.
    pub stream: LogStream,
    /// The step that was running. Example: `x86_64/build_image`.
    pub step: String,
    /// The text as it came, not necessarily UTF-8.
    pub text: Bytes,
}

impl LogRecord {
    /// Offset of whatever follows this record. Offsets come over the network, so
    /// one that cannot be is no reason to stop.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.text.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_offset_has_an_end() {
        let record = |offset| LogRecord {
            offset,
            at: Timestamp::UNIX_EPOCH,
            platform: None,
            stream: LogStream::Worker,
            step: String::new(),
            text: Bytes::from_static(b"line\n"),
        };
        assert_eq!(record(10).end(), 15);
        assert_eq!(record(u64::MAX - 1).end(), u64::MAX);
    }
}
