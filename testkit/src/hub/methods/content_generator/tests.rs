//! Imports that succeed, or fail half-way.

use std::fs;

use koji_bridge::xmlrpc::{Value, write_answer};
use serde_json::{Value as Json, json};

use super::super::{
    bench::{Bench, IMPORTER},
    python::from_wire,
};
use crate::hub::{
    examples::{ExampleBuild, example_build},
    raw::write_raw_answer,
    state::build_state,
    tasks,
};

const DIRECTORY: &str = "koji-upload/one";

fn uploaded() -> (Bench, ExampleBuild) {
    let bench = Bench::new();
    let example = example_build("docker-hello-world", "1.0", "1");
    example.put(bench.top(), DIRECTORY).unwrap();
    (bench, example)
}

#[test]
fn metadata_comes_in_four_forms() {
    let (_, example) = uploaded();
    let forms =
        [example.metadata.clone(), json!("metadata.json"), Json::Null, json!(example.metadata.to_string())];
    for form in forms {
        let (mut bench, _) = uploaded();
        let build = from_wire(&bench.ask(IMPORTER, "CGImport", json!([form, DIRECTORY])).unwrap());
        assert_eq!(build["nvr"], "docker-hello-world-1.0-1");
        assert_eq!(build["state"], 1);
        assert_eq!(build["completion_ts"], 1_524_681_060.0);
        assert_eq!(build["extra"]["typeinfo"]["image"], example.metadata["build"]["extra"]["image"]);
    }
}

#[test]
fn files_move_and_leave_relative_links() {
    let (mut bench, mut example) = uploaded();
    example.metadata["build"]["extra"]["typeinfo"] = json!({"remote-sources": {}});
    example.metadata["output"][2]["subdir"] = json!("sub");
    let log = example.metadata["output"][1].clone();
    let output = example.metadata["output"].as_array_mut().unwrap();
    let mut source = log;
    source["filename"] = json!("remote-source.json");
    source["type"] = json!("remote-sources");
    source["extra"] = json!({"typeinfo": {"remote-sources": {}}});
    output.push(source);
    let content = example.files[1].1.clone();
    example.files.push(("remote-source.json".to_owned(), content));
    example.put(bench.top(), DIRECTORY).unwrap();
    bench.ask(IMPORTER, "CGImport", json!(["metadata.json", DIRECTORY])).unwrap();
    let build = bench.top().join("packages/docker-hello-world/1.0/1");
    let places =
        ["images", "data/logs", "data/logs/sub", "files/remote-sources"].into_iter().zip(&example.files);
    for (place, (name, content)) in places {
        assert_eq!(fs::read(build.join(place).join(name)).unwrap(), *content, "{name}");
        let link = bench.top().join("work").join(DIRECTORY).join(name);
        let target = fs::read_link(&link).unwrap();
        assert!(target.is_relative(), "{name}");
        assert_eq!(fs::read(&link).unwrap(), *content, "{name}");
    }
    assert_eq!(fs::read_to_string(build.join("metadata.json")).unwrap(), example.metadata.to_string());
    let log = fs::read_to_string(build.join("data/logs/cg_import.log")).unwrap();
    assert!(log.contains("IGNORING unmatched rpm component: {'arch': 'x86_64'"), "{log}");
    assert!(log.ends_with("CG import was SUCCESSFUL.\n"), "{log}");
}

#[test]
fn a_failure_half_way_loses_what_was_moved() {
    let (mut bench, example) = uploaded();
    let reserve = json!(["atomic-reactor", {"name": "docker-hello-world", "version": "1.0", "release": "1"}]);
    let reserved = from_wire(&bench.ask(IMPORTER, "CGInitBuild", reserve).unwrap());
    let mut metadata = example.metadata.clone();
    metadata["build"]["build_id"] = reserved["build_id"].clone();
    bench.state.fails_at_output = Some("orchestrator.log".to_owned());
    let import = |directory: &str| json!([metadata, directory, reserved["token"]]);
    let (code, text) = bench.fault(IMPORTER, "CGImport", import(DIRECTORY));
    assert_eq!(code, 1);
    assert!(text.starts_with("<class 'OSError'>: [Errno 28] No space left on device"), "{text}");
    assert!(!bench.top().join("packages/docker-hello-world/1.0/1").exists());
    let build = &bench.state.builds[&1];
    assert_eq!((build.state, build.token.is_some()), (build_state::BUILDING, true));

    bench.state.fails_at_output = None;
    let (code, text) = bench.fault(IMPORTER, "CGImport", import(DIRECTORY));
    assert_eq!(code, 1);
    assert!(text.starts_with("<class 'FileNotFoundError'>"), "{text}");
    example.put(bench.top(), "koji-upload/two").unwrap();
    let build = from_wire(&bench.ask(IMPORTER, "CGImport", import("koji-upload/two")).unwrap());
    assert_eq!((build["id"].as_u64(), build["state"].as_u64()), (Some(1), Some(1)));
}

#[test]
fn a_control_character_poisons_the_answers() {
    let (mut bench, mut example) = uploaded();
    // Rows 87 and 88: the import is carried out, only its answer cannot be read.
    example.metadata["build"]["extra"]["note"] = json!("esc\u{1b}[0m\u{0}");
    example.put(bench.top(), DIRECTORY).unwrap();
    let answer = bench.ask(IMPORTER, "CGImport", json!([null, DIRECTORY])).unwrap();
    let rows = bench.ask(None, "listBuilds", json!([1])).unwrap();
    let build = bench.ask(None, "getBuild", json!(["docker-hello-world-1.0-1"])).unwrap();
    for poisoned in [answer, rows, build] {
        assert!(write_answer(&Ok(poisoned.clone())).is_err());
        assert!(write_raw_answer(&poisoned).contains("<string>esc\u{1b}[0m\u{0}</string>"));
    }
    let search = json!(["docker-hello-world-1.0-*", "build", "glob"]);
    let found = from_wire(&bench.ask(None, "search", search).unwrap());
    assert_eq!(found, json!([{"id": 1, "name": "docker-hello-world-1.0-1"}]));
    let next = bench.ask(None, "getNextRelease", json!([{"name": "docker-hello-world", "version": "1.0"}]));
    assert_eq!(next.unwrap(), Value::from("2"));
}

