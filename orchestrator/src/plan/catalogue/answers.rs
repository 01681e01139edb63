//! Why steps apply or do not: pure questions to the [`Facts`].

use super::Answer;
use crate::{
    outside::KojiCapability,
    plan::{Facts, KojiReach, composes::applies},
    repository::inputs::ComposeWish,
};

pub(super) fn always(_: &Facts<'_>) -> Answer {
    Answer::Runs
}

fn retired(what: &str) -> Answer {
    Answer::skipped(super::RETIRED, what)
}

pub(super) fn pulp(_: &Facts<'_>) -> Answer {
    retired("Pulp is not served any more: images go to registries alone")
}

pub(super) fn delete_from_registry(_: &Facts<'_>) -> Answer {
    retired("it removed what Pulp had copied, and Pulp is not served any more")
}

/// Steps for Flatpaks.
pub(super) fn flatpak(facts: &Facts<'_>) -> Answer {
    if facts.is_flatpak() {
        Answer::skipped("flatpak.not_supported_yet", "Flatpaks and modules are not built by this version")
    } else {
        Answer::skipped("flatpak.not_asked_for", "this is not a Flatpak, and only those are made of modules")
    }
}

/// Whether Koji takes part in this build.
fn koji(facts: &Facts<'_>) -> Answer {
    match facts.koji {
        KojiReach::NotConfigured => {
            Answer::skipped("koji.not_configured", "the site names no Koji hub (koji.hub_url)")
        }
        // What was not asked is shown as it is configured.
        KojiReach::NotAsked | KojiReach::Serving { .. } => Answer::Runs,
        KojiReach::Unavailable { reason } => {
            Answer::skipped("koji.unavailable", format!("koji-bridge cannot be asked: {reason}"))
        }
    }
}

/// Whether Koji's bridge can do one thing.
fn koji_can(facts: &Facts<'_>, capability: KojiCapability) -> Answer {
    match (koji(facts), facts.koji) {
        (Answer::Runs, KojiReach::Serving { bridge }) if !bridge.capabilities.contains(&capability) => {
            let sentence = format!("koji-bridge and this version have no '{capability}' in common");
            Answer::skipped("koji.not_offered", sentence)
        }
        (answer, _) => answer,
    }
}

fn unless_scratch(facts: &Facts<'_>, what: &str, then: impl FnOnce() -> Answer) -> Answer {
    if facts.is_scratch() {
        Answer::skipped("scratch.left_out", format!("a scratch build {what}"))
    } else {
        then()
    }
}

pub(super) fn koji_target(facts: &Facts<'_>) -> Answer {
    if facts.request.target.is_none() {
        return Answer::skipped("koji.no_target", "the request names no Koji target");
    }
    koji_can(facts, KojiCapability::Targets)
}

pub(super) fn reach_koji(facts: &Facts<'_>) -> Answer {
    match facts.koji {
        KojiReach::NotConfigured => koji(facts),
        _ => Answer::Runs,
    }
}

pub(super) fn rebuild(facts: &Facts<'_>) -> Answer {
    use common::request::BuildMode;
    match facts.request.mode {
        BuildMode::Normal => Answer::Runs,
        BuildMode::Scratch => {
            Answer::skipped("rebuild.not_for_scratch", "a scratch build is never an automatic rebuild")
        }
        BuildMode::Isolated { .. } => {
            Answer::skipped("rebuild.not_for_isolated", "an isolated build is never an automatic rebuild")
        }
    }
}

pub(super) fn filesystem(facts: &Facts<'_>) -> Answer {
    if !facts.begins_with_koji_filesystem() {
        let sentence = "the Dockerfile does not begin with FROM koji/image-build";
        return Answer::skipped("filesystem.not_asked_for", sentence);
    }
    koji_can(facts, KojiCapability::ImageTasks)
}

pub(super) fn inject_parent(facts: &Facts<'_>) -> Answer {
    if facts.request.parent_build.is_none() {
        return Answer::skipped(
            "parent_build.not_asked_for",
            "the request names no Koji build to build upon",
        );
    }
    koji_can(facts, KojiCapability::Builds)
}

pub(super) fn parent_build(facts: &Facts<'_>) -> Answer {
    unless_scratch(facts, "is not recorded, so nobody asks where its parent comes from", || {
        if facts.begins_with_koji_filesystem() {
            let sentence = "the image begins with a file system that Koji makes, which is no build";
            return Answer::skipped("parent_build.no_parent", sentence);
        }
        koji_can(facts, KojiCapability::Builds)
    })
}

pub(super) fn composes(facts: &Facts<'_>) -> Answer {
    // A repository that was not read may ask for anything.
    let unknown = ComposeWish::default();
    let wish = match facts.repository {
        Some(repository) => repository.container.compose.as_ref(),
        None => Some(&unknown),
    };
    match applies(&facts.settings.composes, facts.request, wish) {
        Ok(()) => Answer::Runs,
        Err((code, sentence)) => Answer::skipped(code, sentence),
    }
}

pub(super) fn sources(facts: &Facts<'_>) -> Answer {
    if facts.settings.artifacts.sources_command.is_empty() {
        let sentence = "the site has no command for sources (artifacts.sources_command)";
        return Answer::skipped("sources.not_configured", sentence);
    }
    Answer::Runs
}

