//! One layer changes, and exactly the lines that follow from it do.

use serde_json::json;

use crate::world::{Case, DOCKERFILE, SEED_CONFIG, Told, repository};

/// What is new in every build, whoever asks: its id, its time, and digests of
/// what holds these.
const OF_THE_BUILD: [&str; 6] = [
    "plan.labels.build-date",
    "plan.tags.unique",
    "plan.work_orders.x86_64.id",
    "plan.work_orders.s390x.id",
    "plan.work_orders.x86_64.dockerfile_digest",
    "plan.work_orders.s390x.dockerfile_digest",
];

/// Paths of which value, origin, or what was beaten differ, or that one of the
/// two does not have; each once, in their order.
fn changed(before: &Told, after: &Told) -> Vec<String> {
    let (before, after) = (&before.explanation, &after.explanation);
    let mut paths: Vec<&str> =
        before.entries.iter().chain(&after.entries).map(|entry| entry.path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths.retain(|path| before.find(path) != after.find(path) && !OF_THE_BUILD.contains(path));
    paths.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn one_layer_of_the_seed() {
    let before = Case::seed().tell().await;
    let config = |from: &str, to: &str| {
        assert!(SEED_CONFIG.contains(from), "{from}");
        Case::replay(&SEED_CONFIG.replace(from, to), &[])
    };
    let params = |key, value| Case::replay(SEED_CONFIG, &[(key, value)]);
    let environment = |name: &str, value: &str| {
        let mut case = Case::seed();
        case.environment = vec![(name.to_owned(), value.to_owned())];
        case
    };
    let rows: Vec<(&str, Case, &[&str])> = vec![
        ("nothing", Case::seed(), &[]),
        ("a line of the file", config("Red Hat, Inc.", "Example"), &["site.labels.set.vendor"]),
        (
            "a line of the file with two meanings",
            config("sources_command: rhpkg sources", "sources_command: fedpkg sources"),
            &["site.artifacts.sources_command"],
        ),
        (
            "a registry",
            config("172.17.0.1:5000", "172.17.0.1:5001"),
            &[
                "plan.destinations",
                "site.publication.registries",
                "site.registries.172.17.0.1:5000",
                "site.registries.172.17.0.1:5001",
            ],
        ),
        ("a variable", environment("REACTOR__BUILDS__MEMORY", "2GiB"), &["site.builds.memory"]),
        (
            "a variable that wins over the file",
            environment("REACTOR__SOURCE_REGISTRY", "registry.example.org"),
            &["site.source_registry"],
        ),
        (
            "a variable that planning uses",
            environment("REACTOR__BUILDS__ATTEMPTS", "5"),
            &["plan.execution.attempts", "site.builds.attempts"],
        ),
        ("a parameter", params("user", json!("mara")), &["request.user"]),
        ("a target", params("koji_target", json!("f44")), &["request.target"]),
        (
            "the component",
            params("component", json!("other")),
            &["plan.component", "plan.destinations", "request.component"],
        ),
        ("a branch", params("git_branch", json!("f44")), &["request.branch"]),
        ("a task", params("koji_task_id", json!(7)), &["request.koji_task"]),
        ("a mode", params("scratch", json!(true)), &["plan.tags.floating", "request.mode"]),
    ];
    for (case, after, expected) in rows {
        assert_eq!(changed(&before, &after.tell().await), expected, "{case}");
    }
}

#[tokio::test]
async fn a_value_says_what_it_won_over() {
    let mut case = Case::seed();
    case.environment = vec![("REACTOR__SOURCE_REGISTRY".to_owned(), "registry.example.org".to_owned())];
    let told = case.tell().await;
    let entry = told.explanation.find("site.source_registry").unwrap();
    assert!(entry.origin.contains("REACTOR__SOURCE_REGISTRY"), "{}", entry.origin);
    assert_eq!(entry.beaten[0].value, "registry.fedoraproject.org");
    assert!(entry.beaten[0].from.contains("site.yaml:46"), "{:?}", entry.beaten);
}

#[tokio::test]
async fn one_layer_of_a_repository() {
    let container = "platforms:\n  only: [x86_64, s390x]\nset_release_env: RELEASE\n";
    let repository = repository(&[("Dockerfile", DOCKERFILE), ("container.yaml", container)]);
    let case = || Case::of(&repository, "labels:\n  set:\n    vendor: Example\n");
    let before = case().tell().await;

    let vendor = Case::of(&repository, "labels:\n  set:\n    vendor: Other\n").tell().await;
    assert_eq!(changed(&before, &vendor), ["plan.labels.vendor", "site.labels.set.vendor"]);

    let limits = case().with(|request| request.limits.memory_bytes = Some(1 << 30)).tell().await;
    let expected = [
        "plan.limits.memory_bytes",
        "plan.work_orders.s390x.limits.memory_bytes",
        "plan.work_orders.x86_64.limits.memory_bytes",
        "request.limits.memory_bytes",
    ];
    assert_eq!(changed(&before, &limits), expected);

    let label = |request: &mut common::request::BuildRequest| {
        request.labels.insert("io.example.note".into(), "x".into());
    };
    let expected = ["plan.labels.io.example.note", "request.labels", "request.labels.io.example.note"];
    assert_eq!(changed(&before, &case().with(label).tell().await), expected);

    // A commit is another one, and two labels name it or come from it.
    repository.commit_files("second", &[("container.yaml", &container.replace("RELEASE", "R"))]).unwrap();
    let expected = ["plan.labels.vcs-ref", "repository.commit", "repository.set_release_env"];
    assert_eq!(changed(&before, &case().tell().await), expected);

    let tags = format!("{container}tags: [stable]\n");
    repository.commit_files("third", &[("container.yaml", &tags)]).unwrap();
    let expected = ["plan.labels.vcs-ref", "plan.tags.floating", "repository.commit", "repository.tags"];
    assert_eq!(changed(&before, &case().tell().await), expected);
}
