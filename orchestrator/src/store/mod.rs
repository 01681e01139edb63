//! What the orchestrator remembers: builds and their events, and [`logs`].
//!
//! Events are the truth about a build. They are appended by one task that
//! checks each against the build's history and commits them in groups; a call
//! that appends returns when the events would survive a crash, and nobody can
//! read them before. Readers have connections of their own and never wait for
//! the writer.

mod command;
mod database;
mod documents;
mod error;
mod followers;
mod group;
mod journal;
mod list;
mod lock;
pub mod logs;
mod rows;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use common::{
    flow::{
        StepRecord,
        event::{Event, EventKind},
        state::{self, History},
    },
    names::BuildId,
    request::BuildRequest,
};
use sqlx::SqlitePool;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    command::Created,
    documents::MAX_DOCUMENT_BYTES,
    error::StoreError,
    journal::BuildJournal,
    list::{ListQuery, Page},
};
use self::{
    command::{Answer, Body, Command},
    database::Database,
    documents::Document,
    followers::Followers,
    lock::DirectoryLock,
    writer::{GROUP, Writer},
};

/// Commands that may wait for the writer; more wait for a place.
const QUEUE: usize = 4 * GROUP;
/// How long a command may take, the wait for a place included.
const DEADLINE: Duration = Duration::from_secs(60);
/// Most events that one call returns.
pub const MOST_EVENTS: u32 = 1000;

/// Builds and events in a directory. Clones share everything.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    commands: mpsc::Sender<Command>,
    readers: SqlitePool,
    followers: Arc<Followers>,
    closing: CancellationToken,
    tasks: TaskTracker,
    lock: Mutex<Option<Arc<DirectoryLock>>>,
}

impl Store {
    /// Opens the store in `directory`, which is made (for its owner only) where
    /// it is missing, and brings its tables up to date.
    ///
    /// # Errors
    /// Another process uses the directory; it cannot be used; the tables come
    /// from a newer version.
    pub async fn open(directory: &Path) -> Result<Self, StoreError> {
        let lock = Arc::new(DirectoryLock::take(directory)?);
        let database = Database::in_directory(directory);
        let mut connection = database.writer().await?;
        database.migrate(&mut connection).await?;
        let readers = database.readers();
        let (commands, receiver) = mpsc::channel(QUEUE);
        let followers = Arc::new(Followers::default());
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        let writer = Writer {
            database,
            connection: Some(connection),
            histories: HashMap::new(),
            followers: followers.clone(),
            commands: receiver,
            closing: closing.clone(),
            lock: lock.clone(),
        };
        tasks.spawn(writer.run());
        tasks.close();
        let lock = Mutex::new(Some(lock));
        Ok(Self { inner: Arc::new(Inner { commands, readers, followers, closing, tasks, lock }) })
    }

    /// Creates a build and stores its first event. The same key with the same
    /// request gives the build that was created then.
    ///
    /// # Errors
    /// The key was used for another request; the store failed.
    pub async fn create(
        &self,
        request: &BuildRequest,
        idempotency_key: Option<&str>,
    ) -> Result<Created, StoreError> {
        let request = Box::new(request.clone());
        let key = idempotency_key.map(str::to_owned);
        self.ask(|answer| Command::Create { request, key, answer }).await
    }

    /// Appends events, all or none. They are durable and visible when this
    /// returns.
    ///
    /// # Errors
    /// There is no such build; an event cannot follow what has happened; one is
    /// too large; the store failed.
    pub async fn append(&self, build: &BuildId, kinds: Vec<EventKind>) -> Result<Vec<Event>, StoreError> {
        let bodies = kinds.into_iter().map(|kind| Body::new(kind, build)).collect::<Result<Vec<_>, _>>()?;
        let build = build.clone();
        self.ask(|answer| Command::Append { build, bodies, answer }).await
    }

    /// Appends what `command` means for the build as it is when its turn comes;
    /// nothing can come between. Returns the build afterwards.
    ///
    /// # Errors
    /// There is no such build; the store failed.
    pub async fn command(&self, build: &BuildId, command: state::Command) -> Result<History, StoreError> {
        let build = build.clone();
        self.ask(|answer| Command::Decide { build, command, answer }).await
    }

