//! Secrets: text that cannot be printed by accident, read from files only.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

/// A secret text. Its `Debug` shows nothing, it has no `Display`, and it cannot
/// be serialized, so it fits into no event, log or step input.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a text into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// Reads a file, without the line feed at its end.
    ///
    /// # Errors
    /// The file cannot be read, is empty, or is larger than 64 KiB.
    pub fn from_file(path: &Path) -> Result<Self, SecretFileError> {
        let fail = |reason: String| SecretFileError { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        let text = text.trim_end_matches(['\r', '\n']);
        match text.len() {
            0 => Err(fail("it is empty".to_owned())),
            1..=65_536 => Ok(Self::new(text)),
            _ => Err(fail("it is larger than 64 KiB".to_owned())),
        }
    }

    /// The text, for the one call that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Compares without telling by its duration where the two differ.
    pub fn matches(&self, other: &str) -> bool {
        let (mine, theirs) = (self.expose().as_bytes(), other.as_bytes());
        let difference = mine.iter().zip(theirs).fold(0, |sum, (a, b)| sum | (a ^ b));
        mine.len() == theirs.len() && difference == 0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

/// A file that should hold a secret does not.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the secret in {}: {reason}", path.display())]
pub struct SecretFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some([hidden])");
    }

    #[test]
    fn comparison_needs_the_whole_text() {
        let secret = Secret::new("hunter2");
        assert!(secret.matches("hunter2"));
        assert!(!secret.matches("hunter") && !secret.matches("hunter22") && !secret.matches(""));
    }
}
