//! The first half of the flow, top to bottom.
//!
//! [`draft`] makes every decision and collects everything that is wrong on the
//! way: whatever does not depend on what failed is still decided, so that a user
//! hears of all problems at once. Nothing outside is changed once there is a
//! problem. [`decide`] is the same for a build, which needs a draft without
//! problems and without gaps.

mod complete;
mod contents;
mod filesystem;
mod images;
mod parents;
mod problems;
mod pure;
mod source;

use common::{
    failure::{Failure, FailureClass},
    flow::Flow,
    image::Tag,
    nvr::Nvr,
    request::BuildRequest,
};

use self::{complete::complete, problems::Problems};
use super::{
    CheckDestinations, ChooseRelease, Decision, Draft, Execution, Facts, FindTarget, FreezeSettings,
    KojiReach, MakeContext, Notice, Plan, ReachKoji, ReleaseChoice, ReleaseLabels, SelectPlatforms,
    TagInputs, Tags, catalogue,
    draft::{TAGS_NOT_KNOWN, UNIQUE_TAG_GIVEN},
    policy,
};
use crate::{outside::KojiCapability, run::Failures, services::PlanServices};

/// What is to be planned.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What the user asked for.
    pub request: &'a BuildRequest,
    /// What the first FROM is said to be, for when the repository cannot be read.
    pub assumed_parent: Option<&'a str>,
    /// The unique tag, when it was made elsewhere.
    pub unique_tag: Option<&'a Tag>,
}

/// Decides everything about a build. The draft is for the record, the plan for
/// the second half.
///
/// # Errors
/// Everything that is wrong.
pub async fn decide(
    flow: &Flow<'_, PlanServices>,
    request: &BuildRequest,
) -> Result<(Draft, Plan), Failures> {
    let draft = Box::pin(draft(flow, Asked { request, assumed_parent: None, unique_tag: None })).await?;
    if let Some(failures) = Failures::in_order(draft.problems.clone()) {
        return Err(failures);
    }
    let frozen = flow.run(FreezeSettings).await?;
    let plan = complete(&draft, request, &frozen.settings)?;
    Ok((draft, plan))
}

