//! The only door to the YAML crate.
//!
//! YAML written by people is read straight into types, never through an untyped
//! value: a release `1.10` must not turn into the number 1.1. Errors quote the
//! line; unknown and duplicate keys are errors.

mod at;
mod places;

use serde::de::DeserializeOwned;

pub use at::read_at;
pub use places::{Places, places};

/// Largest YAML file that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// A YAML text does not say what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct YamlError {
    /// Where the text came from.
    pub file: String,
    /// What is wrong, with the line where there is one.
    pub reason: String,
}

/// Reads one YAML document. `file` is only named in errors.
///
/// # Errors
/// Not UTF-8, larger than [`MAX_BYTES`], not YAML, or not a `T`.
pub fn read<T: DeserializeOwned>(file: &str, text: &[u8]) -> Result<T, YamlError> {
    serde_saphyr::from_str(checked(file, text)?)
        .map_err(|error| YamlError { file: file.to_owned(), reason: error.to_string() })
}

/// The text, if it is one that may be read.
fn checked<'a>(file: &str, text: &'a [u8]) -> Result<&'a str, YamlError> {
    let fail = |reason: String| YamlError { file: file.to_owned(), reason };
    if text.len() > MAX_BYTES {
        return Err(fail(format!("it has {} bytes; at most {MAX_BYTES} are read", text.len())));
    }
    std::str::from_utf8(text).map_err(|error| fail(format!("it is not UTF-8: {error}")))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Release {
        release: String,
    }

    #[test]
    fn text_stays_as_written() {
        for text in ["1.10", "010", "NO"] {
            let read: Release = read("x.yaml", format!("release: {text}\n").as_bytes()).unwrap();
            assert_eq!(read.release, text);
        }
    }

    #[test]
    fn bad_documents_name_file_and_place() {
        for bad in ["release: [", "relaese: 1", "release: 1\nrelease: 2\n", "\u{0}"] {
            let error = read::<Release>("site.yaml", bad.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("site.yaml: "), "{error}");
        }
        assert!(read::<Release>("x", b"\xff").unwrap_err().to_string().contains("UTF-8"));
    }

    #[test]
    fn an_alias_bomb_is_stopped() {
        let mut text = String::from("a: &a [x,x,x,x,x,x,x,x,x,x]\n");
        for (this, last) in ('b'..='k').zip('a'..='j') {
            let aliases = vec![format!("*{last}"); 10].join(",");
            text.push_str(&format!("{this}: &{this} [{aliases}]\n"));
        }
        assert!(
            read::<std::collections::BTreeMap<String, serde_json::Value>>("bomb", text.as_bytes()).is_err()
        );
    }
}
