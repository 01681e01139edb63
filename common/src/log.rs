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
    /// Offset of whatever follows this record.
    pub fn end(&self) -> u64 {
        self.offset + self.text.len() as u64
    }
}
