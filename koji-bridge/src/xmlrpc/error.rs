//! What can be wrong with a document or a value.

use std::fmt::Display;

/// A document that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no text.
    #[error("the document is not UTF-8 (byte {at})")]
    Encoding {
        /// Where it stops being UTF-8.
        at: usize,
    },
    /// It is not well-formed XML.
    #[error("the document is not well-formed at byte {at}: {reason}")]
    Malformed {
        /// Where.
        at: u64,
        /// Why.
        reason: String,
    },
    /// It is XML, and not XML-RPC.
    #[error("the document is not XML-RPC at byte {at}: {reason}")]
    Unexpected {
        /// Where.
        at: u64,
        /// What is there, and what should be.
        reason: String,
    },
}

/// A value that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// XML 1.0 has no way to write the character.
    #[error("the text '{}' has the character U+{:04X}, which XML cannot carry", text.escape_debug(), *character as u32)]
    Character {
        /// The beginning of the text.
        text: String,
        /// The character.
        character: char,
    },
    /// A double that has no digits.
    #[error("{0} is no number that XML-RPC can carry")]
    NotFinite(f64),
}

/// A value that is not what was expected, or that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(String);

impl ValueError {
    /// An error with this text.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl serde::de::Error for ValueError {
    fn custom<T: Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

impl serde::ser::Error for ValueError {
    fn custom<T: Display>(text: T) -> Self {
        Self(text.to_string())
    }
}
