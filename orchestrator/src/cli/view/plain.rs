//! The view for files, pipes and continuous integration: one line for each event
//! and each log line, with its time (UTC) and what it is about.

use jiff::Timestamp;
use proto::v1;

use crate::cli::{
    output::{Output, Tone},
    view::{
        Ending, View,
        lines::Lines,
        narrator::{Narrator, WHOLE},
        summary,
        text::{harmless, stamp, time},
    },
};

/// Columns for the platform; longer names make their lines longer.
const ABOUT: usize = 8;

/// One line for everything.
pub(crate) struct Plain<'a> {
    output: &'a mut Output,
    narrator: Narrator,
    lines: Lines,
}

impl<'a> Plain<'a> {
    /// Writes to `output`.
    pub(crate) fn new(output: &'a mut Output) -> Self {
        Self { output, narrator: Narrator::default(), lines: Lines::default() }
    }

    fn line(&mut self, at: Option<Timestamp>, about: &str, text: &str, tone: Tone) {
        let about = if about.is_empty() { WHOLE } else { about };
        let text = self.output.dress.paint(tone, text);
        self.output.line(format!("{} {about:<ABOUT$} | {text}", stamp(at)).trim_end());
    }
}

impl View for Plain<'_> {
    fn event(&mut self, event: &v1::BuildEvent) {
        let line = self.narrator.tell(event);
        self.line(time(event.at.as_ref()), &line.about, &line.text, line.tone);
    }

    fn log(&mut self, record: &v1::LogRecord) {
        for line in self.lines.push(record) {
            self.line(time(record.at.as_ref()), &record.platform, &harmless(&line), Tone::Plain);
        }
    }

    fn remark(&mut self, text: &str) {
        self.output.remark(text);
    }

    fn finish(&mut self, ending: Option<&Ending>) {
        for (platform, line) in self.lines.rest() {
            self.line(None, &platform, &harmless(&line), Tone::Plain);
        }
        if let Some(ending) = ending {
            self.output.line("");
            for line in summary::lines(ending, self.output.dress) {
                self.output.line(&line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{output::kept, view::samples};

    #[test]
    fn a_build_in_plain_lines() {
        let (mut output, results, _) = kept::output();
        let mut view = Plain::new(&mut output);
        for event in samples::failing_build() {
            view.event(&event);
        }
        view.log(&samples::record("x86_64", "\u{1b}[1mSTEP 1/2\u{1b}[0m\nSTEP"));
        view.log(&samples::record("x86_64", " 2/2\nhalf a li"));
        view.finish(None);
        assert_eq!(
            results.text(),
            "\
2025-11-25T12:03:45Z build    | accepted: https://git.example.org/hello.git at main
2025-11-25T12:03:46Z build    | running
2025-11-25T12:03:47Z build    | clone …
2025-11-25T12:03:49Z build    | clone done in 2s
2025-11-25T12:03:49Z build    | resolve_target skipped: the request names no Koji target
2025-11-25T12:03:49Z build    | warning: submodules are left out [source.submodule_ignored]
2025-11-25T12:03:50Z aarch64  | waiting for a worker: no worker for aarch64 is attached
2025-11-25T12:03:51Z x86_64   | given to wrk_a
2025-11-25T12:03:51Z x86_64   | build_image …
2025-11-25T12:03:58Z x86_64   | build_image failed in 7s: engine went away [engine.gone]; it will be tried again
2025-11-25T12:03:59Z x86_64   | build_image …, attempt 2
2025-11-25T12:04:09Z x86_64   | build_image failed in 10s: RUN false ended with 1 [source.build_failed]
2025-11-25T12:04:09Z build    | asked to stop: another platform failed
2025-11-25T12:04:10Z build    | finishing
2025-11-25T12:04:10Z build    | ended: failed
2025-11-25T12:03:45Z x86_64   | STEP 1/2
2025-11-25T12:03:45Z x86_64   | STEP 2/2
- x86_64   | half a li
"
        );
    }
}
