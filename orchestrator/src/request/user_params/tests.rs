//! The acceptance cases of user parameters, and the page that is made of the
//! table.

use serde_json::json;

use super::*;
use crate::request::validate;

fn read(value: &Value) -> Result<UserParams, Failure> {
    UserParams::read(value.to_string().as_bytes())
}

fn codes(value: &Value) -> Vec<String> {
    let found = match read(value) {
        Ok(params) => validate::check(&params.request()),
        Err(failure) => failure.each(),
    };
    found.into_iter().map(|failure| failure.code).collect()
}

/// A value of the key's kind that means something.
fn sample(key: &Key) -> Value {
    match key.name {
        "image_tag" => json!("user/foo:tothepoint-12345-20170501123456"),
        "build_type" => json!("orchestrator"),
        "koji_parent_build" => json!("fedora-26-9"),
        "yum_repourls" => json!(["http://example.com/my.repo"]),
        _ => match key.kind {
            Kind::Text => json!("1.1"),
            Kind::Number | Kind::TextOrNumber => json!(6),
            Kind::Flag => json!(true),
            Kind::Texts => json!(["x86_64"]),
            Kind::Numbers => json!([42, 2]),
            Kind::Anything => json!({"a": 1}),
        },
    }
}

#[test]
fn every_key_of_the_table_is_read_as_it_says() {
    assert!(table().is_sorted_by_key(|key| key.name));
    let nothing = UserParams::default();
    for key in table() {
        let result = read(&json!({ key.name: sample(key) }));
        match key.fate {
            Fate::Field(field) => {
                let params = result.unwrap();
                assert_eq!(params.set, [key]);
                assert!(field.starts_with("request."), "{field}");
                let request = params.request();
                let with_release = UserParams { release: Some("1.1".into()), ..nothing.clone() };
                assert!(request != nothing.request(), "{} changes nothing", key.name);
                assert_eq!(key.name == "release", request == with_release.request(), "{}", key.name);
            }
            Fate::Replay(_) => {
                let params = result.unwrap();
                assert_eq!((params.set.len(), params.retired.len()), (0, 0));
                assert_eq!(params.request(), nothing.request(), "{}", key.name);
                assert_eq!(params == nothing, key.name == "build_type", "{} is forgotten", key.name);
            }
            Fate::Retired(reason) => {
                assert!(reason.starts_with("because "), "{reason}");
                assert_eq!(result.unwrap(), UserParams { retired: vec![key], ..nothing.clone() });
            }
            Fate::Refused(_) => {
                let failure = result.unwrap_err();
                assert_eq!(failure.code, "request.user_params_unsupported");
                assert!(failure.message.contains(key.name), "{failure}");
            }
        }
    }
}

#[test]
fn what_says_nothing() {
    for (name, json) in [
        ("UP-2 no text", ""),
        ("UP-2 null", "null"),
        ("UP-2 empty", " {} \n"),
        (
            "UP-3 false values, whatever their type",
            r#"{"flatpak": false, "isolated": false, "scratch": false, "signing_intent": false, "koji_task_id": 0,
                "yum_repourls": [], "compose_ids": null, "release": "", "remote_sources": {}, "git_ref": -0.0}"#,
        ),
    ] {
        assert_eq!(UserParams::read(json.as_bytes()), Ok(UserParams::default()), "{name}");
    }
}

#[test]
fn the_seeds_parameters_are_read() {
    let seed = include_bytes!("../../../tests/seed/orchestrator-user-params.json");
    let params = UserParams::read(seed).unwrap();
    assert_eq!(params.unique_tag.as_ref().unwrap().as_str(), "candidate-32571-20180425182951");
    assert_eq!(params.retired.len(), 7);
    assert_eq!(params.set.len(), 9);
    assert_eq!(validate::check(&params.request()), []);
}

