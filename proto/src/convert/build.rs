//! build.proto without its events: requests, states, results, builds.

use std::time::Duration;

use common::{
    flow::{
        event::{BuildResult, KojiRecord, Member, Publication},
        state::{BuildState, History},
    },
    names::BuildId,
    request::{BuildMode, BuildRequest, FailurePolicy, Limits},
};

use serde_json::Value;

use super::{
    BadField,
    field::{
        MAX_ADDRESS, MAX_TEXT, enumeration, line, line_if_any, lines, list, map, message, message_if_any,
        messages, parsed, parsed_if_any, parsed_list,
    },
    from_duration, to_duration, to_timestamp,
};
use crate::v1;

impl From<BuildRequest> for v1::BuildRequest {
    fn from(request: BuildRequest) -> Self {
        let texts = |list: Vec<common::platform::Platform>| list.into_iter().map(String::from).collect();
        let (mode, release) = match request.mode {
            BuildMode::Normal => (v1::BuildMode::Normal, request.release),
            BuildMode::Scratch => (v1::BuildMode::Scratch, request.release),
            BuildMode::Isolated { release } => (v1::BuildMode::Isolated, Some(release)),
        };
        let failure_policy = match request.failure_policy {
            None => v1::FailurePolicy::Unspecified,
            Some(FailurePolicy::FinishOthers) => v1::FailurePolicy::FinishOthers,
            Some(FailurePolicy::StopOthers) => v1::FailurePolicy::StopOthers,
        };
        Self {
            source: Some(request.source.into()),
            platforms: texts(request.platforms),
            destinations: request.destinations.into_iter().map(String::from).collect(),
            component: request.component.map(String::from).unwrap_or_default(),
            target: request.target.unwrap_or_default(),
            mode: mode.into(),
            release: release.unwrap_or_default(),
            user: request.user,
            allow_local_parents: request.allow_local_parents,
            build_args: request.build_args,
            labels: request.labels,
            limits: (request.limits != Limits::default()).then(|| request.limits.into()),
            failure_policy: failure_policy.into(),
            koji_task: request.koji_task.unwrap_or_default(),
            branch: request.branch.unwrap_or_default(),
            repository_urls: request.repository_urls,
            composes: request.composes,
            signing_intent: request.signing_intent.unwrap_or_default(),
            parent_build: request.parent_build.unwrap_or_default(),
            filesystem_task: request.filesystem_task.unwrap_or_default(),
            flatpak: request.flatpak,
            rebuild: request.rebuild,
            triggered_by: request.triggered_by.map(String::from).unwrap_or_default(),
            image_stream: request.image_stream.unwrap_or_default(),
            user_data_json: request.user_data.map(|data| Value::Object(data).to_string()).unwrap_or_default(),
        }
    }
}

impl TryFrom<v1::BuildRequest> for BuildRequest {
    type Error = BadField;

