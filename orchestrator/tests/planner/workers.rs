//! What is handed to workers: a work order, where there were parameters.

use serde_json::json;

use crate::world::{Case, DOCKERFILE, SEED_CONFIG, platform, pod, problems, repository};

#[tokio::test]
async fn each_platform_has_its_own_order() {
    // WRK-1: platform and release reach the worker, as facts of the order and as a
    // label. No configuration does: only what this build needs of it.
    let repository = repository(&[("Dockerfile", DOCKERFILE)]);
    let case = Case::of(&repository, "builds:\n  memory: 2GiB\n").with(|request| {
        request.platforms = vec![platform("x86_64"), platform("ppc64le")];
        request.rebuild = true;
        request.release = Some("10".into());
    });
    let draft = case.draft().await;
    assert_eq!(problems(&draft), [""; 0]);
    assert_eq!(draft.rebuild.as_ref().unwrap().value, "automatic");
    let names: Vec<&str> = draft.platforms.iter().map(|planned| planned.platform.as_str()).collect();
    assert_eq!(names, ["x86_64", "ppc64le"]);
    for planned in &draft.platforms {
        let order = planned.work_order.as_ref().unwrap();
        assert!(order.id.as_str().contains(planned.platform.as_str()), "{:?}", order.id);
        assert_eq!(order.limits.memory_bytes, Some(2 << 30));
        assert_eq!(planned.labels["release"].value, "10");
        assert_eq!(planned.labels["architecture"].value, planned.platform.as_str());
    }
    let engine: Vec<&str> = draft
        .platforms
        .iter()
        .map(|planned| planned.work_order.as_ref().unwrap().engine_platform.as_str())
        .collect();
    assert_eq!(engine, ["linux/amd64", "linux/ppc64le"]);
}

#[tokio::test]
async fn a_release_is_one_for_all_platforms() {
    // WRK-2: there was one for all platforms and one that beat it on its own
    // platform. An image has one release; the request has no place for a second.
    let failure =
        Case::try_replay(&pod(SEED_CONFIG, &[("release", json!({"all": "1111", "x86_64": "4242"}))]));
    assert!(failure.is_err());
}

#[test]
fn a_file_system_task_is_a_number() {
    // WRK-3
    for (value, expected) in [
        (json!(1_234_567), Some(Some(1_234_567))),
        // Was made a number then; parameters have numbers as numbers.
        (json!("1234567"), None),
        (json!("bacon"), None),
        (json!(null), Some(None)),
    ] {
        let read = Case::try_replay(&pod(SEED_CONFIG, &[("filesystem_koji_task_id", value.clone())]));
        assert_eq!(read.ok().map(|case| case.request.filesystem_task), expected, "{value}");
    }
}
