//! What goes into the build beside the repository: packages, artifacts, sources.

use common::{failure::Failure, flow::Flow, image::Digest, platform::Platform};

use super::{Problems, applies, source::Read};
use crate::{
    outside::KojiTarget,
    plan::{
        Draft, ExtraFileRecord, Facts, FindTargetRepository, Notice, ParentBuild, PlannedFile,
        RecordedComposes, SelectedPlatform,
        artifacts::FetchArtifacts,
        composes::{ComposeInputs, ComposeOutcome, request_composes},
        repositories::{ByPlatform, FetchRepositories},
        sources::FetchSources,
    },
    repository::repo_file::RepositoryFile,
    services::PlanServices,
};

/// What was gathered.
#[derive(Default)]
pub(super) struct Contents {
    /// Files for the context.
    pub(super) extra: Vec<ExtraFileRecord>,
    /// Repository files for all platforms.
    repositories: Vec<RepositoryFile>,
    /// Those for one platform.
    by_platform: ByPlatform<RepositoryFile>,
    /// The composes that packages come from.
    pub(super) composes: Option<RecordedComposes>,
    /// Whether everything that a build would have is here: a dry run fetches no
    /// artifacts.
    pub(super) is_complete: bool,
}

impl Contents {
    /// The repository files of one platform.
    pub(super) fn repositories<'a>(
        &'a self,
        platform: &'a Platform,
    ) -> impl Iterator<Item = &'a RepositoryFile> {
        self.repositories.iter().chain(self.by_platform.on(platform))
    }
}

/// What contents are gathered for.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) read: Option<&'a Read>,
    pub(super) platforms: &'a [SelectedPlatform],
    pub(super) target: Option<&'a KojiTarget>,
    pub(super) parent: Option<&'a ParentBuild>,
    /// Whether others may be asked for something that they then do: not for a
    /// build that will not be.
    pub(super) may_change: bool,
}

/// Gathers everything.
pub(super) async fn gather(
    flow: &Flow<'_, PlanServices>,
    around: Around<'_>,
    found: &mut Problems,
    draft: &mut Draft,
) -> Result<Contents, Failure> {
    let Around { facts, read, target, may_change, .. } = around;
    let mut contents = Contents { is_complete: true, ..Contents::default() };
    let composed = composes(flow, around, found, draft).await?;
    contents.composes = (!composed.composes.is_empty()).then(|| RecordedComposes {
        ids: composed.composes.iter().map(|compose| compose.id).collect(),
        signing_intent: composed.signing_intent.clone(),
        overridden: composed.overridden,
    });
    if applies("fetch_sources", facts)?
        && may_change
        && let Some(read) = read
    {
        let sources = flow
            .run(FetchSources {
                source: &read.source,
                resolved: &read.resolved,
                dockerfile_path: &read.facts.dockerfile_path,
            })
            .await;
        contents.extra.extend(found.take(sources)?.unwrap_or_default());
        contents.is_complete &= flow.services().reach.may_change();
    }
    if applies("fetch_artifacts", facts)?
        && let Some(read) = read
    {
        let artifacts = flow.run(FetchArtifacts { wishes: &read.facts.artifacts }).await;
        let artifacts = found.take(artifacts)?.unwrap_or_default();
        contents.extra.extend(artifacts.fetched.iter().map(ExtraFileRecord::from));
        contents.is_complete &= flow.services().reach.may_change();
        draft.artifacts.extend(artifacts.fetched.iter().map(|artifact| PlannedFile {
            path: artifact.destination.clone(),
            from: artifact.shown_url(),
            digest: format!("sha256:{}", artifact.sha256).parse().ok(),
            size: Some(artifact.size),
            platform: None,
        }));
        draft.artifacts.extend(artifacts.wanted.iter().map(|artifact| PlannedFile {
            path: artifact.destination.clone(),
            from: artifact.shown_url(),
            digest: None,
            size: None,
            platform: None,
        }));
    }
    if applies("find_target_repository", facts)?
        && let Some(target) = target
    {
        let proxy = facts.settings.repositories.proxy.as_deref();
        let file = flow.run(FindTargetRepository { target, proxy }).await;
        contents.repositories.extend(found.take(file)?.flatten());
    }
    if applies("fetch_repositories", facts)? {
        if flow.services().reach.may_ask() {
            let asked = &facts.request.repository_urls;
            let files = flow.run(FetchRepositories { asked, composed: &composed.repository_urls }).await;
            contents.by_platform = found.take(files)?.unwrap_or_default();
        } else {
            let text = "repository files were not fetched; the final Dockerfiles have no lines for them";
            draft.assumptions.push(Notice::new("repositories.not_fetched", text));
        }
    }
    draft.repositories = planned(&contents);
    Ok(contents)
}

async fn composes(
    flow: &Flow<'_, PlanServices>,
    around: Around<'_>,
    found: &mut Problems,
    draft: &mut Draft,
) -> Result<ComposeOutcome, Failure> {
    let Around { facts, read, platforms, parent, may_change, .. } = around;
    let none = ComposeOutcome::default();
    if !applies("decide_composes", facts)? {
        return Ok(none);
    }
    let Some(read) = read else { return Ok(none) };
    let platforms: Vec<Platform> = platforms.iter().map(|selected| selected.platform.clone()).collect();
    // Architectures that this site cannot name are none of this build's.
    let content_sets = read.facts.content_sets.iter();
    let content_sets =
        content_sets.filter_map(|(name, sets)| Some((name.parse().ok()?, sets.clone()))).collect();
    let inputs = ComposeInputs {
        wish: read.facts.container.compose.as_ref(),
        content_sets: &content_sets,
        composes: &facts.request.composes,
        signing_intent: facts.request.signing_intent.as_deref(),
        rebuild: facts.request.rebuild,
        target: facts.request.target.as_deref(),
        platforms: &platforms,
        parent_intent: parent.and_then(|parent| parent.signing_intent.as_deref()),
    };
    let Some(outcome) = found.take(request_composes(flow, inputs, may_change).await)? else {
        return Ok(none);
    };
    let intent = &outcome.signing_intent;
    let overridden = if outcome.overridden { ", which is not what was configured" } else { "" };
    draft.notices.push(Notice::new(
        "compose.signing_intent",
        format!("packages are signed for '{intent}'{overridden}"),
    ));
    if !flow.services().reach.may_change() {
        draft.notices.extend(outcome.requested.iter().map(|request| {
            Notice::new(
                "compose.would_request",
                format!("a build would ask for a compose of {}", request.source),
            )
        }));
    }
    Ok(outcome)
}

fn planned(contents: &Contents) -> Vec<PlannedFile> {
    let of = |file: &RepositoryFile, platform: Option<&Platform>| PlannedFile {
        path: format!("/etc/yum.repos.d/{}", file.name),
        from: file.from.clone(),
        digest: Some(Digest::of(file.content.as_bytes())),
        size: Some(file.content.len() as u64),
        platform: platform.cloned(),
    };
    let everywhere = contents.repositories.iter().chain(&contents.by_platform.everywhere);
    let somewhere = contents
        .by_platform
        .platforms
        .iter()
        .flat_map(|(platform, files)| files.iter().map(move |file| of(file, Some(platform))));
    everywhere.map(|file| of(file, None)).chain(somewhere).collect()
}
