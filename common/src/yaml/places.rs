//! Where the keys of a YAML text stand.
//!
//! Reading YAML into types forgets the lines. This index keeps them: it is made
//! from the parser's events, beside the reading, and knows nothing of types. It
//! is for messages only, so a text that is broken, too deep or too large is
//! indexed as far as possible instead of being refused; reading it says what is
//! wrong.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, options};

use crate::yaml::MAX_BYTES;

/// Levels of nesting that are indexed.
const MAX_DEPTH: usize = 64;
/// Paths that are kept.
const MAX_PATHS: usize = 50_000;
/// Longest path that is kept, in bytes. Together with [`MAX_PATHS`] this bounds
/// the memory of an index.
const MAX_PATH_BYTES: usize = 512;

/// The line of every key and list entry of a YAML text.
///
/// A path names the keys from the top, joined by dots, and the entries of lists
/// by their number from 0: `koji.auth.ssl_certs_dir`, `registries[0].url`. What
/// an alias stands for has no paths of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<String, usize>);

impl Places {
    /// The line, from 1, of the key or list entry at `path`.
    pub fn line(&self, path: &str) -> Option<usize> {
        self.0.get(path).copied()
    }

    /// The line of `path`, or else of the innermost key around it that has one.
    pub fn closest(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.line(path) {
                return Some(line);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// Every path, sorted by name.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there is nothing to name: an empty text, a bare value, or no YAML.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the index is full.
    fn is_full(&self) -> bool {
        self.0.len() >= MAX_PATHS
    }

    /// Of two equal keys the first is kept; reading refuses such a text.
    fn note(&mut self, path: &str, line: usize) {
        if path.len() <= MAX_PATH_BYTES && !self.0.contains_key(path) {
            self.0.insert(path.to_owned(), line);
        }
    }
}

/// A collection that has begun and not ended.
enum Level {
    /// A map at this path, and the path of the value that comes next, if its key
    /// was read.
    Map { path: String, value: Option<String> },
    /// A list at this path, and the number of its next entry.
    List { path: String, next: usize },
    /// A collection that is a key itself, or is in one; it has no path.
    Nameless,
}

/// Where the keys of the first document of `text` stand. Never fails: what
/// comes after an error, below 64 levels or after 50,000 paths is left out.
pub fn places(text: &[u8]) -> Places {
    let mut places = Places::default();
    let Some(text) = std::str::from_utf8(text).ok().filter(|text| text.len() <= MAX_BYTES) else {
        return places;
    };
    let mut levels: Vec<Level> = Vec::new();
    for next in Parser::new_from_str_with_options(text, options! { emit_comments: false }) {
        let Ok((event, span)) = next else { break };
        match event {
            Event::Scalar(key, ..) => drop(enter(&mut levels, &mut places, Some(&key), span.start.line())),
            Event::Alias(_) => drop(enter(&mut levels, &mut places, None, span.start.line())),
            Event::MappingStart(..) => {
                let level = match enter(&mut levels, &mut places, None, span.start.line()) {
                    Some(path) => Level::Map { path, value: None },
                    None => Level::Nameless,
                };
                levels.push(level);
            }
            Event::SequenceStart(..) => {
                let level = match enter(&mut levels, &mut places, None, span.start.line()) {
                    Some(path) => Level::List { path, next: 0 },
                    None => Level::Nameless,
                };
                levels.push(level);
            }
            Event::MappingEnd | Event::SequenceEnd => drop(levels.pop()),
            Event::DocumentEnd => break,
            _ => {}
        }
        if levels.len() > MAX_DEPTH || places.is_full() {
            break;
        }
    }
    places
}

/// Takes the next node into account. Its path, unless it is a key; `key` is its
/// text if it can be one.
fn enter(levels: &mut [Level], places: &mut Places, key: Option<&str>, line: usize) -> Option<String> {
    match levels.last_mut() {
        None => Some(String::new()),
        Some(Level::Nameless) => None,
        Some(Level::Map { path, value }) => {
            if let Some(value) = value.take() {
                return Some(value);
            }
            let name = key.unwrap_or("?");
            let below = if path.is_empty() { name.to_owned() } else { bounded(path, &format!(".{name}")) };
            places.note(&below, line);
            *value = Some(below);
            None
        }
        Some(Level::List { path, next }) => {
            let entry = bounded(path, &format!("[{next}]"));
            *next += 1;
            places.note(&entry, line);
            Some(entry)
        }
    }
}

/// A longer path; one that is too long to be kept does not grow any more.
fn bounded(path: &str, more: &str) -> String {
    if path.len() > MAX_PATH_BYTES { path.to_owned() } else { format!("{path}{more}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
# A comment.
---
version: 1
koji:
  # Another.
  auth: {proxyuser: x,
    ssl_certs_dir: /c}
registries:
- url: https://a/v2
- url: &second http://b
  insecure: true
list: [a, [b, *second]]
? {not: a, name: of}
: ignored
again: *second
---
other: 1
";

    #[test]
    fn keys_and_entries_have_lines() {
        let places = places(TEXT.as_bytes());
        for (path, line) in [
            ("version", 3),
            ("koji", 4),
            ("koji.auth", 6),
            ("koji.auth.proxyuser", 6),
            ("koji.auth.ssl_certs_dir", 7),
            ("registries[0]", 9),
            ("registries[0].url", 9),
            ("registries[1].url", 10),
            ("registries[1].insecure", 11),
            ("list[1]", 12),
            ("list[1][1]", 12),
            ("again", 15),
        ] {
            assert_eq!(places.line(path), Some(line), "{path}");
        }
        for absent in ["other", "not", "koji.auth.other", ""] {
            assert_eq!(places.line(absent), None, "{absent}");
        }
        assert_eq!(places.closest("registries[1].auth.cfg_path"), Some(10));
        assert_eq!(places.closest("elsewhere.x"), None);
        assert!(places.paths().any(|path| path == "registries[1].insecure"));
    }

    #[test]
    fn a_broken_text_is_indexed_up_to_the_error() {
        let places = places(b"a: 1\nb: [\nc: }\n");
        assert_eq!((places.line("a"), places.line("b")), (Some(1), Some(2)));
        assert!(super::places(b"\xff\xfe").is_empty());
        assert!(super::places(b"").is_empty());
    }

    #[test]
    fn depth_number_and_length_are_bounded() {
        assert!(places("[".repeat(100_000).as_bytes()).paths().count() <= MAX_DEPTH);
        let many: String = (0..100_000).map(|number| format!("k{number}: 1\n")).collect();
        assert!(places(many.as_bytes()).paths().count() <= MAX_PATHS);
        let long = format!("{}: {{a: 1, b: 2}}\nz: 1\n", "k".repeat(1_000));
        assert_eq!(places(long.as_bytes()).paths().collect::<Vec<_>>(), ["z"]);
        let nested = "a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]\n";
        assert_eq!(places(nested.as_bytes()).paths().count(), 3 + 1 + 2 + 2);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text in "[a-c:\\[\\]{}&*?!|>'\"\\- \n#%<]{0,200}") {
            let lines = text.lines().count();
            for path in places(text.as_bytes()).0.values() {
                prop_assert!(*path >= 1 && *path <= lines.max(1));
            }
        }
    }
}
