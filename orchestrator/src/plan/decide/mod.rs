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
mod koji;
mod parents;
mod problems;
mod pure;
mod source;

use common::{
    failure::{Failure, FailureClass},
    flow::Flow,
    image::Tag,
    nvr::Nvr,
    request::{BuildMode, BuildRequest},
};

use self::{complete::complete, problems::Problems};
use super::{
    CheckDestinations, ChooseRelease, Decision, Draft, Execution, Facts, FindTarget, FreezeSettings,
    KojiReach, MakeContext, Notice, Plan, ReachKoji, ReleaseChoice, SelectPlatforms, TagInputs, Tags,
    catalogue,
    draft::{TAGS_NOT_KNOWN, UNIQUE_TAG_GIVEN},
    policy,
};
use crate::{
    config::{Settings, UnrecordedBuilds},
    outside::KojiCapability,
    run::Failures,
    services::PlanServices,
};

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

    draft.verdicts = policy::of_request(settings, request);
    found.extend(policy::denials(&draft.verdicts));
    // A host that the site forbids is not even asked.
    let may_read = !draft.verdicts.iter().any(|said| said.rule == policy::SOURCES && !said.allowed);
    let read = if may_read { source::read(flow, request, &mut found, &mut draft).await? } else { None };
    let repository = read.as_ref().map(|read| &read.facts);
    let koji = match services.outside.koji {
        Some(_) => able(flow.run(ReachKoji { is_needed: needs_koji(settings, request) }).await?),
        None => KojiReach::NotConfigured,
    };
    let facts = Facts { settings, request, repository, assumed_parent: asked.assumed_parent, koji: &koji };
    draft.steps = catalogue::steps(&facts);
    note_skipped(flow, &draft).await?;
    found.extend(record_verdict(&facts, &mut draft));

    let target = match (&request.target, applies("find_target", &facts)?) {
        (Some(name), true) => found.take(flow.run(FindTarget { name }).await)?.flatten(),
        _ => None,
    };
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
    let platforms = &selection.platforms[..];

    let ready = found.is_empty() && images::could_be(flow, &facts, read.as_ref(), platforms);
    let filesystems = filesystem::make(flow, &facts, read.as_ref(), platforms, ready, &mut found).await?;
    let parents = parents::pin(flow, &facts, read.as_ref(), platforms, &mut found, &mut draft).await?;

    // What hangs on the parent image is certain only if that was read.
    let mut uncertain = Problems::default();
    let mut images = images::Inputs::new(flow, &facts, read.as_ref(), platforms, &parents);
    let named = images.release_labels();
    let reserves = applies("reserve_build", &facts)?;
    let mut choice = match &named {
        // Nobody knows yet whether the Dockerfile has one.
        None => None,
        Some(labels) => uncertain.take(
            flow.run(ChooseRelease {
                requested: request.release.as_deref(),
                mode: &request.mode,
                labels,
                append: request.flatpak,
                has_koji: koji != KojiReach::NotConfigured,
                ask_koji: koji.offers(KojiCapability::Releases) && koji.offers(KojiCapability::Builds),
                reserves,
                is_checked: facts.is_recorded()
                    && koji.offers(KojiCapability::Builds)
                    && !(reserves && services.reach.may_change()),
            })
            .await,
        )?,
    };
    // Whatever is found to be wrong after this gives the reservation back.
    let reserved = if found.is_empty() && uncertain.is_empty() && parents.are_known {
        koji::reserve(flow, &facts, named.as_ref(), &mut choice, &mut found, &mut draft).await?
    } else {
        None
    };
    images.release = choice.as_ref().and_then(|choice| choice.release.clone());
    draft.release = choice.as_ref().map(|choice| Decision {
        value: choice.release.clone().unwrap_or_else(|| "none".to_owned()),
        because: choice.reason.clone(),
    });
    let labels = images.settle_labels(&mut uncertain, &mut draft).await?;
    let first = labels.first();
    draft.nvr = name(&facts, first, choice.as_ref(), &mut uncertain, &mut draft.notices);
    let stamp = &services.stamp;
    if read.is_none() {
        let text = "tags that are made of version and release, or named in the repository, are not known";
        draft.assumptions.push(Notice::new(TAGS_NOT_KNOWN, text));
    }
    if asked.unique_tag.is_some() {
        let text = "the unique tag is that of the captured pod (image_tag, or OUTPUT_IMAGE)";
        draft.assumptions.push(Notice::new(UNIQUE_TAG_GIVEN, text));
    }
    draft.tags = uncertain.take(Tags::choose(&TagInputs {
        build: &stamp.build,
        created_at: stamp.created_at,
        request,
        version: first.and_then(|labels| labels.own("version")),
        release: first.and_then(|labels| labels.own("release")),
        additional: repository.map_or(&[][..], |repository| &repository.additional_tags),
        container_tags: source::container_tags(repository),
        unique: asked.unique_tag,
    }))?;
    let name = first.and_then(|labels| labels.own("name"));
    uncertain.extend(name.and_then(|name| super::destinations::image_name(name).err()));
    let default = if request.destinations.is_empty() {
        let component = draft.component.as_ref();
        uncertain.take(super::destinations::default_destinations(settings, name, component))?
    } else {
        Some(request.destinations.clone())
    };

    let may_change = found.is_empty() && uncertain.is_empty() && images.scope_fits(&labels);
    let parent_builds =
        parents::find_builds(flow, &facts, &parents, platforms, may_change, &mut found, &mut draft).await?;
    let around = contents::Around {
        facts: &facts,
        read: read.as_ref(),
        platforms,
        target: target.as_ref(),
        parent: parent_builds.base(&parents),
        may_change,
    };
    let contents = contents::gather(flow, around, &mut found, &mut draft).await?;
    images.check_scope(&labels, &mut uncertain, &mut draft).await?;
    let extra =
        images.write_dockerfiles(&labels, &contents, &filesystems, &mut uncertain, &mut draft).await?;
    settle_uncertain(uncertain, parents.are_known, &mut found, &mut draft);

    if let Some(asked) = &default {
        let make = found.is_empty();
        let targets = found.take(flow.run(CheckDestinations { asked, make }).await)?;
        draft.destinations = targets.unwrap_or_default();
    }
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
    let known = koji::Known {
        facts: &facts,
        read: read.as_ref(),
        target: target.as_ref(),
        platforms,
        parents: &parents,
        parent_builds: &parent_builds,
        contents: &contents,
        reserved,
    };
    draft.recording = koji::recording(flow, known, &mut found, &draft).await?;
    draft.problems = found.into_inner();
    Ok(draft)
}

