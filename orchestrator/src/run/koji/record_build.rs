//! Step: records the build in Koji.
//!
//! Logs go up, the document is composed and kept in the build's directory, and
//! then it is imported. A step that runs again imports the very same document:
//! that is how the bridge knows that it is the same import.

use std::{io::ErrorKind, path::Path, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step, event::KojiRecord},
    nvr::Nvr,
    secret::Secret,
    work::{Descriptor, KojiFile},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    PreparedUpload, koji,
    logs::{self, LogFile},
    metadata::{MemberFacts, MetadataFacts, UploadedLog, compose},
    patiently,
};
use crate::{
    outside::{Import, Koji, KojiPatience, KojiTaskState, ReservationRequest},
    plan::{Plan, RESERVATION_TOKEN, Recording},
    run::{BuiltMember, compare_members::inventory, members},
    services::{BuildServices, disk_failure},
};

/// Name of the document in the build's directory.
const DOCUMENT: &str = "koji-metadata.json";

/// Records the build.
#[derive(Serialize)]
pub struct RecordBuild<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What Koji is told.
    pub recording: &'a Recording,
    /// The index.
    pub index: &'a Descriptor,
    /// The members, in the order of the index.
    pub members: &'a [BuiltMember],
    /// Where the files are.
    pub upload: &'a PreparedUpload,
}

/// A recorded build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedBuild {
    /// Its number.
    pub build: u64,
    /// Its name, version and release.
    pub nvr: Nvr,
    /// Its page.
    pub web_url: Option<String>,
}

impl RecordedBuild {
    /// The record as results have it, with the tag that the build got.
    pub(super) fn record(&self, tag: Option<String>) -> KojiRecord {
        let Self { build, nvr, web_url } = self.clone();
        KojiRecord { build, nvr, tag, web_url }
    }
}

impl Step<BuildServices> for RecordBuild<'_> {
    const NAME: &'static str = "record_build";
    const STAGE: Stage = Stage::Publish;
    type Output = RecordedBuild;

    fn policy(&self) -> Policy {
        // An import that has begun is waited for: nobody takes it back.
        Policy {
            attempts: 3,
            wait: Duration::from_secs(30),
            timeout: KojiPatience::STEP_LIMIT,
            grace: Duration::from_secs(900),
        }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<RecordedBuild, Failure> {
        let services = cx.services;
        let koji = koji(services)?;
        let ticket = self.upload.ticket(services).await?;
        self.check_task(cx, koji).await?;
        let path = services.directory().join(DOCUMENT);
        let document = match kept(&path).await? {
            Some(document) => document,
            None => {
                let document = self.compose(cx, koji, &ticket).await?;
                keep(&path, &document).await?;
                document
            }
        };
        if let Some(build) = self.imported_with_lost_token(cx, koji).await? {
            return Ok(self.recorded(build));
        }
        let token = self.token(cx, koji).await?;
        if cx.cancel.is_cancelled() {
            return Err(Failure::cancelled("the build was asked to stop"));
        }
        let imported = patiently(cx, "import a build into Koji", || {
            koji.import(Import {
                document: document.clone(),
                directory: &self.upload.directory,
                ticket: &ticket,
                token: token.as_ref(),
            })
        })
        .await?;
        for warning in &imported.warnings {
            cx.warn("koji.import_warning", warning).await?;
        }
        let line = format!("Koji has {} as build {}", self.recording.nvr, imported.build);
        services.say(cx.name, &line).await;
        Ok(self.recorded(imported.build))
    }
}

