//! The second half of a build: carries a [`Plan`] out.
//!
//! The order of what becomes visible is fixed: members by digest, read back;
//! then the index, read back; then the record in Koji; then unique and primary
//! tags; then the tag in Koji; floating tags last. Nothing is sent anywhere before
//! the members were compared and fit their tags, nothing is recorded or tagged
//! before every destination has everything.

mod build_image;
mod build_platforms;
mod clean_up;
mod collect_members;
mod compare_members;
mod confirm_tags;
mod finish;
mod image_config;
mod image_stream;
mod koji;
mod members;
mod notify;
mod publish;
mod record_outcome;
mod record_plan;
mod release_workers;
mod tags;

use common::{
    failure::Failure,
    flow::{
        Flow,
        event::{BuildResult, KojiRecord},
    },
};

pub use build_image::BuildImage;
pub use clean_up::{CleanUp, sweep};
pub use collect_members::{CollectMembers, Collected, PlannedMember};
pub use compare_members::{CompareMembers, Compared};
pub use confirm_tags::{ConfirmTags, Confirmed};
pub use finish::finish;
pub use image_stream::{StreamUpdate, UpdateImageStream};
pub use koji::{
    PrepareKojiUpload, PreparedUpload, RecordBuild, RecordedBuild, RefundBuild, TagBuild, TagTask,
    UPLOAD_TICKET, as_it_stands, look_after_refunds,
};
pub use members::BuiltMember;
pub use notify::{Addressee, BuildEnded, BuildEndedEvent, EndedFailure, Git, Notice, Notify, Told, notify};
pub use publish::{AssembleIndex, PushImage};
pub use record_outcome::{OUTCOME, Outcome, OutcomeFailure, OutcomeImage, OutcomeMember, RecordOutcome};
pub use record_plan::RecordPlan;
pub use release_workers::ReleaseWorkers;
pub use tags::{NoteTags, NotedTags, PushFloatingTags, PushTags, WithdrawTags};

use crate::{plan::Plan, services::BuildServices};

/// Why a build did not succeed: the primary cause, first in time, and what
/// failed after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// The first.
    pub primary: Failure,
    /// The rest, in order of time.
    pub later: Vec<Failure>,
    /// What Koji has of the build all the same.
    pub koji: Option<Box<KojiRecord>>,
}

impl Failures {
    /// Orders failures by time; `None` when there are none.
    pub fn in_order(mut failures: Vec<Failure>) -> Option<Self> {
        failures.sort_by_key(|failure| failure.at);
        let mut failures = failures.into_iter();
        failures.next().map(|primary| Self { primary, later: failures.collect(), koji: None })
    }

    /// All of them, in order of time.
    pub fn all(&self) -> impl Iterator<Item = &Failure> {
        std::iter::once(&self.primary).chain(&self.later)
    }
}

impl From<Failure> for Failures {
    fn from(primary: Failure) -> Self {
        Self { primary, later: Vec::new(), koji: None }
    }
}

/// Whether the plan leaves a step out; then the history says why.
async fn left_out(flow: &Flow<'_, BuildServices>, plan: &Plan, step: &str) -> Result<bool, Failure> {
    let Some(reason) = plan.reason_against(step) else { return Ok(false) };
    flow.skip(step, &reason.code, &reason.sentence).await?;
    Ok(true)
}

/// Builds, publishes and tags.
///
/// # Errors
/// Everything that failed, first in time first.
pub async fn run(flow: &Flow<'_, BuildServices>, plan: &Plan) -> Result<BuildResult, Failures> {
    let upload = koji::prepare(flow, plan).await?;
    let members = build_platforms::build_platforms(flow, plan, upload.as_ref()).await?;
    let planned = plan.platforms.iter().map(PlannedMember::from).collect();
    let collected = flow.run(CollectMembers { format: plan.format, planned, members: &members }).await?;
    if !left_out(flow, plan, "compare_members").await? {
        let (may_differ, own) = (&plan.labels_may_differ, &plan.own_labels);
        let packages_may_differ = &plan.packages_may_differ;
        flow.run(CompareMembers { members: &members, may_differ, own, packages_may_differ }).await?;
    }
    let (version, release) = (plan.version.as_deref(), plan.release.as_deref());
    flow.run(ConfirmTags { primary: &plan.tags.primary, version, release, members: &members }).await?;
    let index = flow.run(AssembleIndex { format: plan.format, members: &members }).await?;
    publish::push_everywhere(flow, plan, &index, &members).await?;
    if !left_out(flow, plan, "update_image_stream").await?
        && let Some(stream) = &plan.image_stream
    {
        image_stream::update_image_stream(flow, plan, stream).await?;
    }
    let recorded = koji::record(flow, plan, &index, &members, upload.as_ref()).await?;
    let (publications, koji) = tags::tag_everywhere(flow, plan, &index, recorded.as_ref()).await?;
    Ok(BuildResult {
        index_digest: index.digest,
        index_media_type: index.media_type,
        members: collected.members,
        publications,
        koji,
    })
}
