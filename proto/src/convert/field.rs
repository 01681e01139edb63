//! What is wrong with a field, and the readers that all messages share.

use std::{collections::BTreeMap, str::FromStr};

use common::ParseError;
use tonic::Status;

use super::status::cut;

/// Longest single-line text, such as a user's name, in bytes.
pub(super) const MAX_TEXT: usize = 256;
/// Longest git address, git reference or URL in bytes.
pub(super) const MAX_ADDRESS: usize = 4096;
/// Most entries of a map.
const MAX_ENTRIES: usize = 256;
/// Longest value of a map in bytes.
const MAX_VALUE: usize = 64 * 1024;
/// Most elements of a list in a request.
pub(super) const MAX_ELEMENTS: usize = 32;

/// Longest part of a status in characters: it may echo what was sent.
const MAX_ECHO: usize = 400;

/// A message says something that its domain type cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct BadField {
    /// Path of the field from the message. Example: `source.uri`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub reason: String,
}

impl BadField {
    /// An error about one field.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// A field that must be there and is not.
    pub fn missing(field: &str) -> Self {
        Self::new(field, "it is required")
    }

    /// The same error, seen from the message that has the message in `outer`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.field = format!("{outer}.{}", self.field);
        self
    }
}

impl From<ParseError> for BadField {
    /// Named after what was expected, for text that is not itself a field.
    fn from(error: ParseError) -> Self {
        Self::new(error.what, error.to_string())
    }
}

impl From<BadField> for Status {
    fn from(error: BadField) -> Self {
        let (field, reason) = (cut(error.field, MAX_ECHO), cut(error.reason, MAX_ECHO));
        Status::invalid_argument(format!("{field}: {reason}"))
    }
}

/// Parses a field that must be there.
pub(super) fn parsed<T: FromStr<Err = ParseError>>(field: &str, text: &str) -> Result<T, BadField> {
    if text.is_empty() {
        return Err(BadField::missing(field));
    }
    text.parse().map_err(|error: ParseError| BadField::new(field, error.to_string()))
}

/// Parses a field of which an empty text means that nothing is said.
pub(super) fn parsed_if_any<T: FromStr<Err = ParseError>>(
    field: &str,
    text: &str,
) -> Result<Option<T>, BadField> {
    if text.is_empty() { Ok(None) } else { parsed(field, text).map(Some) }
}

/// Parses each element of a list. One that is there twice is for the rules of
/// requests to find, which hold for every door.
pub(super) fn parsed_list<T: FromStr<Err = ParseError>>(
    field: &str,
    texts: &[String],
) -> Result<Vec<T>, BadField> {
    bounded(field, texts)?;
    texts.iter().enumerate().map(|(index, text)| parsed(&format!("{field}[{index}]"), text)).collect()
}

/// A list of bounded length, as it is.
pub(super) fn list<T>(field: &str, list: Vec<T>) -> Result<Vec<T>, BadField> {
    bounded(field, &list)?;
    Ok(list)
}

/// A list of texts of one line each.
pub(super) fn lines(field: &str, texts: Vec<String>, longest: usize) -> Result<Vec<String>, BadField> {
    bounded(field, &texts)?;
    let texts = texts.into_iter().enumerate();
    texts.map(|(index, text)| line(&format!("{field}[{index}]"), text, longest)).collect()
}

fn bounded<T>(field: &str, list: &[T]) -> Result<(), BadField> {
    if list.len() > MAX_ELEMENTS {
        let reason = format!("it has {} elements; at most {MAX_ELEMENTS} are accepted", list.len());
        return Err(BadField::new(field, reason));
    }
    Ok(())
}

/// A text of one line; empty is allowed.
pub(super) fn line(field: &str, text: String, longest: usize) -> Result<String, BadField> {
    if text.len() > longest {
        let reason = format!("it has {} bytes; at most {longest} are accepted", text.len());
        return Err(BadField::new(field, reason));
    }
    if text.chars().any(char::is_control) {
        return Err(BadField::new(field, "it has control characters"));
    }
    Ok(text)
}

/// A text of one line, of which an empty one means that nothing is said.
pub(super) fn line_if_any(field: &str, text: String, longest: usize) -> Result<Option<String>, BadField> {
    line(field, text, longest).map(|text| Some(text).filter(|text| !text.is_empty()))
}

