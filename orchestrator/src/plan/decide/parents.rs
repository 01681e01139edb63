//! What the image is built upon.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    failure::{Failure, FailureClass},
    flow::Flow,
    image::ImageReference,
    nvr::Nvr,
};
use futures::{StreamExt as _, stream};

use super::{Problems, applies, source::Read};
use crate::{
    config::ParentCheck,
    plan::{
        Draft, Facts, FindParentBuild, FromImage, InjectParent, Notice, ParentBuild, ParentWait, PinParents,
        PinnedDigests, PinnedParents, RegistryImage, SelectedPlatform, draft::PARENTS_NOT_ASKED,
        is_koji_filesystem,
    },
    repository::dockerfile::{Arguments, Dockerfile},
    services::PlanServices,
};

/// Builds that Koji is asked for at a time.
const CONCURRENCY: usize = 8;

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

/// The Koji builds of the images that FROM instructions name.
#[derive(Default)]
pub(super) struct ParentBuilds(BTreeMap<Nvr, ParentBuild>);

impl ParentBuilds {
    /// The build that an image's labels name, if Koji has it.
    pub(super) fn of(&self, image: &FromImage) -> Option<&ParentBuild> {
        self.0.get(image.image.as_ref()?.build.as_ref()?)
    }

    /// The build of the image that the final stage stands on.
    pub(super) fn base(&self, parents: &Parents) -> Option<&ParentBuild> {
        parents.images().filter(|image| image.is_base).find_map(|image| self.of(image))
    }
}

impl Parents {
    /// What FROM instructions name, on all platforms.
    fn images(&self) -> impl Iterator<Item = &FromImage> {
        self.pinned.platforms.iter().flat_map(|platform| &platform.from)
    }

    /// The same, without file systems that Koji makes: once each, by its text, with
    /// what it is on each platform.
    fn by_text<'a>(
        &'a self,
        platforms: &'a [SelectedPlatform],
    ) -> BTreeMap<&'a str, Vec<(&'a SelectedPlatform, &'a FromImage)>> {
        let mut all: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (selected, platform) in platforms.iter().zip(&self.pinned.platforms) {
            for image in platform.from.iter().filter(|image| !is_koji_filesystem(&image.name)) {
                all.entry(&image.written).or_default().push((selected, image));
            }
        }
        all
    }
}

/// Finds the builds of the parents in Koji, where that is wanted and a parent is a
/// build at all, and compares the images with what Koji recorded. A build that will
/// not be does not wait for them.
pub(super) async fn find_builds(
    flow: &Flow<'_, PlanServices>,
    facts: &Facts<'_>,
    parents: &Parents,
    platforms: &[SelectedPlatform],
    wanted: bool,
    found: &mut Problems,
    draft: &mut Draft,
) -> Result<ParentBuilds, Failure> {
    if !wanted || !applies("find_parent_build", facts)? || !flow.services().reach.may_ask() {
        return Ok(ParentBuilds::default());
    }
    let koji = &facts.settings.koji;
    let images = parents.by_text(platforms);
    let unnamed = images.iter().filter(|(_, images)| images.iter().all(|(_, image)| named(image).is_none()));
    for (written, _) in unnamed {
        let failure = unnamed_build(written);
        match koji.missing_parent {
            ParentCheck::Warn => draft.notices.push(Notice::new(&failure.code, failure.message)),
            ParentCheck::Fail => found.push(failure),
        }
    }

    let builds = ParentBuilds(look_up(flow, facts, parents, found).await?);
    for (written, images) in &images {
        let mut by_build: BTreeMap<&Nvr, Vec<(&SelectedPlatform, &RegistryImage)>> = BTreeMap::new();
        for (selected, image) in images {
            if let Some((nvr, image)) = named(image).zip(image.image.as_ref()) {
                by_build.entry(nvr).or_default().push((selected, image));
            }
        }
        for (nvr, images) in by_build {
            let Some(recorded) = builds.0.get(nvr).and_then(|build| build.digests.as_ref()) else { continue };
            let verdict = recorded.compare(&PinnedDigests::of(images));
            match verdict.judge(written, nvr, koji.parent_digest) {
                Ok(Some((code, text))) => draft.notices.push(Notice::new(code, text)),
                Ok(None) => {}
                Err(failure) => found.push(failure),
            }
        }
    }
    Ok(builds)
}

/// The builds that labels of parents name, each asked for once. That of the base
/// image has the step's own name.
async fn look_up(
    flow: &Flow<'_, PlanServices>,
    facts: &Facts<'_>,
    parents: &Parents,
    found: &mut Problems,
) -> Result<BTreeMap<Nvr, ParentBuild>, Failure> {
    let koji = &facts.settings.koji;
    let base = parents.images().filter(|image| image.is_base).find_map(named);
    let others: BTreeSet<&Nvr> =
        parents.images().filter_map(named).filter(|nvr| Some(*nvr) != base).collect();
    let scoped = (1..).zip(&others).map(|(number, nvr)| (flow.scoped(&format!("parent-{number}")), *nvr));
    let flows: Vec<_> = base.map(|nvr| (flow.over(flow.services()), nvr)).into_iter().chain(scoped).collect();
    let step = |nvr| FindParentBuild {
        nvr,
        digests: true,
        missing: koji.missing_parent,
        wait: ParentWait::at_most(koji.parent_deadline.duration()),
    };
    let asked: Vec<_> = flows.iter().map(|(flow, nvr)| flow.run(step(nvr))).collect();
    let answers: Vec<_> = stream::iter(asked).buffered(CONCURRENCY).collect().await;
    let mut builds = BTreeMap::new();
    for ((_, nvr), answer) in flows.iter().zip(answers) {
        if let Some(build) = found.take(answer)?.flatten() {
            builds.insert((*nvr).clone(), build);
        }
    }
    Ok(builds)
}

/// The build that an image's labels name.
fn named(image: &FromImage) -> Option<&Nvr> {
    image.image.as_ref()?.build.as_ref()
}

fn unnamed_build(written: &str) -> Failure {
    let message = format!("FROM {written}: the labels of the image name no Koji build");
    Failure::new(FailureClass::Parent, "koji.parent_unnamed", message)
        .with_advice("build on an image that Koji has recorded; koji.missing_parent: warn lets others pass")
}
