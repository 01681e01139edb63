//! Koji, asked through its bridge.
//!
//! Every question has a deadline and changes nothing; what changes something is
//! in `tasks` (image tasks), `recording` (reservations, imports, tags) and
//! `upload`. A hub that has no such thing is no error: the answer is `None`. A
//! call that failed at the hub keeps the code that the bridge gave it. Everything
//! else that goes wrong has one of four codes: `koji.unavailable` (try later),
//! `koji.refused` (the bridge says no), `koji.not_offered` (this bridge cannot)
//! and `koji.bad_answer`.

mod error;
mod patience;
mod people;
mod reach;
mod recording;
mod tasks;
#[cfg(test)]
mod tests;
mod upload;

use std::{fmt, sync::Arc, time::Duration};

use common::{
    failure::Failure,
    nvr::Nvr,
    service::{ConnectOptions, Connection, MAX_MESSAGE_BYTES, ServiceAddress, connect},
};
use proto::{
    convert::{BadField, koji_target},
    v1::{self, koji_bridge_service_client::KojiBridgeServiceClient},
};
use tokio::{sync::OnceCell, time::timeout};
use tonic::{Response, Status};

pub use common::koji::{
    ImageTask, KojiArchive, KojiBridge, KojiBuild, KojiBuildState, KojiCapability, KojiChecksum,
    KojiRepository, KojiTarget, KojiTask, KojiTaskState, KojiUser, Reservation, ReservationRequest,
    TaskOutput, UploadDirectory,
};
pub use error::KojiError;
pub use patience::KojiPatience;
pub use people::KojiTaskInfo;
pub use reach::KojiReach;
pub use recording::{Import, Imported, Refund, TagAnswer};
pub use upload::{Part, Upload};

/// Longest wait for one answer. A hub that is busy may take a while for a large
/// build's files.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

type Client = KojiBridgeServiceClient<Connection>;

/// A Koji hub, reached through koji-bridge. Cloning shares the connection.
#[derive(Clone)]
pub struct Koji {
    bridge: ServiceAddress,
    options: ConnectOptions,
    deadline: Duration,
    patience: KojiPatience,
    connection: Arc<OnceCell<Connection>>,
}

impl fmt::Debug for Koji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Koji").field("bridge", &self.bridge).finish_non_exhaustive()
    }
}

impl Koji {
    /// Koji behind the bridge at an address. Nothing is connected yet.
    pub fn new(bridge: ServiceAddress) -> Self {
        let (options, patience) = (ConnectOptions::default(), KojiPatience::default());
        Self { bridge, options, deadline: ANSWER_DEADLINE, patience, connection: Arc::default() }
    }

    /// The same with whom to trust and what to show at an `https://` address. A
    /// connection that is there stays.
    #[must_use]
    pub fn with_options(self, options: ConnectOptions) -> Self {
        Self { options, ..self }
    }

    /// The same with another deadline for each answer.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The same with another patience, for steps that repeat their calls.
    #[must_use]
    pub fn with_patience(self, patience: KojiPatience) -> Self {
        Self { patience, ..self }
    }

    /// How long steps wait for an answer.
    pub fn patience(&self) -> KojiPatience {
        self.patience
    }

    /// Where the bridge is.
    pub fn bridge(&self) -> &ServiceAddress {
        &self.bridge
    }

    /// What the bridge says of itself.
    ///
    /// # Errors
    /// The bridge cannot answer, or is of a time before it could.
    pub async fn describe(&self) -> Result<KojiBridge, Failure> {
        let answer = self.ask("Describe", async |client| client.describe(v1::DescribeRequest {}).await);
        Ok(self.read("Describe", answer.await?.try_into())?)
    }

