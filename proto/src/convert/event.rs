//! Events of a build, one to one with the stored history.
//!
//! Only the fingerprints of the steps' inputs stay inside: they mean nothing to
//! a reader, so an event that was read from the wire has empty ones.

use common::flow::{
    Stage,
    event::{Event, EventKind, WorkerStatus},
};

use super::{
    BadField, build_state,
    field::{enumeration, message, message_if_any, messages, not_zero, parsed, parsed_if_any},
    from_timestamp, to_timestamp,
};
use crate::v1::{self, build_event as wire, build_event::worker_changed::Status};

impl From<Event> for v1::BuildEvent {
    fn from(event: Event) -> Self {
        Self { sequence: event.sequence, at: Some(to_timestamp(event.at)), kind: Some(event.kind.into()) }
    }
}

impl TryFrom<v1::BuildEvent> for Event {
    type Error = BadField;

    fn try_from(event: v1::BuildEvent) -> Result<Self, BadField> {
        if event.sequence == 0 {
            return Err(BadField::new("sequence", "it counts from 1"));
        }
        Ok(Self {
            sequence: event.sequence,
            at: from_timestamp("at", event.at)?,
            kind: event.kind.ok_or_else(|| BadField::missing("kind"))?.try_into()?,
        })
    }
}

impl From<EventKind> for wire::Kind {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Created { request } => {
                Self::Created(wire::Created { request: Some((*request).into()) })
            }
            EventKind::StateChanged { state } => {
                Self::StateChanged(wire::StateChanged { state: v1::BuildState::from(state).into() })
            }
            EventKind::StepStarted { step, stage, attempt, input: _ } => {
                Self::StepStarted(wire::StepStarted { step, attempt, stage: stage.as_str().to_owned() })
            }
            EventKind::StepSucceeded { step, input: _, output } => {
                Self::StepSucceeded(wire::StepSucceeded { step, output_json: output.to_string() })
            }
            EventKind::StepFailed { step, input: _, failure, will_retry } => {
                Self::StepFailed(wire::StepFailed { step, failure: Some(failure.into()), will_retry })
            }
            EventKind::StepSkipped { step, reason_code, reason } => {
                Self::StepSkipped(wire::StepSkipped { step, reason_code, reason })
            }
            EventKind::WorkerChanged { platform, work_order, worker, status, reason } => {
                Self::WorkerChanged(wire::WorkerChanged {
                    platform: platform.into(),
                    work_order_id: work_order.into(),
                    worker_id: worker.map(String::from).unwrap_or_default(),
                    status: Status::from(status).into(),
                    reason,
                })
            }
            EventKind::Warning { code, message } => Self::Warning(wire::Warning { code, message }),
            EventKind::CancelRequested { reason } => Self::CancelRequested(wire::CancelRequested { reason }),
            EventKind::Ended { state, failure, later_failures, result, koji } => Self::Ended(wire::Ended {
                state: v1::BuildState::from(state).into(),
                failure: failure.map(Into::into),
                later_failures: later_failures.into_iter().map(Into::into).collect(),
                result: result.map(Into::into),
                koji: koji.map(Into::into),
            }),
        }
    }
}

impl TryFrom<wire::Kind> for EventKind {
    type Error = BadField;

    fn try_from(kind: wire::Kind) -> Result<Self, BadField> {
        // Fields are named from the event, as its JSON form shows them.
        Ok(match kind {
            wire::Kind::Created(created) => {
                Self::Created { request: Box::new(message("created.request", created.request)?) }
            }
            wire::Kind::StateChanged(changed) => {
                Self::StateChanged { state: build_state("state_changed.state", changed.state)? }
            }
            wire::Kind::StepStarted(started) => Self::StepStarted {
                step: started.step,
                stage: stage("step_started.stage", &started.stage)?,
                attempt: not_zero("step_started.attempt", started.attempt)?,
                input: String::new(),
            },
            wire::Kind::StepSucceeded(succeeded) => Self::StepSucceeded {
                step: succeeded.step,
                input: String::new(),
                output: serde_json::from_str(&succeeded.output_json)
                    .map_err(|error| BadField::new("step_succeeded.output_json", error.to_string()))?,
            },
            wire::Kind::StepFailed(failed) => Self::StepFailed {
                step: failed.step,
                input: String::new(),
                failure: message("step_failed.failure", failed.failure)?,
                will_retry: failed.will_retry,
            },
            wire::Kind::StepSkipped(skipped) => Self::StepSkipped {
                step: skipped.step,
                reason_code: skipped.reason_code,
                reason: skipped.reason,
            },
            wire::Kind::WorkerChanged(changed) => Self::WorkerChanged {
                platform: parsed("worker_changed.platform", &changed.platform)?,
                work_order: parsed("worker_changed.work_order_id", &changed.work_order_id)?,
                worker: parsed_if_any("worker_changed.worker_id", &changed.worker_id)?,
                status: enumeration::<Status>("worker_changed.status", changed.status)?.try_into()?,
                reason: changed.reason,
            },
            wire::Kind::Warning(warning) => Self::Warning { code: warning.code, message: warning.message },
            wire::Kind::CancelRequested(request) => Self::CancelRequested { reason: request.reason },
            wire::Kind::Ended(ended) => Self::Ended {
                state: build_state("ended.state", ended.state)?,
                failure: message_if_any("ended.failure", ended.failure)?,
                later_failures: messages("ended.later_failures", ended.later_failures)?,
                result: message_if_any("ended.result", ended.result)?,
                koji: message_if_any("ended.koji", ended.koji)?,
            },
        })
    }
}

