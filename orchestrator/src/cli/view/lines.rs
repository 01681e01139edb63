//! Puts log records together into lines: a record usually is a line, but a long
//! line comes in pieces, and a build may die in the middle of one.

use std::collections::BTreeMap;

use proto::v1::LogRecord;

/// Longest line that is waited for; a longer one is shown in parts.
const LONGEST: usize = 64 * 1024;

/// Lines that are not complete yet, by platform and stream.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    begun: BTreeMap<(String, i32), Vec<u8>>,
}

impl Lines {
    /// Takes a record and gives the lines that it completes, without their line
    /// feeds.
    pub(crate) fn push(&mut self, record: &LogRecord) -> Vec<String> {
        let begun = self.begun.entry((record.platform.clone(), record.stream)).or_default();
        let mut complete = Vec::new();
        for piece in record.text.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || begun.len() >= LONGEST {
                let line = std::mem::take(begun);
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                complete.push(String::from_utf8_lossy(line).into_owned());
            }
        }
        complete
    }

    /// What never got its line feed, with its platform.
    pub(crate) fn rest(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.begun)
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|((platform, _), text)| (platform, String::from_utf8_lossy(&text).into_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(platform: &str, text: &[u8]) -> LogRecord {
        LogRecord { platform: platform.into(), text: text.to_vec().into(), ..LogRecord::default() }
    }

    #[test]
    fn pieces_become_lines_and_platforms_do_not_mix() {
        let mut lines = Lines::default();
        assert!(lines.push(&record("a", b"one ")).is_empty());
        assert_eq!(lines.push(&record("b", b"other\n")), ["other"]);
        assert_eq!(lines.push(&record("a", b"line\ntwo\nthr")), ["one line", "two"]);
        assert_eq!(lines.rest(), [("a".to_owned(), "thr".to_owned())]);
        assert!(lines.rest().is_empty());
    }

    #[test]
    fn a_letter_cut_in_two_is_whole_again() {
        let mut lines = Lines::default();
        assert!(lines.push(&record("a", b"\xc3")).is_empty());
        assert_eq!(lines.push(&record("a", b"\xa4\n")), ["ä"]);
    }

    #[test]
    fn an_endless_line_is_shown_in_parts() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; LONGEST / 2];
        assert!(lines.push(&record("a", &piece)).is_empty());
        assert_eq!(lines.push(&record("a", &piece)).len(), 1);
        assert!(lines.rest().is_empty());
    }
}
