//! The metadata of an import, read, checked and made fit to be stored.

use std::collections::BTreeSet;

use bytes::Bytes;
use common::{
    failure::{Failure, FailureClass},
    koji::metadata::escape_control_characters,
    nvr::Nvr,
};
use serde_json::Value;

use super::super::{HubError, answers::task_number};
use crate::metadata::{Context, Problem, Reservation, Severity, check, read};

/// Most warnings that are handed back.
const MOST_WARNINGS: usize = 100;

/// A document that can be imported, as far as that can be known beforehand.
#[derive(Debug)]
pub(super) struct Document {
    /// What is imported.
    pub(super) nvr: Nvr,
    /// Number of the reserved build.
    pub(super) build_id: Option<u64>,
    /// The task that the build belongs to.
    pub(super) task: Option<u64>,
    /// What it was built from.
    pub(super) source: Option<String>,
    /// The files.
    pub(super) files: Vec<OutputFile>,
    /// What is uploaded.
    pub(super) text: Bytes,
    /// What the hub passes over, and what was changed.
    pub(super) warnings: Vec<String>,
}

/// A file of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutputFile {
    /// Folder below the upload directory; empty for the directory itself.
    pub(super) folder: String,
    /// File name.
    pub(super) name: String,
    /// Size in bytes, if it is told.
    pub(super) size: Option<u64>,
    /// Checksum in hexadecimal digits.
    pub(super) checksum: String,
    /// Whether it is a log, which no list of archives has.
    pub(super) is_log: bool,
}

impl Document {
    /// Reads a document. All problems come at once.
    pub(super) fn read(text: String, generator: &str, reserved: bool) -> Result<Self, HubError> {
        let document = read(text.as_bytes()).map_err(|problem| refused([&problem]))?;
        let escaped = escape_control_characters(document);
        let document = escaped.value;
        let context = Context {
            reservation: reserved.then(Reservation::default),
            generator: Some(generator.to_owned()),
            ..Context::default()
        };
        let problems = check(&document, &context);
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
        if errors.clone().next().is_some() {
            return Err(refused(errors));
        }
        let mut warnings: Vec<_> =
            problems.iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect();
        if warnings.len() > MOST_WARNINGS {
            let more = warnings.len() - MOST_WARNINGS;
            warnings.truncate(MOST_WARNINGS);
            warnings.push(format!("and {more} more"));
        }
        // What needs no change is stored as it came.
        let text = match escaped.replaced {
            0 => text,
            count => {
                let characters = if count == 1 { "character was" } else { "characters were" };
                warnings.push(format!("{count} control {characters} escaped"));
                document.to_string()
            }
        };
        let build = &document["build"];
        let word = |key: &str| build[key].as_str().unwrap_or_default();
        let nvr = Nvr::new(word("name"), word("version"), word("release"))
            .map_err(|error| HubError::bad_request("koji.bad_nvr", format!("build: {error}")))?;
        let told = task_number(&build["task_id"]);
        Ok(Self {
            nvr,
            build_id: build["build_id"].as_u64(),
            task: told.or_else(|| task_number(&build["extra"]["container_koji_task_id"])),
            source: build["source"].as_str().map(str::to_owned),
            files: document["output"].as_array().into_iter().flatten().filter_map(OutputFile::of).collect(),
            text: Bytes::from(text),
            warnings,
        })
    }

    /// Names and checksums of the files that a list of archives has.
    pub(super) fn archives(&self) -> BTreeSet<(&str, &str)> {
        let archives = self.files.iter().filter(|file| !file.is_log);
        archives.map(|file| (file.name.as_str(), file.checksum.as_str())).collect()
    }
}

impl OutputFile {
    fn of(output: &Value) -> Option<Self> {
        let text = |key: &str| output[key].as_str().unwrap_or_default().to_owned();
        let name = output["filename"].as_str()?.to_owned();
        let is_log = output["type"] == "log";
        let (size, checksum) = (output["filesize"].as_u64(), text("checksum"));
        Some(Self { folder: text("relpath"), name, size, checksum, is_log })
    }

    /// The directory that it is in.
    pub(super) fn directory(&self, directory: &str) -> String {
        match self.folder.trim_matches('/') {
            "" | "." => directory.to_owned(),
            folder => format!("{directory}/{folder}"),
        }
    }
}

/// The failure of a document with these problems.
fn refused<'a>(problems: impl IntoIterator<Item = &'a Problem>) -> HubError {
    let failure = Failure::all(problems.into_iter().map(Problem::failure));
    let unnamed =
        || Failure::new(FailureClass::Internal, "koji.metadata_refused", "the metadata has problems");
    HubError::failed("", failure.unwrap_or_else(unnamed).bounded())
}
