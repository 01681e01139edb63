//! How builds are looked up, listed and searched.

use serde_json::{Value as Json, json};

use super::super::{
    bench::{Bench, IMPORTER},
    python::from_wire,
};
use crate::hub::state::build_state;

/// A hub with reserved builds: 1 to 4 of one package, 5 of another. The second is
/// complete.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let builds = [("app", "1"), ("app", "2"), ("app", "10"), ("app", "3.el7"), ("tool", "1")];
    for (name, release) in builds {
        let data = json!({"name": name, "version": "1.0", "release": release, "source": format!("git://{name}#{release}")});
        bench.ask(IMPORTER, "CGInitBuild", json!(["atomic-reactor", data])).unwrap();
    }
    let build = bench.state.builds.get_mut(&2).unwrap();
    (build.state, build.completion_time) = (build_state::COMPLETE, Some(1_524_681_060.0));
    bench
}

#[test]
fn builds_are_named_in_three_ways() {
    for (named, expected) in [
        (json!(2), json!(2)),
        (json!("app-1.0-2"), json!(2)),
        (json!("7:app-1.0-2"), json!(2)),
        (json!({"name": "app", "version": "1.0", "release": "2"}), json!(2)),
        (json!(99), Json::Null),
        (json!("nope-1-1"), Json::Null),
        (json!({"name": "app", "version": "1.0", "release": null}), Json::Null),
    ] {
        let build = from_wire(&bench().ask(None, "getBuild", json!([named])).unwrap());
        assert_eq!(build.get("id").cloned().unwrap_or_default(), expected, "{named}");
    }
}

#[test]
fn builds_that_are_not_there_or_not_named_are_refused() {
    let strict = json!({"**": {"strict": true}});
    for (arguments, text) in [
        (json!(["nope-1-1", strict]), "No such build: 'nope-1-1'"),
        (json!([99, strict]), "No such build: 99"),
        (json!(["nodash"]), "invalid format: nodash"),
        (json!(["one-dash"]), "invalid format: one-dash"),
        (json!(["a-1-"]), "invalid format: a-1-"),
        (json!([{"name": "app", "version": "1.0"}]), "did not provide name, version, and release"),
        (json!([null]), "Invalid type for argument: <class 'NoneType'>"),
    ] {
        assert_eq!(
            bench().fault(None, "getBuild", arguments.clone()),
            (1000, text.to_owned()),
            "{arguments}"
        );
    }
}

#[test]
fn lists_can_be_filtered_and_cut() {
    for (options, expected) in [
        (json!({"packageID": "app"}), json!([1, 2, 3, 4])),
        (json!({"packageID": "no-such-package"}), json!([])),
        (json!({"packageID": "app", "queryOpts": {"order": "-build_id", "limit": 2}}), json!([4, 3])),
        (
            json!({"packageID": "app", "queryOpts": {"order": "-build.id", "limit": 1, "offset": 1}}),
            json!([3]),
        ),
        (json!({"queryOpts": {"order": "-package_name,release", "limit": 2}}), json!([5, 1])),
        (json!({"state": 1}), json!([2])),
        (json!({"prefix": "TO"}), json!([5])),
        (json!({"pattern": "app-*-1?"}), json!([3])),
        (json!({"source": "git://tool*"}), json!([5])),
        (json!({"userID": "osbs", "cgID": "atomic-reactor", "state": 1}), json!([2])),
        (json!({"userID": "alice"}), json!([])),
        (json!({"type": "image"}), json!([])),
        (json!({"completeAfter": 1_524_681_000}), json!([2])),
        (json!({"completeBefore": 1_524_681_000.5}), json!([])),
        (json!({"taskID": -1}), json!([])),
    ] {
        let rows = from_wire(&bench().ask(None, "listBuilds", json!([{"**": options}])).unwrap());
        let ids: Vec<&Json> = rows.as_array().unwrap().iter().map(|row| &row["build_id"]).collect();
        assert_eq!(json!(ids), expected, "{options}");
    }
    let count = json!([{"**": {"packageID": "app", "queryOpts": {"countOnly": true}}}]);
    assert_eq!(from_wire(&bench().ask(None, "listBuilds", count).unwrap()), json!(4));
    let fault = bench().fault(None, "listBuilds", json!([{"**": {"queryOpts": {"order": "nonsense"}}}]));
    assert_eq!(fault, (1000, "Invalid order: nonsense".to_owned()));
}

#[test]
fn searches_go_by_glob_expression_or_name() {
    for (terms, kind, expected) in [
        (r"^app-1.0-\d+(\.\d+)?$", "regexp", json!([1, 2, 3])),
        ("app-1.0-1", "regexp", json!([1, 3])),
        ("APP-*", "glob", json!([1, 2, 3, 4])),
        ("app-1.0-?", "glob", json!([1, 2])),
        ("app-1.0-1", "exact", json!([1])),
    ] {
        let rows = from_wire(&bench().ask(None, "search", json!([terms, "build", kind])).unwrap());
        let ids: Vec<&Json> = rows.as_array().unwrap().iter().map(|row| &row["id"]).collect();
        assert_eq!(json!(ids), expected, "{kind} {terms}");
    }
    for (arguments, code, text) in [
        (json!(["", "build", "glob"]), 1000, "empty search terms"),
        (json!(["x", "moon", "glob"]), 1000, "No such search type: moon"),
        (
            json!(["(", "build", "regexp"]),
            1,
            "<class 'psycopg2.errors.InvalidRegularExpression'>: invalid regular expression: '('",
        ),
    ] {
        assert_eq!(bench().fault(None, "search", arguments), (code, text.to_owned()));
    }
}

#[test]
fn the_build_created_last_says_which_release_is_next() {
    let mut bench = bench();
    let next = |bench: &mut Bench| {
        from_wire(&bench.ask(None, "getNextRelease", json!([{"name": "app", "version": "1.0"}])).unwrap())
    };
    assert_eq!(next(&mut bench), "4.el7");
    bench.state.builds.get_mut(&4).unwrap().state = build_state::FAILED;
    assert_eq!(next(&mut bench), "11");
    bench.state.builds.get_mut(&3).unwrap().state = build_state::CANCELED;
    bench.state.builds.get_mut(&2).unwrap().state = build_state::DELETED;
    assert_eq!(next(&mut bench), "3");
    let unknown = bench.ask(None, "getNextRelease", json!([{"name": "unknown", "version": "1"}])).unwrap();
    assert_eq!(from_wire(&unknown), "1");
    let fault = bench.fault(None, "getNextRelease", json!([{"name": "app"}]));
    assert_eq!(fault, (1, "<class 'KeyError'>: 'version'".to_owned()));
}

#[test]
fn no_build_is_of_maven_or_windows() {
    for method in ["getMavenBuild", "getWinBuild", "getImageBuild"] {
        assert_eq!(from_wire(&bench().ask(None, method, json!([2])).unwrap()), Json::Null, "{method}");
    }
    let fault = bench().fault(None, "getImageBuild", json!([99, true]));
    assert_eq!(fault, (1000, "No such build: 99".to_owned()));
}
