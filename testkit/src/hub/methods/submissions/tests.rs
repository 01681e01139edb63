//! Tasks that are asked for.

use serde_json::{Value as Json, json};

use super::super::{
    bench::{ADMINISTRATOR, ANONYMOUS, Bench, NOBODY},
    python::from_wire,
};
use crate::hub::tasks;

#[test]
fn a_container_task_waits_for_somebody_to_run_it() {
    let mut bench = Bench::new();
    let arguments = json!(["git://x#1", "candidate", {"scratch": true}, {"**": {"priority": 5}}]);
    bench.ask(NOBODY, "buildContainer", arguments).unwrap();
    bench.now += 1e6;
    let info = from_wire(&bench.ask(None, "getTaskInfo", json!([1, true])).unwrap());
    assert_eq!((&info["state"], &info["priority"], &info["channel_id"]), (&json!(0), &json!(25), &json!(10)));
    assert_eq!((&info["host_id"], &info["start_time"]), (&Json::Null, &Json::Null));
    assert_eq!(info["request"], json!(["git://x#1", "candidate", {"scratch": true}]));
    assert_eq!(bench.fault(None, "getTaskResult", json!([1])), (1000, "Task 1 is not finished".to_owned()));
}

#[test]
fn what_is_refused() {
    let source = json!(["git://x#1", "candidate"]);
    let with = |name: &str, value: Json| json!(["git://x#1", "candidate", {"**": {name: value}}]);
    for (what, user, method, arguments, code, text) in [
        ("anonymous", ANONYMOUS, "buildContainer", source, 1000, "task must have an owner"),
        (
            "unknown channel",
            NOBODY,
            "buildContainer",
            with("channel", json!("zzz")),
            1000,
            "No such channel: zzz",
        ),
        (
            "high priority",
            NOBODY,
            "buildContainer",
            with("priority", json!(-1)),
            1004,
            "only admins may create high-priority tasks",
        ),
        (
            "image without permission",
            NOBODY,
            "buildImageOz",
            json!(["a", "1", ["x86_64"], "t", "http://tree"]),
            1004,
            "image permission required",
        ),
        ("any task", NOBODY, "makeTask", json!(["sleep", [1]]), 1004, "admin permission required"),
        (
            "owner",
            ADMINISTRATOR,
            "makeTask",
            json!(["sleep", [1], {"**": {"owner": 1}}]),
            1004,
            "The owner option is not allowed here",
        ),
    ] {
        let fault = Bench::new().fault(user, method, arguments);
        assert_eq!(fault, (code, text.to_owned()), "{what}");
    }
}

#[test]
fn an_image_task_ends_with_files() {
    let mut bench = Bench::new();
    let arguments = json!(["fedora", "27", ["x86_64"], "candidate", "http://tree", {"**": {"opts": {"format": ["docker"]}}}]);
    bench.ask(ADMINISTRATOR, "buildImageOz", arguments).unwrap();
    let top = bench.top().to_owned();
    let content = b"a file system".as_slice();
    let files = [("fedora-27.tar.xz", content)];
    tasks::finish(&mut bench.state, &top, 1, Ok(json!({})), &files, bench.now).unwrap();
    let info = from_wire(&bench.ask(None, "getTaskInfo", json!([1])).unwrap());
    let host = from_wire(&bench.ask(None, "getHost", json!([info["host_id"]])).unwrap());
    assert_eq!(host["id"], info["host_id"]);
    let names = from_wire(&bench.ask(None, "listTaskOutput", json!([1])).unwrap());
    assert_eq!(names, json!(["fedora-27.tar.xz"]));
    let piece = json!([1, "fedora-27.tar.xz", {"**": {"offset": 2, "size": 4}}]);
    assert_eq!(from_wire(&bench.ask(None, "downloadTaskOutput", piece).unwrap()), "ZmlsZQ==");
    let stat = from_wire(&bench.ask(None, "listTaskOutput", json!([1, {"**": {"stat": true}}])).unwrap());
    assert_eq!(stat["fedora-27.tar.xz"]["st_size"], "13");
    assert_eq!(from_wire(&bench.ask(None, "listTaskOutput", json!([99])).unwrap()), json!([]));
    let missing = bench.fault(None, "downloadTaskOutput", json!([99, "x"]));
    assert_eq!(missing, (1000, "no file \"x\" output by task 99".to_owned()));
}
