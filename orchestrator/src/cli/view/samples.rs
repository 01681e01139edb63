//! Builds made by hand, for the tests of the views.

use proto::v1::{
    Build, BuildEvent, BuildRequest, BuildResult, BuildState, Failure, FailureClass, GitSource, LogRecord,
    Member, Publication,
    build_event::{
        CancelRequested, Created, Ended, Kind, StateChanged, StepFailed, StepSkipped, StepStarted,
        StepSucceeded, Warning, WorkerChanged, worker_changed::Status,
    },
};

/// 2025-11-25T12:03:45Z.
pub(crate) const BEGIN: i64 = 1_764_072_225;

pub(crate) fn at(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: BEGIN + seconds, nanos: 0 })
}

pub(crate) fn record(platform: &str, text: &str) -> LogRecord {
    LogRecord { at: at(0), platform: platform.into(), text: text.to_owned().into(), ..LogRecord::default() }
}

pub(crate) fn request() -> BuildRequest {
    BuildRequest {
        source: Some(GitSource { uri: "https://git.example.org/hello.git".into(), r#ref: "main".into() }),
        platforms: vec!["x86_64".into(), "aarch64".into()],
        component: "hello".into(),
        user: "mara".into(),
        ..BuildRequest::default()
    }
}

pub(crate) fn failure() -> Failure {
    Failure {
        class: FailureClass::Source.into(),
        code: "source.build_failed".into(),
        message: "RUN false ended with 1".into(),
        advice: "run the command by hand".into(),
        causes: vec!["exit status 1".into()],
        step: "x86_64/build_image".into(),
        platform: "x86_64".into(),
        at: at(24),
        others: Vec::new(),
    }
}

pub(crate) fn later_failure() -> Failure {
    Failure {
        code: "cancelled".into(),
        message: "stopped".into(),
        platform: "aarch64".into(),
        ..Failure::default()
    }
}

/// Numbers events in their order.
pub(crate) fn numbered(kinds: Vec<(i64, Kind)>) -> Vec<BuildEvent> {
    (1..)
        .zip(kinds)
        .map(|(sequence, (seconds, kind))| BuildEvent { sequence, at: at(seconds), kind: Some(kind) })
        .collect()
}

fn started(step: &str, attempt: u32) -> Kind {
    Kind::StepStarted(StepStarted { step: step.into(), attempt, stage: "build".into() })
}

fn worker(platform: &str, worker: &str, status: Status, reason: &str) -> Kind {
    Kind::WorkerChanged(WorkerChanged {
        platform: platform.into(),
        work_order_id: "wo_1".into(),
        worker_id: worker.into(),
        status: status.into(),
        reason: reason.into(),
    })
}

fn state(state: BuildState) -> Kind {
    Kind::StateChanged(StateChanged { state: state.into() })
}

pub(crate) fn ended(state: BuildState) -> Kind {
    Kind::Ended(Ended { state: state.into(), ..Ended::default() })
}

pub(crate) fn created() -> Kind {
    Kind::Created(Created { request: Some(request()) })
}

/// One event of each kind, of a build that fails on its second attempt.
pub(crate) fn failing_build() -> Vec<BuildEvent> {
    let gone =
        Failure { code: "engine.gone".into(), message: "engine went away".into(), ..Failure::default() };
    let step = "x86_64/build_image".to_owned();
    numbered(vec![
        (0, created()),
        (1, state(BuildState::Running)),
        (2, started("clone", 1)),
        (4, Kind::StepSucceeded(StepSucceeded { step: "clone".into(), output_json: "{}".into() })),
        (
            4,
            Kind::StepSkipped(StepSkipped {
                step: "resolve_target".into(),
                reason_code: "not_asked_for".into(),
                reason: "the request names no Koji target".into(),
            }),
        ),
        (
            4,
            Kind::Warning(Warning {
                code: "source.submodule_ignored".into(),
                message: "submodules are left out".into(),
            }),
        ),
        (5, worker("aarch64", "", Status::Waiting, "no worker for aarch64 is attached")),
        (6, worker("x86_64", "wrk_a", Status::Assigned, "")),
        (6, started("x86_64/build_image", 1)),
        (13, Kind::StepFailed(StepFailed { step: step.clone(), failure: Some(gone), will_retry: true })),
        (14, started("x86_64/build_image", 2)),
        (24, Kind::StepFailed(StepFailed { step, failure: Some(failure()), will_retry: false })),
        (24, Kind::CancelRequested(CancelRequested { reason: "another platform failed".into() })),
        (25, state(BuildState::Finishing)),
        (25, ended(BuildState::Failed)),
    ])
}

pub(crate) fn failed() -> Build {
    Build {
        id: "bld_01".into(),
        request: Some(request()),
        state: BuildState::Failed.into(),
        created_at: at(0),
        ended_at: at(25),
        failure: Some(failure()),
        last_sequence: 15,
        ..Build::default()
    }
}

pub(crate) fn succeeded() -> Build {
    let member = |platform: &str, digit: &str, size| Member {
        platform: platform.into(),
        manifest_digest: format!("sha256:{}", digit.repeat(64)),
        size,
        ..Member::default()
    };
    Build {
        id: "bld_01".into(),
        request: Some(request()),
        state: BuildState::Succeeded.into(),
        created_at: at(0),
        ended_at: at(72),
        commit: "1".repeat(40),
        result: Some(BuildResult {
            index_digest: format!("sha256:{}", "a".repeat(64)),
            index_media_type: "application/vnd.oci.image.index.v1+json".into(),
            members: vec![member("x86_64", "b", 3_565_158), member("aarch64", "c", 512)],
            publications: vec![
                Publication {
                    destination: "oci:/srv/layouts/hello".into(),
                    tags: vec!["1.0-3".into(), "latest".into()],
                },
                Publication { destination: "docker://127.0.0.1:5000/hello".into(), tags: Vec::new() },
            ],
            koji: None,
        }),
        ..Build::default()
    }
}
