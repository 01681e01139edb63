//! From what the request names to what the repository says.

use common::{
    failure::Failure,
    flow::Flow,
    image::Tag,
    request::{BuildRequest, GitSource},
};

use super::{Problems, applies};
use crate::{
    outside::KojiReach,
    plan::{
        Decision, Draft, Facts, FetchSource, NoteRebuild, Notice, ReadRepository, RepositoryFacts,
        ResolveSource, repository::keys as repository_keys, source_of_rebuild,
    },
    repository::{ResolvedSource, remote_host},
    services::PlanServices,
};

/// A repository at a commit, and what it says.
pub(super) struct Read {
    /// Where it is.
    pub(super) source: GitSource,
    /// The commit.
    pub(super) resolved: ResolvedSource,
    /// What it says.
    pub(super) facts: RepositoryFacts,
}

/// Reads the repository. `None` when it cannot be read: that is a problem, or, in
/// a dry run without network, an assumption.
pub(super) async fn read(
    flow: &Flow<'_, PlanServices>,
    request: &BuildRequest,
    found: &mut Problems,
    draft: &mut Draft,
) -> Result<Option<Read>, Failure> {
    let may_ask = flow.services().reach.may_ask();
    if !may_ask && let Some(host) = remote_host(&request.source.uri) {
        let text = format!("the repository is on {host} and was not read: what depends on it is not known");
        draft.assumptions.push(Notice::new("source.not_read", text));
        return Ok(None);
    }
    let Some(read) = read_at(flow, request, found).await? else { return Ok(None) };
    let settings = flow.services().site.clone();
    let mut read = read;
    // Whether this is a rebuild depends on the request alone.
    let facts = Facts {
        settings: &settings,
        request,
        repository: None,
        assumed_parent: None,
        koji: &KojiReach::NotConfigured,
    };
    if applies("note_rebuild", &facts)? {
        let noted = flow.run(NoteRebuild { request, autorebuild: &read.facts.container.autorebuild }).await;
        if let Some(rebuild) = found.take(noted)? {
            draft.rebuild = Some(described(&rebuild));
            if let Some(Some(latest)) = found.take(source_of_rebuild(request, &rebuild))? {
                let request = BuildRequest { source: latest, ..request.clone() };
                let flow = flow.scoped("latest").over(flow.services());
                match read_at(&flow, &request, found).await? {
                    Some(latest) => read = latest,
                    None => return Ok(None),
                }
            }
        }
    }
    draft.commit = Some(read.resolved.commit.to_string());
    draft.full_ref.clone_from(&read.resolved.full_ref);
    draft.component = Some(read.facts.component.clone());
    draft.dockerfile_path = Some(read.facts.dockerfile_path.clone());
    draft.repository_keys = repository_keys(&read.facts);
    Ok(Some(read))
}

async fn read_at(
    flow: &Flow<'_, PlanServices>,
    request: &BuildRequest,
    found: &mut Problems,
) -> Result<Option<Read>, Failure> {
    let source = &request.source;
    let Some(resolved) = found.take(flow.run(ResolveSource { source }).await)? else { return Ok(None) };
    if found.take(flow.run(FetchSource { source, resolved: &resolved }).await)?.is_none() {
        return Ok(None);
    }
    let facts = found.take(flow.run(ReadRepository { request, resolved: &resolved }).await)?;
    Ok(facts.map(|facts| Read { source: source.clone(), resolved, facts }))
}

/// Tags of `container.yaml`, which replace the usual floating ones.
pub(super) fn container_tags(repository: Option<&RepositoryFacts>) -> Option<&[Tag]> {
    let repository = repository?;
    (!repository.container.tags.is_empty()).then_some(&repository.additional_tags[..])
}

fn described(rebuild: &crate::plan::Rebuild) -> Decision {
    let because = match (&rebuild.triggered_by, rebuild.automatic) {
        (_, false) => "somebody asked for this build".to_owned(),
        (Some(image), true) => format!("{image} has changed"),
        (None, true) => "something that the image contains has changed".to_owned(),
    };
    let latest = if rebuild.from_latest { "; container.yaml wants the head of the branch" } else { "" };
    let value = if rebuild.automatic { "automatic" } else { "no" };
    Decision { value: value.to_owned(), because: format!("{because}{latest}") }
}
