//! Text in a column: values of any length, broken where they read best, so that
//! everything is seen in 80 columns and nothing is cut.

use crate::cli::{output::Dress, view::text::visible};

/// Columns where no terminal says how many it has.
const COLUMNS: usize = 80;
/// Fewest columns that a text gets, however narrow the terminal and deep it is.
const LEAST: usize = 20;
/// Columns before a long word that would not fit anywhere else.
const MARGIN: usize = 4;
/// Characters behind which a word that is too long is broken.
const SEAMS: &str = "/@:,;=&?._-";

/// Columns of the reader.
pub(crate) fn columns(dress: Dress) -> usize {
    dress.width.unwrap_or(COLUMNS)
}

/// The text behind `lead`; further lines begin below the text's first character,
/// or at `indent` if that is less.
pub(crate) fn hang(lead: &str, text: &str, indent: usize, dress: Dress) -> Vec<String> {
    let begin = console::measure_text_width(lead);
    let first = columns(dress).saturating_sub(begin).max(LEAST);
    let text = visible(text);
    // A digest is better whole and further to the left than in two pieces.
    let longest = text.split(' ').map(console::measure_text_width).max().unwrap_or_default();
    let whole = (longest + indent > columns(dress) && longest + MARGIN <= columns(dress)).then_some(MARGIN);
    let indent = whole.unwrap_or(indent);
    let rest = columns(dress).saturating_sub(indent).max(LEAST);
    let mut lines = Vec::new();
    for (number, piece) in wrap(&text, first, rest).into_iter().enumerate() {
        let line =
            if number == 0 { format!("{lead}{piece}") } else { format!("{}{piece}", " ".repeat(indent)) };
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// Pieces of the text, the first of at most `first` columns, the others of at
/// most `rest`. There is always one.
fn wrap(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let room = if lines.len() == 1 { first } else { rest };
            let line = lines.last().map(String::as_str).unwrap_or_default();
            let gap = usize::from(!line.is_empty());
            let used = console::measure_text_width(line) + gap;
            let width = console::measure_text_width(word);
            if used + width <= room {
                push(&mut lines, gap, word);
                break;
            }
            // A word that fits into a line of its own goes there whole.
            if width <= rest && (gap == 1 || (lines.len() == 1 && first < rest)) {
                lines.push(String::new());
                continue;
            }
            let at = seam(word, room.saturating_sub(used));
            if at == 0 && gap == 1 {
                lines.push(String::new());
                continue;
            }
            let at = if at == 0 { first_character(word) } else { at };
            push(&mut lines, gap, &word[..at]);
            lines.push(String::new());
            word = &word[at..];
        }
    }
    lines
}

fn push(lines: &mut [String], gap: usize, text: &str) {
    if let Some(line) = lines.last_mut() {
        line.push_str(&" ".repeat(gap));
        line.push_str(text);
    }
}

fn first_character(word: &str) -> usize {
    word.chars().next().map_or(word.len(), char::len_utf8)
}

/// Where to break a word so that its beginning has at most `room` columns: behind
/// the last seam, if that does not leave most of the room empty, else anywhere.
fn seam(word: &str, room: usize) -> usize {
    let (mut columns, mut last, mut seam) = (0, 0, 0);
    for (at, character) in word.char_indices() {
        columns += console::measure_text_width(character.encode_utf8(&mut [0; 4]));
        if columns > room {
            break;
        }
        last = at + character.len_utf8();
        if SEAMS.contains(character) {
            seam = last;
        }
    }
    if seam * 2 >= last { seam } else { last }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrap("one two three", 7, 7), ["one two", "three"]);
        assert_eq!(wrap("", 5, 5), [""]);
        assert_eq!(
            wrap("registry.example.org/base@sha256:0123456789", 22, 22),
            ["registry.example.org/", "base@sha256:0123456789"]
        );
        assert_eq!(wrap("0123456789", 4, 4), ["0123", "4567", "89"]);
    }

    #[test]
    fn nothing_is_wider_than_the_reader_and_nothing_is_lost() {
        let text = format!("a sentence, then sha256:{} and ümläute {}", "0".repeat(64), "x/y".repeat(50));
        for width in 30..90 {
            let lines = hang("  name  ", &text, 8, Dress { colour: false, width: Some(width) });
            assert!(lines.iter().all(|line| console::measure_text_width(line) <= width), "{width}");
            let whole: String = lines.concat().replace(' ', "");
            assert_eq!(whole, format!("name{}", text.replace(' ', "")), "{width}");
        }
    }
}
