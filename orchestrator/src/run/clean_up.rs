//! Step: nothing of a build stays behind but its record.

use std::{collections::HashSet, io, path::Path, time::Duration};

use common::{
    failure::Failure,
    flow::{Context, Stage, Step},
    names::BuildId,
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

/// Removes what builds left behind that have ended: those that an earlier
/// process could not clean up. Called before anything runs.
///
/// # Errors
/// The work directory cannot be read. What cannot be removed stays, and is logged.
pub async fn sweep(work_directory: &Path, unfinished: &[BuildId]) -> Result<(), Failure> {
    let unfinished: HashSet<&str> = unfinished.iter().map(BuildId::as_str).collect();
    let unreadable = |error| disk_failure("cannot read", work_directory, &error);
    let mut entries = tokio::fs::read_dir(work_directory).await.map_err(unreadable)?;
    while let Some(entry) = entries.next_entry().await.map_err(unreadable)? {
        let (name, directory) = (entry.file_name(), entry.path());
        let of_a_build = name.to_str().filter(|name| name.parse::<BuildId>().is_ok());
        if of_a_build.is_some_and(|name| !unfinished.contains(name)) {
            match remove(&directory).await {
                Ok(()) => {
                    tracing::info!(directory = %directory.display(), "removed what an ended build left")
                }
                Err(error) => {
                    tracing::warn!(directory = %directory.display(), %error, "what an ended build left stays");
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_files_of_ended_builds_go() {
        let work = tempfile::tempdir().unwrap();
        for name in ["bld_1", "bld_2", "other"] {
            std::fs::create_dir_all(work.path().join(name).join("image/blobs")).unwrap();
        }
        sweep(work.path(), &["bld_2".parse().unwrap()]).await.unwrap();
        let left = |name: &str| work.path().join(name).join("image/blobs").is_dir();
        assert_eq!((left("bld_1"), left("bld_2"), left("other")), (false, true, true));
    }
}
