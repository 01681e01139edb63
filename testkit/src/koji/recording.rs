//! Reservations, uploads, imports and tags, with the rules of a bridge: a
//! repeated call does nothing twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use common::{
    failure::{Failure, FailureClass},
    koji::{KojiBuild, KojiBuildState},
    nvr::Nvr,
};
use md5::{Digest as _, Md5};
use proto::{
    convert::{KojiFailure, KojiFailureKind, koji_status},
    v1,
};
use serde_json::Value;
use tonic::Status;

use super::{State, Task};

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    reservations: HashMap<u64, Reservation>,
    tokens: u64,
    directories: u64,
    tickets: HashMap<String, String>,
    pub(super) files: BTreeMap<(String, String), Vec<u8>>,
    documents: BTreeMap<u64, String>,
    pub(super) tags: BTreeMap<u64, BTreeSet<String>>,
    tag_tasks: HashMap<(u64, String), u64>,
    /// Tasks that tag nothing, from now on.
    pub(super) failing_tags: usize,
    /// Number of imports that the hub has carried out.
    pub(super) imports: usize,
}

#[derive(Debug)]
struct Reservation {
    key: String,
    token: String,
}

/// A refusal of the hub.
fn refused(class: FailureClass, method: &str, code: &str, text: String) -> Status {
    let failure = Failure::new(class, code, text.clone());
    koji_status(&KojiFailure {
        kind: KojiFailureKind::Permanent,
        method: method.to_owned(),
        fault: Some((1000, text)),
        failure,
    })
}

impl State {
    pub(super) fn reserve(&mut self, nvr: &Nvr, key: &str) -> Result<v1::ReserveBuildResponse, Status> {
        let position = self.builds.iter().position(|build| build.nvr == *nvr);
        let position = match position {
            Some(position) => position,
            None => {
                let id = self.builds.iter().map(|build| build.id).max().unwrap_or(1200) + 1;
                self.builds.push(KojiBuild {
                    id,
                    nvr: nvr.clone(),
                    state: KojiBuildState::Cancelled,
                    volume: String::new(),
                    files_url: format!(
                        "https://files.example.org/packages/{}/{}/{}",
                        nvr.name(),
                        nvr.version(),
                        nvr.release()
                    ),
                    extra: Value::Null,
                    origin: Default::default(),
                    details_unavailable: false,
                });
                self.builds.len() - 1
            }
        };
        let build = &mut self.builds[position];
        let ours = self.recorded.reservations.get(&build.id).is_some_and(|held| held.key == key);
        match build.state {
            KojiBuildState::Failed | KojiBuildState::Cancelled => build.state = KojiBuildState::Building,
            KojiBuildState::Building if ours => {}
            state => {
                let text = format!("Build already exists: {nvr} (id={}, {state})", build.id);
                return Err(refused(FailureClass::User, "CGInitBuild", "koji.build_exists", text));
            }
        }
        self.recorded.tokens += 1;
        let token = format!("token-{}", self.recorded.tokens);
        let reservation = Reservation { key: key.to_owned(), token: token.clone() };
        self.recorded.reservations.insert(build.id, reservation);
        Ok(v1::ReserveBuildResponse { build_id: build.id, nvr: Some((&build.nvr).into()), token })
    }

    pub(super) fn refund(&mut self, request: &v1::RefundBuildRequest) -> Result<bool, Status> {
        let nvr = request.nvr.clone().map(Nvr::try_from).transpose()?;
        let reservations = &self.recorded.reservations;
        let by_key = request.build_id == 0;
        let found = self.builds.iter_mut().find(|build| match &nvr {
            Some(nvr) if by_key => build.nvr == *nvr,
            _ => build.id == request.build_id,
        });
        let Some(build) = found else { return Ok(false) };
        let Some(held) = reservations.get(&build.id) else { return Ok(false) };
        if build.state != KojiBuildState::Building || (by_key && held.key != request.key) {
            return Ok(false);
        }
        if !by_key && held.token != request.token {
            let text = "Token doesn't match build ID".to_owned();
            return Err(refused(FailureClass::Internal, "CGRefundBuild", "koji.token_mismatch", text));
        }
        build.state = if request.cancelled { KojiBuildState::Cancelled } else { KojiBuildState::Failed };
        Ok(true)
    }

    pub(super) fn prepare(&mut self, key: &str) -> v1::PrepareUploadResponse {
        self.recorded.directories += 1;
        let directory = format!("koji-upload/{}", self.recorded.directories);
        let ticket = format!("ticket-{key}-{}", self.recorded.directories);
        self.recorded.tickets.insert(directory.clone(), ticket.clone());
        v1::PrepareUploadResponse { directory, ticket, worker_address: String::new() }
    }

    pub(super) fn admit(&self, directory: &str, ticket: &str) -> Result<(), Status> {
        if self.recorded.tickets.get(directory).is_some_and(|known| known == ticket) {
            return Ok(());
        }
        Err(Status::permission_denied("this ticket does not open the directory"))
    }

    /// Writes a part of a file where it belongs.
    pub(super) fn write(
        &mut self,
        header: &v1::upload_file_request::Header,
        at: usize,
        data: &[u8],
    ) -> Result<(), Status> {
        let file = self.recorded.files.entry((header.directory.clone(), header.name.clone())).or_default();
        if at > file.len() {
            return Err(Status::out_of_range("the offset is beyond what is there"));
        }
        file.truncate(at);
        file.extend_from_slice(data);
        Ok(())
    }

