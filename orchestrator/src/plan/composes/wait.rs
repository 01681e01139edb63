//! Step: waits until composes can be used.

use std::{future::Future, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    platform::Platform,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};

use super::{
    ComposeDecision, ComposeOutcome,
    decide::{final_intent, forward, needs_renewal},
    odcs,
};
use crate::{
    outside::{Compose, ComposeState, Odcs},
    services::PlanServices,
};

/// Longest wait for one compose.
const DEADLINE: Duration = Duration::from_secs(1800);
/// How long it is looked at every second; after that every ten.
const EAGER: Duration = Duration::from_secs(30);
/// Composes that are looked at side by side.
const AT_A_TIME: usize = 8;

/// Waits for the composes, renews those that would go away too soon, and says
/// what they mean for the build. Where nothing may be started it looks once, at
/// those that are there.
#[derive(Serialize)]
pub struct WaitComposes<'a> {
    /// What was decided.
    pub decision: &'a ComposeDecision,
    /// Numbers of the composes that were begun.
    pub started: &'a [u64],
    /// Platforms of the build.
    pub platforms: &'a [Platform],
    /// Signing intent of the parent image's build.
    pub parent_intent: Option<&'a str>,
    /// Whether composes were begun, and may be renewed.
    pub may_start: bool,
}

impl Step<PlanServices> for WaitComposes<'_> {
    const NAME: &'static str = "wait_composes";
    const STAGE: Stage = Stage::Prepare;
    type Output = ComposeOutcome;

    fn policy(&self) -> Policy {
        // One wait, one renewal and the wait for that; both have deadlines of their own.
        Policy { timeout: 2 * DEADLINE + Duration::from_secs(600), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<ComposeOutcome, Failure> {
        let services = cx.services;
        let ids: Vec<u64> = self.decision.existing.iter().chain(self.started).copied().collect();
        let composes = if self.may_start {
            let odcs = odcs(services).await?;
            let ready = ids.into_iter().map(|id| ready(&odcs, id, services, cx.name));
            stream::iter(ready).buffered(AT_A_TIME).try_collect().await?
        } else if services.reach.may_ask() && !ids.is_empty() {
            let odcs = odcs(services).await?;
            let seen = ids.into_iter().map(|id| seen(&odcs, id, services, cx.name));
            stream::iter(seen).buffered(AT_A_TIME).try_collect().await?
        } else {
            Vec::new()
        };
        for request in self.decision.requests.iter().filter(|_| !self.may_start) {
            services.say(cx.name, &format!("a build would request a compose of {}", request.source)).await;
        }
        outcome(&services.site.composes, self, composes)
    }
}

fn outcome(
    site: &crate::config::Composes,
    step: &WaitComposes<'_>,
    composes: Vec<Compose>,
) -> Result<ComposeOutcome, Failure> {
    let decision = step.decision;
    // Composes that a dry run does not know could change the intent; it says what it can.
    let intent = final_intent(site, &composes, &decision.intent, step.parent_intent)?;
    Ok(ComposeOutcome {
        repository_urls: forward(&composes, step.platforms)?,
        overridden: intent != decision.original_intent,
        signing_intent: intent,
        requested: decision.requests.clone(),
        composes,
    })
}

/// A compose that can be used: waited for, and renewed if need be.
async fn ready(odcs: &Odcs, id: u64, services: &PlanServices, step: &str) -> Result<Compose, Failure> {
    let compose = wait(|| odcs.compose(id)).await?;
    if !needs_renewal(&compose, Timestamp::now()) {
        return usable(compose);
    }
    let renewed = odcs.renew(id).await?.id;
    services.say(step, &format!("compose {id} is gone or goes away soon; {renewed} takes its place")).await;
    usable(wait(|| odcs.compose(renewed)).await?)
}

/// A compose as it is, for a dry run.
async fn seen(odcs: &Odcs, id: u64, services: &PlanServices, step: &str) -> Result<Compose, Failure> {
    let compose = odcs.compose(id).await?;
    if needs_renewal(&compose, Timestamp::now()) {
        let text = format!("compose {id} is gone or goes away soon; a build would renew it");
        services.say(step, &text).await;
    }
    if compose.state == ComposeState::Failed { usable(compose) } else { Ok(compose) }
}

/// Refuses a compose that is not done.
fn usable(compose: Compose) -> Result<Compose, Failure> {
    let reason = match compose.state_reason.trim() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let (class, code, text) = match &compose.state {
        ComposeState::Done => return Ok(compose),
        ComposeState::Failed => (
            FailureClass::Source,
            "compose.failed",
            format!("failed request: ODCS could not make compose {}{reason}", compose.id),
        ),
        other => (
            FailureClass::Infrastructure,
            "compose.unknown_state",
            format!("compose {} is in state '{}'{reason}", compose.id, String::from(other.clone())),
        ),
    };
    Err(Failure::new(class, code, text).with_advice("look at the compose in ODCS"))
}

/// Looks at a compose until it changes no more: every second at first, then
/// every ten.
async fn wait<F>(look: impl Fn() -> F) -> Result<Compose, Failure>
where
    F: Future<Output = Result<Compose, Failure>>,
{
    let begun = Instant::now();
    let polling = async {
        loop {
            let compose = look().await?;
            if !matches!(compose.state, ComposeState::Wait | ComposeState::Generating) {
                return Ok(compose);
            }
            let eager = begun.elapsed() < EAGER;
            sleep(Duration::from_secs(if eager { 1 } else { 10 })).await;
        }
    };
    timeout(DEADLINE, polling).await.unwrap_or_else(|_| {
        let text = format!("a compose was not done after {} seconds", DEADLINE.as_secs());
        Err(Failure::new(FailureClass::Timeout, "compose.deadline", text)
            .with_advice("look at ODCS, and try again later"))
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn compose(state: &str) -> Compose {
        serde_json::from_value(serde_json::json!({ "id": 1, "state_name": state })).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn looks_often_then_seldom_then_not_at_all() {
        let (begun, looks) = (Instant::now(), RefCell::new(Vec::new()));
        let failure = wait(|| {
            looks.borrow_mut().push(begun.elapsed().as_secs());
            async { Ok(compose("generating")) }
        })
        .await
        .unwrap_err();
        assert_eq!((failure.code.as_str(), begun.elapsed()), ("compose.deadline", DEADLINE));
        let looks = looks.into_inner();
        assert_eq!(looks[..4], [0, 1, 2, 3]);
        assert_eq!(looks[29..33], [29, 30, 40, 50]);
    }

    #[test]
    fn only_what_is_done_is_used() {
        for (id, state, expected) in [
            ("CMP-18", "done", Ok(())),
            ("CMP-18", "failed", Err("compose.failed")),
            ("after a renewal", "removed", Err("compose.unknown_state")),
            ("unheard of", "purple", Err("compose.unknown_state")),
        ] {
            let found = usable(compose(state)).map(|_| ()).map_err(|failure| failure.code);
            assert_eq!(found, expected.map_err(str::to_owned), "{id} {state}");
        }
    }
}