pub(super) fn artifacts(facts: &Facts<'_>) -> Answer {
    let asked = |repository: &crate::plan::RepositoryFacts| {
        !repository.artifacts.koji.is_empty() || !repository.artifacts.urls.is_empty()
    };
    if facts.repository.is_none_or(asked) {
        Answer::Runs
    } else {
        let sentence = "the repository has no fetch-artifacts-koji.yaml and no fetch-artifacts-url.yaml";
        Answer::skipped("artifacts.not_asked_for", sentence)
    }
}

pub(super) fn target_repository(facts: &Facts<'_>) -> Answer {
    if !facts.request.repository_urls.is_empty() {
        let sentence = "the request names repositories itself, which replaces that of the target";
        return Answer::skipped("repositories.given", sentence);
    }
    if facts.request.flatpak {
        return Answer::skipped("repositories.flatpak", "a Flatpak is made of modules");
    }
    if composes(facts) == Answer::Runs && facts.repository.is_some() {
        let sentence = "composes replace the repository of the target";
        return Answer::skipped("repositories.composes", sentence);
    }
    if facts.request.target.is_none() {
        return Answer::skipped("koji.no_target", "the request names no Koji target");
    }
    koji_can(facts, KojiCapability::Repositories)
}

pub(super) fn repositories(facts: &Facts<'_>) -> Answer {
    if !facts.request.repository_urls.is_empty() || composes(facts) == Answer::Runs {
        Answer::Runs
    } else {
        let sentence = "neither the request nor a compose names a repository file";
        Answer::skipped("repositories.not_asked_for", sentence)
    }
}

pub(super) fn compare_members(facts: &Facts<'_>) -> Answer {
    unless_scratch(facts, "may differ from platform to platform", || Answer::Runs)
}

pub(super) fn image_stream(facts: &Facts<'_>) -> Answer {
    unless_scratch(facts, "moves no tag that an image stream could follow", || {
        if facts.request.image_stream.is_none() {
            return Answer::skipped("image_stream.not_asked_for", "the request names no image stream");
        }
        if facts.settings.openshift.url.is_none() {
            return Answer::skipped(
                "image_stream.not_configured",
                "the site names no OpenShift (openshift.url)",
            );
        }
        Answer::Runs
    })
}

/// Whether the build is recorded: its files go to the hub, and then it is
/// imported.
pub(super) fn record_build(facts: &Facts<'_>) -> Answer {
    unless_scratch(facts, "is not recorded in Koji", || {
        [KojiCapability::Upload, KojiCapability::Import]
            .map(|needed| koji_can(facts, needed))
            .into_iter()
            .find(|answer| *answer != Answer::Runs)
            .unwrap_or(Answer::Runs)
    })
}

pub(super) fn reserve_build(facts: &Facts<'_>) -> Answer {
    match record_build(facts) {
        Answer::Runs if !facts.settings.koji.reserve => {
            Answer::skipped("koji.not_reserved_here", "the site reserves no builds (koji.reserve)")
        }
        Answer::Runs => koji_can(facts, KojiCapability::Reserve),
        skipped => skipped,
    }
}

pub(super) fn tag_build(facts: &Facts<'_>) -> Answer {
    unless_scratch(facts, "is not recorded in Koji, so it cannot be tagged there", || {
        if facts.request.target.is_none() {
            return Answer::skipped("koji.no_target", "the request names no Koji target");
        }
        match record_build(facts) {
            Answer::Runs => koji_can(facts, KojiCapability::Tag),
            skipped => skipped,
        }
    })
}

pub(super) fn floating_tags(facts: &Facts<'_>) -> Answer {
    use common::{destination::Destination, request::BuildMode};
    let with_tag = |to: &Destination| matches!(to, Destination::Registry { tag: Some(_), .. });
    match facts.request.mode {
        BuildMode::Normal => Answer::Runs,
        _ if facts.request.destinations.iter().any(with_tag) => Answer::Runs,
        BuildMode::Scratch => Answer::skipped("tags.scratch", "a scratch build gets its unique tag only"),
        BuildMode::Isolated { .. } => {
            Answer::skipped("tags.isolated", "an isolated build moves no floating tag")
        }
    }
}

pub(super) fn withdraw(_: &Facts<'_>) -> Answer {
    Answer::skipped("only_on_failure", "tags are put back only when a build fails after it set some")
}

pub(super) fn refund(_: &Facts<'_>) -> Answer {
    Answer::skipped(
        "only_on_failure",
        "a reservation is given back only when the build fails before its import",
    )
}

pub(super) fn cancel_filesystem(_: &Facts<'_>) -> Answer {
    Answer::skipped("only_on_failure", "a task is cancelled only when the build fails before it is done")
}

pub(super) fn notify(facts: &Facts<'_>) -> Answer {
    if facts.settings.mail.host.is_none() && facts.settings.webhooks.is_empty() {
        let sentence = "the site names neither a mail server (mail.host) nor a webhook (webhooks)";
        return Answer::skipped("mail.not_configured", sentence);
    }
    Answer::Runs
}
