//! The build itself, and what it says of itself.

use std::collections::BTreeMap;

use common::koji::metadata::{Build, BuildExtra, Composes, Image, Index, OsbsBuild, ParentBuild};
use jiff::Timestamp;

use super::{MetadataFacts, texts};
use crate::plan::{Recording, Target};

pub(super) fn build(facts: &MetadataFacts<'_>) -> Build {
    let recording = facts.recording;
    Build {
        source: Some(recording.source.clone()),
        owner: facts.owner.clone(),
        task_id: recording.task,
        build_id: recording.reserved.as_ref().map(|reserved| reserved.build),
        ..Build::new(&recording.nvr, seconds(facts.started), seconds(facts.ended), extra(facts))
    }
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or_default()
}

fn extra(facts: &MetadataFacts<'_>) -> BuildExtra {
    let recording = facts.recording;
    BuildExtra {
        image: image(facts),
        submitter: facts.submitter.clone(),
        container_koji_task_id: recording.task,
        filesystem_koji_task_id: recording.filesystem_task,
        osbs_build: Some(OsbsBuild {
            kind: "container_build".to_owned(),
            engine: engine(facts),
            subtypes: Vec::new(),
        }),
        custom_user_metadata: recording.user_data.clone(),
        ..BuildExtra::default()
    }
}

/// What built the image, by the name that OSBS gave it. Workers name the engine
/// last among their tools.
fn engine(facts: &MetadataFacts<'_>) -> String {
    let tools = facts.members.first().map(|facts| &facts.member.environment.tools);
    match tools.and_then(|tools| tools.last()).map(|(name, _)| name.as_str()) {
        None => "docker_api".to_owned(),
        Some(name) if name.contains("docker") => "docker_api".to_owned(),
        Some(name) => name.to_owned(),
    }
}

fn image(facts: &MetadataFacts<'_>) -> Image {
    let recording = facts.recording;
    let members = facts.members.iter().map(|facts| facts.member.manifest.media_type.clone());
    let parents = recording.parent_builds.iter().map(|(name, build)| {
        let build = build.as_ref().map(|(id, nvr)| ParentBuild { id: *id, nvr: nvr.to_string() });
        (name.clone(), build)
    });
    Image {
        autorebuild: Some(recording.autorebuild),
        isolated: recording.isolated,
        help: Some(recording.help.clone()),
        media_types: members.chain([facts.index.media_type.clone()]).collect(),
        parent_build_id: base_build(recording),
        parent_images: Some(recording.parent_images.clone()),
        parent_image_builds: Some(parents.collect()),
        odcs: recording.composes.as_ref().map(|composes| Composes {
            compose_ids: composes.ids.clone(),
            signing_intent: composes.signing_intent.clone(),
            signing_intent_overridden: composes.overridden,
        }),
        index: Some(index(facts)),
        yum_repourls: Some(recording.repository_urls.clone()).filter(|urls| !urls.is_empty()),
        ..Image::default()
    }
}

fn base_build(recording: &Recording) -> Option<u64> {
    recording.base.as_ref()?.build.as_ref().map(|(id, _)| *id)
}

fn index(facts: &MetadataFacts<'_>) -> Index {
    let (tags, digest) = (&facts.plan.tags, facts.index.digest.to_string());
    let pull = facts.repositories().first().map(|place| {
        let by_tag = facts.best_tag().map(|tag| format!("{place}:{tag}"));
        std::iter::once(format!("{place}@{digest}")).chain(by_tag).collect()
    });
    let mut floating = texts(&tags.floating);
    let first = facts.plan.targets.iter().find(|target| matches!(target, Target::Registry { .. }));
    if let Some(extra) = first.and_then(Target::extra_tag).map(ToString::to_string)
        && !floating.contains(&extra)
    {
        floating.push(extra);
    }
    Index {
        tags: texts(&tags.primary),
        pull: pull.unwrap_or_default(),
        digests: BTreeMap::from([(facts.index.media_type.clone(), digest)]),
        floating_tags: Some(floating),
        unique_tags: Some(texts(&tags.unique)),
    }
}
