//! The seed's two inputs, through the library and through the program: the same
//! 18 steps in the same order, and the 11 that fall out with their reasons.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::world::{Case, SEED_CONFIG, fallen, pod, running};

/// PLAN-1: pre-build, build step, post-build, exit.
const RUNNING: [&str; 18] = [
    "reactor_config",
    "check_and_set_rebuild",
    "check_and_set_platforms",
    "pull_base_image",
    "bump_release",
    "add_labels_in_dockerfile",
    "koji_parent",
    "orchestrate_build",
    "fetch_worker_metadata",
    "compare_components",
    "tag_from_config",
    "group_manifests",
    "import_image",
    "koji_import",
    "koji_tag_build",
    "store_metadata_in_osv3",
    "remove_built_image",
    "remove_worker_metadata",
];

pub(crate) const FALLEN: [(&str, &str); 11] = [
    ("resolve_module_compose", "flatpak.not_asked_for"),
    ("flatpak_create_dockerfile", "flatpak.not_asked_for"),
    ("add_filesystem", "filesystem.not_asked_for"),
    ("inject_parent_image", "parent_build.not_asked_for"),
    ("resolve_composes", "composes.not_configured"),
    ("pulp_tag", "step.retired"),
    ("pulp_sync", "step.retired"),
    ("pulp_publish", "step.retired"),
    ("pulp_pull", "step.retired"),
    ("delete_from_registry", "step.retired"),
    ("sendmail", "mail.not_configured"),
];

/// PLAN-2: what the planner does of the worker's list. The Dockerfile is written
/// once, at the end, and no longer at the beginning.
const OF_WORKER: [&str; 6] = [
    "distgit_fetch_artefacts",
    "fetch_maven_artifacts",
    "koji",
    "distribution_scope",
    "change_from_in_dockerfile",
    "tag_and_push",
];

#[tokio::test]
async fn the_seed_has_the_steps_that_it_had() {
    let draft = Case::seed().draft().await;
    assert_eq!(running(&draft, "orchestrator"), RUNNING);
    assert_eq!(fallen(&draft, "orchestrator"), FALLEN);
    assert_eq!(running(&draft, "worker"), OF_WORKER);
    assert_eq!(fallen(&draft, "worker"), [("add_yum_repo_by_url", "repositories.not_asked_for")]);
    assert!(draft.problems.is_empty(), "{:?}", draft.problems);
    // Every other step is new, and says so by having no former name.
    let tags = draft.tags.unwrap();
    assert_eq!(tags.unique[0].as_str(), "candidate-32571-20180425182951");
    assert_eq!(draft.platform_arithmetic, ["asked for: x86_64"]);
}

/// What is in a directory, all the way down.
fn listing(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(listing(&path));
        }
        found.push(path.display().to_string());
    }
    found.sort();
    found
}

/// Runs the program as in the seed's pod, in directories of its own, and holds
/// that nothing is left in them.
fn program(words: &[&str]) -> Value {
    let root = TempDir::new().unwrap();
    for name in ["here", "home", "tmp"] {
        fs::create_dir(root.path().join(name)).unwrap();
    }
    let before = listing(root.path());
    let output = Command::new(env!("CARGO_BIN_EXE_orchestrator"))
        .args(words)
        .args(["--from-env", "--offline", "--output", "json"])
        .env_clear()
        .envs(pod(SEED_CONFIG, &[]))
        .env("HOME", root.path().join("home"))
        .env("XDG_RUNTIME_DIR", root.path().join("tmp"))
        .env("TMPDIR", root.path().join("tmp"))
        .current_dir(root.path().join("here"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(listing(root.path()), before, "nothing is written");
    let told = |line: &str| line.starts_with("note: ") || line.starts_with("retired: REACTOR_CONFIG:");
    assert!(errors.lines().all(told), "{errors}");
    // PLAN-3 to PLAN-7: lists of steps in files are gone, and that is said.
    assert!(errors.contains("USER_PARAMS.customize_conf is retired"), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_program_prints_the_seeds_plan_and_leaves_nothing() {
    let plan = program(&["plan"]);
    let steps = plan["steps"].as_array().unwrap();
    let of_orchestrator: Vec<&Value> =
        steps.iter().filter(|step| step["former_role"] == "orchestrator").collect();
    assert_eq!(of_orchestrator.len(), RUNNING.len() + FALLEN.len());
    let (runs, falls): (Vec<&Value>, Vec<&Value>) =
        of_orchestrator.into_iter().partition(|step| step["runs"] == true);
    let names: Vec<&str> = runs.iter().map(|step| step["former_name"].as_str().unwrap()).collect();
    assert_eq!(names, RUNNING);
    let reasons: Vec<(&str, &str)> = falls
        .iter()
        .map(|step| {
            assert!(step["reason"]["sentence"].as_str().unwrap().len() > 20, "{step}");
            (step["former_name"].as_str().unwrap(), step["reason"]["code"].as_str().unwrap())
        })
        .collect();
    assert_eq!(reasons, FALLEN);
    for step in steps {
        assert!(step["name"].is_string() && step["stage"].is_string() && step["runs"].is_boolean());
        assert_eq!(step["runs"] == true, step["reason"].is_null(), "{step}");
    }
}

#[test]
fn the_program_explains_the_seed_to_the_last_leaf() {
    let explanation = program(&["explain"]);
    let entries = explanation["entries"].as_array().unwrap();
    assert!(entries.len() > 90, "{}", entries.len());
    for entry in entries {
        assert!(!entry["origin"].as_str().unwrap().is_empty(), "{entry}");
    }
    let origin = |path: &str| {
        let entry = entries.iter().find(|entry| entry["path"] == path);
        entry.unwrap_or_else(|| panic!("{path}"))["origin"].as_str().unwrap()
    };
    assert_eq!(origin("site.labels.set.vendor"), "REACTOR_CONFIG:19 (image_labels.vendor)");
    assert_eq!(origin("request.target"), "USER_PARAMS.koji_target");
    assert_eq!(origin("plan.component"), "request.component (USER_PARAMS.component)");
    assert!(origin("plan.tags.unique").contains("captured pod"));
    assert!(origin("plan.destinations").starts_with("site.publication.registries (REACTOR_CONFIG:39"));
}
