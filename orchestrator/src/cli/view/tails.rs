//! The last log lines of each platform, kept for the moment when it fails.

use std::collections::{BTreeMap, VecDeque};

use proto::v1::LogRecord;

use crate::cli::view::{lines::Lines, text::harmless};

/// Lines that are kept of each platform.
pub(crate) const KEPT: usize = 10;

/// The last lines of each platform.
#[derive(Debug, Default)]
pub(crate) struct Tails {
    lines: Lines,
    last: BTreeMap<String, VecDeque<String>>,
}

impl Tails {
    /// Takes a record.
    pub(crate) fn push(&mut self, record: &LogRecord) {
        for line in self.lines.push(record) {
            self.keep(&record.platform, &line);
        }
    }

    /// Takes what never got its line feed.
    pub(crate) fn close(&mut self) {
        for (platform, line) in self.lines.rest() {
            self.keep(&platform, &line);
        }
    }

    /// The last lines of a platform, oldest first.
    pub(crate) fn of(&self, platform: &str) -> impl Iterator<Item = &str> {
        self.last.get(platform).into_iter().flatten().map(String::as_str)
    }

    fn keep(&mut self, platform: &str, line: &str) {
        let line = harmless(line);
        if line.trim().is_empty() {
            return;
        }
        let last = self.last.entry(platform.to_owned()).or_default();
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut tails = Tails::default();
        for number in 0..15 {
            let text = format!("line {number}\n\n");
            tails.push(&LogRecord { platform: "a".into(), text: text.into(), ..LogRecord::default() });
        }
        tails.push(&LogRecord { platform: "a".into(), text: "cut off".into(), ..LogRecord::default() });
        tails.close();
        let kept: Vec<&str> = tails.of("a").collect();
        assert_eq!((kept.len(), kept[0], kept[KEPT - 1]), (KEPT, "line 6", "cut off"));
        assert_eq!(tails.of("b").count(), 0);
    }
}
