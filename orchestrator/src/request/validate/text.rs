//! Which texts are names, references and releases. Pure, without messages.

/// Longest single line, such as a name, in bytes: what the contract carries.
pub(super) const MAX_LINE: usize = 256;
/// Longest address in bytes.
pub(super) const MAX_ADDRESS: usize = 4096;
/// What [`is_reference`] asks, for people.
pub(super) const REFERENCE: &str = "git allows no space, none of ~ ^ : ? * [ \\, no '..', no '@{', no '-' at \
                                    the beginning, and no '/', '.' or '.lock' at the end";

/// A text as a message can show it: at most 100 characters, none of them
/// control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(100)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    if text.chars().nth(100).is_some() {
        shown.push('…');
    }
    shown
}

/// Whether the text could be one word of a command, and no option of it.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// Whether git could have a reference of this name, or a commit.
pub(super) fn is_reference(text: &str) -> bool {
    is_word(text)
        && text.len() <= MAX_LINE
        && !text.contains(['~', '^', ':', '?', '*', '[', '\\'])
        && !["..", "@{", "//", "/."].iter().any(|part| text.contains(part))
        && !text.starts_with(['/', '.'])
        && !["/", ".", ".lock"].iter().any(|end| text.ends_with(end))
}

/// `NUMBER.NUMBER`, or that and a point and anything behind it: the release of
/// an isolated build.
pub(super) fn is_isolated_release(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let mut parts = text.splitn(3, '.');
    let both = parts.next().is_some_and(is_number) && parts.next().is_some_and(is_number);
    both && parts.next() != Some("")
}

/// Whether Koji takes the text as the name of a tag or target.
pub(super) fn is_koji_name(text: &str) -> bool {
    made_of(text, MAX_LINE, "/_.+-")
}

/// Letters, digits, `.`, `_` and `-`.
pub(super) fn is_plain_name(text: &str) -> bool {
    made_of(text, MAX_LINE, "._-")
}

fn made_of(text: &str, longest: usize, others: &str) -> bool {
    (1..=longest).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

/// Lower-case letters and digits with separators between them.
pub(super) fn is_stream(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=253).contains(&text.len())
        && text.bytes().all(|b| is_letter(b) || b"._-".contains(&b))
        && text.bytes().next().is_some_and(is_letter)
        && text.bytes().last().is_some_and(is_letter)
}

/// Whether a LABEL instruction can be written with this name.
pub(super) fn is_label_name(text: &str) -> bool {
    is_word(text) && !text.contains(['=', '"', '\'', '\\', '$', '`'])
}

/// Whether an ARG instruction can have this name.
pub(super) fn is_argument_name(text: &str) -> bool {
    made_of(text, MAX_LINE, "._-") && !text.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
}

/// The first element that is there more than once.
pub(super) fn repeated<T: PartialEq>(list: &[T]) -> Option<&T> {
    list.iter()
        .enumerate()
        .find(|(index, element)| list[..*index].contains(element))
        .map(|(_, element)| element)
}
