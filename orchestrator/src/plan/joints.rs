//! Where showing a plan meets the making of it: each function is the one place
//! that `cli` and `api` ask for what another part of planning knows.

use common::{
    failure::{Failure, FailureClass},
    image::Digest,
    names::BuildId,
    request::FailurePolicy,
};
use serde_json::Value;

use super::{
    Draft, DryRun, Execution,
    explain::{Explained, Reader, value_text},
};
use crate::{
    config::{Key, Site},
    services::Narrator,
    store::{Store, StoreError},
};

/// Every setting of the site, under `site`, with who set it.
pub fn site_leaves(site: &Site) -> Vec<Explained> {
    let mut leaves = Vec::new();
    if let Value::Object(settings) = site.to_json() {
        let keys = Site::keys();
        for (name, value) in &settings {
            add_setting(&mut leaves, site, &keys, name, value);
        }
    }
    leaves
}

fn add_setting(leaves: &mut Vec<Explained>, site: &Site, keys: &[Key], key: &str, value: &Value) {
    match value {
        // Entries of `platforms` are leaves with an origin of their own.
        Value::Object(below) if !below.is_empty() && !key.starts_with("platforms.") => {
            for (name, value) in below {
                add_setting(leaves, site, keys, &format!("{key}.{name}"), value);
            }
        }
        leaf => {
            let described = keys.iter().rfind(|known| super::explain::is_below(key, &known.name));
            let meaning = described.map(|known| known.meaning.clone()).unwrap_or_default();
            let origin = site.origins().of(key).to_string();
            leaves.push(Explained::new(format!("site.{key}"), value_text(leaf), origin).meaning(meaning));
        }
    }
}

/// Which step reads what.
pub fn readers() -> Vec<Reader<'static>> {
    Vec::new()
}

/// Keeps what steps tell to itself: it is in the plan, too.
pub struct Silent;

#[async_trait::async_trait]
impl Narrator for Silent {
    async fn say(&self, step: &str, text: &str) {
        tracing::debug!(step, text, "planning");
    }
}

/// Plans without changing anything.
pub async fn dry_run(run: DryRun) -> Draft {
    let settings = run.site.to_json().to_string();
    Draft {
        source: run.request.source,
        commit: None,
        full_ref: None,
        mode: run.request.mode,
        target: run.request.target,
        settings_digest: Digest::of(settings.as_bytes()),
        component: run.request.component,
        nvr: None,
        release: None,
        rebuild: None,
        platform_arithmetic: Vec::new(),
        platforms: Vec::new(),
        tags: None,
        destinations: Vec::new(),
        repositories: Vec::new(),
        artifacts: Vec::new(),
        context: None,
        dockerfile_path: None,
        steps: Vec::new(),
        verdicts: Vec::new(),
        notices: Vec::new(),
        assumptions: Vec::new(),
        problems: vec![Failure::new(
            FailureClass::Internal,
            "plan.no_decisions",
            "this version makes its decisions in a build only",
        )],
        execution: Execution {
            queue_deadline_seconds: run.site.builds.queue_deadline.duration().as_secs(),
            attempts: run.site.builds.attempts,
            failure_policy: run.request.failure_policy.unwrap_or(FailurePolicy::FinishOthers),
            extra_tags: Vec::new(),
        },
    }
}

/// The plan that is stored with a build's record, once it has one.
///
/// # Errors
/// The store cannot be read.
pub async fn stored_draft(store: &Store, build: &BuildId) -> Result<Option<Draft>, StoreError> {
    let _ = (store, build);
    Ok(None)
}
