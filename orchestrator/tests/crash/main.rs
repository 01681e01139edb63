//! What a crash does to a build: the whole flow from commit to tags in one
//! process, with a registry in memory, a local repository, and workers that
//! need no engine. The process dies, stops, or is told to cancel at every single
//! append to the journal, and another one takes over.

mod cancellations;
mod deaths;
mod failures;
mod image;
mod journal;
mod koji;
mod koji_hub;
mod koji_stage;
mod moments;
mod order;
mod process;
mod repetitions;
mod worker;
mod world;

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, future::LocalBoxFuture, stream};

/// Worlds that exist at a time. Most of a build is waiting for the disk.
const AT_ONCE: usize = 6;

/// Lives through many worlds, several at a time.
async fn all(stories: Vec<LocalBoxFuture<'_, Result<()>>>) -> Result<()> {
    stream::iter(stories).buffer_unordered(AT_ONCE).try_collect().await
}