/// Names and values of bounded number and size.
pub(super) fn map(field: &str, map: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, BadField> {
    if map.len() > MAX_ENTRIES {
        let reason = format!("it has {} entries; at most {MAX_ENTRIES} are accepted", map.len());
        return Err(BadField::new(field, reason));
    }
    for (name, value) in &map {
        if name.is_empty() || name.len() > MAX_TEXT || name.chars().any(char::is_control) {
            let reason = format!("a name has 1 to {MAX_TEXT} bytes and no control characters");
            return Err(BadField::new(field, reason));
        }
        if value.len() > MAX_VALUE {
            let reason = format!("it has {} bytes; at most {MAX_VALUE} are accepted", value.len());
            return Err(BadField::new(format!("{field}[{name}]"), reason));
        }
    }
    Ok(map)
}

/// A message that must be there, converted.
pub(super) fn message<M, T: TryFrom<M, Error = BadField>>(
    field: &str,
    message: Option<M>,
) -> Result<T, BadField> {
    let message = message.ok_or_else(|| BadField::missing(field))?;
    T::try_from(message).map_err(|error| error.within(field))
}

/// A message that may be there, converted.
pub(super) fn message_if_any<M, T: TryFrom<M, Error = BadField>>(
    field: &str,
    message: Option<M>,
) -> Result<Option<T>, BadField> {
    message.map(T::try_from).transpose().map_err(|error| error.within(field))
}

/// Each message of a list, converted.
pub(super) fn messages<M, T: TryFrom<M, Error = BadField>>(
    field: &str,
    messages: Vec<M>,
) -> Result<Vec<T>, BadField> {
    let convert = |(index, message)| {
        T::try_from(message).map_err(|error: BadField| error.within(&format!("{field}[{index}]")))
    };
    messages.into_iter().enumerate().map(convert).collect()
}

/// An enum's number as its generated type. A number from a later contract is an
/// error, never a guess.
pub(super) fn enumeration<E: TryFrom<i32>>(field: &str, number: i32) -> Result<E, BadField> {
    E::try_from(number).map_err(|_| BadField::new(field, format!("{number} is not a known value")))
}

/// A number that counts from 1.
pub(super) fn not_zero(field: &str, number: u32) -> Result<u32, BadField> {
    if number == 0 { Err(BadField::new(field, "it counts from 1")) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use common::platform::Platform;

    use super::*;

    #[test]
    fn a_bad_field_becomes_an_invalid_argument() {
        let status = Status::from(BadField::missing("uri").within("source"));
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert_eq!(status.message(), "source.uri: it is required");
    }

    #[test]
    fn lists_stay_as_they_are() {
        let texts = ["s390x", "x86_64", "s390x"].map(str::to_owned);
        let list: Vec<Platform> = parsed_list("platforms", &texts).unwrap();
        assert_eq!(list.iter().map(Platform::as_str).collect::<Vec<_>>(), ["s390x", "x86_64", "s390x"]);
    }

    #[test]
    fn an_element_is_named_by_its_index() {
        let texts = ["s390x", "X86"].map(str::to_owned);
        assert_eq!(parsed_list::<Platform>("platforms", &texts).unwrap_err().field, "platforms[1]");
        let many = vec!["s390x".to_owned(); MAX_ELEMENTS + 1];
        assert!(parsed_list::<Platform>("platforms", &many).unwrap_err().reason.contains("at most 32"));
    }

    #[test]
    fn maps_are_bounded() {
        let entry = |name: &str, length: usize| BTreeMap::from([(name.to_owned(), "x".repeat(length))]);
        assert!(map("labels", entry("a", MAX_VALUE)).is_ok());
        assert_eq!(map("labels", entry("a", MAX_VALUE + 1)).unwrap_err().field, "labels[a]");
        assert!(map("labels", entry("", 1)).is_err());
        assert!(map("labels", entry("a\nb", 1)).is_err());
        let many = (0..=MAX_ENTRIES).map(|n| (n.to_string(), String::new())).collect();
        assert!(map("labels", many).is_err());
    }

    #[test]
    fn a_line_is_short_and_is_one() {
        assert_eq!(line_if_any("user", String::new(), 4), Ok(None));
        assert_eq!(line_if_any("user", "mara".into(), 4), Ok(Some("mara".into())));
        assert!(line("user", "maria".into(), 4).is_err());
        assert!(line("user", "a\nb".into(), 4).is_err());
    }
}
