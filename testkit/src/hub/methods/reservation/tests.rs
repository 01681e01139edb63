//! What reservations refuse.

use koji_bridge::xmlrpc::Value;
use serde_json::{Value as Json, json};

use super::super::{
    bench::{ANONYMOUS, Bench, IMPORTER, NOBODY},
    python::from_wire,
};
use crate::hub::{examples::example_build, state::build_state};

const CG: &str = "atomic-reactor";
const DIRECTORY: &str = "koji-upload/one";

fn data() -> Json {
    json!({"name": "docker-hello-world", "version": "1.0", "release": "1"})
}

fn reserved() -> (Bench, u64, String) {
    reserved_with(data())
}

fn reserved_with(data: Json) -> (Bench, u64, String) {
    let mut bench = Bench::new();
    bench.ask(IMPORTER, "buildContainer", json!(["git://x", "candidate"])).unwrap();
    let reserved = from_wire(&bench.ask(IMPORTER, "CGInitBuild", json!([CG, data])).unwrap());
    (bench, reserved["build_id"].as_u64().unwrap(), reserved["token"].as_str().unwrap().to_owned())
}

#[test]
fn a_reservation_has_a_token_and_a_build() {
    let (mut bench, id, token) = reserved();
    assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    let build = from_wire(&bench.ask(None, "getBuild", json!([id])).unwrap());
    assert_eq!((build["state"].as_u64(), &build["completion_ts"]), (Some(0), &Json::Null));
    bench.ask(IMPORTER, "CGRefundBuild", json!([CG, id, token])).unwrap();
    let again = from_wire(&bench.ask(IMPORTER, "CGInitBuild", json!([CG, data()])).unwrap());
    assert_eq!(again["build_id"], id);
    assert_ne!(again["token"], token);
}

#[test]
fn source_and_extra_of_a_reservation_are_kept_where_hubs_do_so() {
    for keeps in [true, false] {
        let (mut bench, ..) = reserved();
        bench.settings.keeps_reservation_extra = keeps;
        let mut data = data();
        data["release"] = json!("2");
        data["extra"] = json!({"run": "r-1"});
        data["source"] = json!("git://x#1");
        let answer = bench.ask(IMPORTER, "CGInitBuild", json!([CG, data])).unwrap();
        let build = from_wire(&bench.ask(None, "getBuild", json!([from_wire(&answer)["build_id"]])).unwrap());
        assert_eq!(build["extra"], if keeps { json!({"run": "r-1"}) } else { Json::Null });
        assert_eq!(build["source"], if keeps { json!("git://x#1") } else { Json::Null });
    }
}

#[test]
fn reservations_are_refused_as_by_a_hub() {
    let with = |name: &str, value: Json| {
        let mut data = data();
        data["release"] = json!("2");
        data[name] = value;
        data
    };
    let without = |name: &str| {
        let mut data = data();
        data.as_object_mut().unwrap().remove(name);
        data
    };
    let key = "<class 'psycopg2.errors.ForeignKeyViolation'>: insert or update on table \"build\" violates \
               foreign key constraint \"build_task_id_fkey\" DETAIL:  Key (task_id)=(99) is not present in \
               table \"task\".";
    let rows = [
        ("not logged in", ANONYMOUS, CG, data(), 1002, "Not logged-in"),
        ("no access", NOBODY, CG, data(), 1002, "Content generator access required (atomic-reactor)"),
        (
            "unknown generator",
            IMPORTER,
            "nope",
            data(),
            1000,
            "No such entry in table content_generator: nope",
        ),
        (
            "version with dash",
            IMPORTER,
            CG,
            with("version", json!("1-0")),
            1000,
            "The \"-\" character not allowed in version field",
        ),
        ("no release", IMPORTER, CG, without("release"), 1, "<class 'KeyError'>: 'release'"),
        (
            "release nil",
            IMPORTER,
            CG,
            with("release", Json::Null),
            1,
            "<class 'TypeError'>: argument of type 'NoneType' is not iterable",
        ),
        ("no name", IMPORTER, CG, without("name"), 1000, "No name or package id provided for build"),
        ("no such task", IMPORTER, CG, with("task_id", json!(99)), 1, key),
        ("reserved already", IMPORTER, CG, data(), 1000, "Build is already reserved"),
        ("reserved by another", IMPORTER, "other-generator", data(), 1000, "Build is already reserved"),
    ];
    for (what, user, generator, data, code, text) in rows {
        let (mut bench, ..) = reserved();
        let fault = bench.fault(user, "CGInitBuild", json!([generator, data]));
        assert_eq!(fault, (code, text.to_owned()), "{what}");
    }
}

#[test]
fn a_build_in_progress_or_complete_is_not_reserved() {
    let mut with_task = data();
    with_task["task_id"] = json!(1);
    let (mut bench, id, _) = reserved_with(with_task);
    let fault = bench.fault(IMPORTER, "CGInitBuild", json!([CG, data()]));
    assert_eq!(fault, (1000, "Build already in progress (task 1)".to_owned()));
    bench.state.builds.get_mut(&id).unwrap().state = build_state::COMPLETE;
    let (code, text) = bench.fault(IMPORTER, "CGInitBuild", json!([CG, data()]));
    assert_eq!(code, 1000);
    assert!(text.starts_with("Build already exists (id=1, state=COMPLETE): {'name': "), "{text}");
}

/// An import of a reserved build, before it is spoilt.
struct Import {
    metadata: Json,
    token: Json,
}

