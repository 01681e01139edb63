//! Files of builds.

use common::{
    failure::{Failure, FailureClass},
    koji::KojiArchive,
};

use super::{BuildName, Hub, HubError, answers::Archive};
use crate::xmlrpc::Arguments;

/// Most files of one build that are told.
const MOST: usize = 10_000;

/// A file of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundArchive {
    /// The file.
    pub archive: KojiArchive,
    /// Its size in bytes.
    pub size: u64,
}

impl Hub {
    /// The files of a build, of one kind (`maven`, `image`) or of all.
    ///
    /// # Errors
    /// There is no such build, it has too many files, or the hub cannot answer.
    pub async fn archives(&self, build: u64, kind: Option<&str>) -> Result<Vec<FoundArchive>, HubError> {
        const METHOD: &str = "listArchives";
        let mut asked = Arguments::none().named("buildID", number(build)?);
        if let Some(kind) = kind {
            asked = asked.named("type", kind);
        }
        let archives: Vec<Archive> = self.read(METHOD, asked).await?;
        if archives.is_empty() {
            // The hub has an empty list for a build that it does not have, too.
            self.require_build(&BuildName::Number(build)).await?;
        }
        if archives.len() > MOST {
            return Err(too_many("koji.too_many_archives", METHOD, "the build", archives.len()));
        }
        let read = |archive: Archive| {
            let name = archive.filename.clone();
            let wrong =
                || HubError::unexpected(METHOD, format!("the checksum of '{name}' is of no known kind"));
            let (archive, size) = archive.into_archive().ok_or_else(wrong)?;
            Ok(FoundArchive { archive, size })
        };
        archives.into_iter().map(read).collect()
    }
}

/// A number of the hub as it is sent. Numbers of hubs have 31 bits.
pub(super) fn number(number: u64) -> Result<i64, HubError> {
    i32::try_from(number).map(i64::from).map_err(|_| {
        HubError::bad_request("koji.bad_number", format!("{number} is larger than any number of a hub"))
    })
}

/// A list that is longer than the contract has room for.
pub(super) fn too_many(code: &'static str, method: &'static str, what: &str, count: usize) -> HubError {
    let message = format!("{what} has {count} files, and at most {MOST} can be told");
    HubError::failed(method, Failure::new(FailureClass::Source, code, message))
}
