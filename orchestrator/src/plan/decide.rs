//! The first half of the flow, top to bottom.

use common::{failure::Failure, flow::Flow, request::BuildRequest};

use super::{
    CheckDestinations, FetchSource, FreezeSettings, MakeContext, PinParents, PinnedPlatform, Plan,
    PlatformPlan, ReadRepository, ResolveSource, SelectPlatforms, Tags, parents::final_dockerfile,
    CheckDestinations, FetchSource, FreezeSettings, MakeContext, PinParents, Plan, PlatformPlan,
    ReadRepository, ResolveSource, SelectPlatforms, TagInputs, Tags, parents::final_dockerfile,
    platforms::SelectedPlatform,
};
use crate::{repository::dockerfile::Dockerfile, services::PlanServices};

/// Decides everything about a build.
///
/// # Errors
/// The first decision that cannot be made.
pub async fn decide(flow: &Flow<'_, PlanServices>, request: &BuildRequest) -> Result<Plan, Failure> {
    let stamp = &flow.services().stamp;
    let source = &request.source;
    let resolved = flow.run(ResolveSource { source }).await?;
    flow.run(FetchSource { source, resolved: &resolved }).await?;

    let settings = flow.run(FreezeSettings).await?;
    let facts = flow.run(ReadRepository { request, resolved: &resolved }).await?;
    let label = |names: [&str; 2]| {
        let mut texts = names.into_iter().filter_map(|name| facts.labels.get(name).map(String::as_str));
        texts.find(|text| !text.is_empty())
    };
    let tags = Tags::choose(&TagInputs {
        build: &stamp.build,
        created_at: stamp.created_at,
        request,
        version: label(["version", "Version"]),
        release: request.release.as_deref().or_else(|| label(["release", "Release"])),
        additional: &[],
        container_tags: None,
        unique: None,
    })?;
    let platforms = flow
        .run(SelectPlatforms {
            asked: &request.platforms,
            mode: &request.mode,
            target: None,
            limits: &facts.container.platforms,
            default_platforms: &settings.default_platforms,
        })
        .await?
        .platforms;
    let targets =
        flow.run(CheckDestinations { asked: &request.destinations, component: &facts.component }).await?;
    let pinned = flow
        .run(PinParents {
            dockerfile: &facts.dockerfile,
            build_args: &request.build_args,
            platforms: &platforms,
            allow_local: request.allow_local_parents,
            replace: None,
        })
        .await?;
    let context = flow
        .run(MakeContext { source, resolved: &resolved, dockerfile_path: &facts.dockerfile_path, extra: &[] })
        .await?;

    let dockerfile = Dockerfile::parse(facts.dockerfile.as_bytes())?;
    let complete = |(selected, pinned): (SelectedPlatform, PinnedPlatform)| {
        let parents = pinned.parents;
        let SelectedPlatform { platform, architecture } = selected;
        let dockerfile = final_dockerfile(&dockerfile, &request.build_args, &architecture, &parents)?;
        Ok(PlatformPlan { platform, architecture, dockerfile, parents })
    };
    let platforms =
        platforms.into_iter().zip(pinned.platforms).map(complete).collect::<Result<_, Failure>>()?;
    Ok(Plan {
        commit: resolved.commit,
        component: facts.component,
        platforms,
        context,
        dockerfile_path: facts.dockerfile_path,
        build_args: request.build_args.clone(),
        labels: request.labels.clone(),
        limits: request.limits.or(settings.limits),
        queue_deadline: settings.queue_deadline,
        attempts: settings.attempts,
        failure_policy: request.failure_policy.unwrap_or(settings.failure_policy),
        format: settings.format,
        tags,
        targets,
    })
}
