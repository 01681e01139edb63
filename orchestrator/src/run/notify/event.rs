//! What webhooks are told: a CloudEvent 1.0 in JSON (structured mode).
//!
//! The type of the event has a version. Fields may come, and stay what they are;
//! if one had to change, the version would.

use common::{failure::FailureClass, flow::event::KojiRecord, platform::Platform};
use jiff::Timestamp;
use serde::Serialize;

use super::Notice;
use crate::{
    config::{Ending, Status},
    run::OutcomeImage,
};

/// Media type of the message.
pub(super) const CONTENT_TYPE: &str = "application/cloudevents+json";
/// Type and version of the event.
const TYPE: &str = "reactor.build.ended.v1";
/// Where such events come from. With the id it tells an event from all others.
const SOURCE: &str = "urn:reactor:builds";
/// Failures that are told.
const MAX_FAILURES: usize = 20;
/// Longest text of one failure, in bytes.
const MAX_MESSAGE: usize = 4 * 1024;

/// The event that a build has ended.
#[derive(Debug, Clone, Serialize)]
pub struct BuildEndedEvent<'a> {
    /// Version of CloudEvents.
    pub specversion: &'static str,
    /// Id of the event: the build and its ending. It is the same when the event
    /// comes again.
    pub id: String,
    /// Where it comes from.
    pub source: &'static str,
    /// Its type, with a version.
    pub r#type: &'static str,
    /// The build.
    pub subject: &'a str,
    /// When the build ended.
    pub time: Timestamp,
    /// Media type of `data`.
    pub datacontenttype: &'static str,
    /// The build's outcome.
    pub data: BuildEnded<'a>,
}

/// The outcome of a build.
#[derive(Debug, Clone, Serialize)]
pub struct BuildEnded<'a> {
    /// The build.
    pub build: &'a str,
    /// `succeeded`, `failed` or `canceled`.
    pub status: Status,
    /// The same by the names of `send_on`. Example: `manual_fail`.
    pub ending: Ending,
    /// Whether it is an automatic rebuild.
    pub automatic: bool,
    /// The image whose change caused the rebuild.
    pub triggered_by: Option<String>,
    /// On whose behalf; may be empty.
    pub user: &'a str,
    /// What was built.
    pub git: Git<'a>,
    /// The component, if it came to be known.
    pub component: Option<&'a str>,
    /// Name, version and release in Koji, if they came to be known.
    pub nvr: Option<String>,
    /// The Koji task that asked for the build.
    pub koji_task: Option<u64>,
    /// Where that task has its logs.
    pub log_url: Option<&'a str>,
    /// When the build was accepted.
    pub created_at: Timestamp,
    /// The names under which the image is published, or would have been.
    pub names: &'a [String],
    /// The image; null if there is none.
    pub image: Option<&'a OutcomeImage>,
    /// What Koji has of a build that did not succeed; null if it has nothing. A
    /// successful build has it in `image`.
    pub koji: Option<&'a KojiRecord>,
    /// What failed, the primary cause first; of a build that succeeded, what
    /// failed afterwards. At most 20.
    pub failures: Vec<EndedFailure<'a>>,
}

/// A commit, and how it was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Git<'a> {
    /// The repository, without user name and password.
    pub uri: &'a str,
    /// What was asked for.
    pub r#ref: Option<&'a str>,
    /// What it was.
    pub commit: Option<&'a str>,
}

/// Something that failed.
#[derive(Debug, Clone, Serialize)]
pub struct EndedFailure<'a> {
    /// Whose fault it is. Example: `source`.
    pub class: FailureClass,
    /// Stable code. Example: `source.ref_not_found`.
    pub code: &'a str,
    /// What failed, on what input; at most 4 KiB.
    pub message: &'a str,
    /// What can be done about it; may be empty.
    pub advice: &'a str,
    /// The step that failed; may be empty.
    pub step: &'a str,
    /// The platform, if it concerns only one.
    pub platform: Option<&'a Platform>,
}

impl<'a> From<&'a Notice> for BuildEndedEvent<'a> {
    fn from(notice: &'a Notice) -> Self {
        Self {
            specversion: "1.0",
            id: notice.id(),
            source: SOURCE,
            r#type: TYPE,
            subject: notice.build.as_str(),
            time: notice.ended_at,
            datacontenttype: "application/json",
            data: BuildEnded {
                build: notice.build.as_str(),
                status: notice.status,
                ending: notice.ending(),
                automatic: notice.automatic,
                triggered_by: notice.triggered_by.as_ref().map(ToString::to_string),
                user: &notice.user,
                git: Git {
                    uri: &notice.source.uri,
                    r#ref: notice.source.reference.as_deref(),
                    commit: notice.commit.as_deref(),
                },
                component: notice.component.as_ref().map(|component| component.as_str()),
                nvr: notice.nvr.as_ref().map(ToString::to_string),
                koji_task: notice.koji_task,
                log_url: notice.log_url.as_deref(),
                created_at: notice.created_at,
                names: &notice.names,
                image: notice.image.as_ref(),
                koji: notice.koji.as_ref(),
                failures: notice.failures.iter().take(MAX_FAILURES).map(EndedFailure::from).collect(),
            },
        }
    }
}

impl<'a> From<&'a common::failure::Failure> for EndedFailure<'a> {
    fn from(failure: &'a common::failure::Failure) -> Self {
        Self {
            class: failure.class,
            code: &failure.code,
            message: &failure.message[..failure.message.floor_char_boundary(MAX_MESSAGE)],
            advice: &failure.advice,
            step: &failure.step,
            platform: failure.platform.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use common::failure::Failure;
    use serde_json::{Value, json};

    use super::*;
    use crate::run::notify::fixture::notice;

    /// The form that docs/operating.md describes.
    #[test]
    fn an_event_has_the_form_that_is_promised() {
        let failure = Failure::new(FailureClass::Source, "build.failed", "RUN false")
            .with_advice("look at its log")
            .in_step("x86_64/build_image");
        let notice = Notice { status: Status::Failed, failures: vec![failure], ..notice() };
        let event: Value = serde_json::to_value(BuildEndedEvent::from(&notice)).unwrap();
        assert_eq!(
            event,
            json!({
                "specversion": "1.0",
                "id": "bld_1.manual_fail",
                "source": "urn:reactor:builds",
                "type": "reactor.build.ended.v1",
                "subject": "bld_1",
                "time": "1970-01-01T01:00:00Z",
                "datacontenttype": "application/json",
                "data": {
                    "build": "bld_1",
                    "status": "failed",
                    "ending": "manual_fail",
                    "automatic": false,
                    "triggered_by": null,
                    "user": "mara",
                    "git": {
                        "uri": "https://git.example.org/hello.git",
                        "ref": "main",
                        "commit": "0123456789012345678901234567890123456789",
                    },
                    "component": "hello",
                    "nvr": "hello-1.0-3",
                    "koji_task": null,
                    "log_url": null,
                    "created_at": "1970-01-01T00:00:00Z",
                    "names": ["foo/bar:baz", "foo/bar:latest"],
                    "image": null,
                    "koji": null,
                    "failures": [{
                        "class": "source",
                        "code": "build.failed",
                        "message": "RUN false",
                        "advice": "look at its log",
                        "step": "x86_64/build_image",
                        "platform": null,
                    }],
                },
            })
        );
    }
}
