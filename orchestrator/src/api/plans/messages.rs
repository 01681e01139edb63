//! plan.proto to and from the plan and its explanation. One to one; a message
//! with a field that cannot be is refused by the field's name.

use std::{path::PathBuf, time::Duration};

use common::{platform::Architecture, request::Limits};
use proto::{
    convert::{BadField, from_duration, plan::*, to_duration},
    v1::{self, plan as wire},
};

use crate::plan::{
    Decision, Draft, Execution, Notice, PlannedFile, PlannedLabel, PlannedPlatform, PlannedStep,
    PlannedWorkOrder, Reason, RepositoryKey, Said, Tags, Target, Verdict,
    explain::{Explained, Explanation},
};

/// Converts each element of a list.
fn all<A, B: From<A>>(list: Vec<A>) -> Vec<B> {
    list.into_iter().map(B::from).collect()
}

/// Texts of a list.
fn texts<T: Into<String>>(list: Vec<T>) -> Vec<String> {
    list.into_iter().map(Into::into).collect()
}

/// An empty text is none.
fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

impl From<Draft> for v1::Plan {
    fn from(draft: Draft) -> Self {
        let (mode, isolated_release) = from_mode(draft.mode);
        Self {
            source: Some(draft.source.into()),
            commit: draft.commit.unwrap_or_default(),
            full_ref: draft.full_ref.unwrap_or_default(),
            mode: mode.to_owned(),
            isolated_release,
            target: draft.target.unwrap_or_default(),
            settings_digest: draft.settings_digest.into(),
            component: draft.component.map(String::from).unwrap_or_default(),
            nvr: draft.nvr.map(String::from).unwrap_or_default(),
            release: draft.release.map(Into::into),
            rebuild: draft.rebuild.map(Into::into),
            platform_arithmetic: draft.platform_arithmetic,
            platforms: all(draft.platforms),
            tags: draft.tags.map(Into::into),
            destinations: all(draft.destinations),
            repositories: all(draft.repositories),
            artifacts: all(draft.artifacts),
            context: draft.context.map(Into::into),
            dockerfile_path: draft.dockerfile_path.unwrap_or_default(),
            repository_keys: all(draft.repository_keys),
            steps: all(draft.steps),
            verdicts: all(draft.verdicts),
            notices: all(draft.notices),
            assumptions: all(draft.assumptions),
            problems: all(draft.problems),
            execution: Some(draft.execution.into()),
        }
    }
}

impl TryFrom<v1::Plan> for Draft {
    type Error = BadField;

    fn try_from(plan: v1::Plan) -> Result<Self, BadField> {
        Ok(Self {
            source: message("source", plan.source)?,
            commit: some(plan.commit),
            full_ref: some(plan.full_ref),
            mode: to_mode("mode", &plan.mode, plan.isolated_release)?,
            target: some(plan.target),
            settings_digest: parsed("settings_digest", &plan.settings_digest)?,
            component: parsed_if_any("component", &plan.component)?,
            nvr: parsed_if_any("nvr", &plan.nvr)?,
            release: plan.release.map(Into::into),
            rebuild: plan.rebuild.map(Into::into),
            platform_arithmetic: plan.platform_arithmetic,
            platforms: messages("platforms", plan.platforms)?,
            tags: message_if_any("tags", plan.tags)?,
            destinations: messages("destinations", plan.destinations)?,
            repositories: messages("repositories", plan.repositories)?,
            artifacts: messages("artifacts", plan.artifacts)?,
            context: message_if_any("context", plan.context)?,
            dockerfile_path: some(plan.dockerfile_path),
            repository_keys: all(plan.repository_keys),
            steps: messages("steps", plan.steps)?,
            verdicts: all(plan.verdicts),
            notices: all(plan.notices),
            assumptions: all(plan.assumptions),
            problems: messages("problems", plan.problems)?,
            execution: message("execution", plan.execution)?,
            // For the second half of a build, not for people.
            recording: None,
        })
    }
}

/// Types of texts and numbers alone: the same fields on both sides.
macro_rules! same_fields {
    ($($ours:ident = $theirs:path { $($field:ident),* })*) => {$(
        impl From<$ours> for $theirs {
            fn from(ours: $ours) -> Self {
                Self { $($field: ours.$field),* }
            }
        }

        impl From<$theirs> for $ours {
            fn from(theirs: $theirs) -> Self {
                Self { $($field: theirs.$field),* }
            }
        }
    )*};
}

