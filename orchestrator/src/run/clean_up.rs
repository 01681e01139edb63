//! Step: nothing of a build stays behind but its record.

use common::{
    failure::Failure,
    flow::{Context, Stage, Step},
};
use serde::Serialize;

use crate::services::{BuildServices, disk_failure};

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
        match tokio::fs::remove_dir_all(&directory).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(disk_failure("cannot remove", &directory, &error))
            }
            _ => Ok(()),
        }
    }
}
