//! The manual page of an image: `help.md` of the repository, as a page that `man`
//! can show. Pure.
//!
//! A page begins with up to three lines that start with `%`: title with section
//! and name of the manual, author, date. A file without them gets them from the
//! labels `name` and `maintainer` and from the date of the build. The page is the
//! same for the same inputs, wherever it is made.

mod roff;

use common::failure::{Failure, FailureClass};
use jiff::{Timestamp, tz::TimeZone};

/// The file in the repository, next to the Dockerfile.
pub const HELP_FILE: &str = "help.md";
/// Where the page is in the image.
pub const HELP_PAGE: &str = "/help.1";
/// Largest file in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// The manual that a page belongs to if it does not say so.
const MANUAL: &str = "Container Image Pages";

/// What a page is made from.
#[derive(Debug, Clone, Copy)]
pub struct HelpInputs<'a> {
    /// The content of [`HELP_FILE`].
    pub file: &'a [u8],
    /// The label `name`.
    pub name: Option<&'a str>,
    /// The label `maintainer`.
    pub maintainer: Option<&'a str>,
    /// When the build was accepted.
    pub build_date: Timestamp,
}

/// The page in roff, with the macros of man(7); `None` when the file is empty.
///
/// # Errors
/// `help.too_large`, `help.not_utf8`, and `help.control_character` for a file
/// that is no text.
pub fn help_page(inputs: &HelpInputs<'_>) -> Result<Option<String>, Failure> {
    if inputs.file.len() > MAX_BYTES {
        let message = format!("'{HELP_FILE}' has {} bytes", inputs.file.len());
        return Err(Failure::new(FailureClass::Source, "help.too_large", message)
            .with_advice(format!("at most {MAX_BYTES} are accepted")));
    }
    let text = std::str::from_utf8(inputs.file).map_err(|error| {
        let before = &inputs.file[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        Failure::new(FailureClass::Source, "help.not_utf8", format!("'{HELP_FILE}' line {line} is not UTF-8"))
            .with_advice("save the file as UTF-8")
    })?;
    if let Some((index, _)) = text.lines().enumerate().find(|(_, line)| line.chars().any(|c| c == '\0')) {
        let message = format!("'{HELP_FILE}' line {} has a null byte: it is no text", index + 1);
        return Err(Failure::new(FailureClass::Source, "help.control_character", message)
            .with_advice("write the help as Markdown"));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Ok(None);
    }
    let (title, body) = Title::read(text, inputs);
    Ok(Some(roff::page(&title, body)))
}

/// The arguments of `.TH`.
#[derive(Debug, PartialEq, Eq)]
struct Title {
    name: String,
    section: String,
    manual: String,
    author: String,
    date: String,
}

impl Title {
    /// The title of a page, and what follows it.
    fn read<'t>(text: &'t str, inputs: &HelpInputs<'_>) -> (Self, &'t str) {
        let mut title = Self {
            name: inputs.name.unwrap_or_default().to_owned(),
            section: "1".to_owned(),
            manual: MANUAL.to_owned(),
            author: inputs.maintainer.unwrap_or_default().to_owned(),
            date: inputs.build_date.to_zoned(TimeZone::UTC).strftime("%B %-d, %Y").to_string(),
        };
        if !text.starts_with("% ") {
            return (title, text);
        }
        let mut rest = text;
        for place in 0..3 {
            let Some((line, behind)) =
                rest.strip_prefix('%').map(|line| line.split_once('\n').unwrap_or((line, "")))
            else {
                break;
            };
            rest = behind;
            let line = line.trim();
            match place {
                0 => title.read_name(line),
                1 => line.clone_into(&mut title.author),
                _ => line.clone_into(&mut title.date),
            }
        }
        (title, rest)
    }

    /// `name (section) manual`.
    fn read_name(&mut self, line: &str) {
        match line.split_once('(').and_then(|(name, rest)| Some((name, rest.split_once(')')?))) {
            Some((name, (section, manual))) => {
                name.trim().clone_into(&mut self.name);
                section.trim().clone_into(&mut self.section);
                manual.trim().clone_into(&mut self.manual);
            }
            None => line.clone_into(&mut self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(file: &[u8]) -> Result<Option<String>, Failure> {
        let build_date = "2018-04-05T23:59:59Z".parse().unwrap();
        help_page(&HelpInputs { file, name: Some("test"), maintainer: Some("me \"x\""), build_date })
    }

    #[test]
    fn a_file_without_a_title_gets_one() {
        // HLP-1.
        let found = page(b"foo").unwrap().unwrap();
        let title = ".TH \"test\" \"1\" \"April 5, 2018\" \"me \\(dqx\\(dq\" \"Container Image Pages\"\n";
        assert_eq!(found, format!("{title}.PP\nfoo\n"));
        assert_eq!(page(b"foo").unwrap(), page(b"\xef\xbb\xbffoo\r\n").unwrap());
    }

    #[test]
    fn a_title_is_kept() {
        for (file, expected) in [
            (
                "% HELLO (7) My Manual\n% You\n% May 1, 2020\n# N\n",
                "\"HELLO\" \"7\" \"May 1, 2020\" \"You\" \"My Manual\"",
            ),
            (
                "% hello\n\n# N\n",
                "\"hello\" \"1\" \"April 5, 2018\" \"me \\(dqx\\(dq\" \"Container Image Pages\"",
            ),
            ("% h(1)\r\n% you\r\n\r\n# N\r\n", "\"h\" \"1\" \"April 5, 2018\" \"you\" \"\""),
        ] {
            assert_eq!(
                page(file.as_bytes()).unwrap().unwrap(),
                format!(".TH {expected}\n.SH\nN\n"),
                "{file}"
            );
        }
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        // HLP-3: a page that cannot be made fails the build; it was left out silently.
        let large = vec![b'a'; MAX_BYTES + 1];
        for (file, code) in [
            (&b"a\n\xff"[..], "help.not_utf8"),
            (b"a\n\0", "help.control_character"),
            (&large, "help.too_large"),
        ] {
            assert_eq!(page(file).unwrap_err().code, code);
        }
        // HLP-2 is the caller's: no file, no call. An empty one is none.
        assert_eq!(page(b" \n").unwrap(), None);
    }
}
