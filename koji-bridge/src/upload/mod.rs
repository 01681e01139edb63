//! Files on their way to the hub.
//!
//! A client sends a file as a stream of messages; blocks of it go on to the hub
//! as they fill, each confirmed by its checksum before the next is sent. No file
//! is ever whole in memory: an upload holds two blocks, the one that the hub is
//! given and the one that fills meanwhile, and the number of uploads at a time is
//! bounded. Uploads have hub sessions of their own, because a session carries one
//! call at a time.
//!
//! An upload is a task of its own, so that a request to the hub ends also when
//! the client has gone.

mod beginnings;
mod blocks;
mod directory;
mod error;
mod sessions;
mod transfer;
mod turns;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use common::{koji::UploadDirectory, service::ServiceAddress, ticket::TicketMaker};
use futures::{Stream, TryStreamExt as _};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{beginnings::Beginnings, blocks::Blocks, sessions::Sessions, transfer::Transfer, turns::Turns};
use crate::{
    metrics::Metrics,
    session::{HubSettings, SessionError},
};

pub use directory::{Place, UploadTicket};
pub use error::UploadError;

/// Most bytes of data in one message of a client.
const LARGEST_MESSAGE: usize = 256 << 10;
/// How long an upload waits for its turn.
const TURN: Duration = Duration::from_secs(15 * 60);
/// How long requests may take that are under way when the bridge ends.
const CLOSE: Duration = Duration::from_secs(5);

/// How uploads are made.
#[derive(Debug, Clone)]
pub struct UploadOptions {
    /// Bytes in one request to the hub.
    pub block_bytes: usize,
    /// Uploads at a time; more wait for their turn.
    pub parallel: usize,
    /// How long a client may be silent within a file before it loses its place.
    pub silence: Duration,
    /// Where workers reach the uploads of this bridge.
    pub worker_address: Option<ServiceAddress>,
}

impl Default for UploadOptions {
    /// Blocks as Koji's own clients send them, and four uploads at a time.
    fn default() -> Self {
        let silence = Duration::from_secs(120);
        Self { block_bytes: 1024 * 1024, parallel: 4, silence, worker_address: None }
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

/// Uploads to one hub.
#[derive(Debug)]
pub struct Uploads {
    sessions: Sessions,
    turns: Turns,
    tickets: Tickets,
    options: UploadOptions,
    metrics: Metrics,
    beginning: Arc<Beginnings>,
    tasks: TaskTracker,
    end: CancellationToken,
}

/// The maker of tickets; its key is not for printing.
struct Tickets(TicketMaker);

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tickets")
    }
}

impl Uploads {
    /// Uploads with sessions that log in when they are first needed. They break
    /// off when `end` is cancelled.
    ///
    /// # Errors
    /// The settings of the hub cannot be used.
    pub fn new(
        hub: &Arc<HubSettings>,
        tickets: TicketMaker,
        options: UploadOptions,
        metrics: Metrics,
        end: CancellationToken,
    ) -> Result<Self, SessionError> {
        let sessions = Sessions::new(hub, options.parallel)?;
        let (turns, tasks) = (Turns::default(), TaskTracker::new());
        Ok(Self {
            sessions,
            turns,
            tickets: Tickets(tickets),
            options,
            metrics,
            beginning: Arc::default(),
            tasks,
            end,
        })
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

    /// How long a client may be silent.
    pub fn silence(&self) -> Duration {
        self.options.silence
    }

    /// Bytes of a file that the hub has; 0 when it has none. This needs no place
    /// among the uploads.
    ///
    /// # Errors
    /// The hub cannot answer.
    pub async fn find(&self, place: &Place) -> Result<u64, UploadError> {
        let found = transfer::check(self.sessions.for_questions(), place, None).await?;
        Ok(found.map_or(0, |check| check.size))
    }

    /// Takes a file's data to the hub. The messages end with the file. An earlier
    /// upload of the same file breaks off.
    ///
    /// # Errors
    /// The client breaks off or sends another number of bytes than it said, the
    /// data does not begin where the hub's file ends or earlier, or the hub
    /// refuses.
    pub async fn receive(
        &self,
        header: FileHeader,
        data: impl Stream<Item = Result<Bytes, UploadError>> + Send + 'static,
    ) -> Result<Uploaded, UploadError> {
        header.check()?;
        let end = self.end.child_token();
        // Also when nobody polls this any more because the client has gone.
        let _gone = end.clone().drop_guard();
        let waiting = async {
            let turn = self.turns.take(&header.place, &end).await;
            (turn, self.sessions.take().await)
        };
        let (turn, session) = tokio::select! {
            biased;
            () = end.cancelled() => return Err(transfer::ended(&header, header.offset, &self.end)),
            taken = timeout(TURN, waiting) => match taken {
                Ok(taken) => taken,
                Err(_) => return Err(UploadError::Busy { place: header.place.clone(), waited: TURN }),
            },
        };
        let place = header.place.clone();
        let data = data.and_then(move |bytes| {
            let fits = bytes.len() <= LARGEST_MESSAGE;
            let reason = || format!("{} bytes are too many for one message", bytes.len());
            let wrong = || UploadError::BadMessage { place: place.clone(), reason: reason() };
            std::future::ready(if fits { Ok(bytes) } else { Err(wrong()) })
        });
        let UploadOptions { block_bytes, silence, .. } = self.options;
        let blocks = Blocks::new(data, block_bytes, header.size - header.offset, silence, end.clone());
        let (place, offset) = (header.place.clone(), header.offset);
        let (metrics, stopping) = (self.metrics.clone(), self.end.clone());
        let beginning = Arc::clone(&self.beginning);
        let transfer = Transfer {
            header,
            session,
            metrics,
            beginning,
            end,
            stopping,
            repeated: Default::default(),
            _turn: turn,
        };
        // A task that is gone without an answer has panicked; the file can be sent again.
        let lost = |error: tokio::task::JoinError| UploadError::BrokenOff {
            place,
            received: offset,
            reason: error.to_string(),
        };
        self.tasks.spawn(transfer.run(blocks)).await.map_err(lost)?
    }

    /// Waits for requests that are under way, and logs out.
    pub async fn close(&self) {
        self.end.cancel();
        self.tasks.close();
        if timeout(CLOSE, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                uploads = self.tasks.len(),
                "the hub does not answer the last requests of uploads"
            );
        }
        self.sessions.close().await;
    }
}

impl FileHeader {
    fn check(&self) -> Result<(), UploadError> {
        let place = || self.place.clone();
        if self.offset > self.size {
            return Err(UploadError::BeyondEnd { place: place(), offset: self.offset, size: self.size });
        }
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match &self.md5 {
            Some(md5) if md5.len() != 32 || !md5.bytes().all(digit) => {
                Err(UploadError::BadSum { place: place(), sum: md5.clone() })
            }
            _ => Ok(()),
        }
    }

    fn wrong_length(&self, got: u64) -> UploadError {
        UploadError::WrongLength { place: self.place.clone(), said: self.size, got }
    }
}
