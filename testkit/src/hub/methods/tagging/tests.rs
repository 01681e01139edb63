//! What tagging refuses, at once and in its task.

use koji_bridge::xmlrpc::Value;
use serde_json::{Value as Json, json};

use super::super::{
    bench::{ADMINISTRATOR, ANONYMOUS, Bench, IMPORTER, NOBODY},
    python::from_wire,
};
use crate::hub::examples::example_build;

/// A hub with two complete builds, 1 and 2, and one that is being made, 3. Build 2 is
/// of a package that is blocked.
fn bench() -> Bench {
    let mut bench = Bench::new();
    for name in ["docker-hello-world", "blocked-app"] {
        let example = example_build(name, "1.0", "1");
        example.put(bench.top(), name).unwrap();
        bench.ask(IMPORTER, "CGImport", json!([null, name])).unwrap();
    }
    let data = json!({"name": "docker-hello-world", "version": "1.0", "release": "2"});
    bench.ask(IMPORTER, "CGInitBuild", json!(["atomic-reactor", data])).unwrap();
    bench
}

/// How a task that tags ends: its state, and its result or fault.
fn end(bench: &mut Bench, arguments: Json) -> (Option<u64>, Json) {
    let task = bench.ask(IMPORTER, "tagBuild", arguments).unwrap();
    let task = from_wire(&task);
    bench.now += 60.0;
    let info = from_wire(&bench.ask(None, "getTaskInfo", json!([task])).unwrap());
    let result = bench.ask(None, "getTaskResult", json!([task, false])).unwrap();
    (info["state"].as_u64(), from_wire(&result))
}

#[test]
fn what_is_refused_at_once() {
    let rows = [
        ("login", ANONYMOUS, json!(["f99-candidate", 1]), 1004, "you must be logged in for this operation"),
        ("no build", NOBODY, json!(["f99-candidate", 99_999]), 1000, "No such build: 99999"),
        ("no NVR", NOBODY, json!(["f99-candidate", "no-such-1-1"]), 1000, "No such build: 'no-such-1-1'"),
        ("no tag", NOBODY, json!(["nope", 1]), 1000, "No such tagInfo: 'nope'"),
        (
            "not complete",
            NOBODY,
            json!(["f99-candidate", 3]),
            1003,
            "build docker-hello-world-1.0-2 not complete: state BUILDING",
        ),
        ("locked", NOBODY, json!(["f99-locked", 1]), 1004, "tag is locked"),
        ("locked, force of no administrator", NOBODY, json!(["f99-locked", 1, true]), 1004, "tag is locked"),
        ("permission", NOBODY, json!(["f99-admins", 1]), 1004, "tag requires admin permission"),
        (
            "not listed",
            NOBODY,
            json!(["f99-build", 1]),
            1003,
            "Package docker-hello-world not in list for f99-build",
        ),
        (
            "blocked",
            NOBODY,
            json!(["f99-candidate", 2]),
            1003,
            "Package blocked-app blocked in f99-candidate",
        ),
        (
            "blocked above",
            NOBODY,
            json!(["f99-updates", 2]),
            1003,
            "Package blocked-app blocked in f99-updates",
        ),
    ];
    for (what, user, arguments, code, text) in rows {
        assert_eq!(bench().fault(user, "tagBuild", arguments), (code, text.to_owned()), "{what}");
    }
    for arguments in [json!(["f99-locked", 1, true]), json!(["f99-build", 1, true])] {
        bench().ask(ADMINISTRATOR, "tagBuild", arguments).unwrap();
    }
}

