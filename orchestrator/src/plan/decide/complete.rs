//! From a draft without problems to the plan that is run.

use common::{
    failure::{Failure, FailureClass},
    request::BuildRequest,
};

use crate::{
    config::Settings,
    plan::{Draft, Plan, PlatformPlan, decide::images::PARENT_IMAGE, labels::BUILD_HOST},
};

/// The plan of a build.
///
/// # Errors
/// Something that a build needs is not known. No draft of a build that found no
/// problem lacks anything; should one do, it is said and not guessed.
pub(super) fn complete(draft: &Draft, request: &BuildRequest, settings: &Settings) -> Result<Plan, Failure> {
    let lacks = |what: &str| {
        let message = format!("the plan has no {what}, and nothing says why");
        Failure::new(FailureClass::Internal, "plan.incomplete", message)
    };
    let commit = draft.commit.as_deref().and_then(|commit| commit.parse().ok());
    let platform = |planned: &crate::plan::PlannedPlatform| {
        Ok(PlatformPlan {
            platform: planned.platform.clone(),
            architecture: planned.architecture.clone(),
            dockerfile: planned.dockerfile.clone().ok_or_else(|| lacks("final Dockerfile"))?,
            parents: planned.parents.clone(),
        })
    };
    let is_recorded = draft.steps.iter().any(|step| step.name == "record_build" && step.runs);
    if is_recorded && draft.recording.is_none() {
        return Err(lacks("name in Koji, where the build is to be recorded"));
    }
    // Only a primary tag promises a version and a release.
    let promises = draft.tags.as_ref().is_some_and(|tags| !tags.primary.is_empty());
    let label = |name: &str| {
        let label = draft.platforms.first()?.labels.get(name)?;
        let inherited = label.chain.first().is_none_or(|said| said.from == PARENT_IMAGE);
        (promises && !inherited && !label.value.is_empty()).then(|| label.value.clone())
    };
    Ok(Plan {
        commit: commit.ok_or_else(|| lacks("commit"))?,
        component: draft.component.clone().ok_or_else(|| lacks("component"))?,
        platforms: draft.platforms.iter().map(platform).collect::<Result<_, Failure>>()?,
        context: draft.context.clone().ok_or_else(|| lacks("build context"))?,
        dockerfile_path: draft.dockerfile_path.clone().ok_or_else(|| lacks("path of the Dockerfile"))?,
        build_args: request.build_args.clone(),
        host_label: Some(BUILD_HOST.to_owned()),
        version: label("version"),
        release: label("release"),
        labels_may_differ: labels_that_may_differ(settings),
        packages_may_differ: settings.publication.packages_may_differ.clone(),
        own_labels: own_label_names(draft),
        image_stream: request.image_stream.clone(),
        limits: request.limits.or(limits(settings)),
        queue_deadline: settings.builds.queue_deadline.duration(),
        attempts: settings.builds.attempts,
        failure_policy: draft.execution.failure_policy,
        format: settings.publication.manifest_format,
        tags: draft.tags.clone().ok_or_else(|| lacks("tags"))?,
        targets: draft.destinations.clone(),
        recording: draft.recording.clone(),
        steps: draft.steps.clone(),
    })
}

/// The site's bounds.
fn limits(settings: &Settings) -> common::request::Limits {
    common::request::Limits {
        memory_bytes: settings.builds.memory.map(crate::config::Size::bytes),
        time: Some(settings.builds.time.duration()),
    }
}

/// Labels that are made from what differs between platforms.
fn labels_that_may_differ(settings: &Settings) -> Vec<String> {
    let format = settings.labels.info_url.as_deref().unwrap_or_default();
    if format.to_lowercase().contains("{architecture}") { vec!["url".to_owned()] } else { Vec::new() }
}

/// Labels that somebody else than a parent image gives their value.
fn own_label_names(draft: &Draft) -> Vec<String> {
    let labels = draft.platforms.iter().flat_map(|platform| &platform.labels);
    let own = labels.filter(|(_, label)| {
        // The other spelling of an inherited label is inherited, too.
        let said = label.chain.iter().find(|said| !said.from.starts_with("the other spelling"));
        said.is_none_or(|said| said.from != PARENT_IMAGE)
    });
    let names: std::collections::BTreeSet<&String> = own.map(|(name, _)| name).collect();
    names.into_iter().cloned().collect()
}
