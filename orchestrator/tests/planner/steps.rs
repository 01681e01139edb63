//! Variants of the seed's request: which former steps fall out, which come in,
//! and why.

use serde_json::{Value, json};

use crate::{
    golden::FALLEN,
    world::{Case, SEED_CONFIG, code_of, fallen},
};

/// Former steps whose answer differs from the seed's: with the new code, or with
/// an empty one when they run now.
async fn differences(case: Case) -> Vec<(String, String)> {
    let (before, after) = (Case::seed().draft().await, case.draft().await);
    let codes = |draft: &orchestrator::plan::Draft| -> Vec<(String, String)> {
        let former = draft.steps.iter().filter(|step| step.former_name.is_some());
        let code = |step: &orchestrator::plan::PlannedStep| {
            step.reason.as_ref().map_or(String::new(), |reason| reason.code.clone())
        };
        former.map(|step| (step.former_name.clone().unwrap(), code(step))).collect()
    };
    let (before, after) = (codes(&before), codes(&after));
    after.into_iter().filter(|answer| !before.contains(answer)).collect()
}

struct Variant {
    case: &'static str,
    changes: &'static [(&'static str, &'static str)],
    expected: &'static [(&'static str, &'static str)],
}

const VARIANTS: &[Variant] = &[
    // Unlike then: what workers sent is still checked (fetch_worker_metadata), and
    // their orders are still forgotten (remove_worker_metadata).
    Variant {
        case: "1.10 scratch",
        changes: &[("scratch", "true")],
        expected: &[
            ("check_and_set_rebuild", "rebuild.not_for_scratch"),
            ("koji_parent", "scratch.left_out"),
            ("compare_components", "scratch.left_out"),
            ("import_image", "scratch.left_out"),
            ("koji_import", "scratch.left_out"),
            ("koji_tag_build", "scratch.left_out"),
        ],
    },
    // Unlike then: the release is still chosen, from what the request says.
    Variant {
        case: "1.10 isolated",
        changes: &[("isolated", "true"), ("release", "\"1.1\"")],
        expected: &[("check_and_set_rebuild", "rebuild.not_for_isolated")],
    },
    Variant { case: "PLAN-9 release", changes: &[("release", "\"1.2.1\"")], expected: &[] },
    // Named as not supported, instead of failing in the middle.
    Variant {
        case: "PLAN-8, 1.10 flatpak",
        changes: &[("flatpak", "true")],
        expected: &[
            ("resolve_module_compose", "flatpak.not_supported_yet"),
            ("flatpak_create_dockerfile", "flatpak.not_supported_yet"),
            ("koji", "repositories.flatpak"),
        ],
    },
    // Unlike then: the parents of other stages are still pinned, a rebuild is
    // still noted.
    Variant {
        case: "PLAN-16, 1.10 file system",
        changes: &[
            ("base_image", "\"koji/image-build:x.conf\""),
            ("yum_repourls", "[\"http://example.com/my.repo\"]"),
            ("filesystem_koji_task_id", "67890"),
        ],
        expected: &[
            ("add_filesystem", ""),
            ("koji_parent", "parent_build.no_parent"),
            ("koji", "repositories.given"),
            ("add_yum_repo_by_url", ""),
        ],
    },
    Variant { case: "PLAN-17", changes: &[("base_image", "\"fedora:26\"")], expected: &[] },
    // Unlike then: platforms are still selected, from the request and the site.
    Variant {
        case: "1.10 no target",
        changes: &[("koji_target", "null")],
        expected: &[("koji", "koji.no_target"), ("koji_tag_build", "koji.no_target")],
    },
    Variant {
        case: "PLAN-15, 1.10 parent build",
        changes: &[("koji_parent_build", "\"fedora-26-9\"")],
        expected: &[("inject_parent_image", "")],
    },
    Variant { case: "PLAN-15 null", changes: &[("koji_parent_build", "null")], expected: &[] },
    Variant {
        case: "PLAN-13",
        changes: &[("yum_repourls", "[\"http://example.com/my.repo\"]")],
        expected: &[("koji", "repositories.given"), ("add_yum_repo_by_url", "")],
    },
    Variant { case: "PLAN-14", changes: &[("yum_repourls", "[]")], expected: &[] },
    Variant {
        case: "no image stream",
        changes: &[("imagestream_name", "null")],
        expected: &[("import_image", "image_stream.not_asked_for")],
    },
    // Names of images to build in have no meaning: workers have their own.
    Variant {
        case: "PLAN-19",
        changes: &[("build_image", "null"), ("build_imagestream", "\"buildroot-stream:v1.0\"")],
        expected: &[],
    },
];