#[test]
fn what_only_the_task_finds_out() {
    let mut bench = bench();
    assert_eq!(end(&mut bench, json!(["f99-updates", 1])), (Some(2), Json::Null), "an inherited list counts");
    let (state, fault) = end(&mut bench, json!(["f99-updates", 1]));
    let text = "build docker-hello-world-1.0-1 already tagged (f99-updates)";
    assert_eq!((state, fault), (Some(5), json!({"faultCode": 1003, "faultString": text})));
    assert_eq!(end(&mut bench, json!(["f99-updates", 1, true])).0, Some(2), "force tags anew");
    let (state, fault) = end(&mut bench, json!(["f99-candidate", 1, false, "f99-build"]));
    let text = "build docker-hello-world-1.0-1 not in tag f99-build";
    assert_eq!((state, fault), (Some(5), json!({"faultCode": 1003, "faultString": text})));
    assert_eq!(end(&mut bench, json!(["f99-candidate", 1, false, "f99-updates"])).0, Some(2), "moved");
    let tags = from_wire(&bench.ask(None, "listTags", json!([1])).unwrap());
    assert_eq!(
        tags.as_array().map(|tags| tags.iter().map(|tag| tag["name"].clone()).collect()),
        Some(vec![json!("f99-candidate")])
    );
}

#[test]
fn a_task_ends_when_its_time_has_come() {
    let mut bench = bench();
    bench.settings.task_time = std::time::Duration::from_secs(10);
    bench.ask(IMPORTER, "tagBuild", json!(["f99-candidate", 1])).unwrap();
    assert_eq!(bench.ask(None, "taskFinished", json!([1])).unwrap(), Value::Bool(false));
    assert_eq!(bench.fault(None, "getTaskResult", json!([1])), (1000, "Task 1 is not finished".to_owned()));
    assert_eq!(from_wire(&bench.ask(None, "listTagged", json!(["f99-candidate"])).unwrap()), json!([]));
    let end = bench.state.tasks[&1].ends_at.unwrap();
    bench.now += 60.0;
    for _ in 0..2 {
        // Reading stores nothing, and always sees the same.
        let info = from_wire(&bench.ask(None, "getTaskInfo", json!([1])).unwrap());
        assert_eq!((info["state"].as_u64(), info["completion_ts"].as_f64()), (Some(2), Some(end)));
    }
    assert_eq!(bench.fault(None, "taskFinished", json!([9])), (1000, "query returned no rows".to_owned()));
}

#[test]
fn tagging_without_a_task_needs_the_permission() {
    let mut bench = bench();
    let arguments = json!(["f99-candidate", 1]);
    assert_eq!(
        bench.fault(NOBODY, "tagBuildBypass", arguments.clone()),
        (1004, "tag permission required".to_owned())
    );
    bench.ask(Some(3), "tagBuildBypass", arguments.clone()).unwrap();
    let text = "build docker-hello-world-1.0-1 already tagged (f99-candidate)";
    assert_eq!(bench.fault(Some(3), "tagBuildBypass", arguments.clone()), (1003, text.to_owned()));
    bench.ask(IMPORTER, "untagBuild", arguments.clone()).unwrap();
    bench.ask(IMPORTER, "untagBuild", json!(["f99-candidate", 1, false])).unwrap();
    let text = "build docker-hello-world-1.0-1 not in tag f99-candidate";
    assert_eq!(bench.fault(IMPORTER, "untagBuild", arguments), (1003, text.to_owned()));
}

#[test]
fn the_latest_build_is_the_one_tagged_last() {
    let mut bench = bench();
    let second = example_build("docker-hello-world", "1.0", "3");
    second.put(bench.top(), "second").unwrap();
    bench.ask(IMPORTER, "CGImport", json!([null, "second"])).unwrap();
    for build in ["docker-hello-world-1.0-3", "docker-hello-world-1.0-1"] {
        bench.ask(Some(3), "tagBuildBypass", json!(["f99-candidate", build])).unwrap();
    }
    let nvrs = |answer: Value| -> Vec<Json> {
        from_wire(&answer).as_array().unwrap().iter().map(|build| build["nvr"].clone()).collect()
    };
    let latest = bench.ask(None, "getLatestBuilds", json!(["f99-updates"])).unwrap();
    assert_eq!(nvrs(latest), ["docker-hello-world-1.0-1"]);
    let all = bench.ask(None, "listTagged", json!(["f99-updates", {"**": {"inherit": true}}])).unwrap();
    assert_eq!(nvrs(all), ["docker-hello-world-1.0-1", "docker-hello-world-1.0-3"]);
    let fault = bench.fault(None, "listTagged", json!(["zzz"]));
    assert_eq!(fault, (1000, "No such entry in table tag: zzz".to_owned()));
}
