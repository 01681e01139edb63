//! One build with many problems that have nothing to do with one another: one
//! dry run tells them all.

use common::request::BuildRequest;

use super::{
    all,
    world::{Entry::Text, plan, repository, site},
};
use crate::services::Reach;

/// A repository whose files are all wrong, a request that is, and a site that
/// forbids the target.
#[tokio::test]
async fn independent_problems_are_all_told() {
    common::service::install_crypto_provider();
    let repository = repository(&[
        ("Dockerfile", Text("FROM base:1\nRUN <<EOF\ntrue\n")),
        ("container.yaml", Text("platform: {only: x86_64}\ncompose: {modules: [a]}\n")),
        ("fetch-artifacts-url.yaml", Text("- url: https://h/a\n")),
        ("fetch-artifacts-koji.yaml", Text("- nvr: a\n")),
        ("content_sets.yml", Text("x86_64: [a b]\n")),
        (".osbs-repo-config", Text("[autorebuild]\nenabled = maybe\n")),
    ]);
    let request = BuildRequest {
        platforms: vec!["vax".parse().unwrap(), "pdp11".parse().unwrap()],
        target: Some("f44-secret".into()),
        koji_task: Some(0),
        labels: [("a b".into(), "1".into())].into(),
        destinations: vec!["oci:/etc/one".parse().unwrap(), "oci:/etc/two".parse().unwrap()],
        ..BuildRequest::new(&repository.path().display().to_string(), None)
    };
    let site = site("policy: {allowed_targets: ['*-candidate']}\n");
    let told = all(plan(site, request, Reach::Nothing).await.problems);
    let mut codes: Vec<&str> = told.iter().map(|problem| problem.code.as_str()).collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        [
            "dockerfile.here_document",
            "plan.layout_outside_root",
            "plan.layout_outside_root",
            "plan.unknown_platform",
            "plan.unknown_platform",
            "policy.allowed_targets",
            "request.label_name_invalid",
            "request.task_invalid",
            "source.artifact_no_checksum",
            "source.artifact_nvr",
            "source.container_yaml_unknown_key",
            "source.content_sets",
            "source.osbs_repo_config",
        ],
        "{told:#?}"
    );
}

/// The same where the files can be read and what they say cannot be.
#[tokio::test]
async fn problems_of_a_plan_are_all_told() {
    common::service::install_crypto_provider();
    let repository = repository(&[
        ("Dockerfile", Text("FROM a\nLABEL version=1-2 release=1\n")),
        ("fetch-artifacts-url.yaml", Text("- {url: 'https://h/a', md5: 0123456789abcdef0123456789abcdef}\n")),
        ("fetch-artifacts-koji.yaml", Text("- nvr: a-1-1\n")),
    ]);
    let request = BuildRequest {
        target: Some("f44-secret".into()),
        koji_task: Some(0),
        user: " me".into(),
        destinations: vec!["oci:/etc/one".parse().unwrap()],
        ..BuildRequest::new(&repository.path().display().to_string(), None)
    };
    let site = site(
        "policy: {allowed_targets: ['*-candidate'], allowed_sources: [git.example.org]}\n\
         artifacts: {allowed_domains: [files.example.org]}\n",
    );
    let told = all(plan(site, request, Reach::Nothing).await.problems);
    let codes: Vec<&str> = told.iter().map(|problem| problem.code.as_str()).collect();
    for code in [
        "request.user_invalid",
        "request.task_invalid",
        "policy.allowed_targets",
        "policy.allowed_sources",
        "artifacts.no_koji",
        "artifacts.domain_not_allowed",
        "plan.layout_outside_root",
        "tags.version_has_dash",
    ] {
        assert!(codes.contains(&code), "{code} is missing in {told:#?}");
    }
}
