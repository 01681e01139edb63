//! What a refused import leaves: whether the same import was faster, and whether
//! the files are still there.

use common::{
    failure::{Failure, FailureClass},
    secret::Secret,
};
use proto::convert::{KojiFailure, KojiFailureKind};

use super::{
    super::{Hub, HubError, answers::Uploaded},
    Imported,
    document::{Document, OutputFile},
    look::Before,
};
use crate::{
    metadata::Doing,
    session::{CallError, Chunk},
    xmlrpc::{Arguments, Call, Value, from_value},
};

/// Most names of files in a message.
const MOST_NAMES: usize = 5;

impl Hub {
    /// Goes on after a refusal: with the build, if the same import was faster, else
    /// with the hub's words and what they mean for the files.
    pub(super) async fn refused_import(
        &self,
        document: &Document,
        directory: &str,
        token: Option<&Secret>,
        call: CallError,
        done: impl FnOnce(u64, bool) -> Imported,
    ) -> Result<Imported, HubError> {
        match self.before_import(document, token).await {
            Ok(Before::Imported(build)) => return Ok(done(build, true)),
            Ok(Before::Other { error, .. }) => return Err(error),
            Ok(Before::Import) => {}
            Err(error) => tracing::warn!(%error, "cannot look for the build after a refused import"),
        }
        let mut failed = HubError::Call { doing: Doing::Import, call }.into_failure();
        match self.missing_files(document, directory).await {
            // An administrator has to help first; links lead to the files by now.
            Ok(_) if failed.failure.code == "koji.build_directory_left" => {}
            Ok(missing) if missing.is_empty() => {
                failed
                    .failure
                    .advice
                    .push_str("; the files are still there, the same directory can be used again");
            }
            Ok(missing) => failed = files_lost(&missing, document.files.len(), directory, failed),
            Err(error) => tracing::warn!(%error, "cannot look for the files after a refused import"),
        }
        Err(HubError::Failed(Box::new(failed)))
    }

    /// Refuses an import some of whose files are not there. After an import that
    /// broke off, links to nowhere are in their places, which the hub does not
    /// write to; where there is no link, the look leaves an empty file.
    pub(super) async fn check_files(&self, document: &Document, directory: &str) -> Result<(), HubError> {
        let missing = self.missing_files(document, directory).await?;
        let Some(first) = missing.first() else { return Ok(()) };
        let (within, name) = (first.directory(directory), first.name.as_str());
        let chunk = Chunk { directory: &within, name, offset: 0, overwrite: true, data: Default::default() };
        let link = match self.0.imports.upload_chunk(&chunk).await {
            Err(CallError::Refused { fault, .. }) => fault.text.contains("destination is a symlink"),
            Err(error) => {
                tracing::warn!(%error, "cannot find out why a file is missing");
                false
            }
            Ok(_) => false,
        };
        let message = format!(
            "{} of {} files are not in {directory}: {}",
            missing.len(),
            document.files.len(),
            names(&missing)
        );
        let failure = Failure::new(FailureClass::Infrastructure, "koji.metadata_file_missing", message)
            .with_advice("upload the missing files into the directory of the import");
        let failed = KojiFailure { method: "checkUpload".to_owned(), ..KojiFailure::permanent(failure) };
        let failed =
            if link { files_lost(&missing, document.files.len(), directory, failed) } else { failed };
        Err(HubError::Failed(Box::new(failed)))
    }

    /// The files of a document that the hub does not have.
    async fn missing_files(&self, document: &Document, directory: &str) -> Result<Vec<OutputFile>, HubError> {
        let ask = |file: &OutputFile| {
            let asked = Arguments::none().with(file.directory(directory)).with(file.name.as_str());
            Call::new("checkUpload", asked)
        };
        if document.files.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.0.imports.read_all(document.files.iter().map(ask).collect()).await?;
        let mut missing = Vec::new();
        for (file, answer) in document.files.iter().zip(answers) {
            let there = match answer {
                Ok(Value::Nil) => false,
                Ok(value) => from_value::<Uploaded>(value).is_ok(),
                // A link to nowhere, or a directory.
                Err(fault) => !fault.text.contains("destination "),
            };
            if !there {
                missing.push(file.clone());
            }
        }
        Ok(missing)
    }
}

/// A failure because of which everything has to be uploaded again.
fn files_lost(missing: &[OutputFile], all: usize, directory: &str, failed: KojiFailure) -> KojiFailure {
    let message = format!(
        "an import from {directory} broke off, and {} of its {all} files are gone: {}",
        missing.len(),
        names(missing)
    );
    let mut failure = Failure::new(FailureClass::Infrastructure, "koji.files_lost", message)
        .with_advice("upload everything again into a new directory; a reservation still holds");
    failure.causes = vec![failed.failure.message];
    KojiFailure { kind: KojiFailureKind::Permanent, failure, ..failed }
}

fn names(files: &[OutputFile]) -> String {
    let mut names: Vec<_> = files.iter().take(MOST_NAMES).map(|file| file.name.as_str()).collect();
    if files.len() > MOST_NAMES {
        names.push("…");
    }
    names.join(", ")
}