impl RecordBuild<'_> {
    fn recorded(&self, build: u64) -> RecordedBuild {
        let web = Some(self.recording.web_url.as_str()).filter(|url| !url.is_empty());
        let web_url = web.map(|url| format!("{url}/buildinfo?buildID={build}"));
        RecordedBuild { build, nvr: self.recording.nvr.clone(), web_url }
    }

    /// The build, if it was imported and the token of its reservation lost after
    /// that: it can be neither reserved again nor imported without a token. The
    /// number and the index say that it is this import.
    async fn imported_with_lost_token(
        &self,
        cx: &Context<'_, BuildServices>,
        koji: &Koji,
    ) -> Result<Option<u64>, Failure> {
        let Some(reserved) = &self.recording.reserved else { return Ok(None) };
        if cx.services.planning.vault.secret(RESERVATION_TOKEN).await?.is_some() {
            return Ok(None);
        }
        let build = patiently(cx, "look for a build in Koji", || koji.build(&reserved.nvr)).await?;
        let ours = build.filter(|build| {
            let digests = &build.extra["image"]["index"]["digests"];
            build.is_complete()
                && build.id == reserved.build
                && digests[&self.index.media_type] == self.index.digest.as_str()
        });
        Ok(ours.map(|build| build.id))
    }

    /// Makes sure that the task that asked for the build still wants it. A build
    /// that Koji has already is beyond that question.
    async fn check_task(&self, cx: &Context<'_, BuildServices>, koji: &Koji) -> Result<(), Failure> {
        let Some(id) = self.recording.task else { return Ok(()) };
        let task = patiently(cx, "look at a task in Koji", || koji.task(id)).await?;
        let state = match task {
            Some(task) if task.state == KojiTaskState::Unfinished => return Ok(()),
            Some(task) => match task.state {
                KojiTaskState::Cancelled => "was cancelled",
                KojiTaskState::Failed => "has failed",
                KojiTaskState::Closed | KojiTaskState::Unfinished => "is over",
            },
            None => "does not exist",
        };
        let nvr = &self.recording.nvr;
        let build = patiently(cx, "look for a build in Koji", || koji.build(nvr)).await?;
        if build.is_some_and(|build| build.is_complete()) {
            return Ok(());
        }
        let message = format!("task {id}, which asked for the build, {state}: {nvr} is not imported");
        Err(Failure::new(FailureClass::User, "koji.task_over", message)
            .with_advice("submit the build again if it is still wanted"))
    }

    /// The token of the reservation; a new one when it was lost.
    async fn token(&self, cx: &Context<'_, BuildServices>, koji: &Koji) -> Result<Option<Secret>, Failure> {
        let services = cx.services;
        let Some(reserved) = &self.recording.reserved else { return Ok(None) };
        let vault = &services.planning.vault;
        if let Some(token) = vault.secret(RESERVATION_TOKEN).await? {
            return Ok(Some(token));
        }
        let request = ReservationRequest {
            nvr: reserved.nvr.clone(),
            key: services.stamp.build.to_string(),
            task: self.recording.task,
        };
        let again = patiently(cx, "take over a reservation in Koji", || koji.reserve(&request)).await?;
        vault.keep(RESERVATION_TOKEN, &again.token).await?;
        Ok(Some(again.token))
    }

    async fn compose(
        &self,
        cx: &Context<'_, BuildServices>,
        koji: &Koji,
        ticket: &Secret,
    ) -> Result<String, Failure> {
        let services = cx.services;
        if let Some(failure) = Failure::all(self.members.iter().filter_map(no_archive)) {
            return Err(failure);
        }
        let submitter = patiently(cx, "ask Koji who we are", || koji.user(None)).await?;
        let owner = match self.recording.task {
            Some(id) => {
                patiently(cx, "look at a task in Koji", || koji.task(id)).await?.and_then(|task| task.owner)
            }
            None => None,
        };
        let staging = services.staging().await?;
        let mut members = Vec::new();
        for member in self.members {
            let config = members::read(&staging, &member.config).await?;
            let config = serde_json::from_slice(&config).map_err(|error| {
                Failure::from_error(FailureClass::Infrastructure, "member.contradiction", &error)
                    .on_platform(&member.platform)
            })?;
            let inventory = inventory(member, &staging).await?.unwrap_or_default();
            members.push(MemberFacts { member, inventory, config });
        }
        let logs = self.upload_logs(cx, koji, ticket).await?;
        let stamp = &services.stamp;
        let metadata = compose(&MetadataFacts {
            plan: self.plan,
            recording: self.recording,
            build: &stamp.build,
            version: env!("CARGO_PKG_VERSION"),
            index: self.index,
            members: &members,
            logs: &logs,
            submitter: submitter.map(|user| user.name).unwrap_or_default(),
            owner: owner.map(|user| user.name),
            started: stamp.created_at,
            ended: Timestamp::now(),
        });
        let escaped = metadata.escaped().map_err(|error| unserializable(&error))?;
        if escaped.replaced > 0 {
            let text = format!("{} control characters were escaped in what Koji is told", escaped.replaced);
            cx.warn("koji.control_characters", text).await?;
        }
        serde_json::to_string(&escaped.value).map_err(|error| unserializable(&error))
    }

    /// Uploads the logs. One that cannot be had is left out: a build is worth more
    /// than its log.
    async fn upload_logs(
        &self,
        cx: &Context<'_, BuildServices>,
        koji: &Koji,
        ticket: &Secret,
    ) -> Result<Vec<UploadedLog>, Failure> {
        let shared = &cx.services.shared;
        let (logs, build) = (&shared.logs, &cx.services.stamp.build);
        let mut uploaded = Vec::new();
        for file in LogFile::all(self.members.iter().map(|member| &member.platform)) {
            if cx.cancel.is_cancelled() {
                return Err(Failure::cancelled("the build was asked to stop"));
            }
            match logs::upload(koji, (logs, build), &file, (&self.upload.directory, ticket)).await {
                Ok(Some(sent)) => uploaded.push(as_uploaded(sent, &file)),
                Ok(None) => {}
                Err(failure) => {
                    let text = format!("{file} is left out of what Koji keeps: {}", failure.message);
                    cx.warn("koji.log_left_out", text).await?;
                }
            }
        }
        Ok(uploaded)
    }
}

fn as_uploaded(file: KojiFile, log: &LogFile) -> UploadedLog {
    let platform = match log {
        LogFile::Build(platform) => Some(platform.clone()),
        LogFile::Orchestrator | LogFile::Platform(_) => None,
    };
    UploadedLog { file, platform }
}

/// Why a member cannot be recorded: Koji has no file of it.
fn no_archive(member: &BuiltMember) -> Option<Failure> {
    if !member.koji_files.is_empty() {
        return None;
    }
    let message =
        format!("the worker on {} has sent no image of {} to Koji", member.build_host, member.platform);
    let failure = Failure::new(FailureClass::Infrastructure, "koji.no_archive", message)
        .with_advice("use a worker of the same release as the orchestrator");
    Some(failure.on_platform(&member.platform))
}

fn unserializable(error: &serde_json::Error) -> Failure {
    Failure::from_error(FailureClass::Internal, "koji.unserializable", error)
}

/// The document that an earlier run has kept.
async fn kept(path: &Path) -> Result<Option<String>, Failure> {
    match tokio::fs::read_to_string(path).await {
        Ok(document) => Ok(Some(document)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk_failure("cannot read", path, &error)),
    }
}

/// Keeps the document, whole or not at all.
async fn keep(path: &Path, document: &str) -> Result<(), Failure> {
    use tokio::io::AsyncWriteExt as _;
    let disk = |error: std::io::Error| disk_failure("cannot write", path, &error);
    let half = path.with_extension("half");
    let mut file = tokio::fs::File::create(&half).await.map_err(disk)?;
    file.write_all(document.as_bytes()).await.map_err(disk)?;
    file.sync_all().await.map_err(disk)?;
    tokio::fs::rename(&half, path).await.map_err(disk)
}
