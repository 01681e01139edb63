//! Files on their way to the hub.
//!
//! A client sends a file as a stream of messages; blocks of it go on to the hub
//! as they fill, each confirmed by its checksum before the next is sent. No file
//! is ever whole in memory, and what is in memory is bounded by the number of
//! uploads at a time. Uploads have hub sessions of their own, because a session
//! carries one call at a time.

mod blocks;
mod directory;
mod error;
mod sessions;

use std::{sync::Arc, time::Duration};

use common::{koji::UploadDirectory, service::ServiceAddress, ticket::TicketMaker};
use futures::{Stream, StreamExt as _};
use serde::Deserialize;
use tokio::time::timeout;
use tonic::Status;

use self::{blocks::Blocks, sessions::Sessions};
use crate::{
    hub::locks::Locks,
    session::{Chunk, HubSettings, Session, SessionError},
    xmlrpc::{Arguments, Value},
};

pub use directory::{Place, UploadTicket};
pub use error::UploadError;

/// How long a client may be silent within a file before it loses its place.
const SILENCE: Duration = Duration::from_secs(120);

/// How uploads are made.
#[derive(Debug, Clone)]
pub struct UploadOptions {
    /// Bytes in one request to the hub.
    pub block_bytes: usize,
    /// Uploads at a time; more wait for their turn.
    pub parallel: usize,
    /// Where workers reach the uploads of this bridge.
    pub worker_address: Option<ServiceAddress>,
}

impl Default for UploadOptions {
    /// Blocks as Koji's own clients send them, and four uploads at a time.
    fn default() -> Self {
        Self { block_bytes: 1024 * 1024, parallel: 4, worker_address: None }
    }
}

/// What a client says of a file before it sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHeader {
    /// Where it goes.
    pub place: Place,
    /// Size of the whole file in bytes.
    pub size: u64,
    /// Where in the file the data begins.
    pub offset: u64,
    /// MD5 of the whole file, if it is known: 32 lower-case hexadecimal digits.
    pub md5: Option<String>,
}

/// What the hub has after an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// Size of the whole file in bytes.
    pub size: u64,
    /// Adler-32 of what this upload has sent, in 8 hexadecimal digits.
    pub adler32: String,
    /// Whether the hub has added up the whole file, as the client wanted it.
    pub verified: bool,
}

/// What `checkUpload` answers. Sizes are read leniently: some hubs send large
/// ones as text.
#[derive(Debug, Deserialize)]
struct Check {
    #[serde(deserialize_with = "crate::hub::answers::size")]
    size: u64,
    #[serde(default)]
    hexdigest: Option<String>,
}

/// Uploads to one hub.
#[derive(Debug)]
pub struct Uploads {
    sessions: Sessions,
    tickets: Tickets,
    options: UploadOptions,
    /// Directories that the first block of a file is on its way to.
    beginning: Locks,
}

/// The maker of tickets; its key is not for printing.
struct Tickets(TicketMaker);

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tickets")
    }
}

impl Uploads {
    /// Uploads with sessions that log in when they are first needed.
    ///
    /// # Errors
    /// The settings of the hub cannot be used.
    pub fn new(
        hub: &Arc<HubSettings>,
        tickets: TicketMaker,
        options: UploadOptions,
    ) -> Result<Self, SessionError> {
        let sessions = Sessions::new(hub, options.parallel)?;
        Ok(Self { sessions, tickets: Tickets(tickets), options, beginning: Locks::default() })
    }

    /// A directory that nobody has used, and the ticket that opens it.
    ///
    /// # Errors
    /// The key cannot be part of a ticket.
    pub fn prepare(&self, key: &str) -> Result<UploadDirectory, UploadError> {
        let directory = directory::fresh();
        let ticket = UploadTicket::make(&self.tickets.0, key, &directory)?;
        Ok(UploadDirectory { directory, ticket, worker_address: self.options.worker_address.clone() })
    }

    /// Checks that a ticket opens a directory.
    ///
    /// # Errors
    /// It does not.
    pub fn admit(&self, directory: &str, ticket: &str) -> Result<(), UploadError> {
        UploadTicket::check(&self.tickets.0, directory, ticket)
    }

    /// Bytes of a file that the hub has; 0 when it has none.
    ///
    /// # Errors
    /// The hub cannot answer.
    pub async fn find(&self, place: &Place) -> Result<u64, UploadError> {
        let session = self.sessions.take().await;
        Ok(check(&session, place, None).await?.map_or(0, |check| check.size))
    }

