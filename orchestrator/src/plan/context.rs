//! Step: makes the build context, once for all platforms.

use common::{
    failure::Failure,
    flow::{Context, Policy, Stage, Step},
    request::GitSource,
    work::Descriptor,
};
use serde::Serialize;

use super::source::STOP_THREADS;
use crate::{
    repository::{ResolvedSource, context::write_context},
    services::PlanServices,
};

/// Makes the context.
#[derive(Serialize)]
pub struct MakeContext<'a> {
    /// Where the source came from.
    pub source: &'a GitSource,
    /// The commit.
    pub resolved: &'a ResolvedSource,
    /// Left out of the context: it travels in the work order.
    pub dockerfile_path: &'a str,
}

impl Step<PlanServices> for MakeContext<'_> {
    const NAME: &'static str = "make_context";
    const STAGE: Stage = Stage::Prepare;
    type Output = Descriptor;

    fn policy(&self) -> Policy {
        Policy { timeout: std::time::Duration::from_secs(1800), grace: STOP_THREADS, ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Descriptor, Failure> {
        let services = cx.services;
        let tree = services.source_tree(self.source, self.resolved, cx.cancel).await?;
        let limit = services.site.builds.max_context.bytes();
        let context =
            write_context(&tree, self.dockerfile_path, &services.context_directory(), limit, cx.cancel)
                .await?;
        services.say(cx.name, &format!("context {} ({} bytes)", context.digest, context.size)).await;
        Ok(context)
    }
}
