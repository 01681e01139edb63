//! Steps: package repositories that ODCS makes for a build.
//!
//! First it is decided which composes to make ([`decide`]). Each is begun by a
//! step of its own that records its number, and the last step waits for all of
//! them. ODCS cannot tell a repeated request from a second one: a crash between
//! its answer and the record of it leaves a compose that nobody uses, and the
//! resumed build begins another one. The same holds for renewals. Such a compose
//! costs ODCS time and space until it expires, and harms nothing else.

mod decide;
mod intents;
#[cfg(test)]
mod tests;
mod wait;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Flow, Policy, Stage, Step},
};
use serde::{Deserialize, Serialize};

pub use self::{
    decide::{ComposeDecision, ComposeInputs, applies, decide},
    intents::{Intent, Intents},
    wait::WaitComposes,
};
use super::{repositories::ByPlatform, target::koji_policy};
use crate::{
    outside::{Compose, ComposeRequest, Odcs},
    services::{PlanServices, patiently},
};

/// What came of the composes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComposeOutcome {
    /// The composes, those of the request or those that were made. In a dry run
    /// only those that could be asked about.
    pub composes: Vec<Compose>,
    /// What was asked of ODCS; in a dry run what would be.
    pub requested: Vec<ComposeRequest>,
    /// The final signing intent. In a dry run without composes, the one that they
    /// would be made with.
    pub signing_intent: String,
    /// Whether it differs from the one that `container.yaml` or the site wants.
    pub overridden: bool,
    /// Repository files, by URL.
    pub repository_urls: ByPlatform<String>,
}

/// Decides about the composes of a build, has them made, and waits for them.
/// Only for builds to which they [apply](applies). Without `may_start` nothing is
/// begun or renewed, as in a dry run: something else is wrong with the build, and
/// this is for what is wrong with its composes.
///
/// # Errors
/// The inputs contradict each other, Koji or ODCS cannot answer, or a compose
/// fails.
pub async fn request_composes(
    flow: &Flow<'_, PlanServices>,
    inputs: ComposeInputs<'_>,
    may_start: bool,
) -> Result<ComposeOutcome, Failure> {
    let decision = flow.run(DecideComposes { inputs }).await?;
    let mut started = Vec::new();
    let may_start = may_start && flow.services().reach.may_change();
    if may_start {
        for (index, request) in decision.requests.iter().enumerate() {
            started.push(flow.scoped(&format!("compose-{index}")).run(StartCompose { request }).await?);
        }
    }
    flow.run(WaitComposes {
        decision: &decision,
        started: &started,
        platforms: inputs.platforms,
        parent_intent: inputs.parent_intent,
        may_start,
    })
    .await
}

/// The site's ODCS, which must be there.
async fn odcs(services: &PlanServices) -> Result<Odcs, Failure> {
    Odcs::of_site(&services.site.composes).await?.ok_or_else(|| {
        Failure::new(FailureClass::Policy, "compose.no_service", "the site has no compose service")
            .with_advice("set composes.api_url")
    })
}

/// Decides which composes to make.
#[derive(Serialize)]
pub struct DecideComposes<'a> {
    /// What the decision is made from.
    pub inputs: ComposeInputs<'a>,
}

impl Step<PlanServices> for DecideComposes<'_> {
    const NAME: &'static str = "decide_composes";
    const STAGE: Stage = Stage::Prepare;
    type Output = ComposeDecision;

    fn policy(&self) -> Policy {
        koji_policy()
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<ComposeDecision, Failure> {
        let services = cx.services;
        let tag = match self.inputs.target {
            Some(target) => build_tag(cx, target).await?,
            None => None,
        };
        let decision = decide(&services.site.composes, &self.inputs, tag.as_deref())?;
        for (code, text) in &decision.notes {
            cx.warn(code, text.as_str()).await?;
        }
        let text = match (decision.requests.len(), decision.existing.len()) {
            (0, count) => format!("{count} composes are there already"),
            (count, _) => format!("{count} composes to be made, signing intent {}", decision.intent),
        };
        services.say(cx.name, &text).await;
        Ok(decision)
    }
}

/// The build tag of a target; a dry run that may not ask has a name for it.
async fn build_tag(cx: &Context<'_, PlanServices>, target: &str) -> Result<Option<String>, Failure> {
    let (services, step) = (cx.services, cx.name);
    if !services.reach.may_ask() {
        services.say(step, &format!("the build tag of target '{target}' is not known offline")).await;
        return Ok(Some(format!("(build tag of {target})")));
    }
    let Some(koji) = &services.outside.koji else {
        let text = format!("the Koji target '{target}' cannot be looked up: the site has no Koji");
        return Err(Failure::new(FailureClass::Policy, "compose.no_koji", text)
            .with_advice("set koji.hub_url and koji.bridge, or submit the build without a target"));
    };
    match patiently(cx, "look up the target in Koji", || koji.target(target)).await? {
        Some(found) => Ok(Some(found.build_tag)),
        None => {
            let text = format!("no matching build target found: Koji has no target '{target}'");
            Err(Failure::new(FailureClass::User, "koji.target_not_found", text)
                .with_advice("correct the target of the request"))
        }
    }
}

/// Asks ODCS for one compose, and records its number.
#[derive(Serialize)]
pub struct StartCompose<'a> {
    /// The compose.
    pub request: &'a ComposeRequest,
}

impl Step<PlanServices> for StartCompose<'_> {
    const NAME: &'static str = "start_compose";
    const STAGE: Stage = Stage::Prepare;
    type Output = u64;

    fn policy(&self) -> Policy {
        Policy { timeout: std::time::Duration::from_secs(600), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<u64, Failure> {
        if cx.resumed {
            let text =
                "a compose may have been begun twice: its number was lost when the orchestrator stopped";
            cx.warn("compose.maybe_twice", text).await?;
        }
        let compose = odcs(cx.services).await?.begin(self.request).await?;
        cx.services.say(cx.name, &format!("compose {} of {}", compose.id, self.request.source)).await;
        Ok(compose.id)
    }
}