#[tokio::test]
async fn variants_differ_where_they_did() {
    for Variant { case, changes, expected } in VARIANTS {
        let changes: Vec<(&str, Value)> =
            changes.iter().map(|(key, json)| (*key, serde_json::from_str(json).unwrap())).collect();
        let found = differences(Case::replay(SEED_CONFIG, &changes)).await;
        let found: Vec<(&str, &str)> =
            found.iter().map(|(name, code)| (name.as_str(), code.as_str())).collect();
        assert_eq!(found, *expected, "{case}");
    }
}

const COMPOSES: &str = "odcs:\n  api_url: https://odcs.example.com/odcs/1\n  auth:\n    openidc_dir: /etc/odcs\n  \
                        signing_intents:\n  - name: release\n    keys: [R123]\n  default_signing_intent: release\n";

#[tokio::test]
async fn composes_give_way_to_repositories_that_the_request_names() {
    let config = format!("{SEED_CONFIG}\n{COMPOSES}");
    let urls = json!(["http://example.com/my.repo"]);
    for (case, value, expected) in [
        ("PLAN-13", urls, "composes.repositories_given"),
        ("PLAN-14, null", Value::Null, ""),
        ("PLAN-14, none", json!([]), ""),
    ] {
        let draft = Case::replay(&config, &[("yum_repourls", value)]).draft().await;
        for step in ["decide_composes", "start_compose", "wait_composes"] {
            assert_eq!(code_of(&draft, step), expected, "{case} {step}");
        }
    }
}

#[tokio::test]
async fn new_steps_fall_out_with_what_they_belong_to() {
    for (case, changes, step, expected) in [
        ("scratch", json!({"scratch": true}), "push_floating_tags", "tags.scratch"),
        ("isolated", json!({"isolated": true, "release": "1.1"}), "push_floating_tags", "tags.isolated"),
        ("no target", json!({"koji_target": null}), "find_target", "koji.no_target"),
        ("normal", json!({}), "push_floating_tags", ""),
        ("normal", json!({}), "withdraw_tags", "only_on_failure"),
        ("no file system", json!({}), "wait_filesystem", "filesystem.not_asked_for"),
    ] {
        let changes: Vec<(String, Value)> = changes.as_object().unwrap().clone().into_iter().collect();
        let changes: Vec<(&str, Value)> =
            changes.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let draft = Case::replay(SEED_CONFIG, &changes).draft().await;
        assert_eq!(code_of(&draft, step), expected, "{case}");
    }
}

#[tokio::test]
async fn whatever_is_asked_for_no_step_is_lost() {
    for Variant { case, changes, .. } in VARIANTS {
        let changes: Vec<(&str, Value)> =
            changes.iter().map(|(key, json)| (*key, serde_json::from_str(json).unwrap())).collect();
        let draft = Case::replay(SEED_CONFIG, &changes).draft().await;
        let names: Vec<&str> = draft.steps.iter().map(|step| step.name.as_str()).collect();
        let catalogue: Vec<&str> = orchestrator::plan::CATALOGUE.iter().map(|entry| entry.name).collect();
        assert_eq!(names, catalogue, "{case}");
        let retired = fallen(&draft, "orchestrator").into_iter().filter(|(_, code)| *code == "step.retired");
        let expected = FALLEN.into_iter().filter(|(_, code)| *code == "step.retired");
        assert!(retired.eq(expected), "{case}");
    }
}
