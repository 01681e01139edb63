//! The engine's output as lines.
//!
//! The engine sends output in pieces that end anywhere. People and log files
//! want lines; a piece without a line feed is held back until the rest comes,
//! the line grows too long, or the output pauses.

use bytes::{Bytes, BytesMut};
use common::log::MAX_RECORD_BYTES;

/// How many lines are remembered for telling why a build failed.
const REMEMBERED: usize = 20;
/// How much of each.
const REMEMBERED_BYTES: usize = 500;

/// Splits pieces into lines and remembers the last of them.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pending: BytesMut,
    tail: Vec<String>,
}

impl Lines {
    /// Takes a piece; returns the lines that it completes, with their line
    /// feeds.
    pub(crate) fn push(&mut self, piece: &str) -> Vec<Bytes> {
        let mut complete = Vec::new();
        for part in piece.split_inclusive('\n') {
            self.pending.extend_from_slice(part.as_bytes());
            if part.ends_with('\n') || self.pending.len() >= MAX_RECORD_BYTES {
                complete.extend(self.flush());
            }
        }
        complete
    }

    /// What is held back, if anything.
    pub(crate) fn flush(&mut self) -> Option<Bytes> {
        if self.pending.is_empty() {
            return None;
        }
        let line = self.pending.split().freeze();
        self.remember(&line);
        Some(line)
    }

    /// Whether something is held back.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The last lines without colour and line feeds, oldest first.
    pub(crate) fn tail(&self) -> &[String] {
        &self.tail
    }

    fn remember(&mut self, line: &[u8]) {
        let text = plain(&String::from_utf8_lossy(&line[..line.len().min(REMEMBERED_BYTES)]));
        if text.is_empty() {
            return;
        }
        if self.tail.len() == REMEMBERED {
            self.tail.remove(0);
        }
        self.tail.push(text);
    }
}

/// A text without ANSI colour sequences (ECMA-48, SGR) and white space around
/// it. The classic builder paints what comes from standard error.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        rest = rest.strip_prefix('m').unwrap_or(rest);
    }
    out.push_str(rest);
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines_and_nothing_is_lost() {
        let mut lines = Lines::default();
        assert_eq!(lines.push("Step 1/2 : FROM scratch"), Vec::<Bytes>::new());
        assert!(lines.is_waiting());
        assert_eq!(lines.push("\n ---> abc\nhal"), ["Step 1/2 : FROM scratch\n", " ---> abc\n"]);
        assert_eq!(lines.flush().unwrap(), "hal");
        assert_eq!(lines.flush(), None);
        assert_eq!(lines.tail(), ["Step 1/2 : FROM scratch", "---> abc", "hal"]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_only_the_last_lines_are_remembered() {
        let mut lines = Lines::default();
        let cut = lines.push(&"x".repeat(MAX_RECORD_BYTES));
        assert_eq!(cut.len(), 1);
        for number in 0..50 {
            lines.push(&format!("{number}\n"));
        }
        assert_eq!(lines.tail().len(), REMEMBERED);
        assert_eq!(lines.tail().last().unwrap(), "49");
    }

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(plain("\u{1b}[91mcp: error\u{1b}[0m\n"), "cp: error");
        assert_eq!(plain("a\u{1b}[1;31mb"), "ab");
    }
}
