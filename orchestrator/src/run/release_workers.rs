//! Step: the workers forget the build.

use common::{
    failure::Failure,
    flow::{Context, Stage, Step},
};
use serde::Serialize;

use crate::services::BuildServices;

/// Lets the workers go: whatever they still do for the build ends, the pool
/// forgets its orders, and with them their tickets are worth nothing.
#[derive(Serialize)]
pub struct ReleaseWorkers;

impl Step<BuildServices> for ReleaseWorkers {
    const NAME: &'static str = "release_workers";
    const STAGE: Stage = Stage::Finish;
    type Output = ();

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<(), Failure> {
        cx.services.shared.pool.release(&cx.services.stamp.build);
        Ok(())
    }
}