    /// Compares a whole file with the sum that was announced.
    pub(super) fn check(&self, header: &v1::upload_file_request::Header) -> Result<(), Status> {
        let place = (header.directory.clone(), header.name.clone());
        let found = self.recorded.files.get(&place).map(|file| hex::encode(Md5::digest(file)));
        if header.md5.is_empty() || found.as_ref() == Some(&header.md5) {
            return Ok(());
        }
        let text = format!("{} has the sum {found:?} and not {}", header.name, header.md5);
        let failure = Failure::new(FailureClass::Infrastructure, "koji.upload_damaged", text);
        let (kind, method) = (KojiFailureKind::Retryable, "rawUpload".to_owned());
        Err(koji_status(&KojiFailure { kind, method, fault: None, failure }))
    }

    pub(super) fn import(&mut self, request: &v1::ImportBuildRequest) -> Result<(u64, bool), Status> {
        self.admit(&request.directory, &request.ticket)?;
        let wrong = |code: &str, text: String| refused(FailureClass::Source, "CGImport", code, text);
        let document: Value = serde_json::from_str(&request.metadata_json)
            .map_err(|error| wrong("koji.metadata_not_json", error.to_string()))?;
        let text = |key: &str| document["build"][key].as_str().unwrap_or_default().to_owned();
        let nvr = Nvr::new(&text("name"), &text("version"), &text("release"))
            .map_err(|error| wrong("koji.metadata_bad_nvr", error.to_string()))?;
        let found = self.builds.iter().position(|build| build.nvr == nvr);
        if let Some(build) = found.map(|position| &self.builds[position])
            && build.state == KojiBuildState::Complete
        {
            if self.recorded.documents.get(&build.id) == Some(&request.metadata_json) {
                return Ok((build.id, true));
            }
            return Err(wrong("koji.build_exists", format!("Build already exists: {nvr} (id={})", build.id)));
        }
        for output in document["output"].as_array().into_iter().flatten() {
            let name = output["filename"].as_str().unwrap_or_default().to_owned();
            let file = self.recorded.files.get(&(request.directory.clone(), name.clone()));
            let file =
                file.ok_or_else(|| wrong("koji.metadata_file_missing", format!("No such file: {name}")))?;
            if output["filesize"].as_u64() != Some(file.len() as u64) {
                return Err(wrong("koji.metadata_size_differs", format!("File size doesn't match: {name}")));
            }
            if output["checksum"].as_str() != Some(hex::encode(Md5::digest(file)).as_str()) {
                return Err(wrong(
                    "koji.metadata_checksum_differs",
                    format!("File checksum mismatch: {name}"),
                ));
            }
        }
        let id = match (found, document["build"]["build_id"].as_u64()) {
            (Some(position), Some(id)) => {
                let build = &mut self.builds[position];
                let held = self.recorded.reservations.get(&id);
                if build.id != id || held.is_none_or(|held| held.token != request.token) {
                    return Err(wrong("koji.token_mismatch", "Token doesn't match build ID".to_owned()));
                }
                if build.state != KojiBuildState::Building {
                    return Err(wrong("koji.not_reserved", format!("Build is not reserved: {nvr}")));
                }
                id
            }
            (Some(_), None) => {
                return Err(wrong("koji.build_exists", format!("Build already exists: {nvr}")));
            }
            (None, Some(id)) => return Err(wrong("koji.unknown_build", format!("No such build: {id}"))),
            (None, None) => self.reserve(&nvr, "")?.build_id,
        };
        if let Some(build) = self.builds.iter_mut().find(|build| build.id == id) {
            build.state = KojiBuildState::Complete;
            build.extra = document["build"]["extra"].clone();
        }
        self.recorded.imports += 1;
        self.recorded.documents.insert(id, request.metadata_json.clone());
        self.recorded.files.retain(|(directory, _), _| *directory != request.directory);
        Ok((id, false))
    }

    pub(super) fn tag(&mut self, request: &v1::TagBuildRequest) -> Result<v1::TagBuildResponse, Status> {
        let complete = |build: &KojiBuild| build.id == request.build_id && build.is_complete();
        if !self.builds.iter().any(complete) {
            let text = format!("build {} is not complete", request.build_id);
            return Err(refused(FailureClass::Policy, "tagBuild", "koji.build_not_complete", text));
        }
        let has = |tags: &BTreeSet<String>| tags.contains(&request.tag);
        if self.recorded.tags.get(&request.build_id).is_some_and(has) {
            return Ok(v1::TagBuildResponse { task_id: 0, tagged: true });
        }
        let task_id = self.tasks.last_key_value().map_or(9000, |(last, _)| last + 1);
        let task = Task::new(None);
        let state = if self.recorded.failing_tags > 0 {
            self.recorded.failing_tags -= 1;
            (v1::KojiTaskState::Failed, "the tag is locked".to_owned())
        } else {
            self.recorded.tags.entry(request.build_id).or_default().insert(request.tag.clone());
            (v1::KojiTaskState::Closed, String::new())
        };
        task.state.send_replace(state);
        self.tasks.insert(task_id, task);
        self.recorded.tag_tasks.insert((request.build_id, request.tag.clone()), task_id);
        Ok(v1::TagBuildResponse { task_id, tagged: false })
    }

    /// The document that a build was imported with.
    pub(super) fn document(&self, build: u64) -> Option<Value> {
        serde_json::from_str(self.recorded.documents.get(&build)?).ok()
    }
}
