//! Where files go at the hub, and the tickets that open a place.

use std::fmt;

use common::{secret::Secret, ticket::TicketMaker};
use jiff::Timestamp;
use rand::{RngExt as _, distr::Alphabetic};

use super::UploadError;

/// The part of the hub's upload area that content generators use.
const AREA: &str = "koji-upload";
/// Letters that make a directory's name unlike every other.
const LETTERS: usize = 8;
/// Longest name of a file in bytes, as file systems have it.
const MAX_NAME: usize = 255;
/// Longest key in characters.
const MAX_KEY: usize = 128;

/// A name that no upload has used: `koji-upload/SECONDS.MICROSECONDS.LETTERS`, as
/// Koji's own clients form it.
pub(super) fn fresh() -> String {
    let micros = Timestamp::now().as_microsecond();
    let letters: String = rand::rng().sample_iter(Alphabetic).take(LETTERS).map(char::from).collect();
    format!("{AREA}/{}.{:06}.{letters}", micros / 1_000_000, micros % 1_000_000)
}

/// A file in an upload directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    directory: String,
    name: String,
}

impl Place {
    /// A file of this name in this directory.
    ///
    /// # Errors
    /// The directory is none that this bridge hands out, or the hub would not
    /// take the name.
    pub fn new(directory: &str, name: &str) -> Result<Self, UploadError> {
        let wrong = |reason: &str| UploadError::BadPlace {
            directory: directory.to_owned(),
            name: name.to_owned(),
            reason: reason.to_owned(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_' || c == '-';
        let own = directory.strip_prefix(AREA).and_then(|rest| rest.strip_prefix('/'));
        if !own.is_some_and(|own| !own.is_empty() && !own.starts_with('.') && own.chars().all(plain)) {
            return Err(wrong("the directory is not one that PrepareUpload has answered with"));
        }
        if name.is_empty() || name.len() > MAX_NAME || name.starts_with('.') {
            return Err(wrong("a name has 1 to 255 bytes and does not begin with a dot"));
        }
        if name.contains('/') || name.chars().any(char::is_control) {
            return Err(wrong("a name has no '/' and no control characters"));
        }
        Ok(Self { directory: directory.to_owned(), name: name.to_owned() })
    }

    /// The directory, below the hub's upload area.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.directory, self.name)
    }
}

/// Tickets of upload directories: the key that the directory was made for, and a
/// keyed hash of both.
#[derive(Debug, Clone, Copy)]
pub struct UploadTicket;

impl UploadTicket {
    /// The ticket that opens `directory` for whoever has `key`.
    ///
    /// # Errors
    /// The key cannot be part of a ticket.
    pub fn make(maker: &TicketMaker, key: &str, directory: &str) -> Result<Secret, UploadError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if key.is_empty() || key.len() > MAX_KEY || !key.chars().all(plain) {
            return Err(UploadError::BadKey { key: key.to_owned() });
        }
        let hash = maker.ticket(&subject(key, directory));
        Ok(Secret::new(format!("{key}.{}", hash.expose())))
    }

    /// Checks that a ticket opens a directory.
    ///
    /// # Errors
    /// It does not.
    pub fn check(maker: &TicketMaker, directory: &str, ticket: &str) -> Result<(), UploadError> {
        let fits =
            ticket.split_once('.').is_some_and(|(key, hash)| maker.accepts(&subject(key, directory), hash));
        if fits { Ok(()) } else { Err(UploadError::NoEntry { directory: directory.to_owned() }) }
    }
}

fn subject(key: &str, directory: &str) -> String {
    format!("{key} {directory}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maker(directory: &tempfile::TempDir) -> TicketMaker {
        TicketMaker::open(&directory.path().join("upload.key")).unwrap()
    }

    #[test]
    fn directories_differ_and_can_be_used() {
        let names: std::collections::BTreeSet<String> = (0..1000).map(|_| fresh()).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| Place::new(name, "x.log").is_ok()));
    }

    #[test]
    fn places_that_the_hub_would_refuse_are_refused() {
        for (directory, name) in [
            ("koji-upload/1.2.x", ""),
            ("koji-upload/1.2.x", ".hidden"),
            ("koji-upload/1.2.x", "a/b"),
            ("koji-upload/1.2.x", "a\nb"),
            ("koji-upload/../tasks", "a"),
            ("koji-upload/", "a"),
            ("tasks/1/1", "a"),
            ("/koji-upload/x", "a"),
            ("", "a"),
        ] {
            assert!(Place::new(directory, name).is_err(), "{directory} {name}");
        }
        let name = "docker-image-sha256:1.x86_64.tar.gz";
        assert_eq!(Place::new("koji-upload/1.2.x", name).unwrap().name(), name);
    }

    #[test]
    fn a_ticket_opens_its_directory_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let ticket = UploadTicket::make(&maker(&directory), "bld_1", "koji-upload/1").unwrap();
        let again = maker(&directory);
        UploadTicket::check(&again, "koji-upload/1", ticket.expose()).unwrap();
        let (_, hash) = ticket.expose().split_once('.').unwrap();
        for (place, ticket) in [
            ("koji-upload/2", ticket.expose().to_owned()),
            ("koji-upload/1", format!("bld_2.{hash}")),
            ("koji-upload/1", hash.to_owned()),
            ("koji-upload/1", String::new()),
        ] {
            let error = UploadTicket::check(&again, place, &ticket).unwrap_err().to_string();
            assert!(!error.contains(hash), "{error}");
        }
        for key in ["", "a b", "a.b", "ä"] {
            assert!(UploadTicket::make(&again, key, "koji-upload/1").is_err(), "{key}");
        }
    }
}
