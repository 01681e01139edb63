//! `additional-tags`: further tags of the image, one a line.
//!
//! The former reader dropped what it did not like, a tag with a dash among it, and
//! said so in a log that few read. A tag that is missing in the end is noticed by
//! the image's users, so here a line that is no tag is an error. The grammar is
//! that of registries (OCI distribution specification, "Pulling manifests"): a
//! dash is as good as a dot, but neither begins a tag.

use common::{
    ParseError,
    failure::{Failure, FailureClass},
    image::Tag,
};

/// Name of the file, beside the Dockerfile.
pub const FILE: &str = "additional-tags";
/// Largest file in bytes.
pub const MAX_BYTES: usize = 16 * 1024;
/// Most tags of an image, from this file or from `container.yaml`.
pub const MAX_TAGS: usize = 100;

/// What is wrong with further tags.
#[derive(Debug, thiserror::Error)]
pub enum AdditionalTagsError {
    /// The file is too large.
    #[error("{FILE}: it has {0} bytes; at most {MAX_BYTES} are read")]
    TooLarge(usize),
    /// The file is no text.
    #[error("{FILE}: it is not UTF-8: {0}")]
    NotText(std::str::Utf8Error),
    /// A line is no tag.
    #[error("{FILE}: line {line}: {error}")]
    NotATag {
        /// The line, from 1.
        line: usize,
        /// Why.
        error: ParseError,
    },
    /// There are too many.
    #[error("{FILE}: there are {0} tags; at most {MAX_TAGS} can be set")]
    TooMany(usize),
}

impl From<AdditionalTagsError> for Failure {
    fn from(error: AdditionalTagsError) -> Self {
        let (code, advice) = match &error {
            AdditionalTagsError::TooLarge(_) => ("source.additional_tags_too_large", "shorten the file"),
            AdditionalTagsError::NotText(_) => ("source.additional_tags", "save the file as UTF-8"),
            AdditionalTagsError::NotATag { .. } => ("source.additional_tag", "correct the line or remove it"),
            AdditionalTagsError::TooMany(_) => ("source.too_many_tags", "remove tags that nobody uses"),
        };
        Failure::from_error(FailureClass::Source, code, &error).with_advice(advice)
    }
}

/// Reads the file: each tag once, in the file's order. Blank lines are skipped.
///
/// # Errors
/// The file is too large or no text; every line that is no tag.
pub fn read(text: &[u8]) -> Result<Vec<Tag>, Failure> {
    if text.len() > MAX_BYTES {
        return Err(AdditionalTagsError::TooLarge(text.len()).into());
    }
    let text = std::str::from_utf8(text).map_err(AdditionalTagsError::NotText)?;
    let mut tags = Vec::new();
    let mut problems: Vec<Failure> = Vec::new();
    for (index, written) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
        match written.parse::<Tag>() {
            Ok(tag) if tags.contains(&tag) => {}
            Ok(tag) => tags.push(tag),
            Err(error) => {
                problems.push(AdditionalTagsError::NotATag { line: index + 1, error }.into());
            }
        }
    }
    if tags.len() > MAX_TAGS {
        problems.push(AdditionalTagsError::TooMany(tags.len()).into());
    }
    // A file of another kind under this name would have thousands.
    problems.truncate(MAX_TAGS);
    Failure::all(problems).map_or(Ok(tags), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_tag_or_an_error() {
        // case, text, tags, lines of errors
        let cases: &[(&str, &str, &[&str], &[usize])] = &[
            ("T10", "spam\nbacon\n", &["spam", "bacon"], &[]),
            ("T11, dashes are allowed now", "foo-bar\nbaz\n", &["foo-bar", "baz"], &[]),
            ("T11, not dropped", "illegal@char\n.starts.with.dot\n", &[], &[1, 2]),
            ("T11", "has_under\nends.dot.\n", &["has_under", "ends.dot."], &[]),
            ("T20, not dropped", "{bad\nba-d\n-bad\nb@d\n", &[], &[1, 3, 4]),
            ("nothing", "", &[], &[]),
            ("blank lines and ends", "\n  a \r\n\n\tb\n\n", &["a", "b"], &[]),
            ("each once, in order", "b\na\nb\n", &["b", "a"], &[]),
        ];
        for (case, text, tags, lines) in cases {
            match read(text.as_bytes()) {
                Ok(read) => {
                    assert_eq!(read.iter().map(Tag::as_str).collect::<Vec<_>>(), *tags, "{case}");
                    assert!(lines.is_empty(), "{case}");
                }
                Err(failure) => {
                    let found = failure.each();
                    assert_eq!(found.len(), lines.len(), "{case}");
                    for (failure, line) in found.iter().zip(*lines) {
                        assert_eq!(failure.code, "source.additional_tag", "{case}");
                        let place = format!("additional-tags: line {line}: ");
                        assert!(failure.message.starts_with(&place), "{case}: {failure}");
                    }
                }
            }
        }
    }

    #[test]
    fn files_of_another_kind_have_codes_of_their_own() {
        let many = (0..=MAX_TAGS).map(|n| format!("t{n}\n")).collect::<String>();
        for (text, code) in [
            (vec![b'a'; MAX_BYTES + 1], "source.additional_tags_too_large"),
            (b"\xff\n".to_vec(), "source.additional_tags"),
            (many.into_bytes(), "source.too_many_tags"),
        ] {
            assert_eq!(read(&text).unwrap_err().code, code);
        }
        let wrong = "@\n".repeat(5000);
        assert_eq!(read(wrong.as_bytes()).unwrap_err().each().len(), MAX_TAGS);
    }
}
