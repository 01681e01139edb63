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
    trace::Trace,
};
use crate::{
    metadata::Doing,
    session::CallError,
    xmlrpc::{Arguments, Call, Value, from_value},
};

/// Most names of files in a message.
const MOST_NAMES: usize = 5;

/// Files that an import cannot do without.
#[derive(Debug, Default)]
struct Missing {
    /// Of these the hub has nothing.
    absent: Vec<OutputFile>,
    /// These have another size.
    cut: Vec<OutputFile>,
}

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
            Ok(Before::Other(error)) => return Err(error),
            Ok(Before::Import) => {}
            Err(error) => tracing::warn!(%error, "cannot look for the build after a refused import"),
        }
        let mut failed = HubError::Call { doing: Doing::Import, call }.into_failure();
        match self.missing_files(document, directory).await {
            // An administrator has to help first; links lead to the files by now.
            Ok(_) if failed.failure.code == "koji.build_directory_left" => {}
            Ok(missing) if missing.absent.is_empty() => {
                failed
                    .failure
                    .advice
                    .push_str("; the files are still there, the same directory can be used again");
            }
            Ok(missing) => failed = files_lost(&missing.absent, document.files.len(), directory, failed),
            Err(error) => tracing::warn!(%error, "cannot look for the files after a refused import"),
        }
        Err(HubError::Failed(Box::new(failed)))
    }

    /// Refuses an import some of whose files are not there, or not whole. After an
    /// import that broke off they are lost: the hub has moved them, and in their
    /// places are links to nowhere, which take no upload.
    pub(super) async fn check_files(
        &self,
        document: &Document,
        directory: &str,
        trace: Trace,
    ) -> Result<(), HubError> {
        let Missing { absent, cut } = self.missing_files(document, directory).await?;
        if absent.is_empty() && cut.is_empty() {
            return Ok(());
        }
        let lost = trace != Trace::None && !absent.is_empty();
        let (all, files) = (document.files.len(), [absent.as_slice(), &cut].concat());
        let message =
            format!("{} of {all} files are not whole in {directory}: {}", files.len(), names(&files));
        let failure = Failure::new(FailureClass::Infrastructure, "koji.metadata_file_missing", message)
            .with_advice("upload these files into the directory of the import");
        let failed = KojiFailure { method: "checkUpload".to_owned(), ..KojiFailure::permanent(failure) };
        let failed = if lost { files_lost(&absent, all, directory, failed) } else { failed };
        Err(HubError::Failed(Box::new(failed)))
    }

    /// The files of a document that the hub does not have as they should be.
    async fn missing_files(&self, document: &Document, directory: &str) -> Result<Missing, HubError> {
        const METHOD: &str = "checkUpload";
        let ask = |file: &OutputFile| {
            let asked = Arguments::none().with(file.directory(directory)).with(file.name.as_str());
            Call::new(METHOD, asked)
        };
        let mut missing = Missing::default();
        if document.files.is_empty() {
            return Ok(missing);
        }
        let answers = self.0.queries.read_all(document.files.iter().map(ask).collect()).await?;
        for (file, answer) in document.files.iter().zip(answers) {
            let value = answer.map_err(|fault| CallError::Refused { method: METHOD, fault })?;
            if value == Value::Nil {
                missing.absent.push(file.clone());
                continue;
            }
            let uploaded: Uploaded =
                from_value(value).map_err(|error| HubError::unexpected(METHOD, error.to_string()))?;
            if file.size.is_some_and(|size| size != uploaded.size) {
                missing.cut.push(file.clone());
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
