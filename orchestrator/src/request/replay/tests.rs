//! The seed's pod, and pods that cannot be replayed.

use common::request::BuildMode;

use super::*;
use crate::request::validate;

const SEED_PARAMS: &str = include_str!("../../../tests/seed/orchestrator-user-params.json");
const WORKER_PARAMS: &str = include_str!("../../../tests/seed/worker-user-params.json");
const SEED_CONFIG: &str = include_str!("../../../tests/seed/config.yaml");
const URI: &str = "git://github.com/sosiouxme/docker-hello-world";

fn pod(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut variables = BTreeMap::from([
        ("PATH", "/bin"),
        ("BUILD", r#"{"metadata": {"labels": {"git-branch": "osbs-box-demo", "is_autorebuild": "false"}}}"#),
        ("SOURCE_REPOSITORY", URI),
        ("SOURCE_URI", URI),
        ("SOURCE_REF", "origin/osbs-box-demo"),
        ("OUTPUT_IMAGE", "kojiadmin/docker-hello-world:candidate-32571-20180425182951"),
        ("OUTPUT_REGISTRY", ""),
        ("REACTOR_CONFIG", SEED_CONFIG),
        ("USER_PARAMS", SEED_PARAMS),
    ]);
    variables.extend(changes.iter().copied());
    variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn replay(changes: &[(&str, &str)]) -> Replay {
    from_environment(&pod(changes)).unwrap()
}

fn codes(variables: &[(String, String)]) -> Vec<String> {
    from_environment(variables).unwrap_err().each().into_iter().map(|failure| failure.code).collect()
}

#[test]
fn the_seed_replays_whole() {
    let replay = replay(&[]);
    let expected = BuildRequest {
        platforms: vec!["x86_64".parse().unwrap()],
        component: Some("docker-hello-world".parse().unwrap()),
        target: Some("candidate".into()),
        user: "kojiadmin".into(),
        koji_task: Some(6),
        branch: Some("osbs-box-demo".into()),
        image_stream: Some("lucarval-docker-hello-world".into()),
        ..BuildRequest::new(URI, Some("osbs-box-demo"))
    };
    assert_eq!(replay.request, expected);
    assert_eq!(validate::check(&replay.request), []);
    assert_eq!(replay.site_yaml.as_deref(), Some(SEED_CONFIG));
    assert_eq!(replay.unique_tag.as_ref().unwrap().as_str(), "candidate-32571-20180425182951");
    assert_eq!(replay.assumed_parent.as_deref(), Some("fedora:latest"));
    let origins: Vec<_> = replay.origins.iter().map(|(field, origin)| format!("{field}={origin}")).collect();
    assert_eq!(
        origins,
        [
            "branch=USER_PARAMS.git_branch",
            "component=USER_PARAMS.component",
            "image_stream=USER_PARAMS.imagestream_name",
            "koji_task=USER_PARAMS.koji_task_id",
            "platforms=USER_PARAMS.platforms",
            "source.ref=SOURCE_REF",
            "source.uri=SOURCE_URI",
            "target=USER_PARAMS.koji_target",
            "user=USER_PARAMS.user",
        ]
    );
    let retired: Vec<_> =
        replay.notes.iter().filter_map(|note| note.split_once(" is retired, because ")).collect();
    let names: Vec<_> = retired.iter().map(|(name, _)| name.strip_prefix("USER_PARAMS.").unwrap()).collect();
    assert_eq!(
        names,
        [
            "arrangement_version",
            "build_image",
            "build_json_dir",
            "customize_conf",
            "name",
            "reactor_config_map",
            "trigger_imagestreamtag"
        ]
    );
    assert_eq!(replay.notes.len(), names.len(), "nothing else to say: {:?}", replay.notes);
}

#[test]
fn the_configuration_is_not_printed() {
    let replay = replay(&[("REACTOR_CONFIG", "pulp: {auth: {password: hunter2}}")]);
    assert!(!format!("{replay:?}").contains("hunter2"));
}

#[test]
fn facts_of_the_build_object() {
    type Expect = fn(&BuildRequest) -> bool;
    let image = format!("r.example.org/base@sha256:{}", "a".repeat(64));
    let trigger =
        format!(r#"{{"spec": {{"triggeredBy": [{{"imageChangeBuild": {{"imageID": "{image}"}}}}]}}}}"#);
    let label = |name: &str, value: &str| format!(r#"{{"metadata": {{"labels": {{"{name}": {value}}}}}}}"#);
    let cases: &[(&str, String, &str, Expect)] = &[
        ("INP-1 nothing", "{}".into(), "", |r| !r.rebuild && r.mode == BuildMode::Normal),
        ("INP-2 selfLink", r#"{"metadata": {"selfLink": "/foo/bar"}}"#.into(), "", |r| !r.rebuild),
        ("nulls", r#"{"metadata": null, "spec": {"triggeredBy": null}}"#.into(), "", |r| !r.rebuild),
        ("a rebuild", label("is_autorebuild", r#""true""#), "rebuild", |r| r.rebuild),
        ("no rebuild", label("is_autorebuild", r#""false""#), "", |r| !r.rebuild),
        ("scratch", label("scratch", r#""true""#), "mode", |r| r.mode == BuildMode::Scratch),
        ("scratch as a truth", label("scratch", "true"), "mode", |r| r.mode == BuildMode::Scratch),
        ("scratch 'false', yes in 2018", label("scratch", r#""false""#), "", |r| r.mode == BuildMode::Normal),
        ("isolated", label("isolated", r#""true""#), "mode", |r| {
            r.mode == BuildMode::Isolated { release: String::new() }
        }),
        ("branch", label("git-branch", r#""f44""#), "branch", |r| r.branch.as_deref() == Some("f44")),
        ("trigger", trigger, "triggered_by", |r| {
            r.triggered_by.as_ref().is_some_and(|image| image.digest.is_some()) && !r.rebuild
        }),
    ];
    for (name, build, field, expect) in cases {
        let replay = replay(&[("BUILD", build), ("USER_PARAMS", r#"{"user": "mara"}"#)]);
        assert!(expect(&replay.request), "{name}: {replay:?}");
        let origin = replay.origins.get(*field).map_or("BUILD.", String::as_str);
        assert!(origin.starts_with("BUILD."), "{name}: {origin}");
        assert_eq!(replay.origins.contains_key(*field), !field.is_empty(), "{name}");
    }
}

#[test]
fn a_label_for_rebuilds_means_nothing_to_other_kinds() {
    let build = r#"{"metadata": {"labels": {"is_autorebuild": "true", "scratch": "true"}}}"#;
    let replay = replay(&[("BUILD", build)]);
    assert_eq!((replay.request.mode, replay.request.rebuild), (BuildMode::Scratch, false));
    assert!(replay.notes.iter().any(|note| note.contains("is_autorebuild")), "{:?}", replay.notes);
}

#[test]
fn the_source_is_what_was_built() {
    let cases: &[(&str, &str, &str, &str)] = &[
        ("origin/f44", "{}", "f44", "SOURCE_REF"),
        ("refs/remotes/origin/f44", "{}", "f44", "SOURCE_REF"),
        (
            "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d",
            "{}",
            "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d",
            "SOURCE_REF",
        ),
        ("INP-1 master", "{}", "INP-1 master", "SOURCE_REF"),
        ("origin/a", r#"{"git_ref": "origin/b"}"#, "a", "SOURCE_REF"),
        ("", r#"{"git_ref": "origin/b"}"#, "b", "USER_PARAMS.git_ref"),
        ("", "{}", "master", "the default of the old system"),
    ];
    for (reference, params, expected, origin) in cases {
        let params = params.replace("{}", r#"{"user": "mara"}"#);
        let replay = replay(&[("SOURCE_REF", reference), ("USER_PARAMS", &params)]);
        assert_eq!(replay.request.source.reference.as_deref(), Some(*expected), "{reference} {params}");
        assert_eq!(replay.origins["source.ref"], *origin);
        // Whichever of the two was used where they do not agree, a note says so.
        let disagree = params.contains("git_ref");
        assert_eq!(replay.notes.iter().any(|note| note.contains("git_ref")), disagree, "{:?}", replay.notes);
    }
    let only_repository = replay(&[("SOURCE_URI", "")]);
    assert_eq!(only_repository.origins["source.uri"], "SOURCE_REPOSITORY");
    let other = replay(&[("SOURCE_URI", "https://x/y")]);
    assert_eq!(other.request.source.uri, "https://x/y");
    assert!(other.notes.iter().any(|note| note.contains("git_uri")), "{:?}", other.notes);
}

#[test]
fn the_tag_is_that_of_the_pod() {
    let cases = [
        (
            r#"{"user": "m"}"#,
            "T15 U/foo:tothepoint-12345-20170501123456",
            "tothepoint-12345-20170501123456",
            0,
        ),
        (r#"{"image_tag": "r.example:5000/u/c:a"}"#, "u/c:b", "a", 1),
        (r#"{"image_tag": "u/c:a"}"#, "u/c:a", "a", 0),
    ];
    for (params, image, tag, notes) in cases {
        let replay = replay(&[("USER_PARAMS", params), ("OUTPUT_IMAGE", image)]);
        assert_eq!(replay.unique_tag.unwrap().as_str(), tag);
        assert_eq!(replay.notes.len(), notes, "{:?}", replay.notes);
    }
}

#[test]
fn what_was_there_and_is_not_used_is_noted() {
    let replay = replay(&[
        ("OUTPUT_REGISTRY", "r.example.org"),
        ("ATOMIC_REACTOR_PLUGINS", "{}"),
        ("REACTOR_CONFIG", ""),
    ]);
    for part in ["OUTPUT_REGISTRY is not used", "ATOMIC_REACTOR_PLUGINS is not used", "no REACTOR_CONFIG"] {
        assert!(replay.notes.iter().any(|note| note.contains(part)), "{part}: {:?}", replay.notes);
    }
    assert_eq!(replay.site_yaml, None);
}

#[test]
fn other_environments_are_refused() {
    let cases: &[(&str, Vec<(String, String)>, &[&str])] = &[
        ("INP-10 nothing", Vec::new(), &["replay_incomplete"]),
        ("INP-3", pod(&[("USER_PARAMS", ""), ("DOCK_PLUGINS", "{}")]), &["replay_plugin_list"]),
        (
            "INP-1 a list of steps",
            pod(&[("USER_PARAMS", ""), ("ATOMIC_REACTOR_PLUGINS", "{}")]),
            &["replay_plugin_list"],
        ),
        ("INP-11", pod(&[("BUILD_JSON", "{}")]), &["replay_ambiguous"]),
        ("INP-12", vec![("BUILD_JSON".into(), r#"{"image": "x"}"#.into())], &["replay_build_json"]),
        ("PLAN-2 a worker's pod", pod(&[("USER_PARAMS", WORKER_PARAMS)]), &["user_params_worker"]),
        ("no object", pod(&[("BUILD", "[]")]), &["replay_build_syntax"]),
        ("half an object", pod(&[("BUILD", "{")]), &["replay_build_syntax"]),
        ("no tag", pod(&[("OUTPUT_IMAGE", "a/b")]), &["replay_bad_tag"]),
        (
            "no image",
            pod(&[("BUILD", r#"{"spec": {"triggeredBy": [{"imageChangeBuild": {"imageID": "A B"}}]}}"#)]),
            &["replay_bad_trigger"],
        ),
        (
            "UP-6 over two variables",
            pod(&[
                ("BUILD", r#"{"metadata": {"labels": {"scratch": "true"}}}"#),
                ("USER_PARAMS", r#"{"isolated": true}"#),
            ]),
            &["kinds_exclusive"],
        ),
        (
            "everything at once",
            pod(&[
                ("SOURCE_URI", ""),
                ("SOURCE_REPOSITORY", ""),
                ("BUILD", "x"),
                ("OUTPUT_IMAGE", ":"),
                ("USER_PARAMS", "x"),
            ]),
            &["replay_incomplete", "replay_build_syntax", "user_params_syntax", "replay_bad_tag"],
        ),
    ];
    for (name, variables, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|code| format!("request.{code}")).collect();
        assert_eq!(codes(variables), expected, "{name}");
    }
}

#[test]
fn missing_variables_are_named_together() {
    let failure = from_environment(&[("SOURCE_REPOSITORY".to_owned(), URI.to_owned())]).unwrap_err();
    assert!(failure.message.contains("BUILD, OUTPUT_IMAGE, USER_PARAMS"), "{failure}");
    assert!(failure.advice.contains("--from-env"), "{failure}");
}

#[test]
fn variables_that_are_no_text_are_named_all_at_once() {
    let failure = from_environment(&pod(&[("USER_PARAMS", "\0"), ("SOURCE_REF", "\0"), ("PATH", "\0")]));
    let failures = failure.unwrap_err().each();
    let messages: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
    assert!(failures.iter().all(|failure| failure.code == "request.replay_not_utf8"), "{messages:?}");
    assert!(
        messages.len() == 2 && messages.iter().any(|message| message.contains("USER_PARAMS")),
        "{messages:?}"
    );
}