#[test]
fn imports_of_reserved_builds_are_refused_as_by_a_hub() {
    type Spoil = fn(&mut Import);
    let rows: [(&str, Spoil, &str); 13] = [
        (
            "neither build_id nor token",
            |i| {
                i.metadata["build"].as_object_mut().unwrap().remove("build_id");
                i.token = Json::Null;
            },
            "Build already exists: docker-hello-world-1.0-1 (id=1)",
        ),
        (
            "token but no build_id",
            |i| {
                i.metadata["build"].as_object_mut().unwrap().remove("build_id");
            },
            "Reservation token given, but no build_id in metadata",
        ),
        ("build_id without token", |i| i.token = Json::Null, "Token doesn't match build ID 1"),
        ("wrong token", |i| i.token = json!("ff"), "Token doesn't match build ID 1"),
        ("unknown build_id", |i| i.metadata["build"]["build_id"] = json!(99_999), "No such build: 99999"),
        ("other name", |i| i.metadata["build"]["name"] = json!("other"), "Build (1) NVR is different"),
        ("other version", |i| i.metadata["build"]["version"] = json!("2"), "Build (1) NVR is different"),
        ("other release", |i| i.metadata["build"]["release"] = json!("2"), "Build (1) NVR is different"),
        ("other epoch", |i| i.metadata["build"]["epoch"] = json!(1), "Build (1) epoch is different"),
        (
            "draft",
            |i| i.metadata["build"]["draft"] = json!(true),
            "Draft field does not match reservation (build id = 1)",
        ),
        (
            "other generator",
            |i| i.metadata["buildroots"][0]["content_generator"]["name"] = json!("other-generator"),
            "Build ID 1 is not reserved by this CG",
        ),
        ("other task", |i| i.metadata["build"]["task_id"] = json!(2), "Build is owned by task 1"),
        (
            "no task",
            |i| {
                i.metadata["build"].as_object_mut().unwrap().remove("task_id");
            },
            "Build is owned by task 1",
        ),
    ];
    for (what, spoil, text) in rows {
        let mut with_task = data();
        with_task["task_id"] = json!(1);
        let (mut bench, id, token) = reserved_with(with_task);
        let mut import = Import {
            metadata: example_build("docker-hello-world", "1.0", "1").metadata,
            token: json!(token),
        };
        import.metadata["build"]["build_id"] = json!(id);
        import.metadata["build"]["task_id"] = json!(1);
        spoil(&mut import);
        let fault = bench.fault(IMPORTER, "CGImport", json!([import.metadata, DIRECTORY, import.token]));
        assert_eq!(fault, (1000, text.to_owned()), "{what}");
    }
}

#[test]
fn a_token_is_good_once() {
    let (mut bench, id, token) = reserved();
    let mut example = example_build("docker-hello-world", "1.0", "1");
    example.metadata["build"]["build_id"] = json!(id);
    example.put(bench.top(), DIRECTORY).unwrap();
    let import = json!([example.metadata, DIRECTORY, token]);
    let build = bench.ask(IMPORTER, "CGImport", import.clone()).unwrap();
    // The time of completion is that of the import, not what the metadata says.
    assert_eq!(build.get("completion_ts"), Some(&Value::Double(bench.now)));
    let fault = bench.fault(IMPORTER, "CGImport", import);
    assert_eq!(fault, (1000, "Token doesn't match build ID 1".to_owned()));
}

#[test]
fn refunds_are_refused_as_by_a_hub() {
    let rows = [
        ("bad state", CG, json!(1), None, json!(1), "Only FAILED/CANCELED build states are allowed"),
        ("wrong token", CG, json!(1), Some("ff"), json!(3), "Token doesn't match build ID 1"),
        (
            "other generator",
            "other-generator",
            json!(1),
            None,
            json!(3),
            "Build ID 1 is not reserved by this CG",
        ),
        ("unknown build", CG, json!(99_999), None, json!(3), "No such build: 99999"),
    ];
    for (what, generator, id, other_token, state, text) in rows {
        let (mut bench, _, token) = reserved();
        let token = other_token.unwrap_or(&token);
        let fault = bench.fault(IMPORTER, "CGRefundBuild", json!([generator, id, token, state]));
        assert_eq!(fault, (1000, text.to_owned()), "{what}");
    }
    let (mut bench, id, token) = reserved();
    bench.ask(IMPORTER, "CGRefundBuild", json!([CG, id, token, 4])).unwrap();
    let fault = bench.fault(IMPORTER, "CGRefundBuild", json!([CG, id, token, 4]));
    assert_eq!(fault, (1000, "Build ID 1 is not in BUILDING state".to_owned()), "twice");
}

#[test]
fn the_owner_may_cancel_a_reservation() {
    let (mut bench, id, token) = reserved();
    let fault = bench.fault(NOBODY, "cancelBuild", json!([id]));
    assert_eq!(fault, (1004, "Cannot cancel build, not owner".to_owned()));
    assert_eq!(bench.ask(IMPORTER, "cancelBuild", json!([id])).unwrap(), Value::Bool(true));
    assert_eq!(bench.ask(IMPORTER, "cancelBuild", json!([id])).unwrap(), Value::Bool(false));
    let mut metadata = example_build("docker-hello-world", "1.0", "1").metadata;
    metadata["build"]["build_id"] = json!(id);
    let fault = bench.fault(IMPORTER, "CGImport", json!([metadata, DIRECTORY, token]));
    assert_eq!(fault, (1000, "Token doesn't match build ID 1".to_owned()));
}
