//! Whether a build is there, and whether it is this import.

use common::{
    failure::{Failure, FailureClass},
    koji::KojiBuildState,
    secret::Secret,
};

use super::{
    super::{
        BuildName, Hub, HubError,
        answers::{Archive, Build},
        archives::number,
        builds::Sight,
    },
    document::Document,
};
use crate::xmlrpc::Arguments;

/// How often it is looked what became of an import whose answer is lost.
const LOOKS: usize = 5;

/// What a look before an import shows.
pub(super) enum Before {
    /// Nothing is in its way.
    Import,
    /// It is there already.
    Imported(u64),
    /// A build has the name that does not seem to be this one.
    Other(HubError),
}

impl Hub {
    /// Looks whether an import is there already.
    pub(super) async fn before_import(
        &self,
        document: &Document,
        token: Option<&Secret>,
    ) -> Result<Before, HubError> {
        let build = match self.look_for_build(&BuildName::Nvr(document.nvr.clone())).await? {
            Sight::Absent => return Ok(Before::Import),
            Sight::Unreadable { id, .. } if is_reserved_for(document, token, id) => {
                return Ok(Before::Imported(id));
            }
            Sight::Unreadable { id, .. } if self.has_these_archives(id, document).await? => {
                return Ok(Before::Imported(id));
            }
            Sight::Unreadable { id, .. } => return Ok(Before::other(document, id, "unreadable")),
            Sight::Clear(build) => build,
        };
        Ok(match build.state() {
            Some(KojiBuildState::Complete) if self.is_this(&build, document, token).await? => {
                Before::Imported(build.number())
            }
            Some(state @ (KojiBuildState::Complete | KojiBuildState::Deleted)) => {
                Before::other(document, build.number(), &state.to_string())
            }
            // What may be imported over these, the hub knows.
            _ => Before::Import,
        })
    }

    /// Whether a complete build is the one that a document describes.
    async fn is_this(
        &self,
        build: &Build,
        document: &Document,
        token: Option<&Secret>,
    ) -> Result<bool, HubError> {
        if is_reserved_for(document, token, build.number()) {
            return Ok(true);
        }
        let of_task = document.task.is_some() && document.task == build.task();
        let of_source = document.source.is_some() && document.source == build.source;
        Ok((of_task || of_source) && self.has_these_archives(build.number(), document).await?)
    }

    /// Whether a build has the archives of a document, which must have one at least.
    async fn has_these_archives(&self, build: u64, document: &Document) -> Result<bool, HubError> {
        let wanted = document.archives();
        if wanted.is_empty() {
            return Ok(false);
        }
        let asked = Arguments::none().named("buildID", number(build)?);
        let archives: Vec<Archive> = match self.read("listArchives", asked).await {
            Ok(archives) => archives,
            Err(error) if error.is_unreadable() => return Ok(false),
            Err(error) => return Err(error),
        };
        let there = archives
            .iter()
            .map(|archive| (archive.filename.as_str(), archive.checksum.as_deref().unwrap_or_default()));
        Ok(wanted == there.collect())
    }

    /// Looks what became of an import whose answer is lost.
    ///
    /// # Errors
    /// Another build has the name, or it cannot be found out: then the error is
    /// `unknown`.
    pub(super) async fn after_import(
        &self,
        document: &Document,
        token: Option<&Secret>,
        unknown: HubError,
    ) -> Result<u64, HubError> {
        for look in 0..LOOKS {
            if look > 0 {
                self.pause(self.options().look_pause).await?;
            }
            match self.before_import(document, token).await {
                Ok(Before::Imported(build)) => {
                    tracing::info!(nvr = %document.nvr, build, "the import whose answer was lost is there");
                    return Ok(build);
                }
                Ok(Before::Other(error)) => return Err(error),
                Ok(Before::Import) => {}
                Err(error) => tracing::warn!(nvr = %document.nvr, %error, "cannot look for the import"),
            }
        }
        Err(unknown)
    }
}

/// Whether a document is for the reserved build of this number.
fn is_reserved_for(document: &Document, token: Option<&Secret>, build: u64) -> bool {
    token.is_some() && document.build_id == Some(build)
}

impl Before {
    fn other(document: &Document, build: u64, state: &str) -> Self {
        let message = format!("Koji has another build {} already: number {build}, {state}", document.nvr);
        let failure = Failure::new(FailureClass::User, "koji.build_exists", message)
            .with_advice("see what it is ('koji buildinfo'), and choose another release");
        Self::Other(HubError::failed("CGImport", failure))
    }
}