    fn try_from(request: v1::BuildRequest) -> Result<Self, BadField> {
        let mut release = line_if_any("release", request.release, MAX_TEXT)?;
        let mode = match enumeration("mode", request.mode)? {
            v1::BuildMode::Unspecified | v1::BuildMode::Normal => BuildMode::Normal,
            v1::BuildMode::Scratch => BuildMode::Scratch,
            // A release that is missing is found where the rules of a request are
            // checked, together with everything else that is wrong.
            v1::BuildMode::Isolated => BuildMode::Isolated { release: release.take().unwrap_or_default() },
        };
        let failure_policy = match enumeration("failure_policy", request.failure_policy)? {
            v1::FailurePolicy::Unspecified => None,
            v1::FailurePolicy::FinishOthers => Some(FailurePolicy::FinishOthers),
            v1::FailurePolicy::StopOthers => Some(FailurePolicy::StopOthers),
        };
        let source: common::request::GitSource = message("source", request.source)?;
        Ok(Self {
            platforms: parsed_list("platforms", &request.platforms)?,
            destinations: parsed_list("destinations", &request.destinations)?,
            component: parsed_if_any("component", &request.component)?,
            target: line_if_any("target", request.target, MAX_TEXT)?,
            mode,
            release,
            user: line("user", request.user, MAX_TEXT)?,
            allow_local_parents: request.allow_local_parents,
            build_args: map("build_args", request.build_args)?,
            labels: map("labels", request.labels)?,
            limits: limits(request.limits)?,
            failure_policy,
            koji_task: number_if_any(request.koji_task),
            branch: line_if_any("branch", request.branch, MAX_TEXT)?,
            repository_urls: lines("repository_urls", request.repository_urls, MAX_ADDRESS)?,
            composes: list("composes", request.composes)?,
            signing_intent: line_if_any("signing_intent", request.signing_intent, MAX_TEXT)?,
            parent_build: line_if_any("parent_build", request.parent_build, MAX_TEXT)?,
            filesystem_task: number_if_any(request.filesystem_task),
            flatpak: request.flatpak,
            rebuild: request.rebuild,
            triggered_by: parsed_if_any("triggered_by", &request.triggered_by)?,
            image_stream: line_if_any("image_stream", request.image_stream, MAX_TEXT)?,
            user_data: user_data(&request.user_data_json)?,
            source,
        })
    }
}

/// Most bytes of a caller's own data.
const MAX_USER_DATA: usize = 64 * 1024;

/// A caller's own data: a JSON object.
fn user_data(text: &str) -> Result<Option<serde_json::Map<String, Value>>, BadField> {
    const FIELD: &str = "user_data_json";
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > MAX_USER_DATA {
        let reason = format!("it has {} bytes; at most {MAX_USER_DATA} are accepted", text.len());
        return Err(BadField::new(FIELD, reason));
    }
    serde_json::from_str(text)
        .map(Some)
        .map_err(|error| BadField::new(FIELD, format!("it is no JSON object: {error}")))
}

/// A number of which 0 means that nothing is said.
fn number_if_any(number: u64) -> Option<u64> {
    Some(number).filter(|number| *number > 0)
}

/// Limits that may be left out.
pub(super) fn limits(limits: Option<v1::Limits>) -> Result<Limits, BadField> {
    Limits::try_from(limits.unwrap_or_default()).map_err(|error| error.within("limits"))
}

impl From<Limits> for v1::Limits {
    fn from(limits: Limits) -> Self {
        Self { memory_bytes: limits.memory_bytes.unwrap_or_default(), time: limits.time.map(to_duration) }
    }
}

impl TryFrom<v1::Limits> for Limits {
    type Error = BadField;

    fn try_from(limits: v1::Limits) -> Result<Self, BadField> {
        let time = match limits.time {
            None => None,
            Some(time) => match from_duration("time", Some(time))? {
                Duration::ZERO => return Err(BadField::new("time", "no build ends in no time")),
                time => Some(time),
            },
        };
        Ok(Self { memory_bytes: Some(limits.memory_bytes).filter(|bytes| *bytes > 0), time })
    }
}

impl From<BuildState> for v1::BuildState {
    fn from(state: BuildState) -> Self {
        match state {
            BuildState::Queued => Self::Queued,
            BuildState::Running => Self::Running,
            BuildState::Finishing => Self::Finishing,
            BuildState::Succeeded => Self::Succeeded,
            BuildState::Failed => Self::Failed,
            BuildState::Cancelled => Self::Cancelled,
        }
    }
}

impl TryFrom<v1::BuildState> for BuildState {
    type Error = BadField;

    fn try_from(state: v1::BuildState) -> Result<Self, BadField> {
        match state {
            v1::BuildState::Unspecified => Err(BadField::missing("state")),
            v1::BuildState::Queued => Ok(Self::Queued),
            v1::BuildState::Running => Ok(Self::Running),
            v1::BuildState::Finishing => Ok(Self::Finishing),
            v1::BuildState::Succeeded => Ok(Self::Succeeded),
            v1::BuildState::Failed => Ok(Self::Failed),
            v1::BuildState::Cancelled => Ok(Self::Cancelled),
        }
    }
}