#[test]
fn an_existing_build_is_not_imported_again() {
    let (mut bench, example) = uploaded();
    bench.ask(IMPORTER, "CGImport", json!([null, DIRECTORY])).unwrap();
    example.put(bench.top(), "koji-upload/two").unwrap();
    for (row, directory) in [(89, DIRECTORY), (90, "koji-upload/two")] {
        let fault = bench.fault(IMPORTER, "CGImport", json!([example.metadata, directory]));
        let expected = "Build already exists: docker-hello-world-1.0-1 (id=1)";
        assert_eq!(fault, (1000, expected.to_owned()), "row {row}");
    }
    for (state, evidence) in
        [(build_state::FAILED, "has archive data"), (build_state::CANCELED, "has tag history")]
    {
        bench.state.builds.get_mut(&1).unwrap().state = state;
        fs::remove_dir_all(bench.top().join("packages/docker-hello-world")).ok();
        if state == build_state::CANCELED {
            bench.state.tag_history.insert((3, 1));
        }
        let fault = bench.fault(IMPORTER, "CGImport", json!([example.metadata, "koji-upload/two"]));
        assert_eq!(fault, (1000, format!("Build already exists. Unable to recycle, {evidence}")));
    }
}

#[test]
fn a_failed_build_is_taken_again_where_hubs_do_so() {
    for (recycles, state) in [(true, 3), (true, 4), (false, 3)] {
        let (mut bench, example) = uploaded();
        let data = json!({"name": "docker-hello-world", "version": "1.0", "release": "1"});
        let reserved = bench.ask(IMPORTER, "CGInitBuild", json!(["atomic-reactor", data])).unwrap();
        let token = reserved.get("token").and_then(Value::as_str).unwrap();
        bench.ask(IMPORTER, "CGRefundBuild", json!(["atomic-reactor", 1, token, state])).unwrap();
        bench.settings.recycles_builds = recycles;
        let imported = bench.ask(IMPORTER, "CGImport", json!([example.metadata, DIRECTORY]));
        match imported {
            Ok(build) => assert_eq!((recycles, build.get("id").and_then(Value::as_i64)), (true, Some(1))),
            Err(fault) => {
                assert!(!recycles, "{fault}");
                assert!(fault.text.starts_with("Build already exists: {"), "{fault}");
            }
        }
    }
}

#[test]
fn a_stray_directory_is_in_the_way() {
    let (mut bench, example) = uploaded();
    fs::create_dir_all(bench.top().join("packages/docker-hello-world/1.0/1")).unwrap();
    let fault = bench.fault(IMPORTER, "CGImport", json!([example.metadata, DIRECTORY]));
    let expected = "Destination directory already exists: TOP/packages/docker-hello-world/1.0/1";
    assert_eq!(fault, (1000, expected.to_owned()));
}

#[test]
fn what_one_might_think_is_refused_is_not() {
    type Change = fn(&mut Json);
    let changes: [(&str, Change); 9] = [
        ("end before start", |m| m["build"]["end_time"] = json!(1)),
        ("time as text", |m| m["build"]["start_time"] = json!("1524680960.5")),
        ("no owner", |m| m["build"]["owner"] = Json::Null),
        ("task as text", |m| m["build"]["extra"]["container_koji_task_id"] = json!("1")),
        ("no extra of the build root", |m| {
            m["buildroots"][0].as_object_mut().unwrap().remove("extra");
        }),
        ("no system of the host", |m| m["buildroots"][0]["host"]["os"] = Json::Null),
        ("any word as type", |m| m["output"][0]["type"] = json!("any-word")),
        ("an unmatched file", |m| {
            m["output"][0]["components"] = json!([{"type": "file", "filename": "a", "filesize": 1}]);
        }),
        ("only metadata", |m| m["output"][0]["metadata_only"] = json!(true)),
    ];
    for (what, change) in changes {
        let (mut bench, mut example) = uploaded();
        bench.ask(IMPORTER, "buildContainer", json!(["git://x", "candidate"])).unwrap();
        change(&mut example.metadata);
        let build = bench.ask(IMPORTER, "CGImport", json!([example.metadata, DIRECTORY]));
        let build = build.unwrap_or_else(|fault| panic!("{what}: {fault}"));
        assert_eq!(build.get("owner_name").and_then(Value::as_str), Some("osbs"), "{what}");
        let image = bench.top().join("packages/docker-hello-world/1.0/1/images").join(&example.files[0].0);
        assert_eq!(image.exists(), what != "only metadata", "{what}");
    }
}

#[test]
fn cancelling_a_task_cancels_the_build_that_it_makes() {
    let (mut bench, _) = uploaded();
    bench.ask(IMPORTER, "buildContainer", json!(["git://x", "candidate"])).unwrap();
    let data = json!({"name": "a", "version": "1", "release": "1", "task_id": 1});
    bench.ask(IMPORTER, "CGInitBuild", json!(["atomic-reactor", data])).unwrap();
    bench.ask(IMPORTER, "cancelTask", json!([1])).unwrap();
    let build = &bench.state.builds[&1];
    assert_eq!((build.state, build.token.clone()), (build_state::CANCELED, None));
    assert!(tasks::has_ended(bench.state.tasks[&1].state));
}
