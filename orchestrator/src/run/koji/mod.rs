//! The build in Koji: a place for its files, the record itself, its tag, and the
//! way back.
//!
//! All images are at all destinations by digest, read back, before Koji hears of
//! the build, and no tag points to them yet: an import cannot be taken back, so
//! everything that can still fail for reasons of the image comes before it.

mod logs;
mod metadata;
mod owed;
mod people;
mod prepare_upload;
mod record_build;
mod refund;
mod stands;
mod tag_build;

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    flow::{Flow, event::KojiRecord},
    retry::Patience,
    work::Descriptor,
};

pub use owed::look_after_refunds;
pub(super) use people::people;
pub use prepare_upload::{PrepareKojiUpload, PreparedUpload, UPLOAD_TICKET};
pub use record_build::{RecordBuild, RecordedBuild};
pub use refund::RefundBuild;
pub(super) use refund::give_back;
pub use stands::as_it_stands;
pub use tag_build::{TagBuild, TagTask};

use super::BuiltMember;
use crate::{
    outside::Koji,
    plan::{Plan, Recording},
    services::{BuildServices, patiently},
};

/// How often a log that cannot be uploaded is tried.
const PATIENCE: Patience =
    Patience { attempts: 10, first_wait: Duration::from_millis(500), longest_wait: Duration::from_secs(60) };

/// What Koji is told, where it is told anything.
fn recording(plan: &Plan) -> Option<&Recording> {
    plan.recording.as_ref().filter(|_| plan.reason_against("record_build").is_none())
}

/// Koji, which has to be there because the plan says so.
fn koji(services: &BuildServices) -> Result<&Koji, Failure> {
    services.shared.outside.koji.as_ref().ok_or_else(|| {
        let message = "the plan records the build in Koji, and this process knows no koji-bridge";
        Failure::new(FailureClass::Policy, "koji.no_bridge", message)
            .with_advice("set koji.bridge again as it was when the build began, or submit the build again")
    })
}

/// Gets a directory for the build's files; `None` for a build that is not
/// recorded.
pub(super) async fn prepare(
    flow: &Flow<'_, BuildServices>,
    plan: &Plan,
) -> Result<Option<PreparedUpload>, Failure> {
    match recording(plan) {
        Some(_) => flow.run(PrepareKojiUpload {}).await.map(Some),
        None => Ok(None),
    }
}

/// Records the build; `None` where it is left out.
pub(super) async fn record(
    flow: &Flow<'_, BuildServices>,
    plan: &Plan,
    index: &Descriptor,
    members: &[BuiltMember],
    upload: Option<&PreparedUpload>,
) -> Result<Option<RecordedBuild>, Failure> {
    if super::left_out(flow, plan, "record_build").await? {
        return Ok(None);
    }
    let (Some(recording), Some(upload)) = (recording(plan), upload) else {
        let message = "the build is to be recorded in Koji, and the plan does not say as what";
        return Err(Failure::new(FailureClass::Internal, "plan.incomplete", message));
    };
    flow.run(RecordBuild { plan, recording, index, members, upload }).await.map(Some)
}

/// Tags the recorded build; the record as the result has it.
pub(super) async fn tag(
    flow: &Flow<'_, BuildServices>,
    plan: &Plan,
    recorded: Option<&RecordedBuild>,
) -> Result<Option<KojiRecord>, Failure> {
    let left_out = super::left_out(flow, plan, "tag_build").await?;
    let Some(recorded) = recorded else { return Ok(None) };
    let tag = recording(plan).and_then(|recording| recording.tag.as_deref()).filter(|_| !left_out);
    if let Some(tag) = tag {
        flow.run(TagBuild { build: recorded.build, nvr: &recorded.nvr, tag }).await?;
    }
    Ok(Some(recorded.record(tag.map(str::to_owned))))
}
