//! A plan survives its way over the wire, and asking for one leaves nothing.

use tokio_util::sync::CancellationToken;

use super::*;
use crate::{config::Site, plan::explain::samples, services::fixture};

#[test]
fn a_plan_round_trips_with_everything_and_with_little() {
    let whole = samples::draft();
    assert_eq!(Draft::try_from(v1::Plan::from(whole.clone())), Ok(whole.clone()));

    let mut little = whole;
    little.mode = common::request::BuildMode::Scratch;
    (little.commit, little.full_ref, little.target) = (None, None, None);
    (little.component, little.nvr, little.release, little.rebuild) = (None, None, None, None);
    (little.tags, little.context, little.dockerfile_path) = (None, None, None);
    for platform in &mut little.platforms {
        (platform.dockerfile, platform.dockerfile_diff, platform.work_order) = (None, None, None);
        platform.architecture.variant = Some("v8".into());
    }
    assert_eq!(Draft::try_from(v1::Plan::from(little.clone())), Ok(little.clone()));
    for platform in &mut little.platforms {
        platform.dockerfile_diff = Some(String::new());
    }
    assert_eq!(Draft::try_from(v1::Plan::from(little.clone())), Ok(little), "no difference is not unknown");
}

#[test]
fn a_bad_field_of_a_plan_is_named() {
    type Change = fn(&mut v1::Plan);
    let cases: &[(&str, Change)] = &[
        ("mode", |plan| plan.mode = "fast".into()),
        ("steps[1].stage", |plan| plan.steps[1].stage = "never".into()),
        ("platforms[0].work_order.manifest_media_type", |plan| {
            plan.platforms[0].work_order.as_mut().unwrap().manifest_media_type = "x".into();
        }),
        ("destinations[1].host", |plan| plan.destinations[1].host.clear()),
        ("execution", |plan| plan.execution = None),
        ("tags.primary[0]", |plan| plan.tags.as_mut().unwrap().primary[0] = "a b".into()),
    ];
    for (field, change) in cases {
        let mut plan = v1::Plan::from(samples::draft());
        change(&mut plan);
        assert_eq!(Draft::try_from(plan).unwrap_err().field, *field);
    }
}

#[test]
fn an_explanation_round_trips() {
    let draft = samples::draft();
    let explanation = Explanation::of(Subject { draft: Some(&draft), ..Subject::default() });
    assert!(!explanation.entries.is_empty());
    assert_eq!(Explanation::from(v1::Explanation::from(explanation.clone())), explanation);
}

fn request() -> v1::BuildRequest {
    BuildRequest::new("https://git.example.org/x.git", None).into()
}

#[tokio::test]
async fn a_dry_run_leaves_nothing_behind() {
    let state = tempfile::tempdir().unwrap();
    let services = fixture::services(state.path(), Site::default(), CancellationToken::new()).await;
    let plans = Plans::new(services.clone());
    let plan = plans.plan(v1::PlanBuildRequest { request: Some(request()), offline: true }).await.unwrap();
    assert_eq!(plan.source.unwrap().uri, "https://git.example.org/x.git");
    assert_eq!(std::fs::read_dir(&services.work_directory).unwrap().count(), 0);

    let missing = plans.plan(v1::PlanBuildRequest::default()).await.unwrap_err();
    assert_eq!(missing.code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn the_site_a_request_and_a_build_are_explained() {
    let state = tempfile::tempdir().unwrap();
    let services = fixture::services(state.path(), Site::default(), CancellationToken::new()).await;
    let plans = Plans::new(services.clone());
    let asked = |path: &str, subject| v1::ExplainBuildRequest { subject, path: path.into(), offline: true };

    let site = plans.explain(None, asked("site.builds", None)).await.unwrap();
    assert!(site.entries.iter().all(|entry| entry.path.starts_with("site.builds.")));
    let request = plans.explain(None, asked("request", Some(Asked::Request(request())))).await.unwrap();
    assert!(request.entries.iter().any(|entry| entry.path == "request.source.uri"));

    let error = plans.explain(None, asked("site.build", None)).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::NotFound);
    assert!(error.message().contains("site.builds"), "{}", error.message());

    let build = BuildRequest::new("https://git.example.org/y.git", None);
    let build = services.store.create(&build, None).await.unwrap().id;
    let of_build = plans.explain(Some(build.clone()), asked("request.source.uri", None)).await.unwrap();
    assert_eq!(of_build.entries[0].value, "https://git.example.org/y.git");
    let early = plans.stored(&build).await.unwrap_err();
    assert_eq!(early.code(), tonic::Code::FailedPrecondition);
}
