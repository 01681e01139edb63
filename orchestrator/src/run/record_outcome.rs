//! Step: one small document about how the build ended, for those who come later.
//!
//! It holds digests and names, and no contents: it is read by programs that
//! want to know what a build made without going through its events.

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    flow::{
        Context, Flow, Policy, Stage, Step,
        event::{BuildResult, KojiRecord, Publication},
    },
    image::Digest,
    nvr::Nvr,
    platform::Platform,
};
use serde::{Deserialize, Serialize};

use super::{Failures, image_stream::UpdateImageStream};
use crate::{
    plan::{PLAN, ResolveSource},
    repository::CommitId,
    services::BuildServices,
};

/// Name of the document in the store.
pub const OUTCOME: &str = "outcome";

/// How a build ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The commit, if it came to know it.
    pub commit: Option<CommitId>,
    /// What the build is called in Koji, where the plan knows it.
    pub nvr: Option<Nvr>,
    /// What was made; `None` if the build did not succeed.
    pub image: Option<OutcomeImage>,
    /// The image stream that follows the image.
    pub image_stream: Option<String>,
    /// What Koji has of a build that did not succeed; a successful one has it in
    /// its image.
    #[serde(default)]
    pub koji: Option<KojiRecord>,
    /// Why there is no image.
    pub failure: Option<OutcomeFailure>,
}

/// The image of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeImage {
    /// Digest of the index.
    pub digest: Digest,
    /// Media type of the index.
    pub media_type: String,
    /// One member for each platform.
    pub members: Vec<OutcomeMember>,
    /// Where it is, with which tags.
    pub repositories: Vec<Publication>,
    /// What Koji knows of it; `None` for a build that Koji has not recorded.
    #[serde(default)]
    pub koji: Option<KojiRecord>,
}

/// One platform's image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeMember {
    /// The platform.
    pub platform: Platform,
    /// Digest of its manifest.
    pub digest: Digest,
}

/// What a build failed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeFailure {
    /// Stable code. Example: `source.ref_not_found`.
    pub code: String,
    /// What failed, on what input.
    pub message: String,
    /// Full name of the step that failed; may be empty.
    pub step: String,
}

/// Records the outcome.
#[derive(Serialize)]
pub struct RecordOutcome<'a> {
    /// The outcome. No part of the step's fingerprint: the next process may know
    /// another text for the same failure, which is no reason to record it twice.
    #[serde(skip)]
    pub outcome: &'a Outcome,
}

impl Step<BuildServices> for RecordOutcome<'_> {
    const NAME: &'static str = "record_outcome";
    const STAGE: Stage = Stage::Finish;
    type Output = ();

    fn policy(&self) -> Policy {
        Policy { attempts: 3, wait: Duration::from_secs(2), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<(), Failure> {
        let body = serde_json::to_string(self.outcome)
            .map_err(|error| Failure::from_error(FailureClass::Internal, "outcome.unserializable", &error))?;
        Ok(cx.services.shared.store.put_document(&cx.services.stamp.build, OUTCOME, &body).await?)
    }
}

impl Outcome {
    /// Puts together what is known of a build that has come to its end.
    ///
    /// # Errors
    /// Record or store cannot be read.
    pub(super) async fn of(
        flow: &Flow<'_, BuildServices>,
        result: &Result<BuildResult, Failures>,
    ) -> Result<Self, Failure> {
        let services = flow.services();
        let planning = flow.over(&services.planning);
        let resolved = planning.recorded::<ResolveSource<'_>>().await?;
        let plan = services.shared.store.document(&services.stamp.build, PLAN).await?;
        let named = plan.as_deref().map(named).unwrap_or_default();
        let followed = flow.recorded::<UpdateImageStream<'_>>().await?.is_some();
        let image_stream = if followed { services.image_stream().await? } else { None };
        Ok(Self {
            // A rebuild resolves twice, and builds the second; its plan says so.
            commit: named.commit.or(resolved.map(|resolved| resolved.commit)),
            nvr: named.nvr,
            image_stream,
            ..Self::from(result)
        })
    }
}

/// What a plan says about what is built.
#[derive(Debug, Default, PartialEq)]
struct Named {
    commit: Option<CommitId>,
    nvr: Option<Nvr>,
}

/// What a plan of any age says; each of the two may be missing or be none.
fn named(plan: &str) -> Named {
    let plan: serde_json::Value = serde_json::from_str(plan).unwrap_or_default();
    let text = |name: &str| plan.get(name).and_then(serde_json::Value::as_str);
    Named {
        commit: text("commit").and_then(|text| text.parse().ok()),
        nvr: text("nvr").and_then(|text| text.parse().ok()),
    }
}

impl From<&Result<BuildResult, Failures>> for Outcome {
    fn from(result: &Result<BuildResult, Failures>) -> Self {
        match result {
            Ok(result) => Self { image: Some(result.into()), ..Self::default() },
            Err(failures) => {
                let failure = failures.primary.clone().bounded();
                let Failure { code, message, step, .. } = failure;
                let koji = failures.koji.as_deref().cloned();
                Self { failure: Some(OutcomeFailure { code, message, step }), koji, ..Self::default() }
            }
        }
    }
}

impl From<&BuildResult> for OutcomeImage {
    fn from(result: &BuildResult) -> Self {
        let member = |member: &common::flow::event::Member| OutcomeMember {
            platform: member.platform.clone(),
            digest: member.manifest_digest.clone(),
        };
        Self {
            digest: result.index_digest.clone(),
            media_type: result.index_media_type.clone(),
            members: result.members.iter().map(member).collect(),
            repositories: result.publications.clone(),
            koji: result.koji.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_failure_is_told_in_short() {
        let failure =
            Failure::new(FailureClass::Source, "build.failed", "RUN false").in_step("x86_64/build_image");
        let outcome = Outcome::from(&Err(Failures::from(failure)));
        let text: Value = serde_json::to_value(&outcome).unwrap();
        assert_eq!(
            text,
            json!({
                "commit": null, "nvr": null, "image": null, "image_stream": null, "koji": null,
                "failure": { "code": "build.failed", "message": "RUN false", "step": "x86_64/build_image" },
            })
        );
    }

    #[test]
    fn a_plan_of_any_age_may_say_name_and_commit() {
        let commit = "0123456789012345678901234567890123456789";
        let with_commit = format!(r#"{{"commit":"{commit}","nvr":7}}"#);
        for (plan, nvr, expected) in [
            (r#"{"nvr":"hello-1.0-3","other":[]}"#, Some("hello-1.0-3"), None),
            (r#"{"nvr":null,"commit":"main"}"#, None, None),
            ("{}", None, None),
            (with_commit.as_str(), None, Some(commit)),
            ("not JSON", None, None),
        ] {
            let found = named(plan);
            assert_eq!(found.nvr.map(|nvr| nvr.to_string()).as_deref(), nvr, "{plan}");
            assert_eq!(found.commit.as_ref().map(CommitId::as_str), expected, "{plan}");
        }
    }
}