/// Something missing that a parent image can bring.
const BROUGHT_BY_PARENT: &[&str] = &[
    "labels.info_url_label",
    "labels.missing",
    "release.missing",
    "release.missing_label",
    "release_env.no_release",
];

/// What is missing counts only if the parent image, which may bring it, is known.
/// While nobody could be asked, it is an assumption. Where asking failed, that is
/// the problem, and what follows from it is none of its own.
fn settle_uncertain(uncertain: Problems, known: bool, found: &mut Problems, draft: &mut Draft) {
    let failed = !found.is_empty();
    for problem in uncertain.into_inner() {
        if known || !BROUGHT_BY_PARENT.contains(&problem.code.as_str()) {
            found.push(problem);
        } else if !failed {
            let text = format!("{}; the parent image, which may bring it, was not read", problem.message);
            draft.assumptions.push(Notice::new(&problem.code, text));
        }
    }
}

/// Whether the build will be in Koji, as a verdict, and the problem if it has to.
fn record_verdict(facts: &Facts<'_>, draft: &mut Draft) -> Option<Failure> {
    if *facts.koji == KojiReach::NotAsked {
        let text = "koji-bridge was not asked; steps that need it are shown as the site configures them";
        draft.assumptions.push(Notice::new("koji.not_asked", text));
    }
    let verdict = policy::records(facts)?;
    let denied = policy::denials(std::slice::from_ref(&verdict)).next();
    draft.verdicts.push(verdict);
    match (denied, facts.koji) {
        (Some(_), KojiReach::Unavailable { reason }) => {
            let message =
                format!("the build cannot be recorded, because koji-bridge cannot be asked: {reason}");
            Some(Failure::new(FailureClass::Infrastructure, "koji.unavailable", message).with_advice(
                "submit the build again when koji-bridge answers; or ask for a scratch build; or set \
                 koji.unrecorded_builds to allow",
            ))
        }
        (denied, _) => denied,
    }
}

/// Writes into the history why steps before the build are left out. Those that
/// are gone for good are in the plan alone.
async fn note_skipped(flow: &Flow<'_, PlanServices>, draft: &Draft) -> Result<(), Failure> {
    let before = |step: &&super::PlannedStep| step.stage <= common::flow::Stage::Prepare;
    for step in draft.steps.iter().filter(before) {
        if let Some(reason) = step.reason.as_ref().filter(|reason| reason.code != catalogue::RETIRED) {
            flow.skip(&step.name, &reason.code, &reason.sentence).await?;
        }
    }
    Ok(())
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
        recording: None,
    }
}

/// Whether the build is refused when Koji does not answer.
fn needs_koji(settings: &Settings, request: &BuildRequest) -> bool {
    request.mode != BuildMode::Scratch && settings.koji.unrecorded_builds == UnrecordedBuilds::Refuse
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
        KojiCapability::Reserve,
        KojiCapability::Upload,
        KojiCapability::Import,
        KojiCapability::Tag,
        KojiCapability::People,
    ];
    match reach {
        KojiReach::Serving { mut bridge } => {
            bridge.capabilities.retain(|capability| USED.contains(capability));
            KojiReach::Serving { bridge }
        }
        other => other,
    }
}

/// Whether a step applies.
pub(super) fn applies(step: &str, facts: &Facts<'_>) -> Result<bool, Failure> {
    let Some(entry) = catalogue::entry(step) else {
        let message = format!("the step '{step}' is not in the catalogue");
        return Err(Failure::new(FailureClass::Internal, "plan.unknown_step", message));
    };
    Ok((entry.applies)(facts) == catalogue::Answer::Runs)
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
    let recorded = facts.is_recorded();
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
