//! Environments of old pods, and the user parameters in them, that cannot be
//! replayed.

use super::{Told, all, held, none_of};
use crate::request::{replay, user_params::UserParams};

/// Name, variables that differ from those of a good pod, code, what the message
/// says.
const PODS: &[(&str, &[(&str, &str)], &str, &str)] = &[
    ("two pods at once", &[("BUILD_JSON", "{}")], "request.replay_ambiguous", "BUILD_JSON"),
    (
        "a builder of long ago",
        &[("BUILD_JSON", "{}"), ("BUILD", "")],
        "request.replay_build_json",
        "BUILD_JSON",
    ),
    (
        "a list of steps",
        &[("DOCK_PLUGINS", "[]"), ("USER_PARAMS", "")],
        "request.replay_plugin_list",
        "DOCK_PLUGINS",
    ),
    (
        "half a pod",
        &[("OUTPUT_IMAGE", ""), ("USER_PARAMS", " ")],
        "request.replay_incomplete",
        "OUTPUT_IMAGE, USER_PARAMS",
    ),
    ("BUILD is a list", &[("BUILD", "[]")], "request.replay_build_syntax", "BUILD"),
    (
        "a trigger that is no image",
        &[("BUILD", r#"{"spec": {"triggeredBy": [{"imageChangeBuild": {"imageID": "no image"}}]}}"#)],
        "request.replay_bad_trigger",
        "no image",
    ),
    ("an output without tag", &[("OUTPUT_IMAGE", "me/hello")], "request.replay_bad_tag", "me/hello"),
];

/// Name, user parameters, code, what the message says.
const PARAMETERS: &[(&str, &str, &str, &str)] = &[
    ("parameters cut off", r#"{"user": "#, "request.user_params_syntax", "line 1"),
    ("a misspelt key", r#"{"git_urI": "x"}"#, "request.user_params_unknown", "git_urI"),
    (
        "a build that builds nothing",
        r#"{"skip_build": true}"#,
        "request.user_params_unsupported",
        "skip_build",
    ),
    ("a task that is a word", r#"{"koji_task_id": "six"}"#, "request.user_params_value", "koji_task_id"),
    ("a pod of a worker", r#"{"build_type": "worker"}"#, "request.user_params_worker", "build_type"),
];

const TOO_LONG: &str = "request.user_params_too_long";

pub(super) fn codes() -> Vec<&'static str> {
    PODS.iter().map(|row| row.2).chain(PARAMETERS.iter().map(|row| row.2)).chain([TOO_LONG]).collect()
}

fn told(changes: &[(&str, &str)]) -> Vec<Told> {
    let pod = [
        ("BUILD", "{}"),
        ("SOURCE_URI", "https://git.example.org/hello.git"),
        ("OUTPUT_IMAGE", "me/hello:candidate-1"),
        ("USER_PARAMS", "{}"),
    ];
    let mut variables: std::collections::BTreeMap<&str, &str> = pod.into();
    variables.extend(changes.iter().copied());
    let variables: Vec<(String, String)> =
        variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    all(replay::from_environment(&variables).err())
}

#[test]
fn pods_that_cannot_be_replayed() {
    assert!(told(&[]).is_empty());
    none_of(PODS.iter().map(|(name, changes, code, says)| held(name, code, says, &told(changes))));
}

#[test]
fn parameters_that_cannot_be_read() {
    let long = format!("{{\"user\": \"{}\"}}", "x".repeat(1024 * 1024));
    let rows = PARAMETERS.iter().copied().chain([("a megabyte", long.as_str(), TOO_LONG, "bytes")]);
    none_of(rows.map(|(name, json, code, says)| {
        held(name, code, says, &all(UserParams::read(json.as_bytes()).err()))
    }));
}
