//! Properties of requests and of what they are read from, tried on random ones.
//! `PROPTEST_CASES` says how many.

use std::{collections::BTreeMap, time::Duration};

use common::request::{BuildMode, BuildRequest, FailurePolicy, Limits};
use proptest::{
    collection::{btree_map, vec},
    option::of,
    prelude::*,
    sample::{select, subsequence},
};
use proto::v1;
use serde_json::{Map, Value, json};

use super::{
    replay::from_environment,
    user_params::{UserParams, table},
    validate::check,
};

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec!["1.1", "x86_64", "a/b:c", "worker", "http://x/y"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((any::<String>(), inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    let known: Vec<_> = table().iter().map(|key| key.name.to_owned()).collect();
    prop_oneof![8 => select(known), 1 => any::<String>()]
}

/// Requests of which many keep the rules.
fn request() -> impl Strategy<Value = BuildRequest> {
    let mode = prop_oneof![
        Just(BuildMode::Normal),
        Just(BuildMode::Scratch),
        "[0-9]{1,3}\\.[0-9]{0,2}(\\.[a-z0-9+~^_-]{0,4})?".prop_map(|release| BuildMode::Isolated { release }),
    ];
    let word = "[a-z][a-zA-Z0-9_.-]{0,12}";
    let first = (
        "(https://[a-z]{1,9}/[a-z]{1,9}|[a-z]{1,5}@[a-z]{1,5}:[a-z]{1,5}|.{0,9})",
        of("[a-z0-9/._-]{1,12}"),
        subsequence(vec!["x86_64", "aarch64", "s390x"], 0..3),
        subsequence(vec!["oci:a b", "docker://r.example:5000/a/b:1"], 0..2),
        of(word),
        mode,
        of("[a-z0-9.+]{0,6}"),
        "[ a-zä]{0,6}",
        btree_map(word, ".{0,6}", 0..3),
        (of(0..u64::MAX), of(0..10_u64), any::<[bool; 3]>()),
    );
    let second = (
        of(word),
        vec("https?://[a-z]{1,5}/[a-z?=]{0,5}", 0..3),
        vec(0..5_u64, 0..2),
        of(word),
        of("([a-z]{1,3}-[0-9]-[0-9]|[0-9]{1,3}|[a-z]{1,4})"),
        of(0..3_u64),
        of(word),
        of("[a-z0-9-]{0,6}"),
        of(select(vec![FailurePolicy::FinishOthers, FailurePolicy::StopOthers])),
    );
    (first, second).prop_map(|(first, second)| {
        let (uri, reference, platforms, destinations, component, mode, release, user, map, rest) = first;
        let (memory_bytes, seconds, [allow_local_parents, flatpak, rebuild]) = rest;
        let (target, repository_urls, composes, signing_intent, parent_build, task, branch, stream, policy) =
            second;
        BuildRequest {
            platforms: platforms.iter().map(|text| text.parse().unwrap()).collect(),
            destinations: destinations.iter().map(|text| text.parse().unwrap()).collect(),
            component: component.map(|text| text.parse().unwrap()),
            target,
            mode,
            release,
            user,
            allow_local_parents,
            build_args: map.clone(),
            labels: map,
            limits: Limits { memory_bytes, time: seconds.map(Duration::from_secs) },
            failure_policy: policy,
            koji_task: task,
            branch,
            repository_urls,
            composes,
            signing_intent,
            parent_build,
            filesystem_task: task,
            flatpak,
            rebuild,
            triggered_by: flatpak.then(|| "r.example.org/base:1".parse().unwrap()),
            image_stream: stream,
            ..BuildRequest::new(&uri, reference.as_deref())
        }
    })
}

proptest! {
    #[test]
    fn bytes_never_break_the_reader(bytes in vec(any::<u8>(), 0..200)) {
        let _ = UserParams::read(&bytes);
    }

    #[test]
    fn objects_never_break_the_reader(entries in vec((key(), json_value()), 0..8)) {
        let object = Value::Object(entries.into_iter().collect::<Map<_, _>>());
        match UserParams::read(object.to_string().as_bytes()) {
            Ok(params) => drop(check(&params.request())),
            Err(failure) => for failure in failure.each() {
                prop_assert!(failure.code.starts_with("request."), "{failure}");
                prop_assert!(!failure.advice.is_empty(), "{failure}");
            },
        }
    }

    #[test]
    fn environments_never_break_a_replay(
        build in prop_oneof![json_value().prop_map(|value| value.to_string()), any::<String>()],
        labels in btree_map(select(vec!["scratch", "isolated", "git-branch", "is_autorebuild"]), json_value(), 0..4),
        whole in any::<bool>(),
        rest in vec((select(vec!["SOURCE_REF", "OUTPUT_IMAGE", "BUILD_JSON", "OUTPUT_REGISTRY"]), any::<String>()), 0..3),
    ) {
        let build = if whole { json!({"metadata": {"labels": labels}}).to_string() } else { build };
        let mut variables = BTreeMap::from([
            ("BUILD", build.as_str()),
            ("SOURCE_URI", "https://x/y"),
            ("OUTPUT_IMAGE", "a/b:c"),
            ("USER_PARAMS", r#"{"user": "mara"}"#),
        ]);
        variables.extend(rest.iter().map(|(name, value)| (*name, value.as_str())));
        let variables: Vec<_> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if let Ok(replay) = from_environment(&variables) {
            prop_assert!(replay.request.destinations.is_empty());
            drop(check(&replay.request));
        }
    }

    #[test]
    fn every_valid_request_crosses_the_wire_and_the_store(request in request()) {
        if check(&request).is_empty() {
            prop_assert_eq!(v1::BuildRequest::from(request.clone()).try_into(), Ok(request.clone()));
        }
        let stored = serde_json::to_string(&request).unwrap();
        prop_assert_eq!(serde_json::from_str::<BuildRequest>(&stored).unwrap(), request);
    }
}
