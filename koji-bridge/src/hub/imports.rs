//! Imports of a content generator: each once, however often it is asked for.
//!
//! A hub tells the same import from another by nothing, names one problem at a
//! time, loses files when it breaks off late, and goes on when its client is gone.
//! So the document is checked before the hub is asked, the build is looked for
//! before and after, the directory says that an import was sent, and a refusal is
//! followed by a look at what has become of the files.

mod document;
mod look;
mod refused;
mod trace;

use bytes::Bytes;
use common::{
    failure::{Failure, FailureClass},
    nvr::Nvr,
    secret::Secret,
};
use proto::convert::KojiFailureKind;
use tokio::sync::OwnedMutexGuard;

use super::{
    Hub, HubError,
    answers::{Build, Uploaded},
    change,
};
use crate::{
    metadata::Doing,
    session::{CallError, Chunk, Session},
    xmlrpc::{Arguments, Fault},
};
use document::Document;
use look::Before;
pub(super) use trace::EndedImports;
use trace::Trace;

/// The document's name in the directory. Hubs look for no other when they are
/// told none.
const DOCUMENT: &str = "metadata.json";
/// Bytes in one part of an upload.
const PART: usize = 1 << 20;

/// What is to be imported.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// The metadata as JSON.
    pub metadata: String,
    /// The directory that holds the files.
    pub directory: String,
    /// Token of the reservation, if there is one.
    pub token: Option<Secret>,
}

/// A build that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Its number.
    pub build: u64,
    /// The hub had this very import already.
    pub found: bool,
    /// What the hub passes over, and what was changed in the document.
    pub warnings: Vec<String>,
}

impl Hub {
    /// Imports a build. A repeated call finds what the one before has imported.
    ///
    /// # Errors
    /// The document has problems, there is another build of that name, or the hub
    /// refuses or cannot answer.
    pub async fn import(&self, request: ImportRequest) -> Result<Imported, HubError> {
        check_directory(&request.directory)?;
        let hub = self.clone();
        self.carry_on(async move {
            hub.may_write()?;
            let generator = hub.options().content_generator.clone();
            let ImportRequest { metadata, directory, token } = request;
            let reserved = token.is_some();
            let read = move || Document::read(metadata, &generator, reserved);
            // Megabytes of JSON are read and checked.
            let document = tokio::task::spawn_blocking(read).await.map_err(|_| CallError::Cancelled)??;
            let _turn = hub.turn_with_build(&document.nvr).await?;
            hub.import_document(document, &directory, token.as_ref()).await
        })
        .await
    }

    async fn import_document(
        &self,
        document: Document,
        directory: &str,
        token: Option<&Secret>,
    ) -> Result<Imported, HubError> {
        let warnings = document.warnings.clone();
        let done = |build, found| Imported { build, found, warnings };
        match self.before_import(&document, token).await? {
            Before::Import => {}
            Before::Imported(build) => return Ok(done(build, true)),
            Before::Other(error) => return Err(error),
        }
        let mut trace = self.trace(directory).await?;
        if let Trace::Sent(sent) = trace {
            if let Some(build) = self.await_import(&document, directory, token, sent).await? {
                return Ok(done(build, true));
            }
            trace = Trace::Over;
        }
        self.check_files(&document, directory, trace).await?;
        let session = self.0.imports.take().await?;
        change::ask()?;
        upload_document(&session, directory, DOCUMENT, document.text.clone()).await.map_err(not_uploaded)?;
        self.note_sending(&session, &document, directory).await.map_err(not_uploaded)?;
        let mut asked = Arguments::none().with(DOCUMENT).with(directory);
        if let Some(token) = token {
            // Hubs before reservations know no third argument.
            asked = asked.with(token.expose());
        }
        tracing::info!(nvr = %document.nvr, directory, reserved = token.is_some(), "importing");
        let call = match session.write::<Option<Build>>("CGImport", asked).await {
            Ok(Some(build)) if build.number() > 0 => return Ok(done(build.number(), false)),
            // Old hubs answer nothing.
            Ok(_) => CallError::Committed { method: "CGImport" },
            Err(call) => call,
        };
        match &call {
            CallError::Committed { .. } | CallError::Lost { .. } => {
                let error = HubError::Call { doing: Doing::Import, call };
                let build = self.after_import(&document, token, error).await?;
                Ok(done(build, false))
            }
            CallError::Refused { fault, .. } => {
                // The call may have been sent twice, and the first one be at it.
                if trace != Trace::Over && is_directory_there(fault) {
                    let unknown = self.unfinished(&document, directory);
                    let build = self.after_import(&document, token, unknown).await?;
                    return Ok(done(build, true));
                }
                self.note_refusal(&session, directory).await;
                self.refused_import(&document, directory, token, call, done).await
            }
            _ => {
                self.note_unsent(directory);
                Err(HubError::Call { doing: Doing::Import, call })
            }
        }
    }

