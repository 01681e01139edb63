//! The reservation of the build, and what Koji will be told of it.

use common::{
    failure::{Failure, FailureClass},
    flow::Flow,
    request::BuildMode,
    work::ArchiveContent,
};

use super::{Problems, applies, contents::Contents, parents::Parents, source::Read};
use crate::{
    config::ImageArchive,
    outside::{KojiReach, KojiTarget},
    plan::{
        Draft, Facts, Notice, ParentBuild, RecordedBase, Recording, ReleaseChoice, ReleaseLabels,
        ReserveBuild, Reserved, StartFilesystem,
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
    pub(super) parents: &'a Parents,
    pub(super) parent_build: Option<&'a ParentBuild>,
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
    let Known { facts, read, target, parents, parent_build, contents, reserved } = known;
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
    let images = draft.platforms.first().map(|platform| &platform.parents[..]).unwrap_or_default();
    let base =
        parents.pinned.platforms.first().and_then(|platform| platform.base.as_ref()).and_then(|base| {
            let reference = base.reference.to_string();
            let parent = images.iter().find(|parent| parent.pinned.as_deref() == Some(&reference))?;
            let build = parent_build.map(|build| (build.id, build.nvr.clone()));
            Some(RecordedBase { written_as: parent.written_as.clone(), build })
        });
    let fetched = draft.repositories.iter().map(|file| file.from.clone());
    let mut repository_urls: Vec<String> = fetched.filter(|from| from.contains("://")).collect();
    repository_urls.dedup();
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
        help: read.facts.has_help.clone(),
        parent_images: images.iter().map(|parent| parent.written_as.clone()).collect(),
        base,
        repository_urls,
        composes: contents.composes.clone(),
        user_data: request.user_data.clone(),
    }))
}

fn reserved_another(reserved: &common::nvr::Nvr, nvr: &common::nvr::Nvr) -> Failure {
    let message = format!("{reserved} was reserved in Koji, but the build turns out to be {nvr}");
    Failure::new(FailureClass::Internal, "koji.reserved_another", message)
        .with_advice("report it with the build's id; koji.reserve: false works around it")
}
