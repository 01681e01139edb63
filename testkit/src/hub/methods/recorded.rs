//! Replays calls that were recorded of a hub (koji 1.35.3) and its client.
//!
//! The calls come in the order of the recording, so that numbers are the same. Files
//! that the recording lacks were made up, with checksums that fit.

use std::{collections::BTreeMap, fs, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{bench::Bench, python::from_wire};
use crate::hub::tasks;

#[derive(Deserialize)]
struct Recorded {
    files: BTreeMap<String, String>,
    calls: Vec<RecordedCall>,
}

#[derive(Deserialize)]
struct RecordedCall {
    recording: String,
    user: u64,
    method: String,
    positional: Vec<Json>,
    named: BTreeMap<String, Json>,
    answer: Option<Json>,
    fault: Option<(i64, String)>,
}

/// Members that differ from one run to the next.
const VOLATILE: [&str; 3] = ["token", "creation_event_id", "create_event"];

/// Puts the kind of a value in place of what differs from one run to the next, and
/// lists in order.
fn mask(value: &mut Json) {
    match value {
        Json::Object(members) => {
            for (name, member) in members.iter_mut() {
                let volatile = VOLATILE.contains(&name.as_str())
                    || name.ends_with("_time")
                    || name.ends_with("_ts")
                    || name.starts_with("st_");
                if volatile {
                    *member = json!(super::python::class(member));
                } else {
                    mask(member);
                }
            }
        }
        Json::Array(items) => {
            items.iter_mut().for_each(mask);
            if items
                .iter()
                .all(|item| item.get("id").is_some() || item.get("path").is_some() || item.is_string())
            {
                items.sort_by_key(Json::to_string);
            }
        }
        _ => {}
    }
}

/// What happened between the recorded calls.
fn meanwhile(bench: &mut Bench, recording: &str) {
    let top = bench.top().to_owned();
    let now = bench.now;
    match recording {
        // An import that failed had taken number 4.
        "105-CGImport-big-int" => {
            let mut build = bench.state.builds[&1].clone();
            (build.release, build.state) = ("gone".to_owned(), 3);
            bench.state.builds.insert(4, build);
        }
        "107-getBuild" => {
            let file = bench.top().join("work/koji-upload/1524681021.999.errors/metadata.json");
            let mut metadata = from_example("4");
            metadata["build"]["extra"]["note"] = json!("esc\u{1b}[0m");
            fs::write(file, metadata.to_string()).unwrap();
            let request = json!(["metadata.json", "koji-upload/1524681021.999.errors"]);
            let answer = bench.ask(Some(2), "CGImport", request).unwrap();
            assert!(crate::hub::raw::write_raw_answer(&answer).contains("<string>esc\u{1b}[0m</string>"));
        }
        "131-tagBuild-again-poll" => bench.now += 10.0,
        "150-getTaskInfo-running" => tasks::start(&mut bench.state, 3, now),
        "152-getTaskInfo-closed" => {
            let result = json!({
                "repositories": [
                    "registry.example.test/lucarval/docker-hello-world:1.0-1",
                    "registry.example.test/lucarval/docker-hello-world:candidate-1",
                    "registry.example.test/lucarval/docker-hello-world:latest",
                ],
                "koji_builds": [],
                "user_warnings": ["this is a warning to the user"],
            });
            let text: &[u8] = b"a line\n";
            let files = [
                ("osbs-client.log", text),
                ("osbs-build.log", text),
                ("checkout-for-labels.log", text),
                ("user_warnings.log", text),
                ("x86_64.log", b"x86_64: step 0\nx86_64: step 1\n"),
            ];
            tasks::finish(&mut bench.state, &top, 3, Ok(result), &files, now).unwrap();
        }
        "160-getTaskResult-container-failed" => {
            bench.ask(Some(4), "buildContainer", json!(["git://x", "candidate", {}])).unwrap();
            let text = "Image build failed. Error in plugin koji_import: fake failure. OSBS build id: \
                        docker-hello-world-osbs-box-demo-4";
            tasks::finish(&mut bench.state, &top, 4, Err((2001, text.to_owned())), &[], now).unwrap();
        }
        "161-cancelTask" => {
            bench.ask(Some(4), "buildContainer", json!(["git://x", "candidate", {}])).unwrap();
            tasks::start(&mut bench.state, 5, now);
        }
        _ => {}
    }
}

/// Metadata of a build of which only a log is imported.
fn from_example(release: &str) -> Json {
    let mut example = crate::hub::examples::example_build("docker-hello-world", "1.0", release);
    let output = json!([{
        "filename": "b.txt", "filesize": 13, "checksum": "410b1586e6bdd59e710db93c2f8d3082",
        "checksum_type": "md5", "type": "log", "buildroot_id": "x86_64-1",
    }]);
    example.metadata["output"] = output;
    example.metadata
}

#[test]
fn answers_are_those_of_a_recorded_hub() {
    let recorded: Recorded =
        serde_json::from_str(include_str!("../../../tests/data/koji-calls.json")).unwrap();
    let mut bench = Bench::new();
    bench.settings.task_time = Duration::from_millis(1500);
    for (name, content) in &recorded.files {
        let path = bench.top().join("work").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, STANDARD.decode(content).unwrap()).unwrap();
    }
    let again = bench.top().join("work/koji-upload/1524681021.999.errors/b.txt");
    let reserved =
        json!(["atomic-reactor", {"name": "docker-hello-world", "version": "0.1", "release": "1"}]);
    bench.ask(Some(2), "CGInitBuild", reserved).unwrap();

    let mut tokens: BTreeMap<String, String> = BTreeMap::new();
    for call in &recorded.calls {
        let what = &call.recording;
        // An import moves its files; the recorded ones were there for each.
        fs::remove_file(&again).ok();
        fs::write(&again, "hello upload\n").unwrap();
        meanwhile(&mut bench, what);
        let mut text = json!([call.positional, call.named]).to_string();
        for (theirs, ours) in &tokens {
            text = text.replace(theirs, ours);
        }
        let (mut arguments, named): (Vec<Json>, Json) = serde_json::from_str(&text).unwrap();
        arguments.push(json!({"**": named}));
        let answer = bench.ask(Some(call.user), &call.method, Json::Array(arguments));
        match (&call.fault, &call.answer) {
            (Some((code, text)), _) => {
                let fault = answer.expect_err(what);
                let top = bench.top().display().to_string();
                assert_eq!((fault.code, &fault.text.replace(&top, "/mnt/koji")), (*code, text), "{what}");
            }
            (None, expected) => {
                let mut answer = from_wire(&answer.unwrap_or_else(|fault| panic!("{what}: {fault}")));
                let mut expected = expected.clone().unwrap_or_default();
                if let (Some(theirs), Some(ours)) = (expected["token"].as_str(), answer["token"].as_str()) {
                    tokens.insert(theirs.to_owned(), ours.to_owned());
                }
                mask(&mut answer);
                mask(&mut expected);
                assert_eq!(answer, expected, "{what}");
            }
        }
    }
}