same_fields! {
    Said = v1::Said { from, value }
    Decision = wire::Decision { value, because }
    Reason = wire::Reason { code, sentence }
    Verdict = wire::Verdict { rule, allowed, sentence }
    Notice = wire::Notice { code, text }
    RepositoryKey = wire::RepositoryKey { path, value, from }
}

impl From<PlannedPlatform> for wire::Platform {
    fn from(planned: PlannedPlatform) -> Self {
        let parent = |parent: common::work::Parent| wire::Parent {
            written_as: parent.written_as,
            pinned: parent.pinned.unwrap_or_default(),
        };
        Self {
            platform: planned.platform.into(),
            architecture: planned.architecture.architecture,
            variant: planned.architecture.variant.unwrap_or_default(),
            parents: planned.parents.into_iter().map(parent).collect(),
            labels: planned.labels.into_iter().map(|(name, label)| (name, label.into())).collect(),
            dockerfile: planned.dockerfile,
            dockerfile_diff: planned.dockerfile_diff,
            work_order: planned.work_order.map(Into::into),
        }
    }
}

impl TryFrom<wire::Platform> for PlannedPlatform {
    type Error = BadField;

    fn try_from(planned: wire::Platform) -> Result<Self, BadField> {
        let parent = |parent: wire::Parent| common::work::Parent {
            written_as: parent.written_as,
            pinned: some(parent.pinned),
        };
        if planned.architecture.is_empty() {
            return Err(BadField::missing("architecture"));
        }
        Ok(Self {
            platform: parsed("platform", &planned.platform)?,
            architecture: Architecture { architecture: planned.architecture, variant: some(planned.variant) },
            parents: planned.parents.into_iter().map(parent).collect(),
            labels: planned.labels.into_iter().map(|(name, label)| (name, label.into())).collect(),
            dockerfile: planned.dockerfile,
            dockerfile_diff: planned.dockerfile_diff,
            work_order: message_if_any("work_order", planned.work_order)?,
        })
    }
}

impl From<PlannedLabel> for wire::Label {
    fn from(label: PlannedLabel) -> Self {
        Self { value: label.value, chain: all(label.chain) }
    }
}

impl From<wire::Label> for PlannedLabel {
    fn from(label: wire::Label) -> Self {
        Self { value: label.value, chain: all(label.chain) }
    }
}

impl From<PlannedWorkOrder> for wire::WorkOrder {
    fn from(order: PlannedWorkOrder) -> Self {
        Self {
            id: order.id.into(),
            engine_platform: order.engine_platform,
            dockerfile_digest: order.dockerfile_digest.into(),
            build_args: order.build_args,
            labels: order.labels,
            host_label: order.host_label.unwrap_or_default(),
            memory_bytes: order.limits.memory_bytes.unwrap_or_default(),
            time: order.limits.time.map(to_duration),
            manifest_media_type: order.manifest_format.manifest().to_owned(),
        }
    }
}

impl TryFrom<wire::WorkOrder> for PlannedWorkOrder {
    type Error = BadField;

    fn try_from(order: wire::WorkOrder) -> Result<Self, BadField> {
        Ok(Self {
            id: parsed("id", &order.id)?,
            engine_platform: order.engine_platform,
            dockerfile_digest: parsed("dockerfile_digest", &order.dockerfile_digest)?,
            build_args: order.build_args,
            labels: order.labels,
            host_label: some(order.host_label),
            limits: Limits {
                memory_bytes: Some(order.memory_bytes).filter(|bytes| *bytes > 0),
                time: order.time.map(|time| from_duration("time", Some(time))).transpose()?,
            },
            manifest_format: to_manifest_format("manifest_media_type", &order.manifest_media_type)?,
        })
    }
}

impl From<Tags> for wire::Tags {
    fn from(tags: Tags) -> Self {
        Self { unique: texts(tags.unique), primary: texts(tags.primary), floating: texts(tags.floating) }
    }
}

impl TryFrom<wire::Tags> for Tags {
    type Error = BadField;

    fn try_from(tags: wire::Tags) -> Result<Self, BadField> {
        Ok(Self {
            unique: each_parsed("unique", &tags.unique)?,
            primary: each_parsed("primary", &tags.primary)?,
            floating: each_parsed("floating", &tags.floating)?,
        })
    }
}

