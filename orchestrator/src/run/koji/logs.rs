//! The build's logs, as files for Koji.
//!
//! They are read from the log store in pages, twice: once for size and checksum,
//! once to be sent. The log may grow in between; what counts is where it ended at
//! the first reading.

use std::fmt;

use bytes::{Bytes, BytesMut};
use common::{
    failure::Failure,
    log::{LogRecord, LogStream},
    names::BuildId,
    platform::Platform,
    work::KojiFile,
};
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use md5::{Digest as _, Md5};

use super::PATIENCE;
use crate::{
    outside::{Koji, Part, Upload},
    store::logs::LogStore,
};

/// Bytes of log text that are read at a time.
const PAGE: usize = 256 * 1024;

/// A log as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LogFile {
    /// What the orchestrator said.
    Orchestrator,
    /// Everything about one platform.
    Platform(Platform),
    /// What the engine printed for one platform.
    Build(Platform),
}

impl fmt::Display for LogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Orchestrator => f.write_str("orchestrator.log"),
            Self::Platform(platform) => write!(f, "{platform}.log"),
            Self::Build(platform) => write!(f, "{platform}-build.log"),
        }
    }
}

impl LogFile {
    /// Those of a build on these platforms.
    pub(super) fn all<'a>(platforms: impl Iterator<Item = &'a Platform>) -> Vec<Self> {
        let of = |platform: &'a Platform| [Self::Platform(platform.clone()), Self::Build(platform.clone())];
        std::iter::once(Self::Orchestrator).chain(platforms.flat_map(of)).collect()
    }

    /// The platform that it is about.
    pub(super) fn platform(&self) -> Option<&Platform> {
        match self {
            Self::Orchestrator => None,
            Self::Platform(platform) | Self::Build(platform) => Some(platform),
        }
    }

    fn has(&self, record: &LogRecord) -> bool {
        match self {
            Self::Orchestrator => record.platform.is_none(),
            Self::Platform(_) => true,
            Self::Build(_) => record.stream == LogStream::Build,
        }
    }
}

/// A log file in the store.
struct Source<'a> {
    logs: &'a LogStore,
    build: &'a BuildId,
    file: &'a LogFile,
    /// Where the build's log ended when it was looked at first.
    end: u64,
}

/// Where a reader is.
struct Place {
    /// In the build's log.
    next: u64,
    /// Bytes of the file that are not wanted.
    skip: u64,
}

impl<'a> Source<'a> {
    /// The bytes of the file from an offset.
    fn read(&self, offset: u64) -> BoxStream<'a, Part> {
        let Self { logs, build, file, end } = *self;
        let pages = stream::try_unfold(Place { next: 0, skip: offset }, move |mut place| async move {
            while place.next < end {
                let page =
                    logs.read(build, place.next, file.platform(), PAGE).await.map_err(Failure::from)?;
                // A log that is shorter than it was would be read for ever.
                place.next = if page.next_offset > place.next { page.next_offset } else { end };
                let mut text = BytesMut::new();
                for record in page.records.iter().filter(|record| record.offset < end && file.has(record)) {
                    let length = record.text.len() as u64;
                    let skipped = place.skip.min(length);
                    place.skip -= skipped;
                    text.extend_from_slice(&record.text[usize::try_from(skipped).unwrap_or(usize::MAX)..]);
                }
                if !text.is_empty() {
                    return Ok(Some((text.freeze(), place)));
                }
            }
            Ok::<Option<(Bytes, Place)>, Failure>(None)
        });
        pages.boxed()
    }
}

/// Uploads one log; `None` for one that is empty.
///
/// # Errors
/// The log cannot be read, or Koji does not take it.
pub(super) async fn upload(
    koji: &Koji,
    (logs, build): (&LogStore, &BuildId),
    file: &LogFile,
    (directory, ticket): (&str, &common::secret::Secret),
) -> Result<Option<KojiFile>, Failure> {
    let end = *logs.subscribe(build).await?.borrow();
    let source = Source { logs, build, file, end };
    let (mut size, mut sum) = (0, Md5::new());
    let mut pages = source.read(0);
    while let Some(bytes) = pages.try_next().await? {
        size += bytes.len() as u64;
        sum.update(&bytes);
    }
    drop(pages);
    if size == 0 {
        return Ok(None);
    }
    let (name, md5) = (file.to_string(), hex::encode(sum.finalize()));
    let wanted = Upload { directory, ticket, name: &name, size, md5: &md5 };
    koji.upload(wanted, PATIENCE, &|offset| source.read(offset)).await?;
    Ok(Some(KojiFile { name, size, md5 }))
}

#[cfg(test)]
mod tests;
