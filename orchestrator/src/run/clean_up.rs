//! Step: the files of a build go; nothing stays behind but its record.

use std::{collections::HashSet, io::ErrorKind, path::Path, time::Duration};

use common::{
    failure::Failure,
    flow::{Context, Policy, Stage, Step},
    names::BuildId,
};
use serde::Serialize;

use super::UPLOAD_TICKET;
use crate::{
    plan::{RESERVATION_TOKEN, RESERVING},
    services::{BuildServices, disk_failure},
};

/// Removes the build's directory, and the secrets that it was told.
#[derive(Serialize)]
pub struct CleanUp;

impl Step<BuildServices> for CleanUp {
    const NAME: &'static str = "clean_up";
    const STAGE: Stage = Stage::Finish;
    type Output = ();

    /// A thread or an upload that has not noticed its end yet can put a file into
    /// a directory that is being removed. None can bring the directory back.
    fn policy(&self) -> Policy {
        Policy { attempts: 5, wait: Duration::from_secs(1), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<(), Failure> {
        let vault = &cx.services.planning.vault;
        for secret in [RESERVATION_TOKEN, RESERVING, UPLOAD_TICKET] {
            vault.forget(secret).await?;
        }
        remove(&cx.services.directory()).await
    }
}

async fn remove(directory: &Path) -> Result<(), Failure> {
    match tokio::fs::remove_dir_all(directory).await {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(disk_failure("cannot remove", directory, &error))
        }
        _ => Ok(()),
    }
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
        let name = entry.file_name();
        let of_a_build = name.to_str().filter(|name| name.parse::<BuildId>().is_ok());
        if of_a_build.is_some_and(|name| !unfinished.contains(name)) {
            match remove(&entry.path()).await {
                Ok(()) => {
                    tracing::info!(directory = %entry.path().display(), "removed the files of an ended build")
                }
                Err(failure) => tracing::warn!(%failure, "the files of an ended build stay"),
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