/// A build's state as its number on the wire.
///
/// # Errors
/// The number stands for no state; the error names `field`.
pub fn build_state(field: &str, number: i32) -> Result<BuildState, BadField> {
    let state: v1::BuildState = enumeration(field, number)?;
    BuildState::try_from(state).map_err(|error| BadField::new(field, error.reason))
}

impl From<BuildResult> for v1::BuildResult {
    fn from(result: BuildResult) -> Self {
        Self {
            index_digest: result.index_digest.into(),
            index_media_type: result.index_media_type,
            members: result.members.into_iter().map(Into::into).collect(),
            publications: result.publications.into_iter().map(Into::into).collect(),
            koji: result.koji.map(Into::into),
        }
    }
}

impl TryFrom<v1::BuildResult> for BuildResult {
    type Error = BadField;

    fn try_from(result: v1::BuildResult) -> Result<Self, BadField> {
        Ok(Self {
            index_digest: parsed("index_digest", &result.index_digest)?,
            index_media_type: result.index_media_type,
            members: messages("members", result.members)?,
            publications: messages("publications", result.publications)?,
            koji: message_if_any("koji", result.koji)?,
        })
    }
}

impl From<KojiRecord> for v1::KojiRecord {
    fn from(record: KojiRecord) -> Self {
        Self {
            build_id: record.build,
            nvr: record.nvr.to_string(),
            tag: record.tag.unwrap_or_default(),
            web_url: record.web_url.unwrap_or_default(),
        }
    }
}

impl TryFrom<v1::KojiRecord> for KojiRecord {
    type Error = BadField;

    fn try_from(record: v1::KojiRecord) -> Result<Self, BadField> {
        Ok(Self {
            build: record.build_id,
            nvr: parsed("nvr", &record.nvr)?,
            tag: line_if_any("tag", record.tag, MAX_TEXT)?,
            web_url: line_if_any("web_url", record.web_url, MAX_TEXT)?,
        })
    }
}

impl From<Member> for v1::Member {
    fn from(member: Member) -> Self {
        Self {
            platform: member.platform.into(),
            architecture: member.architecture,
            manifest_digest: member.manifest_digest.into(),
            image_id: member.image_id.into(),
            size: member.size,
        }
    }
}

impl TryFrom<v1::Member> for Member {
    type Error = BadField;

    fn try_from(member: v1::Member) -> Result<Self, BadField> {
        Ok(Self {
            platform: parsed("platform", &member.platform)?,
            architecture: member.architecture,
            manifest_digest: parsed("manifest_digest", &member.manifest_digest)?,
            image_id: parsed("image_id", &member.image_id)?,
            size: member.size,
        })
    }
}

impl From<Publication> for v1::Publication {
    fn from(publication: Publication) -> Self {
        let tags = publication.tags.into_iter().map(String::from).collect();
        Self { destination: publication.destination, tags }
    }
}

impl TryFrom<v1::Publication> for Publication {
    type Error = BadField;

    fn try_from(publication: v1::Publication) -> Result<Self, BadField> {
        let tags = publication.tags.iter().enumerate();
        let tags = tags.map(|(index, tag)| parsed(&format!("tags[{index}]"), tag));
        Ok(Self { destination: publication.destination, tags: tags.collect::<Result<_, _>>()? })
    }
}

impl From<(BuildId, &History, Option<String>)> for v1::Build {
    /// A build as its history tells it, with the commit where it is known.
    fn from((id, history, commit): (BuildId, &History, Option<String>)) -> Self {
        Self {
            id: id.into(),
            request: Some(history.request.clone().into()),
            state: v1::BuildState::from(history.state).into(),
            created_at: Some(to_timestamp(history.created_at)),
            started_at: history.started_at.map(to_timestamp),
            ended_at: history.ended_at.map(to_timestamp),
            last_sequence: history.last_sequence,
            commit: commit.unwrap_or_default(),
            failure: history.failure.clone().map(Into::into),
            result: history.result.clone().map(Into::into),
            koji: history.koji.clone().map(Into::into),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