fn stage(field: &str, name: &str) -> Result<Stage, BadField> {
    [Stage::Source, Stage::Prepare, Stage::Build, Stage::Publish, Stage::Finish]
        .into_iter()
        .find(|stage| stage.as_str() == name)
        .ok_or_else(|| BadField::new(field, format!("'{name}' is not a stage")))
}

impl From<WorkerStatus> for Status {
    fn from(status: WorkerStatus) -> Self {
        match status {
            WorkerStatus::Waiting => Self::Waiting,
            WorkerStatus::Assigned => Self::Assigned,
            WorkerStatus::Reattached => Self::Reattached,
            WorkerStatus::Lost => Self::Lost,
            WorkerStatus::Finished => Self::Finished,
        }
    }
}

impl TryFrom<Status> for WorkerStatus {
    type Error = BadField;

    fn try_from(status: Status) -> Result<Self, BadField> {
        match status {
            Status::Unspecified => Err(BadField::missing("worker_changed.status")),
            Status::Waiting => Ok(Self::Waiting),
            Status::Assigned => Ok(Self::Assigned),
            Status::Reattached => Ok(Self::Reattached),
            Status::Lost => Ok(Self::Lost),
            Status::Finished => Ok(Self::Finished),
        }
    }
}

#[cfg(test)]
mod tests {
    use common::{
        failure::{Failure, FailureClass},
        flow::state::BuildState,
        request::BuildRequest,
    };
    use jiff::Timestamp;

    use super::*;

    fn kinds() -> Vec<EventKind> {
        let failure = || Failure::new(FailureClass::Source, "build.failed", "RUN false");
        let worker = |status, worker: Option<&str>| EventKind::WorkerChanged {
            platform: "aarch64".parse().unwrap(),
            work_order: "wo_1".parse().unwrap(),
            worker: worker.map(|id| id.parse().unwrap()),
            status,
            reason: "r".into(),
        };
        let step = || "x86_64/build_image".to_owned();
        let koji = || super::super::build::tests::result().koji;
        let ended = |state, failure: Option<Failure>, result| EventKind::Ended {
            state,
            koji: failure.as_ref().and_then(|_| koji()),
            failure,
            later_failures: vec![Failure::cancelled("x")],
            result,
        };
        let mut kinds = vec![
            EventKind::Created { request: Box::new(BuildRequest::new("file:///x", Some("main"))) },
            EventKind::StateChanged { state: BuildState::Running },
            EventKind::StepSucceeded {
                step: step(),
                input: String::new(),
                output: serde_json::json!({ "commit": "c0ffee", "n": [1, null] }),
            },
            EventKind::StepFailed {
                step: step(),
                input: String::new(),
                failure: failure(),
                will_retry: true,
            },
            EventKind::StepSkipped { step: step(), reason_code: "c".into(), reason: "r".into() },
            worker(WorkerStatus::Waiting, None),
            worker(WorkerStatus::Assigned, Some("wrk_1")),
            worker(WorkerStatus::Reattached, Some("wrk_1")),
            worker(WorkerStatus::Lost, Some("wrk_1")),
            worker(WorkerStatus::Finished, Some("wrk_1")),
            EventKind::Warning { code: "c".into(), message: "m".into() },
            EventKind::CancelRequested { reason: "r".into() },
            ended(BuildState::Failed, Some(failure()), None),
            ended(BuildState::Succeeded, None, Some(super::super::build::tests::result())),
        ];
        kinds.extend(
            [Stage::Source, Stage::Prepare, Stage::Build, Stage::Publish, Stage::Finish].map(|stage| {
                EventKind::StepStarted { step: step(), stage, attempt: 2, input: String::new() }
            }),
        );
        kinds
    }

    #[test]
    fn events_round_trip() {
        for (sequence, kind) in (1..).zip(kinds()) {
            let event = Event { sequence, at: Timestamp::UNIX_EPOCH, kind };
            assert_eq!(v1::BuildEvent::from(event.clone()).try_into(), Ok(event));
        }
    }

    #[test]
    fn fingerprints_stay_inside() {
        let kind = EventKind::StepSucceeded {
            step: "s".into(),
            input: "fingerprint".into(),
            output: serde_json::Value::Null,
        };
        let sent = v1::BuildEvent::from(Event { sequence: 1, at: Timestamp::UNIX_EPOCH, kind });
        assert!(!format!("{sent:?}").contains("fingerprint"));
    }

    #[test]
    fn bad_events_name_the_field() {
        let event =
            |sequence, kind| v1::BuildEvent { sequence, at: Some(to_timestamp(Timestamp::UNIX_EPOCH)), kind };
        let started = |stage: &str, attempt| {
            wire::Kind::StepStarted(wire::StepStarted { step: "s".into(), attempt, stage: stage.into() })
        };
        let output = |json: &str| {
            wire::Kind::StepSucceeded(wire::StepSucceeded { step: "s".into(), output_json: json.into() })
        };
        for (field, kind) in [
            ("kind", None),
            ("step_started.stage", Some(started("lunch", 1))),
            ("step_started.attempt", Some(started("build", 0))),
            ("step_succeeded.output_json", Some(output("{"))),
            ("created.request", Some(wire::Kind::Created(wire::Created { request: None }))),
            ("ended.state", Some(wire::Kind::Ended(wire::Ended::default()))),
        ] {
            assert_eq!(Event::try_from(event(1, kind)).unwrap_err().field, field);
        }
        assert_eq!(Event::try_from(event(0, Some(started("build", 1)))).unwrap_err().field, "sequence");
    }
}
