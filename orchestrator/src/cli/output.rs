//! Where a command writes to: results on standard output, remarks on standard
//! error, with colours only where a person sees them.
//!
//! A reader that goes away (`orchestrator builds list | head -1`) is no error:
//! what would have been written is dropped, and the command goes on.

use std::io::{self, IsTerminal as _, Write};

use console::{Style, Term};

use crate::cli::view::text::visible;

/// What a piece of text says by its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// No colour.
    Plain,
    /// Of lesser interest.
    Faint,
    /// A name or heading.
    Strong,
    /// It went well.
    Good,
    /// Worth a look.
    Warning,
    /// It went wrong.
    Bad,
}

/// How text is dressed for its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dress {
    /// Whether colours are used.
    pub(crate) colour: bool,
    /// Columns of the terminal; `None` when no terminal reads along.
    pub(crate) width: Option<usize>,
}

impl Dress {
    /// The text with the escape sequences of a tone around it, if colours are used.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Faint => Style::new().dim(),
            Tone::Strong => Style::new().bold(),
            Tone::Good => Style::new().green(),
            Tone::Warning => Style::new().yellow(),
            Tone::Bad => Style::new().red(),
        };
        style.force_styling(true).apply_to(text).to_string()
    }
}

/// The two places that a command writes to.
pub struct Output {
    results: Pipe,
    remarks: Pipe,
    pub(crate) dress: Dress,
}

struct Pipe {
    writer: Box<dyn Write + Send>,
    open: bool,
}

impl Pipe {
    fn new(writer: impl Write + Send + 'static) -> Self {
        Self { writer: Box::new(writer), open: true }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.open && self.writer.write_all(bytes).and_then(|()| self.writer.flush()).is_err() {
            self.open = false;
        }
    }
}

impl Output {
    /// Standard output and standard error of this process. `colour_allowed` is
    /// false if the user wants none.
    pub fn standard(colour_allowed: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let width = terminal.then(|| usize::from(Term::stdout().size().1));
        Self {
            results: Pipe::new(io::stdout()),
            remarks: Pipe::new(io::stderr()),
            dress: Dress { colour: colour_allowed && terminal && console::colors_enabled(), width },
        }
    }

    /// Any two writers, without colours and with no terminal.
    pub fn to(results: impl Write + Send + 'static, remarks: impl Write + Send + 'static) -> Self {
        Self {
            results: Pipe::new(results),
            remarks: Pipe::new(remarks),
            dress: Dress { colour: false, width: None },
        }
    }

    /// Turns colours off.
    pub(crate) fn forbid_colour(&mut self) {
        self.dress.colour = false;
    }

    /// Whether a terminal shows the results.
    pub(crate) fn is_terminal(&self) -> bool {
        self.dress.width.is_some()
    }

    /// A line of the result.
    pub(crate) fn line(&mut self, text: &str) {
        self.bytes(format!("{text}\n").as_bytes());
    }

    /// A part of the result, as it is.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.results.write(bytes);
    }

    /// A remark for the person, not part of the result. It may have lines; what
    /// else would steer the terminal is made visible.
    pub(crate) fn remark(&mut self, text: &str) {
        let lines: Vec<String> = text.split('\n').map(visible).collect();
        self.dressed_remark(&lines.join("\n"));
    }

    /// A remark of text of our own, with its colours.
    pub(crate) fn dressed_remark(&mut self, text: &str) {
        self.remarks.write(format!("{text}\n").as_bytes());
    }

    /// Whether anybody still reads the results.
    pub(crate) fn is_read(&self) -> bool {
        self.results.open
    }
}

/// Writers for tests that keep what they are given.
#[cfg(test)]
pub(crate) mod kept {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output, what it got as results, and what it got as remarks.
    pub(crate) fn output() -> (Output, Kept, Kept) {
        let (results, remarks) = (Kept::default(), Kept::default());
        (Output::to(results.clone(), remarks.clone()), results, remarks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error() {
        let (_, _, remarks) = kept::output();
        let mut output = Output::to(Broken, remarks.clone());
        output.line("one");
        output.line("two");
        output.remark("three");
        output.remark("a\rb\u{1b}[2K\nc");
        assert!(!output.is_read());
        assert_eq!(remarks.text(), "three\na\\rb\\u{1b}[2K\nc\n");
    }

    #[test]
    fn colours_come_only_where_they_are_used() {
        let dress = |colour| Dress { colour, width: None };
        assert_eq!(dress(false).paint(Tone::Bad, "x"), "x");
        assert_eq!(dress(true).paint(Tone::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(dress(true).paint(Tone::Plain, "x"), "x");
    }
}
