//! What an import leaves in its directory, so that whoever comes after a crash
//! knows of it.
//!
//! A hub goes on with an import when its client is gone, and takes a second one
//! of the same build at the same time, which removes the files of the first. So
//! a file in the directory says that the import was sent, and since when; it is
//! emptied when the hub has refused the import. As long as neither the build nor
//! a refusal is there, nothing is sent again until the hub can be at it no more.

use std::{
    collections::VecDeque,
    sync::PoisonError,
    time::{Duration, Instant},
};

use bytes::Bytes;
use common::{
    failure::{Failure, FailureClass},
    secret::Secret,
};
use jiff::Timestamp;
use proto::convert::KojiFailureKind;

use super::{
    super::{Hub, HubError, answers::Uploaded, change},
    document::Document,
    look::Before,
};
use crate::{
    session::{CallError, Chunk, Session},
    xmlrpc::Arguments,
};

/// The file that says that an import was sent.
const SENT: &str = "import-sent";
/// A file that tells the hub's time.
const CLOCK: &str = "import-clock";
/// Longest wait for the end of an import within one call.
const LONGEST_LOOK: Duration = Duration::from_secs(60);
/// Shortest wait between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// Most directories that are remembered.
const MOST_REMEMBERED: usize = 1000;

/// What a directory says of imports from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Trace {
    /// None was sent.
    None,
    /// The last one was refused.
    Refused,
    /// One was sent, at this time of the hub's clock in seconds; its end is not
    /// known.
    Sent(f64),
    /// The same so long ago that the hub is done with it, somehow.
    Over,
}

/// Directories from which imports were sent whose end is known although their
/// file does not tell; the oldest are forgotten.
#[derive(Debug, Default)]
pub(in super::super) struct EndedImports(VecDeque<(String, bool)>);

impl EndedImports {
    fn remember(&mut self, directory: &str, refused: bool) {
        self.forget(directory);
        self.0.push_back((directory.to_owned(), refused));
        if self.0.len() > MOST_REMEMBERED {
            self.0.pop_front();
        }
    }

    fn forget(&mut self, directory: &str) {
        self.0.retain(|(known, _)| known != directory);
    }

    /// Whether the last import was refused; `None` if its end is not known.
    fn find(&self, directory: &str) -> Option<bool> {
        self.0.iter().find(|(known, _)| known == directory).map(|(_, refused)| *refused)
    }
}

impl Hub {
    /// What a directory says of imports from it.
    pub(super) async fn trace(&self, directory: &str) -> Result<Trace, HubError> {
        let Some(sent) = self.look_at(directory, SENT).await? else { return Ok(Trace::None) };
        if sent.size == 0 {
            return Ok(Trace::Refused);
        }
        Ok(match self.ended_imports(|ended| ended.find(directory)) {
            Some(true) => Trace::Refused,
            // The call never reached the hub.
            Some(false) => Trace::None,
            None => Trace::Sent(sent.mtime.unwrap_or_default()),
        })
    }

    /// Waits for the end of an import that was sent before, by this process or by
    /// another: the build's number, or nothing when the hub is done without one.
    ///
    /// # Errors
    /// Another build has the name, or the hub may still be at it.
    pub(super) async fn await_import(
        &self,
        document: &Document,
        directory: &str,
        token: Option<&Secret>,
        sent: f64,
    ) -> Result<Option<u64>, HubError> {
        let quiet = self.options().import_quiet;
        let age = self.hub_time(directory).await? - sent;
        let age = Duration::try_from_secs_f64(age).unwrap_or_default();
        let began = Instant::now();
        loop {
            match self.before_import(document, token).await? {
                Before::Imported(build) => return Ok(Some(build)),
                Before::Other(error) => return Err(error),
                Before::Import => {}
            }
            if age + began.elapsed() >= quiet {
                tracing::warn!(nvr = %document.nvr, directory, "an import that was sent has left no build");
                return Ok(None);
            }
            if began.elapsed() >= LONGEST_LOOK {
                return Err(self.unfinished(document, directory));
            }
            self.pause(self.options().look_pause.max(SHORTEST_PAUSE)).await?;
        }
    }

    /// An import whose end is not known.
    pub(super) fn unfinished(&self, document: &Document, directory: &str) -> HubError {
        let message = format!(
            "an import of {} from {directory} was sent to the hub, which may still be at it",
            document.nvr
        );
        let advice = format!(
            "repeat the request: the bridge looks for the build, and imports again only when the hub has been \
             without one for {} seconds (koji.patience.import_quiet_seconds)",
            self.options().import_quiet.as_secs()
        );
        let failure =
            Failure::new(FailureClass::Infrastructure, "koji.import_unfinished", message).with_advice(advice);
        HubError::of_kind(KojiFailureKind::Ambiguous, "CGImport", failure)
    }

    /// Notes that an import is about to be sent.
    pub(super) async fn note_sending(
        &self,
        session: &Session,
        document: &Document,
        directory: &str,
    ) -> Result<(), CallError> {
        let text = format!("{} {}\n", Timestamp::now(), document.nvr);
        session.upload_chunk(&whole(directory, SENT, text.into())).await?;
        self.ended_imports(|ended| ended.forget(directory));
        Ok(())
    }

    /// Notes that the hub has refused an import.
    pub(super) async fn note_refusal(&self, session: &Session, directory: &str) {
        self.ended_imports(|ended| ended.remember(directory, true));
        if let Err(error) = session.upload_chunk(&whole(directory, SENT, Bytes::new())).await {
            tracing::warn!(directory, %error, "cannot note that an import was refused");
        }
    }

    /// Notes that an import did not reach the hub.
    pub(super) fn note_unsent(&self, directory: &str) {
        self.ended_imports(|ended| ended.remember(directory, false));
    }

    fn ended_imports<T>(&self, look: impl FnOnce(&mut EndedImports) -> T) -> T {
        look(&mut self.0.ended_imports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn look_at(&self, directory: &str, name: &str) -> Result<Option<Uploaded>, HubError> {
        self.read("checkUpload", Arguments::none().with(directory).with(name)).await
    }

    /// The time by the clock that upload directories have, in seconds. The bridge's
    /// own may differ.
    async fn hub_time(&self, directory: &str) -> Result<f64, HubError> {
        let session = self.0.changes.take().await?;
        change::ask()?;
        session.upload_chunk(&whole(directory, CLOCK, Bytes::from_static(b"-"))).await?;
        drop(session);
        let now = self.look_at(directory, CLOCK).await?.and_then(|clock| clock.mtime);
        now.ok_or_else(|| HubError::unexpected("checkUpload", "it has no mtime"))
    }
}

fn whole<'a>(directory: &'a str, name: &'a str, data: Bytes) -> Chunk<'a> {
    Chunk { directory, name, offset: 0, overwrite: true, data }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn the_oldest_directories_are_forgotten() {
        let mut ended = EndedImports::default();
        for number in 0..=MOST_REMEMBERED {
            ended.remember(&number.to_string(), false);
            ended.remember(&number.to_string(), true);
        }
        assert_eq!((ended.0.len(), ended.find("0"), ended.find("1")), (MOST_REMEMBERED, None, Some(true)));
        ended.forget("1");
        assert_eq!(ended.find("1"), None);
    }
}