/// Decides as much as can be decided.
///
/// # Errors
/// Planning was stopped, or its record cannot be written. All other problems
/// are part of the draft.
pub async fn draft(flow: &Flow<'_, PlanServices>, asked: Asked<'_>) -> Result<Draft, Failure> {
    let request = asked.request;
    let frozen = flow.run(FreezeSettings).await?;
    // Settings can change between a crash and its resumption: all steps see those
    // that the build began with.
    let services = flow.services().with_settings(frozen.settings.clone());
    let flow = &flow.over(&services);
    let settings = &frozen.settings;
    let mut found = Problems::default();
    let mut draft = empty(request, &frozen);
    found.extend(crate::request::validate::check(request));

    let read = source::read(flow, request, &mut found, &mut draft).await?;
    let repository = read.as_ref().map(|read| &read.facts);

    let koji = match services.outside.koji {
        Some(_) => able(flow.run(ReachKoji {}).await?),
        None => KojiReach::NotConfigured,
    };
    let facts = Facts { settings, request, repository, assumed_parent: asked.assumed_parent, koji: &koji };
    draft.steps = catalogue::steps(&facts);
    let target = match (&request.target, applies(flow, "find_target", &facts).await?) {
        (Some(name), true) => found.take(flow.run(FindTarget { name }).await)?.flatten(),
        _ => None,
    };
    if koji == KojiReach::NotAsked {
        let text = "koji-bridge was not asked; steps that need it are shown as the site configures them";
        draft.assumptions.push(Notice::new("koji.not_asked", text));
    }
    let no_limits = crate::repository::container_yaml::PlatformLimits::default();
    let selection = found.take(
        flow.run(SelectPlatforms {
            asked: &request.platforms,
            mode: &request.mode,
            target: target.as_ref().map(|target| target.platforms.as_slice()).filter(|list| !list.is_empty()),
            limits: repository.map_or(&no_limits, |repository| &repository.container.platforms),
            default_platforms: &settings.default_platforms,
        })
        .await,
    )?;
    let selection = selection.unwrap_or_default();
    draft.platform_arithmetic.clone_from(&selection.arithmetic);

    let filesystems = filesystem::make(flow, &facts, read.as_ref(), &selection.platforms, &mut found).await?;
    let parents = parents::pin(flow, &facts, read.as_ref(), &selection.platforms, &mut found).await?;

    let own_labels = images::own_labels(&facts, &selection.platforms, &parents);
    let choice = match read {
        // Nobody knows yet whether the Dockerfile has one.
        None => None,
        Some(_) => found.take(
            flow.run(ChooseRelease {
                requested: request.release.as_deref(),
                mode: &request.mode,
                labels: &ReleaseLabels::of(&own_labels),
                append: request.flatpak,
                has_koji: koji != KojiReach::NotConfigured,
                ask_koji: koji.offers(KojiCapability::Releases) && koji.offers(KojiCapability::Builds),
            })
            .await,
        )?,
    };
    let release = choice.as_ref().and_then(|choice| choice.release.as_deref());
    draft.release = choice.as_ref().map(|choice| Decision {
        value: release.unwrap_or("none").to_owned(),
        because: choice.reason.clone(),
    });

    let images = images::Inputs {
        flow,
        facts: &facts,
        read: read.as_ref(),
        platforms: &selection.platforms,
        parents: &parents,
        release,
    };
    let labels = images.settle_labels(&mut found, &mut draft).await?;
    let first = labels.first();
    draft.nvr = name(&facts, first, choice.as_ref(), &mut found, &mut draft.notices);
    let parent_build = parents::find_build(flow, &facts, &parents, &mut found).await?;

    let contents = contents::gather(
        flow,
        &facts,
        read.as_ref(),
        &selection.platforms,
        target.as_ref(),
        parent_build.as_ref(),
        &mut found,
        &mut draft,
    )
    .await?;
    images.check_scope(&labels, &mut found, &mut draft).await?;
    draft.verdicts.extend(policy::verdicts(&facts));
    found.extend(policy::denials(&draft.verdicts));
    let extra = images.write_dockerfiles(&labels, &contents, &filesystems, &mut found, &mut draft).await?;

    let name = first.and_then(|labels| labels.own("name"));
    found.extend(name.and_then(|name| super::destinations::image_name(name).err()));
    let default = super::destinations::default_destinations(settings, name, draft.component.as_ref());
    let asked_for = if request.destinations.is_empty() { &default } else { &request.destinations };
    let targets = found.take(flow.run(CheckDestinations { asked: asked_for }).await)?;
    draft.destinations = targets.unwrap_or_default();

    let stamp = &services.stamp;
    if read.is_none() {
        let text = "tags that are made of version and release, or named in the repository, are not known";
        draft.assumptions.push(Notice::new(TAGS_NOT_KNOWN, text));
    }
    if asked.unique_tag.is_some() {
        let text = "the unique tag is that of the captured pod (image_tag, or OUTPUT_IMAGE)";
        draft.assumptions.push(Notice::new(UNIQUE_TAG_GIVEN, text));
    }
    draft.tags = found.take(Tags::choose(&TagInputs {
        build: &stamp.build,
        created_at: stamp.created_at,
        request,
        version: first.and_then(|labels| labels.own("version")),
        release: first.and_then(|labels| labels.own("release")),
        additional: repository.map_or(&[][..], |repository| &repository.additional_tags),
        container_tags: source::container_tags(repository),
        unique: asked.unique_tag,
    }))?;
    draft.execution.extra_tags = draft.destinations.iter().filter_map(|to| to.extra_tag().cloned()).collect();

    if let (Some(read), true, true) = (&read, found.is_empty(), contents.is_complete) {
        let context = flow
            .run(MakeContext {
                source: &read.source,
                resolved: &read.resolved,
                dockerfile_path: &read.facts.dockerfile_path,
                extra: &extra,
            })
            .await;
        draft.context = found.take(context)?;
    }
    images.plan_work_orders(&mut draft);
    draft.problems = found.into_inner();
    Ok(draft)
}