#[test]
fn requests_from_parameters() {
    let with = |value: Value| {
        let mut value = value;
        value["git_uri"] = json!("https://x/y");
        value
    };
    let cases: &[(&str, Value, &[&str])] = &[
        ("UP-4 composes", json!({"compose_ids": true}), &["user_params_value"]),
        ("UP-4 repositories", json!({"yum_repourls": "should be a list"}), &["user_params_value"]),
        (
            "UP-4 both",
            json!({"compose_ids": true, "yum_repourls": "x"}),
            &["user_params_value", "user_params_value"],
        ),
        (
            "UP-5",
            json!({"signing_intent": "release", "compose_ids": [1, 2]}),
            &["signing_intent_with_composes"],
        ),
        (
            "UP-5",
            json!({"compose_ids": [1, 2], "yum_repourls": ["http://x/y"]}),
            &["composes_with_repositories"],
        ),
        (
            "UP-5, forgotten in 2018",
            json!({"signing_intent": "release", "yum_repourls": ["http://x/y"]}),
            &["signing_intent_with_repositories"],
        ),
        ("UP-6 T19", json!({"scratch": true, "isolated": true, "release": "1.1"}), &["kinds_exclusive"]),
        ("UP-7 T18 none", json!({"isolated": true}), &["isolated_needs_release"]),
        ("UP-7 T18 1", json!({"isolated": true, "release": "1"}), &["isolated_release_format"]),
        ("UP-7 T18 1.1", json!({"isolated": true, "release": "1.1"}), &[]),
        ("UP-12 a worker", json!({"build_type": "worker"}), &["user_params_worker"]),
        ("no kind of build", json!({"build_type": "builder"}), &["user_params_value"]),
        ("PLAN-8", json!({"flatpak": true, "compose_ids": [42, 2]}), &[]),
        ("PLAN-9", json!({"release": "1.2.1"}), &[]),
        ("PLAN-15", json!({"koji_parent_build": "fedora-26-9"}), &[]),
        ("PLAN-15 number", json!({"koji_parent_build": 4711}), &[]),
        ("PLAN-15 null", json!({"koji_parent_build": null}), &[]),
        ("PLAN-18, PLAN-20", json!({"build_from": "wrong:fedora:latest", "build_image": "x"}), &[]),
        ("PLAN-21", json!({"reactor_config_map": "a", "reactor_config_override": "b"}), &[]),
        ("no number", json!({"koji_task_id": "6"}), &["user_params_value"]),
        ("less than nothing", json!({"koji_task_id": -6}), &["user_params_value"]),
        ("no truth", json!({"scratch": "true"}), &["user_params_value"]),
        ("no platform", json!({"platforms": ["x86_64", "linux/amd64"]}), &["user_params_value"]),
        ("no component", json!({"component": "a/b"}), &["user_params_value"]),
        ("no tag", json!({"image_tag": "a/b"}), &["replay_bad_tag"]),
        ("a typo", json!({"koji_traget": "x"}), &["user_params_unknown"]),
        ("unknown and empty", json!({"colour": null}), &["user_params_unknown"]),
        ("not supported", json!({"remote_source_url": "https://x"}), &["user_params_unsupported"]),
    ];
    for (name, value, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|code| format!("request.{code}")).collect();
        assert_eq!(codes(&with(value.clone())), expected, "{name}");
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for json in ["[]", "1", "{", r#"{"user": "a", "user": "b"}"#, "'{}'", "{} {}"] {
        let failure = UserParams::read(json.as_bytes()).unwrap_err();
        assert_eq!(failure.code, "request.user_params_syntax", "{json}");
    }
    assert!(UserParams::read(b"{\"user\": \"\xff\"}").is_err());
    assert!(UserParams::read("[".repeat(100_000).as_bytes()).is_err(), "depth is bounded");
    let long = format!("{{\"user\": \"{}\"}}", "x".repeat(MAX_BYTES));
    assert_eq!(UserParams::read(long.as_bytes()).unwrap_err().code, "request.user_params_too_long");
}

#[test]
fn a_typo_is_told_with_what_was_meant() {
    let failure = read(&json!({"koji_traget": "x", "yum_repourl": ["x"]})).unwrap_err();
    let advice: Vec<_> = failure.each().into_iter().map(|failure| failure.advice).collect();
    assert_eq!(advice, ["did you mean 'koji_target'?", "did you mean 'yum_repourls'?"]);
}

#[test]
fn the_page_has_the_table() {
    let page = include_str!("../../../../docs/from-osbs.md");
    let (_, rest) = page.split_once("<!-- user parameters: begin -->").unwrap();
    let (section, _) = rest.split_once("<!-- user parameters: end -->").unwrap();
    assert!(section.trim() == map().trim(), "put this into docs/from-osbs.md:\n{}", map());
}

#[test]
fn thousands_of_unknown_keys_are_counted_and_not_named() {
    let keys: Vec<String> = (0..7000).map(|number| format!(r#""koji_target{number}": 1"#)).collect();
    let text = format!("{{{}, \"{}\": 1}}", keys.join(","), "k".repeat(900_000));
    let failure = UserParams::read(text.as_bytes()).unwrap_err();
    let problems = failure.each();
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[100].code, "request.user_params_more");
    assert!(problems[100].message.contains("6901"), "{}", problems[100].message);
    assert!(problems.iter().all(|problem| problem.message.len() < 300));
}
