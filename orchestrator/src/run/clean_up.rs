//! Step: nothing of a build stays behind but its record.

use std::{io, path::Path, time::Duration};

use common::{
    failure::Failure,
    flow::{Context, Stage, Step},
};
use serde::Serialize;

use crate::services::{BuildServices, disk_failure};

/// How often and how long apart the directory is removed while something is
/// still written there.
const REMOVALS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Lets the workers go and removes the build's directory.
#[derive(Serialize)]
pub struct CleanUp;

impl Step<BuildServices> for CleanUp {
    const NAME: &'static str = "clean_up";
    const STAGE: Stage = Stage::Finish;
    type Output = ();

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<(), Failure> {
        cx.services.shared.pool.release(&cx.services.stamp.build);
        let directory = cx.services.directory();
        remove(&directory).await.map_err(|error| disk_failure("cannot remove", &directory, &error))
    }
}

/// Removes a directory, if it is there. An upload or a thread of a step that was
/// stopped may be about to write its last file: its end is waited for.
async fn remove(directory: &Path) -> io::Result<()> {
    for _ in 1..REMOVALS {
        let Err(error) = tokio::fs::remove_dir_all(directory).await else { return Ok(()) };
        if !tokio::fs::try_exists(directory).await? {
            return Ok(());
        }
        if !matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound) {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
    tokio::fs::remove_dir_all(directory).await
}
