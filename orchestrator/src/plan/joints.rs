//! Where showing a plan meets the making of it: each function is the one place
//! that `cli` and `api` ask for what another part of planning knows.

use common::{
    failure::{Failure, FailureClass},
    names::BuildId,
};

use super::{
    CATALOGUE, Draft, PLAN, Said,
    explain::{Explained, Reader, value_text},
};
use crate::{config::Site, store::Store};

/// Every setting of the site, under `site`, with who set it. Reads no file.
pub fn site_leaves(site: &Site) -> Vec<Explained> {
    let leaf = |leaf: crate::config::Explained| {
        let beaten = leaf
            .beaten
            .iter()
            .map(|said| Said { from: said.origin.to_string(), value: value_text(&said.value) });
        Explained::new(format!("site.{}", leaf.key), value_text(&leaf.value), leaf.origin.to_string())
            .over(beaten.collect())
            .meaning(leaf.meaning)
    };
    site.explain_values().into_iter().map(leaf).collect()
}

/// Who reads what no step does: the process around the builds, and planning
/// between its steps.
pub const OTHER_READERS: [Reader<'static>; 2] = [
    Reader {
        step: "planning itself",
        reads: &[
            "site.policy",
            "site.koji.hub_url",
            "site.koji.unrecorded_builds",
            "site.builds.attempts",
            "site.builds.failure_policy",
            "site.builds.queue_deadline",
            "request.mode",
            "request.flatpak",
        ],
    },
    Reader {
        step: "the service itself",
        reads: &[
            "site.service",
            "site.state",
            "site.workers",
            "site.builds.max_running",
            "site.builds.log_limit",
            "site.builds.max_image",
            "request.user",
        ],
    },
];

/// Which step reads what, and what is read by no step.
pub fn readers() -> Vec<Reader<'static>> {
    let steps = CATALOGUE.iter().map(|entry| Reader { step: entry.name, reads: entry.reads });
    steps.chain(OTHER_READERS).collect()
}

/// The plan that is stored with a build's record, once it has one.
///
/// # Errors
/// The store cannot be read, or another version of the service stored the plan
/// in a form that this one does not read.
pub async fn stored_draft(store: &Store, build: &BuildId) -> Result<Option<Draft>, Failure> {
    let Some(text) = store.document(build, PLAN).await? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|_| {
        let message = format!("the plan of {build} was stored by another version, in a form of its own");
        Failure::new(FailureClass::Source, "plan.other_version", message)
            .with_advice("ask for it with that version, or plan the same request again")
    })
}
