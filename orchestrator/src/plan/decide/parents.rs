//! What the image is built upon.

use common::{
    failure::{Failure, FailureClass},
    flow::Flow,
    image::ImageReference,
};

use super::{Problems, applies, source::Read};
use crate::{
    plan::{
        Draft, Facts, FindParentBuild, InjectParent, Notice, ParentBuild, ParentWait, PinParents,
        PinnedDigests, PinnedParents, SelectedPlatform, draft::PARENTS_NOT_ASKED, parent_nvr,
    },
    repository::dockerfile::{Arguments, Dockerfile},
    services::PlanServices,
};

/// The parents, as far as they are known.
#[derive(Default)]
pub(super) struct Parents {
    /// What they are pinned to, and what the image inherits.
    pub(super) pinned: PinnedParents,
    /// Whether everything that an image can inherit is known.
    pub(super) are_known: bool,
}

/// Pins the parents, after what the request puts in their place.
pub(super) async fn pin(
    flow: &Flow<'_, PlanServices>,
    facts: &Facts<'_>,
    read: Option<&Read>,
    platforms: &[SelectedPlatform],
    found: &mut Problems,
    draft: &mut Draft,
) -> Result<Parents, Failure> {
    let (Some(read), Some(first)) = (read, platforms.first()) else { return Ok(Parents::default()) };
    let request = facts.request;
    let dockerfile = Dockerfile::parse(read.facts.dockerfile.as_bytes());
    let arguments = Arguments::new(&request.build_args).for_platform(&first.architecture);
    let uses = dockerfile.as_ref().ok().and_then(|dockerfile| dockerfile.parents(&arguments).ok());
    let base = dockerfile.as_ref().ok().and_then(|dockerfile| dockerfile.base(&arguments).ok().flatten());
    let from = base.map(|base| base.expanded);
    let mut replace: Option<(ImageReference, ImageReference)> = None;
    if let Some(trigger) = request.triggered_by.as_ref().filter(|_| applies_rebuild(facts)) {
        let same = |parent: &ImageReference| {
            parent.repository == trigger.repository && (parent.host.is_none() || parent.host == trigger.host)
        };
        let parents = uses.unwrap_or_default().into_iter().map(|parent| parent.expanded);
        match parents.into_iter().find(same) {
            Some(parent) => replace = Some((parent, trigger.clone())),
            None => draft.notices.push(Notice::new(
                "rebuild.trigger_is_no_parent",
                format!(
                    "{trigger} caused this rebuild and is no parent; parents are taken as they are written"
                ),
            )),
        }
    }
    if let Some(build) = request.parent_build.as_deref()
        && applies("inject_parent", facts)?
    {
        match &from {
            Some(from) => {
                let injected = flow.run(InjectParent { build, replaces: from }).await;
                if let Some(Some(injected)) = found.take(injected)? {
                    replace = Some((from.clone(), injected.image));
                }
            }
            None => found.push(nothing_to_replace(build)),
        }
    }
    let pinned = flow
        .run(PinParents {
            dockerfile: &read.facts.dockerfile,
            build_args: &request.build_args,
            platforms,
            allow_local: request.allow_local_parents,
            replace: replace.as_ref().map(|(written, taken)| (written, taken)),
        })
        .await;
    let pinned = found.take(pinned)?;
    let asked = flow.services().reach.may_ask();
    if !asked && from.is_some() {
        let text = "registries were not asked: parents have no digests, and what they leave to the image is not known";
        draft.assumptions.push(Notice::new(PARENTS_NOT_ASKED, text));
    }
    let are_known = pinned.is_some() && (asked || from.is_none());
    Ok(Parents { pinned: pinned.unwrap_or_default(), are_known })
}

/// Whether this is a rebuild that nobody asked for.
fn applies_rebuild(facts: &Facts<'_>) -> bool {
    facts.request.rebuild && facts.request.mode == common::request::BuildMode::Normal
}

fn nothing_to_replace(build: &str) -> Failure {
    let message =
        format!("the image of the Koji build {build} can replace nothing: the final stage has no FROM image");
    Failure::new(FailureClass::User, "inject.nothing_to_replace", message)
        .with_advice("leave parent_build out of the request, or build upon an image")
}

/// Finds the parent's build in Koji, where that is wanted and the parent is a
/// build at all. A build that will not be does not wait for it.
pub(super) async fn find_build(
    flow: &Flow<'_, PlanServices>,
    facts: &Facts<'_>,
    parents: &Parents,
    platforms: &[SelectedPlatform],
    wanted: bool,
    found: &mut Problems,
    draft: &mut Draft,
) -> Result<Option<ParentBuild>, Failure> {
    if !wanted || !applies("find_parent_build", facts)? {
        return Ok(None);
    }
    let base = parents.pinned.platforms.iter().find_map(|platform| platform.base.as_ref());
    let Some(nvr) = base.and_then(|base| parent_nvr(&base.labels)) else { return Ok(None) };
    let step = FindParentBuild { nvr: &nvr, digests: true, wait: ParentWait::default() };
    let build = found.take(flow.run(step).await)?.flatten();
    let recorded = build.as_ref().and_then(|build| Some((&build.nvr, build.digests.as_ref()?)));
    if let Some((nvr, recorded)) = recorded {
        draft.notices.extend(recorded.notice(nvr, &PinnedDigests::of(&parents.pinned, platforms)));
    }
    Ok(build)
}
