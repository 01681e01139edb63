//! Where commands write to: results on standard output, remarks on standard
//! error, with colours only where a person sees them. A reader that goes away is
//! no error.

use std::io::{self, IsTerminal as _, Write as _};

/// What a word says by its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// It is well.
    Good,
    /// Worth a look.
    Warning,
    /// It is not well.
    Bad,
    /// Of lesser interest.
    Faint,
}

/// Writes a line to standard output.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Writes a line to standard error.
pub(super) fn remark(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether a person reads standard output and wants colours (<https://no-color.org>).
pub(super) fn wants_colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether a person reads standard error.
pub(super) fn has_reader() -> bool {
    io::stderr().is_terminal()
}

/// The text in a colour of terminals (ECMA-48).
pub(super) fn paint(text: &str, tone: Tone) -> String {
    let colour = match tone {
        Tone::Good => 32,
        Tone::Warning => 33,
        Tone::Bad => 31,
        Tone::Faint => 2,
    };
    format!("\u{1b}[{colour}m{text}\u{1b}[0m")
}

/// A text of others that a terminal does not obey: control characters but line
/// feeds are shown as escapes.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\n' {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Lines with cells below one another; the last cell of a line is as long as it
/// is.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_one_another() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(aligned(&[row("ä", "1"), row("bcd", "")]), ["ä    1", "bcd"]);
    }

    #[test]
    fn a_terminal_does_not_obey_others() {
        assert_eq!(visible("a\u{1b}[2Jb\n\tc"), "a\\u{1b}[2Jb\n\\tc");
    }
}
