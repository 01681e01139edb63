use std::collections::BTreeMap;

use serde_json::json;

use super::*;

fn build() -> KojiBuild {
    KojiBuild {
        id: 7,
        nvr: "hello-1.0-3".parse().unwrap(),
        state: KojiBuildState::Complete,
        volume: "vol3".into(),
        files_url: "https://files.example.org/packages/hello/1.0/3".into(),
        extra: json!({"image": {}}),
        origin: Default::default(),
        details_unavailable: false,
    }
}

#[test]
fn builds_of_every_state_round_trip() {
    let extras = [Value::Null, json!({"image": {"index": {}}})];
    for (number, extra) in (1..=5).zip(extras.into_iter().cycle()) {
        let state = v1::KojiBuildState::try_from(number).unwrap().try_into().unwrap();
        let build = KojiBuild { state, extra, ..build() };
        assert_eq!(v1::FindBuildResponse::from(build.clone()).try_into(), Ok(build));
    }
}

#[test]
fn a_build_that_says_too_little_is_refused() {
    let good = v1::FindBuildResponse::from(build());
    let cases = [
        ("build_id", v1::FindBuildResponse { build_id: 0, ..good.clone() }),
        ("nvr", v1::FindBuildResponse { nvr: None, ..good.clone() }),
        ("state", v1::FindBuildResponse { state: 0, ..good.clone() }),
        ("state", v1::FindBuildResponse { state: 99, ..good.clone() }),
        ("extra_json", v1::FindBuildResponse { extra_json: "{".into(), ..good }),
    ];
    for (field, bad) in cases {
        assert_eq!(KojiBuild::try_from(bad).unwrap_err().field, field);
    }
}

#[test]
fn capabilities_of_a_later_contract_are_left_out() {
    let bridge = KojiBridge { capabilities: KojiCapability::ALL.to_vec(), ..KojiBridge::default() };
    let mut answer = v1::DescribeResponse::from(bridge.clone());
    answer.capabilities.extend([0, 999, 1]);
    assert_eq!(KojiBridge::try_from(answer), Ok(bridge));
}

#[test]
fn archives_round_trip_and_their_checksums_are_looked_at() {
    let checksums = [
        KojiChecksum::Md5("a".repeat(32)),
        KojiChecksum::Sha1("b".repeat(40)),
        KojiChecksum::Sha256("c".repeat(64)),
    ];
    for checksum in checksums {
        let archive = KojiArchive {
            filename: "hello-1.0.jar".into(),
            group_id: "org.example".into(),
            artifact_id: "hello".into(),
            version: "1.0".into(),
            checksum,
            extra: Value::Null,
        };
        let wire = v1::KojiArchive::from(archive.clone());
        assert_eq!(wire.clone().try_into(), Ok(archive));
        let bad = v1::KojiArchive { checksum: "xyz".into(), ..wire.clone() };
        assert_eq!(KojiArchive::try_from(bad).unwrap_err().field, "checksum");
        let outside = v1::KojiArchive { filename: "a/../../b".into(), ..wire };
        assert_eq!(KojiArchive::try_from(outside).unwrap_err().field, "filename");
    }
}

#[test]
fn image_tasks_round_trip() {
    let task = ImageTask {
        name: "fedora-44".into(),
        version: "1.0".into(),
        platforms: vec!["x86_64".into()],
        target: "f44".into(),
        install_tree: "https://dl.example.org/$arch/os/".into(),
        options: BTreeMap::from([("disk_size".into(), json!(10)), ("format".into(), json!(["docker"]))]),
    };
    let request = image_build_request(&task, "bld_1/x");
    assert_eq!((request.key.as_str(), request.clone().try_into()), ("bld_1/x", Ok(task)));
    let cases = [
        ("platforms", v1::StartImageBuildRequest { platforms: Vec::new(), ..request.clone() }),
        ("install_tree", v1::StartImageBuildRequest { install_tree: String::new(), ..request.clone() }),
        ("name", v1::StartImageBuildRequest { name: String::new(), ..request.clone() }),
        ("options_json", v1::StartImageBuildRequest { options_json: "[]".into(), ..request }),
    ];
    for (field, bad) in cases {
        assert_eq!(ImageTask::try_from(bad).unwrap_err().field, field);
    }
}

#[test]
fn targets_need_a_build_tag() {
    let target = KojiTarget {
        name: "f44".into(),
        build_tag: "f44-build".into(),
        destination_tag: "f44".into(),
        platforms: vec!["x86_64".into(), "i386".into()],
    };
    assert_eq!(koji_target("f44", target.clone().into()), Ok(target.clone()));
    let bad = KojiTarget { build_tag: String::new(), ..target };
    assert_eq!(koji_target("f44", bad.into()).unwrap_err().field, "build_tag");
}

#[test]
fn files_of_tasks_round_trip() {
    let output = TaskOutput { task: 8, name: "a.tar.xz".into(), size: 3, volume: String::new() };
    assert_eq!(v1::KojiTaskOutput::from(output.clone()).try_into(), Ok(output.clone()));
    let bad = v1::KojiTaskOutput::from(TaskOutput { task: 0, ..output });
    assert_eq!(TaskOutput::try_from(bad).unwrap_err().field, "task_id");
}

#[test]
fn every_state_of_a_task_has_a_meaning() {
    let states: Vec<_> =
        (1..=6).map(|n| KojiTaskState::try_from(v1::KojiTaskState::try_from(n).unwrap()).unwrap()).collect();
    use KojiTaskState::{Cancelled, Closed, Failed, Unfinished};
    assert_eq!(states, [Unfinished, Unfinished, Closed, Cancelled, Unfinished, Failed]);
    assert!(KojiTaskState::try_from(v1::KojiTaskState::Unspecified).is_err());
}
