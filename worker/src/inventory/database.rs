//! What the readers of all kinds of package databases share: why a database
//! cannot be read, and which texts a package may have.

use std::{io, path::Path};

use common::packages::{MAX_PACKAGES, Package};

use super::InventoryError;

/// Longest name, version, release or architecture in bytes. They end up in file
/// names, which are no longer.
const MAX_TEXT: usize = 255;

/// Why a database cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum DatabaseError {
    /// It is not what it should be.
    #[error("{0}")]
    Damaged(String),
    /// It lists more packages than an inventory may have.
    #[error("it lists more than {MAX_PACKAGES} packages")]
    TooManyPackages,
    /// The copy on the worker's disk cannot be read.
    #[error("the copy of the database cannot be read")]
    Disk(#[source] io::Error),
}

impl DatabaseError {
    /// A database with this fault.
    pub(super) fn damaged(reason: impl Into<String>) -> Self {
        Self::Damaged(reason.into())
    }

    /// The same fault, with a word on its place in front.
    pub(super) fn within(self, place: impl FnOnce() -> String) -> Self {
        match self {
            Self::Damaged(reason) => Self::Damaged(format!("{}: {reason}", place())),
            other => other,
        }
    }

    /// The error about the database `path` of the image, of which `copy` is the
    /// copy.
    pub(super) fn at(self, path: &str, copy: &Path) -> InventoryError {
        match self {
            Self::Damaged(reason) => InventoryError::Database { path: path.to_owned(), reason },
            Self::TooManyPackages => InventoryError::TooManyPackages { place: format!("in {path}") },
            Self::Disk(source) => InventoryError::Scratch { path: copy.to_owned(), source },
        }
    }
}

/// Adds a package, within the bound.
pub(super) fn add(packages: &mut Vec<Package>, package: Package) -> Result<(), DatabaseError> {
    if packages.len() >= MAX_PACKAGES {
        return Err(DatabaseError::TooManyPackages);
    }
    packages.push(package);
    Ok(())
}

/// A text of a package; `what` names it in the error.
pub(super) fn text(bytes: &[u8], what: &str) -> Result<String, DatabaseError> {
    if bytes.len() > MAX_TEXT {
        return Err(DatabaseError::Damaged(format!(
            "{what} has {} bytes; {MAX_TEXT} are allowed",
            bytes.len()
        )));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().any(char::is_control) => {
            Err(DatabaseError::Damaged(format!("{what} has a control character")))
        }
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(DatabaseError::Damaged(format!("{what} is not UTF-8"))),
    }
}

/// A text that has to say something.
pub(super) fn required_text(bytes: Option<&[u8]>, what: &str) -> Result<String, DatabaseError> {
    match bytes {
        Some(bytes) if !bytes.is_empty() => text(bytes, what),
        _ => Err(DatabaseError::Damaged(format!("{what} is missing"))),
    }
}
