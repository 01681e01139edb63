//! Small pieces of text for people: times, sizes, names of states, and what a
//! stranger's build printed, made harmless.

use std::time::Duration;

use jiff::Timestamp;
use proto::v1::{BuildState, FailureClass};

use crate::cli::output::Tone;

/// A protobuf timestamp, if it is one.
pub(crate) fn time(at: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok())
}

/// `2026-11-25T12:03:45Z`.
pub(crate) fn stamp(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The time from `start` to `end`; none if the clocks disagree.
pub(crate) fn between(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or_default()
}

/// A length of time in at most two units: `0.4s`, `12s`, `3m 05s`, `2h 07m`, `3d 04h`.
pub(crate) fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0 if length.as_millis() >= 100 => format!("0.{}s", length.as_millis() / 100),
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// How long ago something was, in one unit: `12s`, `3m`, `2h`, `9d`.
pub(crate) fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// A number of bytes in a binary unit: `512 B`, `3.4 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of a unit, in whole numbers.
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A build's state and its colour.
pub(crate) fn state(state: i32) -> (&'static str, Tone) {
    match BuildState::try_from(state) {
        Ok(BuildState::Queued) => ("queued", Tone::Faint),
        Ok(BuildState::Running) => ("running", Tone::Plain),
        Ok(BuildState::Finishing) => ("finishing", Tone::Plain),
        Ok(BuildState::Succeeded) => ("succeeded", Tone::Good),
        Ok(BuildState::Failed) => ("failed", Tone::Bad),
        Ok(BuildState::Cancelled) => ("cancelled", Tone::Warning),
        Ok(BuildState::Unspecified) | Err(_) => ("unknown", Tone::Warning),
    }
}

/// Whose fault a failure is, for people.
pub(crate) fn fault(class: i32) -> &'static str {
    match FailureClass::try_from(class) {
        Ok(FailureClass::User) => "the request is wrong",
        Ok(FailureClass::Source) => "the repository is wrong",
        Ok(FailureClass::Parent) => "a parent image is missing",
        Ok(FailureClass::Policy) => "a rule of the site forbids it",
        Ok(FailureClass::Infrastructure) => "a machine, network, engine or registry failed",
        Ok(FailureClass::Capacity) => "no worker could take the work",
        Ok(FailureClass::Cancelled) => "somebody asked for it to stop",
        Ok(FailureClass::Timeout) => "a deadline passed",
        Ok(FailureClass::Internal) => "a defect of reactor",
        Ok(FailureClass::Unspecified) | Err(_) => "unknown",
    }
}

/// Text from a build or a repository, safe for a terminal: escape sequences and
/// control characters are gone, tabs are spaces, and of what carriage returns
/// have overwritten only the last is left.
pub(crate) fn harmless(text: &str) -> String {
    let plain = console::strip_ansi_codes(text.trim_end_matches(['\r', '\n']));
    let last = plain.rsplit('\r').next().unwrap_or_default();
    last.chars()
        .flat_map(|c| match c {
            '\t' => "    ".chars().collect::<Vec<_>>(),
            c if c.is_control() => Vec::new(),
            // Marks that turn the direction of text can show what is not there.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Vec::new(),
            c => vec![c],
        })
        .collect()
}

/// A value, safe for a terminal and whole: characters that would steer it, or
/// would show text in another order than it has, are written as in a program
/// (`\r`, `\u{202e}`). For what somebody decides by, where nothing may hide.
pub(crate) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => visible.push_str("    "),
            c if c.is_control() || is_mark(c) => visible.extend(c.escape_default()),
            c => visible.push(c),
        }
    }
    visible
}

/// Marks that turn the direction of text, end lines or take no room.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_ages_are_short() {
        for (milliseconds, expected_length, expected_age) in [
            (40, "0s", "0s"),
            (450, "0.4s", "0s"),
            (12_900, "12s", "12s"),
            (185_000, "3m 05s", "3m"),
            (7_620_000, "2h 07m", "2h"),
            (273_600_000, "3d 04h", "3d"),
        ] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!((length(duration).as_str(), age(duration).as_str()), (expected_length, expected_age));
        }
    }

    #[test]
    fn sizes_have_one_decimal() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (3_565_158, "3.3 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_build_cannot_play_with_the_terminal() {
        for (text, shown) in [
            ("plain\n", "plain"),
            ("\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}\r\n", "red"),
            ("10%\r50%\r100%\n", "100%"),
            ("a\tb\u{8}\u{0}c", "a    bc"),
            ("\u{202e}evil", "evil"),
        ] {
            assert_eq!(harmless(text), shown, "{text:?}");
        }
    }

    #[test]
    fn what_would_hide_is_visible() {
        for (text, shown) in [
            ("FROM good\rFROM evil", "FROM good\\rFROM evil"),
            ("\u{1b}[2Ka\n", "\\u{1b}[2Ka\\n"),
            ("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}"),
            ("\u{202e}live\u{2066}\u{2028}", "\\u{202e}live\\u{2066}\\u{2028}"),
            ("a\tümläut\u{feff}", "a    ümläut\\u{feff}"),
        ] {
            assert_eq!(visible(text), shown, "{text:?}");
        }
    }

    #[test]
    fn clocks_that_disagree_give_no_negative_time() {
        let (early, late) = (Timestamp::UNIX_EPOCH, Timestamp::new(5, 0).unwrap());
        assert_eq!(between(early, late), Duration::from_secs(5));
        assert_eq!(between(late, early), Duration::ZERO);
        assert_eq!(stamp(Some(late)), "1970-01-01T00:00:05Z");
    }
}