    /// Takes a file's data to the hub. The messages end with the file.
    ///
    /// # Errors
    /// The client breaks off or sends another number of bytes than it said, the
    /// data does not begin where the hub's file ends or earlier, or the hub
    /// refuses.
    pub async fn receive(
        &self,
        header: &FileHeader,
        data: impl Stream<Item = Result<bytes::Bytes, Status>> + Send,
    ) -> Result<Uploaded, UploadError> {
        header.check()?;
        let session = self.sessions.take().await;
        if header.offset > 0 {
            let found = check(&session, &header.place, None).await?.map_or(0, |check| check.size);
            if found < header.offset {
                return Err(UploadError::Gap { place: header.place.clone(), offset: header.offset, found });
            }
        }
        let mut blocks = std::pin::pin!(Blocks::of(data, self.options.block_bytes));
        let (mut offset, mut sum, mut sent) = (header.offset, simd_adler32::Adler32::new(), false);
        let broken = |received, reason: &str| UploadError::BrokenOff {
            place: header.place.clone(),
            received,
            reason: reason.to_owned(),
        };
        loop {
            let Ok(next) = timeout(SILENCE, blocks.next()).await else {
                return Err(broken(offset, "nothing came for two minutes"));
            };
            let Some(block) = next else { break };
            let block = block.map_err(|status| broken(offset, status.message()))?;
            let end = offset + block.len() as u64;
            if end > header.size {
                return Err(header.wrong_length(end));
            }
            sum.write(&block);
            // A hub notes whose a directory is when the first file comes, in a file
            // that another call may find empty: it then says "not owner". So files
            // begin one after the other.
            let directory = header.place.directory();
            let alone = if offset == 0 { self.beginning.lock(directory).await } else { None };
            send(&session, &header.place, offset, block).await?;
            drop(alone);
            (offset, sent) = (end, true);
        }
        if offset != header.size {
            return Err(header.wrong_length(offset));
        }
        // A file without bytes is a file.
        if !sent && header.size == 0 {
            send(&session, &header.place, 0, bytes::Bytes::new()).await?;
        }
        let verified = confirm(&session, header).await?;
        Ok(Uploaded { size: header.size, adler32: format!("{:08x}", sum.finish()), verified })
    }

    /// Logs out.
    pub async fn close(&self) {
        self.sessions.close().await;
    }
}

/// Puts a block into the hub's file; what the file has from there on goes.
async fn send(session: &Session, place: &Place, offset: u64, data: bytes::Bytes) -> Result<(), UploadError> {
    let chunk = Chunk { directory: place.directory(), name: place.name(), offset, overwrite: true, data };
    session.upload_chunk(&chunk).await?;
    Ok(())
}

/// Holds what the hub has against what was sent. The blocks of an upload from the
/// beginning are confirmed one by one; after one in several parts the hub reads
/// the whole file again, if the client has said what it adds up to.
async fn confirm(session: &Session, header: &FileHeader) -> Result<bool, UploadError> {
    let md5 = header.md5.as_ref().filter(|_| header.offset > 0);
    let place = || header.place.clone();
    let Some(found) = check(session, &header.place, md5.map(|_| "md5")).await? else {
        return Err(UploadError::Gone { place: place() });
    };
    if found.size != header.size {
        return Err(UploadError::WrongSize { place: place(), expected: header.size, found: found.size });
    }
    match (md5, found.hexdigest) {
        (Some(expected), Some(found)) if *expected != found => {
            Err(UploadError::WrongSum { place: place(), expected: expected.clone(), found })
        }
        (Some(_), Some(_)) => Ok(true),
        _ => Ok(false),
    }
}

async fn check(session: &Session, place: &Place, verify: Option<&str>) -> Result<Option<Check>, UploadError> {
    let mut arguments = Arguments::none().with(place.directory()).with(place.name());
    if let Some(verify) = verify {
        arguments = arguments.named("verify", Value::from(verify));
    }
    Ok(session.read("checkUpload", arguments).await?)
}

impl FileHeader {
    fn check(&self) -> Result<(), UploadError> {
        if self.offset > self.size {
            return Err(UploadError::BeyondEnd {
                place: self.place.clone(),
                offset: self.offset,
                size: self.size,
            });
        }
        Ok(())
    }

    fn wrong_length(&self, got: u64) -> UploadError {
        UploadError::WrongLength { place: self.place.clone(), said: self.size, got }
    }
}