/// A draft of a request of which nothing is known yet.
fn empty(request: &BuildRequest, frozen: &super::FrozenSettings) -> Draft {
    let builds = &frozen.settings.builds;
    Draft {
        source: request.source.clone(),
        commit: None,
        full_ref: None,
        mode: request.mode.clone(),
        target: request.target.clone(),
        settings_digest: frozen.digest.clone(),
        component: request.component.clone(),
        nvr: None,
        release: None,
        rebuild: None,
        platform_arithmetic: Vec::new(),
        platforms: Vec::new(),
        tags: None,
        destinations: Vec::new(),
        repositories: Vec::new(),
        artifacts: Vec::new(),
        context: None,
        dockerfile_path: None,
        repository_keys: Vec::new(),
        steps: Vec::new(),
        verdicts: Vec::new(),
        notices: Vec::new(),
        assumptions: Vec::new(),
        problems: Vec::new(),
        execution: Execution {
            queue_deadline_seconds: builds.queue_deadline.duration().as_secs(),
            attempts: builds.attempts,
            failure_policy: request.failure_policy.unwrap_or(builds.failure_policy),
            extra_tags: Vec::new(),
        },
    }
}

/// What Koji's bridge offers and this version makes use of.
fn able(reach: KojiReach) -> KojiReach {
    const USED: &[KojiCapability] = &[
        KojiCapability::Targets,
        KojiCapability::Builds,
        KojiCapability::Releases,
        KojiCapability::Repositories,
        KojiCapability::Archives,
        KojiCapability::ImageTasks,
    ];
    match reach {
        KojiReach::Serving { mut bridge } => {
            bridge.capabilities.retain(|capability| USED.contains(capability));
            KojiReach::Serving { bridge }
        }
        other => other,
    }
}

/// Whether a step applies; if not, the history says why.
pub(super) async fn applies(
    flow: &Flow<'_, PlanServices>,
    step: &str,
    facts: &Facts<'_>,
) -> Result<bool, Failure> {
    let Some(entry) = catalogue::entry(step) else {
        let message = format!("the step '{step}' is not in the catalogue");
        return Err(Failure::new(FailureClass::Internal, "plan.unknown_step", message));
    };
    match (entry.applies)(facts) {
        catalogue::Answer::Runs => Ok(true),
        catalogue::Answer::Skipped(reason) => {
            flow.skip(step, &reason.code, &reason.sentence).await?;
            Ok(false)
        }
    }
}

/// What Koji would call the build. A build that is to be recorded needs that.
fn name(
    facts: &Facts<'_>,
    labels: Option<&super::labels::SettledLabels>,
    choice: Option<&ReleaseChoice>,
    found: &mut Problems,
    notices: &mut Vec<Notice>,
) -> Option<Nvr> {
    let (labels, choice) = (labels?, choice?);
    let recorded = facts.settings.koji.hub_url.is_some() && !facts.is_scratch();
    let mut part = |label: &str| {
        let value = labels.own(label);
        if value.is_none() && recorded {
            let message =
                format!("the Dockerfile has no label '{label}', which Koji needs to record the build");
            found.push(
                Failure::new(FailureClass::Source, "labels.missing", message)
                    .with_advice(format!("add LABEL {label}=… to the final stage")),
            );
        }
        value
    };
    let (component, version) = (part("com.redhat.component"), part("version"));
    let release = choice.release.as_deref();
    if release.is_none() && recorded && choice.from != super::ReleaseSource::NotAsked {
        found.extend(choice.missing());
    } else if release.is_none() {
        notices.push(Notice::new("release.none", format!("the image has no release: {}", choice.reason)));
    }
    match Nvr::new(component?, version?, release?) {
        Ok(nvr) => Some(nvr),
        Err(error) if recorded => {
            found.push(
                Failure::from_error(FailureClass::Source, "release.bad_nvr", &error)
                    .with_advice("correct the labels com.redhat.component, version and release"),
            );
            None
        }
        Err(_) => None,
    }
}
