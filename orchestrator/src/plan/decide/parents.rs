//! What the image is built upon.

use common::{failure::Failure, flow::Flow, image::ImageReference};

use super::{Problems, applies, source::Read};
use crate::{
    plan::{
        Facts, FindParentBuild, InjectParent, ParentBuild, ParentWait, PinParents, PinnedParents,
        SelectedPlatform, parent_nvr,
    },
    repository::dockerfile::{Arguments, Dockerfile},
    services::PlanServices,
};

/// Pins the parents, after what the request puts in their place.
pub(super) async fn pin(
    flow: &Flow<'_, PlanServices>,
    facts: &Facts<'_>,
    read: Option<&Read>,
    platforms: &[SelectedPlatform],
    found: &mut Problems,
) -> Result<PinnedParents, Failure> {
    let injects = applies(flow, "inject_parent", facts).await?;
    let Some(read) = read else { return Ok(PinnedParents::default()) };
    let request = facts.request;
    let from = from_image(&read.facts.dockerfile, request);
    let mut replacement = request.triggered_by.clone();
    if let (true, Some(build), Some(from)) = (injects, &request.parent_build, &from) {
        let injected = flow.run(InjectParent { build, replaces: from }).await;
        if let Some(Some(injected)) = found.take(injected)? {
            replacement = Some(injected.image);
        }
    }
    let pinned = flow
        .run(PinParents {
            dockerfile: &read.facts.dockerfile,
            build_args: &request.build_args,
            platforms,
            allow_local: request.allow_local_parents,
            replace: from.as_ref().zip(replacement.as_ref()),
        })
        .await;
    Ok(found.take(pinned)?.unwrap_or_default())
}

/// The image under the final stage, as the Dockerfile names it.
fn from_image(dockerfile: &str, request: &common::request::BuildRequest) -> Option<ImageReference> {
    let dockerfile = Dockerfile::parse(dockerfile.as_bytes()).ok()?;
    let base = dockerfile.base(&Arguments::new(&request.build_args)).ok()??;
    Some(base.expanded)
}

/// Finds the parent's build in Koji, where that is wanted and the parent is a
/// build at all.
pub(super) async fn find_build(
    flow: &Flow<'_, PlanServices>,
    facts: &Facts<'_>,
    parents: &PinnedParents,
    found: &mut Problems,
) -> Result<Option<ParentBuild>, Failure> {
    if !applies(flow, "find_parent_build", facts).await? {
        return Ok(None);
    }
    let base = parents.platforms.iter().find_map(|platform| platform.base.as_ref());
    let Some(nvr) = base.and_then(|base| parent_nvr(&base.labels)) else { return Ok(None) };
    let step = FindParentBuild { nvr: &nvr, digests: false, wait: ParentWait::default() };
    Ok(found.take(flow.run(step).await)?.flatten())
}