    /// Waits for its turn with a build of a name.
    pub(super) async fn turn_with_build(&self, nvr: &Nvr) -> Result<OwnedMutexGuard<()>, HubError> {
        self.exclusively(&format!("build {nvr}")).await
    }
}

/// Whether a hub says that there is a directory of the build, from an import that
/// broke off or from one that it is at.
fn is_directory_there(fault: &Fault) -> bool {
    fault.text.contains("Destination directory already exists")
}

/// Uploads a document that is in memory, from its beginning, and has the hub tell
/// that it is all there.
///
/// # Errors
/// See [`CallError`].
pub(crate) async fn upload_document(
    session: &Session,
    directory: &str,
    name: &str,
    document: Bytes,
) -> Result<(), CallError> {
    let mut rest = document.clone();
    let mut offset = 0;
    loop {
        let data = rest.split_to(PART.min(rest.len()));
        let size = data.len() as u64;
        session.upload_chunk(&Chunk { directory, name, offset, overwrite: true, data }).await?;
        offset += size;
        if rest.is_empty() {
            break;
        }
    }
    const METHOD: &str = "checkUpload";
    let there: Option<Uploaded> = session.read(METHOD, Arguments::none().with(directory).with(name)).await?;
    let size = there.map(|uploaded| uploaded.size);
    if size == Some(document.len() as u64) {
        return Ok(());
    }
    let reason = format!("of '{name}' the hub has {size:?} of {} bytes", document.len());
    Err(CallError::Unexpected { method: METHOD, reason })
}

/// An upload may be repeated whatever became of it: nothing is imported yet.
fn not_uploaded(call: CallError) -> HubError {
    if !matches!(call, CallError::Committed { .. } | CallError::Lost { .. }) {
        return HubError::Call { doing: Doing::Import, call };
    }
    let failure = Failure::from_error(FailureClass::Infrastructure, "koji.upload_failed", &call)
        .with_advice("repeat the request; nothing was imported");
    HubError::of_kind(KojiFailureKind::Retryable, "rawUpload", failure)
}

/// Refuses a directory that is not below the hub's upload area.
fn check_directory(directory: &str) -> Result<(), HubError> {
    let below = !directory.is_empty() && directory.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if below {
        return Ok(());
    }
    let message = format!("directory: '{directory}' is no path below the hub's upload area");
    Err(HubError::bad_request("koji.bad_directory", message))
}

#[cfg(test)]
mod unit_tests {
    #[test]
    fn a_directory_stays_below_the_upload_area() {
        for (directory, fits) in [
            ("koji-upload/1524681021.170606.JTroFLPr", true),
            ("", false),
            ("/etc", false),
            ("koji-upload/../x", false),
            ("koji-upload//x", false),
        ] {
            assert_eq!(super::check_directory(directory).is_ok(), fits, "{directory}");
        }
    }
}
