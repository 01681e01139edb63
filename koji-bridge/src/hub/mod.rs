//! What the bridge asks of its hub, by topic.
//!
//! Questions, downloads, changes and imports, which may take minutes, have sessions
//! of their own, a few each, so that none holds another up; the look whether the
//! hub is there has one as well. A call that changes something is carried on when
//! its caller has gone: whoever repeats it finds what became of it.

mod abilities;
pub(crate) mod answers;
mod archives;
mod builds;
mod change;
mod error;
mod imports;
pub(crate) mod locks;
mod outputs;
mod people;
mod pool;
mod releases;
mod repositories;
mod reservations;
mod tags;
mod targets;
mod tasks;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{
    failure::{Failure, FailureClass},
    service::Shutdown,
};
use proto::convert::KojiFailureKind;
use serde::de::DeserializeOwned;
use tokio::{
    sync::{OnceCell, OwnedMutexGuard, Semaphore, watch},
    time::timeout,
};

pub use archives::FoundArchive;
pub use builds::{BuildName, FoundBuild};
pub use error::HubError;
pub use imports::{ImportRequest, Imported};
pub use outputs::OutputContent;
pub use people::FoundTask;
pub use reservations::{FoundReservation, Refund, ReserveRequest};
pub use tags::Tagging;
pub use targets::FoundTarget;
pub use tasks::TaskChange;

use crate::{
    metadata::Doing,
    session::{CallError, HubSettings, HubState, LoggedInUser, Login, Session, SessionError},
    xmlrpc::Arguments,
};
use abilities::Abilities;
use imports::EndedImports;
use locks::Locks;
use pool::Pool;
use tasks::StartedTasks;

/// Sessions for questions.
const QUERIES: usize = 3;
/// Sessions that files of tasks are read with.
const DOWNLOADS: usize = 2;
/// Files of tasks that are read at a time; one block of each is in memory.
const MOST_DOWNLOADS: usize = 8;
/// Sessions for what changes something.
const CHANGES: usize = 2;
/// Sessions for imports.
const IMPORTS: usize = 3;
/// Longest wait for a turn with something that one call at a time may change.
const LONGEST_TURN: Duration = Duration::from_secs(300);

/// What the bridge knows of its hub without asking, and how patient it is.
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// The hub's files, without a slash at the end.
    pub files_url: String,
    /// The hub's site for people, without a slash at the end; empty if unknown.
    pub web_url: String,
    /// Volumes whose files are not below `vol/` of `files_url`: their addresses,
    /// without a slash at the end.
    pub volumes: BTreeMap<String, String>,
    /// The content generator to import as.
    pub content_generator: String,
    /// Wait before a watched task is asked after again.
    pub task_poll: Duration,
    /// Wait before another release is tried for a reservation.
    pub reservation_pause: Duration,
    /// Wait before another look at what became of a call.
    pub look_pause: Duration,
    /// How long one try of a question may take; changes have the patience of the
    /// session's settings.
    pub read_timeout: Duration,
    /// How long the hub may be at an import whose end is not known.
    pub import_quiet: Duration,
}

/// A hub. Clones are the same hub.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    probe: Session,
    queries: Pool,
    downloads: Pool,
    open_downloads: Arc<Semaphore>,
    changes: Pool,
    imports: Pool,
    url: String,
    anonymous: bool,
    options: HubOptions,
    abilities: Abilities,
    me: OnceCell<LoggedInUser>,
    locks: Locks,
    started: Mutex<StartedTasks>,
    ended_imports: Mutex<EndedImports>,
    shutdown: Shutdown,
}

impl Hub {
    /// A hub that nobody is logged in to yet.
    ///
    /// # Errors
    /// The hub's address cannot be used.
    pub fn new(settings: HubSettings, options: HubOptions, shutdown: Shutdown) -> Result<Self, SessionError> {
        let settings = Arc::new(settings);
        let mut for_reads = HubSettings::clone(&settings);
        for_reads.timeout = for_reads.timeout.min(options.read_timeout);
        let for_reads = Arc::new(for_reads);
        Ok(Self(Arc::new(Shared {
            probe: Session::new(Arc::clone(&for_reads))?,
            queries: Pool::new(&for_reads, QUERIES)?,
            downloads: Pool::new(&for_reads, DOWNLOADS)?,
            open_downloads: Arc::new(Semaphore::new(MOST_DOWNLOADS)),
            changes: Pool::new(&settings, CHANGES)?,
            imports: Pool::new(&settings, IMPORTS)?,
            url: settings.url.to_string(),
            anonymous: matches!(settings.login, Login::Anonymous),
            options,
            abilities: Abilities::default(),
            me: OnceCell::new(),
            locks: Locks::default(),
            started: Mutex::default(),
            ended_imports: Mutex::default(),
            shutdown,
        })))
    }

