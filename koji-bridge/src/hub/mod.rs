//! What the bridge asks of its hub, by topic.
//!
//! Questions go through one session; what changes something goes through another,
//! so that a large answer does not hold it up, and imports, which may take
//! minutes, through a third. A call that changes something is carried on when its
//! caller has gone: whoever repeats it finds what became of it.

mod abilities;
pub(crate) mod answers;
mod archives;
mod builds;
mod error;
mod imports;
pub(crate) mod locks;
mod outputs;
mod people;
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
use tokio::sync::{OnceCell, OwnedMutexGuard, watch};

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
use locks::Locks;
use tasks::StartedTasks;

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
}

/// A hub. Clones are the same hub.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queries: Session,
    changes: Session,
    imports: Session,
    url: String,
    anonymous: bool,
    options: HubOptions,
    abilities: Abilities,
    me: OnceCell<LoggedInUser>,
    locks: Locks,
    started: Mutex<StartedTasks>,
    shutdown: Shutdown,
}

impl Hub {
    /// A hub that nobody is logged in to yet.
    ///
    /// # Errors
    /// The hub's address cannot be used.
    pub fn new(settings: HubSettings, options: HubOptions, shutdown: Shutdown) -> Result<Self, SessionError> {
        let settings = Arc::new(settings);
        let session = || Session::new(Arc::clone(&settings));
        Ok(Self(Arc::new(Shared {
            queries: session()?,
            changes: session()?,
            imports: session()?,
            url: settings.url.to_string(),
            anonymous: matches!(settings.login, Login::Anonymous),
            options,
            abilities: Abilities::default(),
            me: OnceCell::new(),
            locks: Locks::default(),
            started: Mutex::default(),
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
        self.0.queries.hub_version()
    }

    /// How the hub is, as far as questions have shown.
    pub fn state(&self) -> watch::Receiver<HubState> {
        self.0.queries.state()
    }

    /// The session that questions go through.
    pub(crate) fn session(&self) -> &Session {
        &self.0.queries
    }

    /// Logs out. Calls that wait are cancelled.
    pub async fn close(&self) {
        let shared = &self.0;
        tokio::join!(shared.queries.logout(), shared.changes.logout(), shared.imports.logout());
    }

    /// Carries a change on to its end, whether or not somebody still waits for it.
    async fn carry_on<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, HubError>> + Send + 'static,
    ) -> Result<T, HubError> {
        match self.0.shutdown.tracker.spawn(change).await {
            Ok(ended) => ended,
            Err(_) => Err(CallError::Cancelled.into()),
        }
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
        self.0.changes.write(method, arguments).await.map_err(HubError::during(doing))
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
        let user = async || self.0.queries.user().await?.ok_or_else(nobody);
        self.0.me.get_or_try_init(user).await
    }

    /// Waits for its turn with something that only one call at a time may change.
    async fn exclusively(&self, name: &str) -> Result<OwnedMutexGuard<()>, HubError> {
        let busy = || {
            let message = "the bridge has too many changes in hand";
            let failure = Failure::new(FailureClass::Infrastructure, "koji.bridge_busy", message);
            HubError::of_kind(KojiFailureKind::Retryable, "", failure.with_advice("repeat the request later"))
        };
        self.0.locks.lock(name).await.ok_or_else(busy)
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
