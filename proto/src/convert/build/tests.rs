//! Round trips and refusals of build.proto.

use std::collections::BTreeMap;

use common::{
    flow::event::{Event, EventKind},
    image::Digest,
};
use jiff::Timestamp;

use super::*;

fn full() -> BuildRequest {
    BuildRequest {
        platforms: vec!["x86_64".parse().unwrap(), "aarch64".parse().unwrap()],
        destinations: vec!["oci:out".parse().unwrap(), "docker://r.example.org/a/b:1".parse().unwrap()],
        component: Some("hello".parse().unwrap()),
        target: Some("f44-container-candidate".into()),
        mode: BuildMode::Scratch,
        release: Some("1.10".into()),
        user: "mara".into(),
        allow_local_parents: true,
        build_args: BTreeMap::from([("VERSION".into(), "1.2".into())]),
        labels: BTreeMap::from([("vendor".into(), "Example\nProject".into())]),
        limits: Limits { memory_bytes: Some(1 << 31), time: Some(Duration::from_secs(3600)) },
        failure_policy: Some(FailurePolicy::StopOthers),
        koji_task: Some(32571),
        branch: Some("f44".into()),
        repository_urls: vec!["https://example.org/updates.repo".into()],
        composes: vec![42, 2],
        signing_intent: Some("release".into()),
        parent_build: Some("fedora-26-9".into()),
        filesystem_task: Some(67890),
        flatpak: true,
        rebuild: true,
        triggered_by: Some("r.example.org/base:1".parse().unwrap()),
        image_stream: Some("team-hello".into()),
        ..BuildRequest::new("https://git.example.org/hello.git", Some("main"))
    }
}

pub(in crate::convert) fn result() -> BuildResult {
    BuildResult {
        index_digest: Digest::of(b"index"),
        index_media_type: "application/vnd.oci.image.index.v1+json".into(),
        members: vec![Member {
            platform: "aarch64".parse().unwrap(),
            architecture: "arm64".into(),
            manifest_digest: Digest::of(b"manifest"),
            image_id: Digest::of(b"config"),
            size: 42,
        }],
        publications: vec![Publication {
            destination: "oci:/srv/hello".into(),
            tags: vec!["1.0-3".parse().unwrap()],
        }],
        koji: None,
    }
}

#[test]
fn requests_round_trip() {
    let isolated =
        BuildRequest { mode: BuildMode::Isolated { release: "12.1".into() }, release: None, ..full() };
    let finish = BuildRequest { failure_policy: Some(FailurePolicy::FinishOthers), ..full() };
    for request in [BuildRequest::new("file:///x", None), full(), isolated, finish] {
        assert_eq!(v1::BuildRequest::from(request.clone()).try_into(), Ok(request));
    }
}

#[test]
fn what_is_not_said_takes_the_default() {
    let source = Some(v1::GitSource { uri: "file:///x".into(), r#ref: String::new() });
    let request = v1::BuildRequest { source, ..Default::default() };
    assert_eq!(request.try_into(), Ok(BuildRequest::new("file:///x", None)));
}

#[test]
fn a_release_that_is_missing_is_found_with_the_other_rules() {
    let mut request = v1::BuildRequest::from(full());
    request.mode = v1::BuildMode::Isolated.into();
    request.release.clear();
    let request = BuildRequest::try_from(request).unwrap();
    assert_eq!(request.mode, BuildMode::Isolated { release: String::new() });
}

#[test]
fn bad_requests_name_the_field() {
    type Spoil = fn(&mut v1::BuildRequest);
    let cases: &[(&str, Spoil)] = &[
        ("source", |r| r.source = None),
        ("source.uri", |r| r.source = Some(v1::GitSource::default())),
        ("platforms[0]", |r| r.platforms = vec!["linux/amd64".into()]),
        ("platforms", |r| r.platforms = vec!["x86_64".into(); 33]),
        ("destinations[1]", |r| r.destinations = vec!["oci:x".into(), "x".into()]),
        ("component", |r| r.component = "a/b".into()),
        ("target", |r| r.target = "x".repeat(257)),
        ("user", |r| r.user = "x".repeat(257)),
        ("user", |r| r.user = "a\nb".into()),
        ("mode", |r| r.mode = 99),
        ("failure_policy", |r| r.failure_policy = -1),
        ("labels[a]", |r| r.labels = BTreeMap::from([("a".into(), "x".repeat(65_537))])),
        ("build_args", |r| r.build_args = BTreeMap::from([(String::new(), String::new())])),
        ("limits.time", |r| {
            let time = Some(prost_types::Duration { seconds: -1, nanos: 0 });
            r.limits = Some(v1::Limits { memory_bytes: 0, time });
        }),
        ("limits.time", |r| {
            r.limits = Some(v1::Limits { memory_bytes: 0, time: Some(prost_types::Duration::default()) });
        }),
        ("branch", |r| r.branch = "a\nb".into()),
        ("repository_urls", |r| r.repository_urls = vec!["http://x/y".into(); 33]),
        ("repository_urls[1]", |r| r.repository_urls = vec!["http://x/y".into(), "\0".into()]),
        ("composes", |r| r.composes = vec![1; 33]),
        ("signing_intent", |r| r.signing_intent = "x".repeat(257)),
        ("parent_build", |r| r.parent_build = "\t".into()),
        ("triggered_by", |r| r.triggered_by = "Not An Image".into()),
        ("image_stream", |r| r.image_stream = "x".repeat(257)),
    ];
    for (field, spoil) in cases {
        let mut request = v1::BuildRequest::from(full());
        spoil(&mut request);
        assert_eq!(BuildRequest::try_from(request).unwrap_err().field, *field);
    }
}

#[test]
fn states_round_trip() {
    for state in BuildState::ALL {
        assert_eq!(build_state("state", v1::BuildState::from(state).into()), Ok(state));
    }
    for number in [0, 99] {
        assert_eq!(build_state("states[0]", number).unwrap_err().field, "states[0]");
    }
}

#[test]
fn results_round_trip() {
    assert_eq!(v1::BuildResult::from(result()).try_into(), Ok(result()));
    let mut bad = v1::BuildResult::from(result());
    bad.members[0].image_id = "latest".into();
    assert_eq!(BuildResult::try_from(bad).unwrap_err().field, "members[0].image_id");
}

#[test]
fn a_build_shows_its_history() {
    let kind = EventKind::Created { request: Box::new(full()) };
    let history = History::begin(&Event { sequence: 1, at: Timestamp::UNIX_EPOCH, kind }).unwrap();
    let build = v1::Build::from(("bld_1".parse().unwrap(), &history, Some("c0ffee".into())));
    assert_eq!((build.id.as_str(), build.commit.as_str(), build.last_sequence), ("bld_1", "c0ffee", 1));
    assert_eq!(build.state(), v1::BuildState::Queued);
    assert_eq!(build.started_at, None);
    assert_eq!(build.request.unwrap().try_into(), Ok(full()));
}