    /// What is known of it without asking.
    pub fn options(&self) -> &HubOptions {
        &self.0.options
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Whether nobody logs in, so that only questions are answered.
    pub fn is_anonymous(&self) -> bool {
        self.0.anonymous
    }

    /// Its version as it last told it; hubs tell since 1.34.1.
    pub fn version(&self) -> Option<String> {
        self.0.probe.hub_version()
    }

    /// How the hub is, as far as [`Self::probe`] has shown.
    pub fn state(&self) -> watch::Receiver<HubState> {
        self.0.probe.state()
    }

    /// How the hub is, as far as questions have shown, by session.
    pub fn states_of_questions(&self) -> Vec<watch::Receiver<HubState>> {
        self.0.queries.sessions().iter().map(Session::state).collect()
    }

    /// The session that questions go through.
    pub(crate) fn session(&self) -> &Session {
        self.0.queries.first()
    }

    /// Logs out. Calls that wait are cancelled.
    pub async fn close(&self) {
        let shared = &self.0;
        tokio::join!(
            shared.probe.logout(),
            shared.queries.close(),
            shared.downloads.close(),
            shared.changes.close(),
            shared.imports.close()
        );
    }

    /// A question.
    async fn read<T: DeserializeOwned>(
        &self,
        method: &'static str,
        arguments: Arguments,
    ) -> Result<T, HubError> {
        Ok(self.0.queries.read(method, arguments).await?)
    }

    /// A change, made for something.
    async fn write<T: DeserializeOwned>(
        &self,
        doing: Doing,
        method: &'static str,
        arguments: Arguments,
    ) -> Result<T, HubError> {
        self.may_write()?;
        self.write_plain(method, arguments).await.map_err(HubError::during(doing))
    }

    /// A change, with the session's own error.
    async fn write_plain<T: DeserializeOwned>(
        &self,
        method: &'static str,
        arguments: Arguments,
    ) -> Result<T, CallError> {
        let session = self.0.changes.take().await?;
        change::ask()?;
        session.write(method, arguments).await
    }

    /// Refuses what needs a login where nobody logs in.
    fn may_write(&self) -> Result<(), HubError> {
        if !self.0.anonymous {
            return Ok(());
        }
        Err(HubError::NotOffered {
            method: "login",
            code: "koji.anonymous",
            message: "the bridge logs in to the hub as nobody, and only asks".to_owned(),
            advice: "configure koji.login at the bridge",
        })
    }

    /// The user that the bridge is.
    async fn me(&self) -> Result<&LoggedInUser, HubError> {
        let nobody = || HubError::NotFound {
            method: "getLoggedInUser",
            code: "koji.anonymous",
            message: "the bridge logs in to the hub as nobody".to_owned(),
        };
        let user = async || self.0.queries.take().await?.user().await?.ok_or_else(nobody);
        self.0.me.get_or_try_init(user).await
    }

    /// Waits for its turn with something that only one call at a time may change: not
    /// for ever, and not beyond the end of the process.
    async fn exclusively(&self, name: &str) -> Result<OwnedMutexGuard<()>, HubError> {
        let busy = || {
            let message = "the bridge has too many changes in hand";
            let failure = Failure::new(FailureClass::Infrastructure, "koji.bridge_busy", message);
            HubError::of_kind(KojiFailureKind::Retryable, "", failure.with_advice("repeat the request later"))
        };
        tokio::select! {
            biased;
            () = self.0.shutdown.token.cancelled() => Err(CallError::Cancelled.into()),
            turn = timeout(LONGEST_TURN, self.0.locks.lock(name)) => turn.ok().flatten().ok_or_else(busy),
        }
    }

    /// A wait that the end of the process cuts short.
    async fn pause(&self, wait: Duration) -> Result<(), HubError> {
        tokio::select! {
            biased;
            () = self.0.shutdown.token.cancelled() => Err(CallError::Cancelled.into()),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}
