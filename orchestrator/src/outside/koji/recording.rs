//! What is written into Koji: reservations, imports, tags.
//!
//! Each call can be repeated. The bridge knows a reservation by its key, an
//! import by what is imported, and a tag by the build that has it; so a call
//! whose answer was lost is simply made again.

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    nvr::Nvr,
    secret::Secret,
};
use proto::{convert::BadField, v1};

use super::{Koji, Reservation, ReservationRequest, UploadDirectory};

/// Longest wait for an import: the hub moves all files of the build.
const IMPORT_DEADLINE: Duration = Duration::from_secs(3600);
/// Largest document of an import in bytes.
const MAX_DOCUMENT: usize = 64 * 1024 * 1024;

/// A reservation that is given back.
#[derive(Debug)]
pub enum Refund<'a> {
    /// One whose token is known.
    Token {
        /// Number of the build.
        build: u64,
        /// Token of the reservation.
        token: &'a Secret,
    },
    /// One that may have been made, and nobody has heard of it.
    Key {
        /// What it was to be known by.
        key: &'a str,
        /// What was to be reserved.
        nvr: &'a Nvr,
    },
}

/// An import.
#[derive(Debug)]
pub struct Import<'a> {
    /// Content-generator metadata as JSON.
    pub document: String,
    /// Directory that holds the uploaded files.
    pub directory: &'a str,
    /// Ticket of the directory.
    pub ticket: &'a Secret,
    /// Token of the reservation, if there is one.
    pub token: Option<&'a Secret>,
}

/// An imported build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Number of the build.
    pub build: u64,
    /// The hub had this very import already.
    pub found: bool,
    /// What the hub passes over, and what the bridge has changed.
    pub warnings: Vec<String>,
}

/// What tagging has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagAnswer {
    /// The build has the tag.
    Tagged,
    /// A task of this number does it.
    Task(u64),
}

impl Koji {
    /// Reserves a build. A repeated call with the same key takes over the
    /// reservation that it made before, with a new token.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer, or refuses: somebody else has it.
    pub async fn reserve(&self, request: &ReservationRequest) -> Result<Reservation, Failure> {
        const CALL: &str = "ReserveBuild";
        let asked = v1::ReserveBuildRequest::from(request);
        let answer = self.ask(CALL, async |client| client.reserve_build(asked).await).await?;
        let reservation: Reservation = self.read(CALL, answer.try_into())?;
        if reservation.nvr != request.nvr {
            let reason = format!("{} was asked for, and {} is reserved", request.nvr, reservation.nvr);
            return Err(self.bad_answer(CALL, BadField::new("nvr", reason)).into());
        }
        Ok(reservation)
    }

    /// Gives a reservation back; whether there was one. `reason` is why the build
    /// has failed or was cancelled.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer, or refuses.
    pub async fn refund(&self, refund: Refund<'_>, reason: &Failure) -> Result<bool, Failure> {
        let mut asked = v1::RefundBuildRequest {
            failure: Some(reason.clone().bounded().into()),
            cancelled: reason.class == FailureClass::Cancelled,
            ..v1::RefundBuildRequest::default()
        };
        match refund {
            Refund::Token { build, token } => {
                asked.build_id = build;
                asked.token = token.expose().to_owned();
            }
            Refund::Key { key, nvr } => {
                asked.key = key.to_owned();
                asked.nvr = Some(nvr.into());
            }
        }
        let answer = self.ask("RefundBuild", async |client| client.refund_build(asked).await).await?;
        Ok(answer.refunded)
    }

    /// Opens a directory for uploads. Nothing happens at the hub.
    ///
    /// # Errors
    /// The bridge cannot answer.
    pub async fn prepare_upload(&self, key: &str) -> Result<UploadDirectory, Failure> {
        const CALL: &str = "PrepareUpload";
        let request = v1::PrepareUploadRequest { key: key.to_owned() };
        let answer = self.ask(CALL, async |client| client.prepare_upload(request).await).await?;
        Ok(self.read(CALL, answer.try_into())?)
    }

    /// Imports a build; a repeated call imports once.
    ///
    /// # Errors
    /// `koji.document_too_large`; the bridge or the hub cannot answer, or refuses.
    pub async fn import(&self, import: Import<'_>) -> Result<Imported, Failure> {
        const CALL: &str = "ImportBuild";
        let bytes = import.document.len();
        if bytes > MAX_DOCUMENT {
            let message =
                format!("what Koji is to record takes {bytes} bytes; at most {MAX_DOCUMENT} can be sent");
            return Err(Failure::new(FailureClass::Source, "koji.document_too_large", message)
                .with_advice("install fewer packages, build for fewer platforms, or send less user data"));
        }
        let request = v1::ImportBuildRequest {
            metadata_json: import.document,
            directory: import.directory.to_owned(),
            token: import.token.map(|token| token.expose().to_owned()).unwrap_or_default(),
            ticket: import.ticket.expose().to_owned(),
        };
        let deadline = IMPORT_DEADLINE.max(self.deadline);
        let answer =
            self.ask_within(deadline, CALL, async |client| client.import_build(request).await).await?;
        if answer.build_id == 0 {
            return Err(self.bad_answer(CALL, BadField::missing("build_id")).into());
        }
        Ok(Imported { build: answer.build_id, found: answer.found, warnings: answer.warnings })
    }

    /// Tags a build, or says that it has the tag.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer, or refuses.
    pub async fn tag_build(&self, build: u64, tag: &str) -> Result<TagAnswer, Failure> {
        const CALL: &str = "TagBuild";
        let request = v1::TagBuildRequest { build_id: build, tag: tag.to_owned() };
        let answer = self.ask(CALL, async |client| client.tag_build(request).await).await?;
        match answer.task_id {
            _ if answer.tagged => Ok(TagAnswer::Tagged),
            0 => Err(self.bad_answer(CALL, BadField::missing("task_id")).into()),
            task => Ok(TagAnswer::Task(task)),
        }
    }
}
