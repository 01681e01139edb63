//! RPM databases: three ways to store the same headers.
//!
//! A database is a set of records with the header of a package each
//! ([`header`]). [`sqlite`], [`ndb`] and [`berkeley`] find the records; which of
//! them is needed shows in the file's name.

mod berkeley;
mod file;
mod header;
mod ndb;
mod openpgp;
mod sqlite;
#[cfg(test)]
mod tests;

use std::{fs::File, path::Path};

use common::packages::Package;

use self::file::DatabaseFile;
use super::database::{DatabaseError, add};

/// Largest header of a package in bytes.
const MAX_HEADER: u64 = 32 * 1024 * 1024;
/// Public keys that were imported are records too, under this name.
const PUBLIC_KEY: &str = "gpg-pubkey";

/// How an RPM database is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// SQLite: Fedora since 33, RHEL since 9.
    Sqlite,
    /// RPM's own format: openSUSE and SLE.
    Ndb,
    /// A hash table of Berkeley DB: RHEL and CentOS up to 8.
    Berkeley,
}

impl Format {
    /// All formats.
    pub(super) const ALL: [Self; 3] = [Self::Sqlite, Self::Ndb, Self::Berkeley];

    /// The database's name in its directory.
    pub(super) fn file_name(self) -> &'static str {
        match self {
            Self::Sqlite => "rpmdb.sqlite",
            Self::Ndb => "Packages.db",
            Self::Berkeley => "Packages",
        }
    }
}

/// The packages of a database; `log` is SQLite's write-ahead log. Imported
/// public keys are left out.
///
/// # Errors
/// The database is damaged or lists too much, or the disk fails.
pub(super) fn read(format: Format, path: &Path, log: Option<&Path>) -> Result<Vec<Package>, DatabaseError> {
    let mut packages = Vec::new();
    let mut records = 0_usize;
    let mut visit = |number: u64, record: &[u8]| {
        records += 1;
        let package = header::package(record).map_err(|error| error.within(|| format!("record {number}")))?;
        if package.name == PUBLIC_KEY { Ok(()) } else { add(&mut packages, package) }
    };
    match format {
        Format::Sqlite => sqlite::read(path, log, &mut visit),
        Format::Ndb => open(path).and_then(|mut file| ndb::read(&mut file, &mut visit)),
        Format::Berkeley => open(path).and_then(|mut file| berkeley::read(&mut file, &mut visit)),
    }?;
    tracing::debug!(records, packages = packages.len(), "RPM database read");
    Ok(packages)
}

/// What is done with the number and the header of each record.
type Visit<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), DatabaseError>;

fn open(path: &Path) -> Result<DatabaseFile<File>, DatabaseError> {
    DatabaseFile::new(File::open(path).map_err(DatabaseError::Disk)?)
}

/// Whether a record may be so long.
fn check_length(length: u64) -> Result<(), DatabaseError> {
    if length > MAX_HEADER {
        return Err(DatabaseError::Damaged(format!("it has {length} bytes; {MAX_HEADER} are allowed")));
    }
    Ok(())
}
