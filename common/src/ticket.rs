//! Tickets: what somebody presents who may do one thing and nothing else, such as
//! read the context of one work order, or upload to one directory.
//!
//! A ticket is a keyed hash of what it opens (HMAC-SHA-256, RFC 2104), so that
//! nothing has to be remembered: after a restart the same key, kept in the state
//! directory, makes and checks the same tickets.

use std::{
    fmt::Display,
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::RngExt as _;
use sha2::Sha256;

use crate::secret::Secret;

/// Makes and checks tickets.
#[derive(Clone)]
pub struct TicketMaker {
    /// The keyed hash before any text. Has no `Debug`, so that the key is not
    /// printed.
    keyed: Hmac<Sha256>,
}

impl TicketMaker {
    /// Reads the key from `path`, or makes one there on first use.
    ///
    /// # Errors
    /// The file can be neither read nor written.
    pub fn open(path: &Path) -> io::Result<Self> {
        if !path.exists() {
            let mut raw = [0_u8; 32];
            rand::rng().fill(&mut raw);
            // Written beside it and renamed: half a key would be in the way for ever.
            let unfinished = path.with_extension("new");
            match fs::remove_file(&unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file =
                fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            file.write_all(hex::encode(raw).as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, path)?;
        }
        let key = Secret::from_file(path).map_err(io::Error::other)?;
        let keyed = Hmac::new_from_slice(key.expose().as_bytes()).map_err(io::Error::other)?;
        Ok(Self { keyed })
    }

    /// With a key that nobody keeps: its tickets end with it.
    ///
    /// # Errors
    /// Never in practice: a key of this size always fits.
    pub fn for_now() -> io::Result<Self> {
        let mut raw = [0_u8; 32];
        rand::rng().fill(&mut raw);
        Ok(Self { keyed: Hmac::new_from_slice(&raw).map_err(io::Error::other)? })
    }

    /// The ticket that opens `subject`.
    pub fn ticket(&self, subject: &impl Display) -> Secret {
        Secret::new(hex::encode(self.mac(subject).finalize().into_bytes()))
    }

    /// Whether a ticket opens `subject`.
    pub fn accepts(&self, subject: &impl Display, ticket: &str) -> bool {
        hex::decode(ticket).is_ok_and(|raw| self.mac(subject).verify_slice(&raw).is_ok())
    }

    fn mac(&self, subject: &impl Display) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(subject.to_string().as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_one_thing_and_survives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ticket.key");
        let (one, other) = ("wo_1-x86_64-1", "wo_1-x86_64-2");
        let ticket = TicketMaker::open(&path).unwrap().ticket(&one);
        let restarted = TicketMaker::open(&path).unwrap();
        assert!(restarted.accepts(&one, ticket.expose()));
        assert!(!restarted.accepts(&other, ticket.expose()));
        assert!(!restarted.accepts(&one, "") && !restarted.accepts(&one, "zz"));
    }

    #[test]
    fn a_key_that_was_not_written_to_its_end_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ticket.key");
        let unfinished = directory.path().join("ticket.new");
        fs::write(&unfinished, "").unwrap();
        TicketMaker::open(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().len(), 64);
        assert!(!unfinished.exists(), "it was renamed when it was complete");
    }
}
