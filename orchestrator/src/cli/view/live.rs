//! The view for terminals: what is done scrolls away above, what runs is drawn
//! over and over below.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use proto::v1;

use crate::cli::{
    output::{Output, Tone},
    view::{Ending, View, board::Board, narrator::Line, summary},
};

/// Lines of the terminal that the display leaves to what scrolls.
const LEFT_ALONE: usize = 4;

/// A display that is drawn over.
pub(crate) struct Live<'a> {
    output: &'a mut Output,
    board: Board,
    display: MultiProgress,
    /// One for each line of the display.
    rows: Vec<ProgressBar>,
    height: usize,
}

impl<'a> Live<'a> {
    /// Draws on the terminal of standard output.
    pub(crate) fn new(output: &'a mut Output) -> Self {
        let height = usize::from(console::Term::stdout().size().0);
        Self::on(output, ProgressDrawTarget::stdout(), height)
    }

    fn on(output: &'a mut Output, target: ProgressDrawTarget, height: usize) -> Self {
        let display = MultiProgress::with_draw_target(target);
        Self { output, board: Board::default(), display, rows: Vec::new(), height }
    }

    fn print(&mut self, line: &Line) {
        let about = self.output.dress.paint(Tone::Strong, &format!("{:<8}", line.about));
        let text = self.output.dress.paint(line.tone, &line.text);
        self.scroll(&format!("{about} {text}"));
    }

    /// A line above the display. A terminal that is gone is no error.
    fn scroll(&self, line: &str) {
        let _ = self.display.println(line);
    }

    fn draw(&mut self, now: Timestamp) {
        let width = self.output.dress.width.unwrap_or(80);
        let lines = self.board.draw(now, width, self.height.saturating_sub(LEFT_ALONE), self.output.dress);
        while self.rows.len() < lines.len() {
            let row = ProgressBar::new_spinner().with_style(row_style());
            self.rows.push(self.display.add(row));
        }
        while self.rows.len() > lines.len() {
            if let Some(row) = self.rows.pop() {
                row.finish_and_clear();
                self.display.remove(&row);
            }
        }
        for (row, line) in self.rows.iter().zip(lines) {
            row.set_message(line);
        }
    }
}

/// The board lays out the whole line.
fn row_style() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl View for Live<'_> {
    fn event(&mut self, event: &v1::BuildEvent) {
        if let Some(line) = self.board.event(event) {
            self.print(&line);
        }
    }

    fn log(&mut self, record: &v1::LogRecord) {
        self.board.log(record);
    }

    fn remark(&mut self, text: &str) {
        self.scroll(&self.output.dress.paint(Tone::Warning, text));
    }

    fn tick(&mut self, now: Timestamp) {
        self.draw(now);
    }

    fn finish(&mut self, ending: Option<&Ending>) {
        for row in self.rows.drain(..) {
            row.finish_and_clear();
            self.display.remove(&row);
        }
        // Whatever the terminal says now, the summary comes next.
        let _ = self.display.clear();
        if let Some(ending) = ending {
            for line in summary::lines(ending, self.output.dress) {
                self.output.line(&line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use indicatif::TermLike;

    use super::*;
    use crate::cli::{
        output::kept,
        view::{Tails, samples},
    };

    /// A terminal that remembers every text that was drawn.
    #[derive(Debug, Clone, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(&format!("{text}\n"));
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_done_scrolls_and_what_runs_is_drawn() {
        let screen = Screen::default();
        let (mut output, results, _) = kept::output();
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let mut view = Live::on(&mut output, target, 24);
        for event in &samples::failing_build()[..9] {
            view.event(event);
        }
        view.log(&samples::record("x86_64", "STEP 1/2\n"));
        view.tick(Timestamp::new(samples::BEGIN + 16, 0).unwrap());
        view.remark("cancelling; press Ctrl-C again to leave at once");
        let drawn = screen.0.lock().unwrap().clone();
        for part in [
            "build    clone done in 2s",
            "x86_64   build_image 10s  given to wrk_a",
            "x86_64   | STEP 1/2",
            "cancelling; press",
        ] {
            assert!(drawn.contains(part), "{part} is not in:\n{drawn}");
        }
        let ending = Ending { build: samples::failed(), later_failures: Vec::new(), tails: Tails::default() };
        view.finish(Some(&ending));
        assert!(results.text().starts_with("failed bld_01"), "{}", results.text());
    }
}
