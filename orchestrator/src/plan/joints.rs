//! Where showing a plan meets the making of it: each function is the one place
//! that `cli` and `api` ask for what another part of planning knows.

use common::names::BuildId;

use super::{
    CATALOGUE, Draft, PLAN, Said,
    explain::{Explained, Reader, value_text},
};
use crate::{
    config::Site,
    store::{Store, StoreError},
};

/// Every setting of the site, under `site`, with who set it.
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
    site.explain().into_iter().map(leaf).collect()
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

/// The plan that is stored with a build's record, once it has one. A plan that
/// another version stored in another form counts as none.
///
/// # Errors
/// The store cannot be read.
pub async fn stored_draft(store: &Store, build: &BuildId) -> Result<Option<Draft>, StoreError> {
    let text = store.document(build, PLAN).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}