    /// The build as its events tell it; `None` when there is no such build.
    ///
    /// # Errors
    /// An event is damaged; the database failed.
    pub async fn history(&self, build: &BuildId) -> Result<Option<History>, StoreError> {
        rows::history(&self.inner.readers, build).await
    }

    /// Events after the sequence `after`, oldest first, at most `limit` and
    /// never more than [`MOST_EVENTS`].
    ///
    /// # Errors
    /// An event is damaged or missing; the database failed.
    pub async fn events(&self, build: &BuildId, after: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        rows::events(&self.inner.readers, build, after, limit.min(MOST_EVENTS)).await
    }

    /// The sequence of the newest event, and how it grows. The channel closes
    /// when the build has ended (at once if it already had) or the store closes;
    /// its value is then the last sequence.
    ///
    /// # Errors
    /// There is no such build; the database failed.
    pub async fn subscribe(&self, build: &BuildId) -> Result<watch::Receiver<u64>, StoreError> {
        let followers = &self.inner.followers;
        if self.inner.commands.is_closed() {
            return Err(StoreError::Closed);
        }
        // First the channel, then the look: what is stored in between counts.
        let receiver = followers.follow(build);
        match rows::position(&self.inner.readers, build).await {
            Ok(Some((last_sequence, ended))) => {
                followers.advance(build, last_sequence, ended);
                Ok(receiver)
            }
            Ok(None) => {
                followers.close(build);
                Err(StoreError::BuildNotFound(build.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// Stores a document of a build, in the place of one of the same name. It is
    /// durable when this returns.
    ///
    /// # Errors
    /// There is no such build; the text is larger than [`MAX_DOCUMENT_BYTES`]; the
    /// store failed.
    pub async fn put_document(&self, build: &BuildId, name: &str, body: &str) -> Result<(), StoreError> {
        let document = Document::new(build, name, body)?;
        self.ask(|answer| Command::PutDocument { document, answer }).await
    }

    /// A document of a build; `None` when it has none of that name.
    ///
    /// # Errors
    /// The database failed.
    pub async fn document(&self, build: &BuildId, name: &str) -> Result<Option<String>, StoreError> {
        documents::read(&self.inner.readers, build, name).await
    }

    /// Builds that have a document of this name which is not empty, oldest first, at
    /// most `limit`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn builds_with_document(&self, name: &str, limit: u32) -> Result<Vec<BuildId>, StoreError> {
        documents::builds_with(&self.inner.readers, name, limit).await
    }

    /// The build whose id is `text` or, if there is only one, begins with it.
    /// `bld_` may be left out.
    ///
    /// # Errors
    /// There is none, or several, which are named; the database failed.
    pub async fn find(&self, text: &str) -> Result<BuildId, StoreError> {
        rows::find(&self.inner.readers, text).await
    }

    /// A page of builds, newest first.
    ///
    /// # Errors
    /// The page token is not one; the database failed.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        list::list(&self.inner.readers, query).await
    }

    /// Builds that have not ended, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn unfinished(&self) -> Result<Vec<BuildId>, StoreError> {
        rows::unfinished(&self.inner.readers).await
    }

    /// The journal of a build, for the flow that runs it.
    pub fn journal(&self, build: &BuildId) -> BuildJournal {
        BuildJournal { store: self.clone(), build: build.clone() }
    }

    /// Stores what waits, closes the database and gives the directory free.
    /// Later calls fail with [`StoreError::Closed`].
    pub async fn close(&self) {
        self.inner.closing.cancel();
        self.inner.tasks.wait().await;
        self.inner.readers.close().await;
        self.inner.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    async fn recall(&self, build: &BuildId, step: &str) -> Result<Option<StepRecord>, StoreError> {
        let (build, step) = (build.clone(), step.to_owned());
        self.ask(|answer| Command::Recall { build, step, answer }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, StoreError> {
        let (answer, reply) = oneshot::channel();
        let asked = async {
            self.inner.commands.send(command(answer)).await.map_err(|_| StoreError::Closed)?;
            reply.await.map_err(|_| StoreError::Closed)?
        };
        timeout(DEADLINE, asked).await.map_err(|_| StoreError::Timeout(DEADLINE.as_secs()))?
    }
}
