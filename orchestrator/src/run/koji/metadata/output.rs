//! The files that Koji has got: images, then logs.

use std::collections::BTreeMap;

use common::{
    koji::metadata::{
        ChecksumType, Component, DockerExtra, ImageArch, ImageArchive, ImageArchiveExtra, LayerId, LayerSize,
        Log, Output, OutputFile, RpmComponent,
    },
    packages::{Package, PackageKind},
    work::{KojiFile, Layer},
};
use serde_json::{Map, Value};

use super::{MemberFacts, MetadataFacts, UploadedLog, buildroot_id, texts};
use crate::plan::BaseIdentity;

pub(super) fn outputs(facts: &MetadataFacts<'_>) -> Vec<Output> {
    let images = facts
        .members
        .iter()
        .flat_map(|of| of.member.koji_files.iter().map(move |file| Output::Image(image(facts, of, file))));
    images.chain(facts.logs.iter().filter_map(|log| self::log(facts, log)).map(Output::Log)).collect()
}

fn file(file: &KojiFile, arch: &str, buildroot_id: String) -> OutputFile {
    OutputFile {
        filename: file.name.clone(),
        filesize: file.size,
        checksum: file.md5.clone(),
        checksum_type: ChecksumType::Md5,
        arch: arch.to_owned(),
        buildroot_id,
    }
}

/// A log. What a platform's engine printed is of that platform; the others are the
/// orchestrator's, of no architecture, and hang on the first buildroot.
fn log(facts: &MetadataFacts<'_>, log: &UploadedLog) -> Option<Log> {
    let first = facts.members.first().map(|first| &first.member.platform);
    let buildroot = buildroot_id(log.platform.as_ref().or(first)?);
    let arch = log.platform.as_ref().map_or("noarch", |platform| platform.as_str());
    Some(Log { file: file(&log.file, arch, buildroot), subdir: None })
}

fn image(facts: &MetadataFacts<'_>, of: &MemberFacts<'_>, archive: &KojiFile) -> ImageArchive {
    let platform = &of.member.platform;
    ImageArchive {
        file: file(archive, platform.as_str(), buildroot_id(platform)),
        components: of.inventory.packages.iter().filter_map(component).collect(),
        extra: ImageArchiveExtra {
            image: ImageArch { arch: platform.to_string() },
            docker: docker(facts, of),
        },
    }
}

/// A package as Koji knows packages: only those of RPM.
fn component(package: &Package) -> Option<Component> {
    if package.kind != PackageKind::Rpm {
        return None;
    }
    Some(Component::Rpm(RpmComponent {
        name: package.name.clone(),
        version: package.version.clone(),
        release: package.release.clone(),
        epoch: package.epoch.map(u64::from),
        arch: package.architecture.clone(),
        sigmd5: package.md5.clone(),
        signature: package.signature.clone(),
    }))
}

fn docker(facts: &MetadataFacts<'_>, of: &MemberFacts<'_>) -> DockerExtra {
    let member = of.member;
    let digest = member.manifest.digest.to_string();
    let mut tags = texts(&facts.plan.tags.unique);
    tags.sort_unstable();
    let tag = tags.first().cloned().or_else(|| facts.best_tag());
    let repositories = facts.repositories().into_iter().flat_map(|place| {
        let by_tag = tag.as_ref().map(|tag| format!("{place}:{tag}"));
        by_tag.into_iter().chain([format!("{place}@{digest}")])
    });
    DockerExtra {
        id: member.config.digest.to_string(),
        parent_id: parent_id(facts, of),
        repositories: repositories.collect(),
        layer_sizes: member.layers.iter().map(layer).collect(),
        tags,
        config: Some(without_container_config(&of.config)).filter(|config| !config.is_empty()),
        digests: BTreeMap::from([(member.manifest.media_type.clone(), digest)]),
        floating_tags: None,
        unique_tags: None,
    }
}

/// The image id of the base image on this platform; `None` for `scratch`.
fn parent_id(facts: &MetadataFacts<'_>, of: &MemberFacts<'_>) -> Option<String> {
    match facts.recording.base.as_ref()?.images.get(&of.member.platform)? {
        BaseIdentity::Id(id) => Some(id.to_string()),
        BaseIdentity::Local(name) => of.member.local_parents.get(name).cloned(),
    }
}

fn layer(layer: &Layer) -> LayerSize {
    LayerSize { layer: LayerId::DiffId(layer.diff_id.to_string()), size: layer.uncompressed_size }
}

/// The configuration without what the engine kept of its last container.
fn without_container_config(config: &Map<String, Value>) -> Map<String, Value> {
    let kept = config.iter().filter(|(key, _)| *key != "container_config");
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}