impl From<Target> for wire::Destination {
    fn from(target: Target) -> Self {
        match target {
            Target::Layout { directory } => {
                Self { layout: directory.display().to_string(), ..Self::default() }
            }
            Target::Registry { host, repository, tag } => Self {
                layout: String::new(),
                host: host.to_string(),
                repository: repository.to_string(),
                tag: tag.map(String::from).unwrap_or_default(),
            },
        }
    }
}

impl TryFrom<wire::Destination> for Target {
    type Error = BadField;

    fn try_from(destination: wire::Destination) -> Result<Self, BadField> {
        if !destination.layout.is_empty() {
            return Ok(Self::Layout { directory: PathBuf::from(destination.layout) });
        }
        Ok(Self::Registry {
            host: parsed("host", &destination.host)?,
            repository: parsed("repository", &destination.repository)?,
            tag: parsed_if_any("tag", &destination.tag)?,
        })
    }
}

impl From<PlannedFile> for wire::File {
    fn from(file: PlannedFile) -> Self {
        Self {
            path: file.path,
            from: file.from,
            digest: file.digest.map(String::from).unwrap_or_default(),
            size: file.size,
            platform: file.platform.map(String::from).unwrap_or_default(),
        }
    }
}

impl TryFrom<wire::File> for PlannedFile {
    type Error = BadField;

    fn try_from(file: wire::File) -> Result<Self, BadField> {
        Ok(Self {
            path: file.path,
            from: file.from,
            digest: parsed_if_any("digest", &file.digest)?,
            size: file.size,
            platform: parsed_if_any("platform", &file.platform)?,
        })
    }
}

impl From<PlannedStep> for wire::Step {
    fn from(step: PlannedStep) -> Self {
        Self {
            name: step.name,
            former_name: step.former_name.unwrap_or_default(),
            former_role: step.former_role.unwrap_or_default(),
            stage: step.stage.as_str().to_owned(),
            runs: step.runs,
            reason: step.reason.map(Into::into),
        }
    }
}

impl TryFrom<wire::Step> for PlannedStep {
    type Error = BadField;

    fn try_from(step: wire::Step) -> Result<Self, BadField> {
        Ok(Self {
            name: step.name,
            former_name: some(step.former_name),
            former_role: some(step.former_role),
            stage: to_stage("stage", &step.stage)?,
            runs: step.runs,
            reason: step.reason.map(Into::into),
        })
    }
}

impl From<Execution> for wire::Execution {
    fn from(execution: Execution) -> Self {
        Self {
            queue_deadline: Some(to_duration(Duration::from_secs(execution.queue_deadline_seconds))),
            attempts: execution.attempts,
            failure_policy: execution.failure_policy.as_str().to_owned(),
            extra_tags: texts(execution.extra_tags),
        }
    }
}

impl TryFrom<wire::Execution> for Execution {
    type Error = BadField;

    fn try_from(execution: wire::Execution) -> Result<Self, BadField> {
        Ok(Self {
            queue_deadline_seconds: from_duration("queue_deadline", execution.queue_deadline)?.as_secs(),
            attempts: execution.attempts,
            failure_policy: to_failure_policy("failure_policy", &execution.failure_policy)?,
            extra_tags: each_parsed("extra_tags", &execution.extra_tags)?,
        })
    }
}

impl From<Explanation> for v1::Explanation {
    fn from(explanation: Explanation) -> Self {
        let entry = |entry: Explained| v1::explanation::Entry {
            path: entry.path,
            value: entry.value,
            origin: entry.origin,
            beaten: all(entry.beaten),
            read_by: entry.read_by,
            meaning: entry.meaning,
        };
        Self { entries: explanation.entries.into_iter().map(entry).collect() }
    }
}

impl From<v1::Explanation> for Explanation {
    fn from(explanation: v1::Explanation) -> Self {
        let entry = |entry: v1::explanation::Entry| Explained {
            path: entry.path,
            value: entry.value,
            origin: entry.origin,
            beaten: all(entry.beaten),
            read_by: entry.read_by,
            meaning: entry.meaning,
        };
        Self { entries: explanation.entries.into_iter().map(entry).collect() }
    }
}
