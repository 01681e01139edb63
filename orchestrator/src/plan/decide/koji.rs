//! The reservation of the build, and what Koji will be told of it.

use std::collections::BTreeMap;

use common::{
    failure::{Failure, FailureClass},
    flow::Flow,
    nvr::Nvr,
    request::BuildMode,
    work::ArchiveContent,
};

use super::{
    Problems, applies,
    contents::Contents,
    parents::{ParentBuilds, Parents},
    source::Read,
};
use crate::{
    config::ImageArchive,
    outside::{KojiReach, KojiTarget},
    plan::{
        BaseIdentity, Draft, Facts, FromImage, Notice, ParentBuild, PinnedPlatform, RecordedBase, Recording,
        ReleaseChoice, ReleaseLabels, ReserveBuild, Reserved, SelectedPlatform, StartFilesystem,
        is_koji_filesystem,
    },
    repository::shown_address,
    services::PlanServices,
};

/// Reserves the build, where that is done at all; a dry run says that it would
/// be. The release that was reserved takes the place of the one that was chosen.
pub(super) async fn reserve(
    flow: &Flow<'_, PlanServices>,
    facts: &Facts<'_>,
    labels: Option<&ReleaseLabels>,
    choice: &mut Option<ReleaseChoice>,
    found: &mut Problems,
    draft: &mut Draft,
) -> Result<Option<Reserved>, Failure> {
    if !applies("reserve_build", facts)? {
        return Ok(None);
    }
    let (Some(labels), Some(chosen)) = (labels, choice.as_mut()) else { return Ok(None) };
    // What is missing is told by those who need it.
    let named = labels.component.is_some() && labels.version.is_some();
    let Some(release) = chosen.release.clone().filter(|_| named) else { return Ok(None) };
    let step = ReserveBuild { labels, choice: chosen, task: facts.request.koji_task };
    let reserved = found.take(flow.run(step).await)?.flatten();
    match &reserved {
        Some(reserved) if reserved.nvr.release() != release => {
            chosen.reason = format!("{}; {release} was taken before it could be reserved", chosen.reason);
            chosen.release = Some(reserved.nvr.release().to_owned());
        }
        Some(_) => {}
        None if !flow.services().reach.may_change() => {
            let text = format!("a build would reserve release {release} in Koji");
            draft.notices.push(Notice::new("koji.would_reserve", text));
        }
        None => {}
    }
    Ok(reserved)
}

/// What is known when everything is decided.
pub(super) struct Known<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) read: Option<&'a Read>,
    pub(super) target: Option<&'a KojiTarget>,
    pub(super) platforms: &'a [SelectedPlatform],
    pub(super) parents: &'a Parents,
    pub(super) parent_builds: &'a ParentBuilds,
    pub(super) contents: &'a Contents,
    pub(super) reserved: Option<Reserved>,
}

/// Puts together what Koji will be told; `None` for a build that it does not
/// record, and where its name is not known.
pub(super) async fn recording(
    flow: &Flow<'_, PlanServices>,
    known: Known<'_>,
    found: &mut Problems,
    draft: &Draft,
) -> Result<Option<Recording>, Failure> {
    let Known { facts, read, target, platforms, parents, parent_builds, contents, reserved } = known;
    if !applies("record_build", facts)? {
        return Ok(None);
    }
    let (Some(read), Some(nvr), KojiReach::Serving { bridge }) = (read, draft.nvr.clone(), facts.koji) else {
        return Ok(None);
    };
    if let Some(other) = reserved.as_ref().filter(|reserved| reserved.nvr != nvr) {
        found.push(reserved_another(&other.nvr, &nvr));
    }
    let filesystem = flow.recorded::<StartFilesystem<'_>>().await?.flatten();
    let request = facts.request;
    // FROM instructions have the same text on all platforms.
    let images = parents.pinned.platforms.first().map(|platform| &platform.from[..]).unwrap_or_default();
    let numbered = |build: &ParentBuild| (build.id, build.nvr.clone());
    let build_of = |image: &FromImage| (image.written.clone(), parent_builds.of(image).map(numbered));
    let mut repository_urls: Vec<String> = Vec::new();
    for from in draft.repositories.iter().map(|file| &file.from).filter(|from| from.contains("://")) {
        // Each platform has the files that all have, so equal ones need not be neighbours.
        if !repository_urls.contains(from) {
            repository_urls.push(from.clone());
        }
    }
    // A blank file makes no page.
    let blank = draft.notices.iter().any(|notice| notice.code == "help.empty");
    Ok(Some(Recording {
        nvr,
        reserved,
        content_generator: bridge.content_generator.clone(),
        web_url: bridge.web_url.clone(),
        source: format!("{}#{}", shown_address(&read.source.uri), read.resolved.commit),
        task: request.koji_task,
        filesystem_task: filesystem.map(|filesystem| filesystem.task),
        tag: target.map(|target| target.destination_tag.clone()),
        archive: match facts.settings.koji.image_archive {
            ImageArchive::Image => ArchiveContent::Image,
            ImageArchive::Reference => ArchiveContent::Reference,
        },
        autorebuild: request.rebuild && request.mode == BuildMode::Normal,
        isolated: matches!(request.mode, BuildMode::Isolated { .. }),
        help: read.facts.has_help.clone().filter(|_| !blank),
        parent_images: images.iter().map(|image| image.written.clone()).collect(),
        parent_builds: images.iter().filter(|image| !is_koji_filesystem(&image.name)).map(build_of).collect(),
        base: base(platforms, parents, parent_builds.base(parents).map(numbered)),
        repository_urls,
        composes: contents.composes.clone(),
        user_data: request.user_data.clone(),
    }))
}

/// The image that the final stage stands on; `None` for `scratch`, and for a file
/// system that Koji makes, which is put into one.
fn base(
    platforms: &[SelectedPlatform],
    parents: &Parents,
    build: Option<(u64, Nvr)>,
) -> Option<RecordedBase> {
    let of_platform = |(selected, pinned): (&SelectedPlatform, &PinnedPlatform)| {
        let is_base = |image: &&FromImage| image.is_base && !is_koji_filesystem(&image.name);
        let base = pinned.from.iter().find(is_base)?;
        let identity = match &base.image {
            Some(image) => BaseIdentity::Id(image.id.clone()),
            None => BaseIdentity::Local(base.name.clone()),
        };
        Some((selected.platform.clone(), identity))
    };
    let images: BTreeMap<_, _> =
        platforms.iter().zip(&parents.pinned.platforms).filter_map(of_platform).collect();
    (!images.is_empty()).then_some(RecordedBase { build, images })
}

fn reserved_another(reserved: &Nvr, nvr: &Nvr) -> Failure {
    let message = format!("{reserved} was reserved in Koji, but the build turns out to be {nvr}");
    Failure::new(FailureClass::Internal, "koji.reserved_another", message)
        .with_advice("report it with the build's id; koji.reserve: false works around it")
}
