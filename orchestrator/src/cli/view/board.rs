//! What the live display shows, as plain lines: each running step with its time,
//! platforms that wait, and the last lines of the log. Knows no terminal and no
//! clock, so it can be tested as it is.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use proto::v1::{
    BuildEvent, LogRecord,
    build_event::{Kind, worker_changed::Status},
};

use crate::cli::{
    output::{Dress, Tone},
    view::{
        lines::Lines,
        narrator::{Line, Narrator, WHOLE, split},
        text::{between, harmless, length, time},
    },
};

/// Log lines that are shown.
const TAIL: usize = 6;
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// What is going on now.
#[derive(Debug, Default)]
pub(crate) struct Board {
    narrator: Narrator,
    /// Running steps by full name.
    running: BTreeMap<String, Timestamp>,
    /// The latest word about each platform's worker, and whether it says that
    /// there is none yet.
    workers: BTreeMap<String, (String, bool)>,
    lines: Lines,
    tail: VecDeque<(String, String)>,
    ended: bool,
}

impl Board {
    /// Takes an event. Gives the line that stays on the terminal, if the event
    /// is worth one: beginnings are not, they show while they run.
    pub(crate) fn event(&mut self, event: &BuildEvent) -> Option<Line> {
        let line = self.narrator.tell(event);
        let at = time(event.at.as_ref()).unwrap_or(Timestamp::UNIX_EPOCH);
        match &event.kind {
            Some(Kind::StepStarted(started)) => {
                self.running.insert(started.step.clone(), at);
                return None;
            }
            Some(Kind::StepSucceeded(done)) => {
                self.running.remove(&done.step);
            }
            Some(Kind::StepFailed(failed)) => {
                self.running.remove(&failed.step);
            }
            Some(Kind::WorkerChanged(changed)) => {
                let waits = changed.status() == Status::Waiting;
                self.workers.insert(changed.platform.clone(), (line.text.clone(), waits));
                if changed.status() != Status::Lost {
                    return None;
                }
            }
            Some(Kind::Ended(_)) => self.ended = true,
            _ => {}
        }
        Some(line)
    }

    /// Takes a log record.
    pub(crate) fn log(&mut self, record: &LogRecord) {
        let about = if record.platform.is_empty() { WHOLE } else { &record.platform };
        for line in self.lines.push(record) {
            let line = harmless(&line);
            if line.trim().is_empty() {
                continue;
            }
            if self.tail.len() == TAIL {
                self.tail.pop_front();
            }
            self.tail.push_back((about.to_owned(), line));
        }
    }

    /// The display at `now`: at most `height` lines of at most `width` columns.
    pub(crate) fn draw(&self, now: Timestamp, width: usize, height: usize, dress: Dress) -> Vec<String> {
        if self.ended {
            return Vec::new();
        }
        let frame = usize::try_from(now.as_millisecond().unsigned_abs() / 100 % 10).unwrap_or_default();
        let mut rows = Vec::new();
        let runs = |platform: &str| self.running.keys().any(|step| split(step).0 == platform);
        for (platform, (word, waits)) in &self.workers {
            if *waits && !runs(platform) {
                rows.push((format!("{} {platform:<8} {word}", SPINNER[frame]), Tone::Warning));
            }
        }
        for (step, began) in &self.running {
            let (about, name) = split(step);
            let worker = self.workers.get(about).map_or_else(String::new, |(word, _)| format!("  {word}"));
            let took = length(between(*began, now));
            rows.push((format!("{} {about:<8} {name} {took}{worker}", SPINNER[frame]), Tone::Plain));
        }
        let space = height.saturating_sub(rows.len());
        for (about, line) in self.tail.iter().skip(self.tail.len().saturating_sub(space)) {
            rows.push((format!("  {about:<8} | {line}"), Tone::Faint));
        }
        rows.truncate(height);
        rows.into_iter()
            .map(|(row, tone)| dress.paint(tone, &console::truncate_str(&row, width, "…")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::samples;

    const BARE: Dress = Dress { colour: false, width: Some(80) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::new(samples::BEGIN + seconds, 0).unwrap()
    }

    #[test]
    fn running_steps_and_the_last_log_lines_show() {
        let mut board = Board::default();
        let events = samples::failing_build();
        let stays: Vec<String> =
            events[..9].iter().filter_map(|event| board.event(event)).map(|l| l.text).collect();
        assert_eq!(stays.len(), 5, "{stays:?}");
        assert_eq!(stays[2], "clone done in 2s");
        for number in 0..9 {
            board.log(&samples::record("x86_64", &format!("line {number}\n")));
        }
        let drawn = board.draw(at(16), 60, 20, BARE);
        assert_eq!(drawn[0], "⠋ aarch64  waiting for a worker: no worker for aarch64 is a…");
        assert_eq!(drawn[1], "⠋ x86_64   build_image 10s  given to wrk_a");
        assert_eq!(drawn.len(), 2 + TAIL);
        assert_eq!(drawn[2], "  x86_64   | line 3");
        assert_eq!(drawn[1 + TAIL], "  x86_64   | line 8");
    }

    #[test]
    fn it_keeps_to_the_terminal() {
        let mut board = Board::default();
        for event in &samples::failing_build()[..9] {
            board.event(event);
        }
        for _ in 0..9 {
            board.log(&samples::record("x86_64", &format!("{}\n", "wide ".repeat(50))));
        }
        for (width, height) in [(20, 3), (80, 1), (40, 0)] {
            let drawn = board.draw(at(20), width, height, BARE);
            assert!(drawn.len() <= height, "{drawn:?}");
            assert!(drawn.iter().all(|row| console::measure_text_width(row) <= width), "{drawn:?}");
        }
    }

    #[test]
    fn nothing_is_left_at_the_end() {
        let mut board = Board::default();
        for event in samples::failing_build() {
            board.event(&event);
        }
        board.log(&samples::record("x86_64", "late\n"));
        assert!(board.draw(at(60), 80, 20, BARE).is_empty());
    }
}
