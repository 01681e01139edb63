//! A plan survives its way over the wire, and asking for one leaves nothing.

use std::path::Path;

use testkit::git::GitRepository;

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

/// Services that take repositories of this machine, where there is one.
async fn services_with_a_repository(state: &Path) -> (Arc<Services>, GitRepository, v1::BuildRequest) {
    let repository = GitRepository::new().unwrap();
    repository
        .commit_files("one", &[("Dockerfile", "FROM scratch\nLABEL name=a/b version=1 release=1\n")])
        .unwrap();
    let mut services =
        Arc::into_inner(fixture::services(state, Site::default(), CancellationToken::new()).await).unwrap();
    services.outside.git.allow_local = true;
    let mut request = BuildRequest::new(&format!("file://{}", repository.path().display()), None);
    request.destinations = vec!["oci:out".parse().unwrap()];
    (Arc::new(services), repository, request.into())
}

async fn empty(directory: &Path) -> bool {
    for _ in 0..100 {
        if std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none()) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

#[tokio::test]
async fn a_dry_run_leaves_nothing_behind() {
    let state = tempfile::tempdir().unwrap();
    let (services, _repository, request) = services_with_a_repository(state.path()).await;
    let plans = Plans::new(services.clone(), TaskTracker::new());
    let asked = v1::PlanBuildRequest { request: Some(request), offline: false };
    let plan = plans.plan(asked).await.unwrap();
    assert_eq!(plan.commit.len(), 40, "it was cloned: {:?}", plan.problems);
    assert!(plan.dockerfile_path.ends_with("Dockerfile"), "{:?}", plan.problems);
    assert_eq!(plan.destinations.len(), 1, "{:?}", plan.problems);
    assert!(empty(&services.work_directory).await);
    assert!(!services.layout_root.path().exists(), "no layout was made");
    assert_eq!(plans.places.available_permits(), MAX_AT_A_TIME + MAX_WAITING);

    let missing = plans.plan(v1::PlanBuildRequest::default()).await.unwrap_err();
    assert_eq!(missing.code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn a_dry_run_that_nobody_waits_for_ends_and_cleans_up() {
    let state = tempfile::tempdir().unwrap();
    let (services, _repository, request) = services_with_a_repository(state.path()).await;
    let plans = Plans::new(services.clone(), TaskTracker::new());
    for milliseconds in [0, 1, 5, 20, 50] {
        let asked = v1::PlanBuildRequest { request: Some(request.clone()), offline: false };
        let _ = timeout(Duration::from_millis(milliseconds), plans.plan(asked)).await;
        let all = u32::try_from(MAX_AT_A_TIME + MAX_WAITING).unwrap();
        let back = timeout(DRY_RUN_ENDS, plans.places.acquire_many(all)).await.unwrap().unwrap();
        let left = std::fs::read_dir(&services.work_directory).map_or(0, Iterator::count);
        assert_eq!(left, 0, "the place was given back before the directory was gone, {milliseconds} ms");
        drop(back);
    }
}

#[tokio::test]
async fn too_many_dry_runs_are_refused() {
    let state = tempfile::tempdir().unwrap();
    let services = fixture::services(state.path(), Site::default(), CancellationToken::new()).await;
    let plans = Plans::new(services, TaskTracker::new());
    let _all = plans.places.clone().try_acquire_many_owned(36).unwrap();
    let asked = v1::PlanBuildRequest { request: Some(request()), offline: true };
    let refused = plans.plan(asked).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(refused.message().starts_with("plan.too_many: "), "{}", refused.message());
}

#[tokio::test]
async fn what_is_wrong_is_refused_before_anything_is_asked() {
    let state = tempfile::tempdir().unwrap();
    let services = fixture::services(state.path(), Site::default(), CancellationToken::new()).await;
    let plans = Plans::new(services.clone(), TaskTracker::new());
    let mut bad = BuildRequest::new("https://u:hunter2@h:99999/x", None);
    bad.target = Some("a b".into());
    bad.platforms = vec!["x86_64".parse().unwrap(); 2];
    let bad = v1::BuildRequest::from(bad);
    let planned = v1::PlanBuildRequest { request: Some(bad.clone()), offline: false };
    let planned = plans.plan(planned).await.unwrap_err();
    let explained = v1::ExplainBuildRequest { subject: Some(Asked::Request(bad)), ..Default::default() };
    let explained = plans.explain(None, explained).await.unwrap_err();
    for status in [planned, explained] {
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        for code in ["request.source_password", "request.target_invalid", "request.platform_repeated"] {
            assert!(status.message().contains(code), "{}", status.message());
        }
        assert!(!status.message().contains("hunter2"));
    }
    assert!(!services.work_directory.exists(), "nothing was begun");
}

#[tokio::test]
async fn a_path_of_megabytes_is_refused_at_once() {
    let state = tempfile::tempdir().unwrap();
    let services = fixture::services(state.path(), Site::default(), CancellationToken::new()).await;
    let plans = Plans::new(services, TaskTracker::new());
    let asked = v1::ExplainBuildRequest { path: "site.x".repeat(600_000), ..Default::default() };
    let refused = timeout(Duration::from_secs(2), plans.explain(None, asked)).await.unwrap().unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().starts_with("explain.path_too_long: "), "{}", refused.message());
    assert!(refused.message().len() < 500);
}

#[tokio::test]
async fn a_plan_of_other_settings_and_of_another_version_say_so() {
    let state = tempfile::tempdir().unwrap();
    let services = fixture::services(state.path(), Site::default(), CancellationToken::new()).await;
    let plans = Plans::new(services.clone(), TaskTracker::new());
    let mut builds = Vec::new();
    for (name, text) in [
        ("now", None),
        ("other", Some(serde_json::to_string(&samples::draft()).unwrap())),
        ("unread", Some(r#"{"form": "of tomorrow"}"#.to_owned())),
    ] {
        let request = BuildRequest::new(&format!("https://git.example.org/{name}.git"), None);
        let build = services.store.create(&request, None).await.unwrap().id;
        let mut draft = samples::draft();
        draft.settings_digest = services.site.digest();
        let text = text.unwrap_or_else(|| serde_json::to_string(&draft).unwrap());
        services.store.put_document(&build, crate::plan::PLAN, &text).await.unwrap();
        builds.push(build);
    }
    let explain = |build: &BuildId| plans.explain(Some(build.clone()), v1::ExplainBuildRequest::default());
    assert_eq!(explain(&builds[0]).await.unwrap().notices, []);
    let other = explain(&builds[1]).await.unwrap();
    assert_eq!(other.notices[0].code, "explain.other_settings");
    for unread in [explain(&builds[2]).await.unwrap_err(), plans.stored(&builds[2]).await.unwrap_err()] {
        assert_eq!(unread.code(), tonic::Code::FailedPrecondition);
        assert!(unread.message().contains("plan.other_version"), "{}", unread.message());
    }
}

#[tokio::test]
async fn the_site_a_request_and_a_build_are_explained() {
    let state = tempfile::tempdir().unwrap();
    let services = fixture::services(state.path(), Site::default(), CancellationToken::new()).await;
    let plans = Plans::new(services.clone(), TaskTracker::new());
    let asked = |path: &str, subject| v1::ExplainBuildRequest { subject, path: path.into(), offline: true };

    let site = plans.explain(None, asked("site.builds", None)).await.unwrap().explanation.unwrap();
    assert!(site.entries.iter().all(|entry| entry.path.starts_with("site.builds.")));
    let request = plans.explain(None, asked("request", Some(Asked::Request(request())))).await.unwrap();
    assert_eq!((request.problems, request.notices), (vec![], vec![]));
    let request = request.explanation.unwrap();
    let local = BuildRequest::new("file:///srv/git/x.git", None);
    let local =
        v1::ExplainBuildRequest { offline: false, ..asked("request", Some(Asked::Request(local.into()))) };
    let failed = plans.explain(None, local).await.unwrap();
    assert!(failed.problems.iter().any(|problem| problem.code == "source.address_refused"), "{failed:?}");
    assert!(!failed.explanation.unwrap().entries.is_empty());
    assert!(request.entries.iter().any(|entry| entry.path == "request.source.uri"));

    let error = plans.explain(None, asked("site.build", None)).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::NotFound);
    assert!(error.message().contains("site.builds"), "{}", error.message());

    let build = BuildRequest::new("https://git.example.org/y.git", None);
    let build = services.store.create(&build, None).await.unwrap().id;
    let of_build = plans.explain(Some(build.clone()), asked("request.source.uri", None)).await.unwrap();
    assert_eq!(of_build.explanation.unwrap().entries[0].value, "https://git.example.org/y.git");
    let early = plans.stored(&build).await.unwrap_err();
    assert_eq!(early.code(), tonic::Code::FailedPrecondition);
}