    /// A target by name; `None` when there is none.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn target(&self, name: &str) -> Result<Option<KojiTarget>, Failure> {
        let request = v1::ResolveTargetRequest { name: name.to_owned() };
        let answer = self.ask("ResolveTarget", async |client| client.resolve_target(request).await).await;
        let Some(answer) = found(answer)? else { return Ok(None) };
        Ok(Some(self.read("ResolveTarget", koji_target(name, answer))?))
    }

    /// A build by NVR, in whatever state; `None` when there is none.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn build(&self, nvr: &Nvr) -> Result<Option<KojiBuild>, Failure> {
        self.find_build(v1::FindBuildRequest { nvr: Some(nvr.into()), build_id: 0 }).await
    }

    /// A build by number, in whatever state; `None` when there is none.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn build_by_id(&self, id: u64) -> Result<Option<KojiBuild>, Failure> {
        self.find_build(v1::FindBuildRequest { nvr: None, build_id: id }).await
    }

    async fn find_build(&self, request: v1::FindBuildRequest) -> Result<Option<KojiBuild>, Failure> {
        let answer = self.ask("FindBuild", async |client| client.find_build(request).await).await;
        let Some(answer) = found(answer)? else { return Ok(None) };
        Ok(Some(self.read("FindBuild", answer.try_into())?))
    }

    /// The release that the hub would give next to `name`-`version`. Nothing is
    /// reserved: somebody else may get the same.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn next_release(&self, name: &str, version: &str) -> Result<String, Failure> {
        let request = v1::NextReleaseRequest { name: name.to_owned(), version: version.to_owned() };
        let answer = self.ask("NextRelease", async |client| client.next_release(request).await).await?;
        if answer.release.is_empty() {
            return Err(self.bad_answer("NextRelease", BadField::missing("release")).into());
        }
        Ok(answer.release)
    }

    /// The files of a build, of one kind (`maven`, `image`) or of all.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn archives(&self, build: u64, kind: Option<&str>) -> Result<Vec<KojiArchive>, Failure> {
        let kind = kind.unwrap_or_default().to_owned();
        let request = v1::ListArchivesRequest { build_id: build, kind };
        let answer = self.ask("ListArchives", async |client| client.list_archives(request).await).await?;
        Ok(self.read("ListArchives", answer.try_into())?)
    }

    /// Where the files of a Maven build are, without a slash at the end.
    ///
    /// # Errors
    /// The bridge has not said where the build's files are.
    #[expect(clippy::unused_async, reason = "a bridge may have to be asked for builds found elsewhere")]
    pub async fn maven_directory(&self, build: &KojiBuild) -> Result<String, Failure> {
        if build.files_url.is_empty() {
            return Err(self.bad_answer("FindBuild", BadField::missing("files_url")).into());
        }
        Ok(format!("{}/maven", build.files_url.trim_end_matches('/')))
    }

    /// The newest repository of a tag; `None` when it has none.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn repository(&self, tag: &str) -> Result<Option<KojiRepository>, Failure> {
        let request = v1::GetRepositoryRequest { tag: tag.to_owned() };
        let answer = self.ask("GetRepository", async |client| client.get_repository(request).await).await;
        let Some(answer) = found(answer)? else { return Ok(None) };
        let base_url = answer.base_url;
        if base_url.is_empty() || base_url.chars().any(|c| c.is_control() || c == ' ') {
            let reason = format!("'{}' is no address", base_url.escape_default());
            return Err(self.bad_answer("GetRepository", BadField::new("base_url", reason)).into());
        }
        Ok(Some(KojiRepository { id: answer.repository_id, tag: tag.to_owned(), base_url }))
    }

    /// One call with its deadline.
    async fn ask<T>(
        &self,
        call: &'static str,
        ask: impl AsyncFnOnce(&mut Client) -> Result<Response<T>, Status>,
    ) -> Result<T, KojiError> {
        self.ask_within(self.deadline, call, ask).await
    }

    /// One call with a deadline of its own.
    async fn ask_within<T>(
        &self,
        deadline: Duration,
        call: &'static str,
        ask: impl AsyncFnOnce(&mut Client) -> Result<Response<T>, Status>,
    ) -> Result<T, KojiError> {
        let mut client = self.client().await?;
        match timeout(deadline, ask(&mut client)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(KojiError::from_status(&self.bridge, call, &status)),
            Err(_) => Err(KojiError::Silent { bridge: self.bridge.clone(), call, after: deadline }),
        }
    }

    /// A client for calls that are handed on as they are.
    ///
    /// # Errors
    /// The bridge's address cannot be dialled.
    pub async fn raw_client(&self) -> Result<KojiBridgeServiceClient<Connection>, Failure> {
        Ok(self.client().await?)
    }

    async fn client(&self) -> Result<Client, KojiError> {
        let connection = self.connection.get_or_try_init(async || {
            connect(&self.bridge, &self.options)
                .await
                .map_err(|source| KojiError::Address { bridge: self.bridge.clone(), source })
        });
        Ok(Client::new(connection.await?.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    fn read<T>(&self, call: &'static str, value: Result<T, BadField>) -> Result<T, KojiError> {
        value.map_err(|reason| self.bad_answer(call, reason))
    }

    fn bad_answer(&self, call: &'static str, reason: BadField) -> KojiError {
        KojiError::BadAnswer { bridge: self.bridge.clone(), call, reason }
    }
}

/// An answer of which "there is no such thing" is one.
fn found<T>(answer: Result<T, KojiError>) -> Result<Option<T>, KojiError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(KojiError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
