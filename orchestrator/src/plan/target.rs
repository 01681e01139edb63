//! Steps: whether there is a Koji, and which tags the build's target has.

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    koji::KojiBridge,
};
use serde::Serialize;

use crate::{
    outside::{Koji, KojiPatience, KojiReach, KojiTarget},
    services::{PlanServices, patiently, patiently_for},
};

/// How long the bridge may take to say what it is: it asks no hub for that.
const DESCRIBE_DEADLINE: Duration = Duration::from_secs(15);

/// How long the bridge is waited for where a build can do without Koji.
const SHORT_PATIENCE: Duration = Duration::from_secs(120);

/// How long a question to Koji may take: waiting is a part of it, see
/// [`patiently`].
pub(super) fn koji_policy() -> Policy {
    Policy { timeout: KojiPatience::STEP_LIMIT, ..Policy::default() }
}

/// Koji, where the site has one and it may be asked.
pub(super) fn askable(services: &PlanServices) -> Option<&Koji> {
    services.outside.koji.as_ref().filter(|_| services.reach.may_ask())
}

/// Finds out whether there is a Koji, and what it can do. Never fails: what an
/// absent Koji means depends on what is needed of it.
#[derive(Serialize)]
pub struct ReachKoji {
    /// Whether the build is nothing without Koji, and waits for it as long as the
    /// site does. No part of the step's fingerprint: the answer is the same.
    #[serde(skip)]
    pub is_needed: bool,
}

impl Step<PlanServices> for ReachKoji {
    const NAME: &'static str = "reach_koji";
    const STAGE: Stage = Stage::Prepare;
    type Output = KojiReach;

    fn policy(&self) -> Policy {
        koji_policy()
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<KojiReach, Failure> {
        let services = cx.services;
        let Some(koji) = &services.outside.koji else { return Ok(KojiReach::NotConfigured) };
        if !services.reach.may_ask() {
            return Ok(KojiReach::NotAsked);
        }
        let hasty = koji.clone().with_deadline(DESCRIBE_DEADLINE);
        let limit = if self.is_needed { Duration::MAX } else { SHORT_PATIENCE };
        let answer = patiently_for(cx, limit, "ask koji-bridge what it can do", || hasty.describe()).await;
        let reach = match answer {
            Err(failure) if failure.class == FailureClass::Cancelled => return Err(failure),
            answer => reached(answer),
        };
        let line = match &reach {
            KojiReach::Serving { bridge } => format!("Koji is {}", bridge.hub_url),
            KojiReach::Unavailable { reason } => format!("Koji cannot be asked: {reason}"),
            KojiReach::NotConfigured | KojiReach::NotAsked => return Ok(reach),
        };
        services.say(cx.name, &line).await;
        Ok(reach)
    }
}

/// What an answer to "who are you" means.
fn reached(answer: Result<KojiBridge, Failure>) -> KojiReach {
    match answer {
        Ok(bridge) if bridge.capabilities.is_empty() => {
            KojiReach::Unavailable { reason: format!("koji-bridge {} has no Koji hub", bridge.version) }
        }
        Ok(bridge) => KojiReach::Serving { bridge },
        Err(failure) => KojiReach::Unavailable { reason: failure.message },
    }
}

/// Looks up the target. `None` where Koji may not be asked, or is not there.
#[derive(Serialize)]
pub struct FindTarget<'a> {
    /// Its name.
    pub name: &'a str,
}

impl Step<PlanServices> for FindTarget<'_> {
    const NAME: &'static str = "find_target";
    const STAGE: Stage = Stage::Prepare;
    type Output = Option<KojiTarget>;

    fn policy(&self) -> Policy {
        koji_policy()
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Option<KojiTarget>, Failure> {
        let Some(koji) = askable(cx.services) else { return Ok(None) };
        let asked = patiently(cx, "look up the target in Koji", || koji.target(self.name));
        let target = asked.await?.ok_or_else(|| unknown(self.name))?;
        let platforms = match target.platforms.as_slice() {
            [] => "no architectures of its own".to_owned(),
            platforms => platforms.join(" "),
        };
        let line = format!(
            "target {}: builds from {}, to {}; {platforms}",
            target.name, target.build_tag, target.destination_tag
        );
        cx.services.say(cx.name, &line).await;
        Ok(Some(target))
    }
}

fn unknown(name: &str) -> Failure {
    let message = format!("Koji has no build target '{name}'");
    Failure::new(FailureClass::User, "koji.unknown_target", message)
        .with_advice("correct the request's target; 'koji list-targets' shows those that there are")
}

#[cfg(test)]
mod tests {
    use testkit::koji::Effect;
    use tonic::Code;

    use super::*;
    use crate::{plan::koji_fixture::Planning, services::Reach};

    fn target(name: &str) -> KojiTarget {
        KojiTarget {
            name: name.into(),
            build_tag: "f44-build".into(),
            destination_tag: "f44-done".into(),
            platforms: vec!["x86_64".into()],
        }
    }

    #[tokio::test]
    async fn reaching_koji_never_fails() {
        let planning = Planning::start().await;
        let KojiReach::Serving { bridge } = planning.run(ReachKoji { is_needed: true }).await.unwrap() else {
            panic!()
        };
        assert_eq!(bridge.hub_url, "https://koji.example.org/kojihub");

        planning.bridge.add_fault("Describe", 1, Effect::Status(Code::Unimplemented, ""));
        let old = planning.again().run(ReachKoji { is_needed: true }).await.unwrap();
        assert!(matches!(&old, KojiReach::Unavailable { reason } if reason.contains("Describe")), "{old:?}");
        planning.bridge.add_fault("Describe", 1, Effect::Status(Code::Unavailable, "down"));
        let back = planning.again().run(ReachKoji { is_needed: false }).await.unwrap();
        assert!(matches!(back, KojiReach::Serving { .. }), "a bridge that restarts is waited for: {back:?}");
        planning.bridge.add_fault("Describe", 1, Effect::Status(Code::Unavailable, "down"));
        let down = planning.reaching(Reach::Questions).run(ReachKoji { is_needed: true }).await.unwrap();
        assert!(matches!(&down, KojiReach::Unavailable { reason } if reason.contains("down")), "{down:?}");
        planning.bridge.set_no_hub();
        let empty = planning.again().run(ReachKoji { is_needed: true }).await.unwrap();
        assert!(matches!(&empty, KojiReach::Unavailable { reason } if reason.contains("no Koji hub")));

        let offline = planning.reaching(Reach::Nothing);
        assert_eq!(offline.run(ReachKoji { is_needed: true }).await.unwrap(), KojiReach::NotAsked);
        let without = planning.without_koji();
        assert_eq!(without.run(ReachKoji { is_needed: true }).await.unwrap(), KojiReach::NotConfigured);
    }

    #[tokio::test]
    async fn a_target_is_found_or_is_the_users_mistake() {
        let planning = Planning::start().await;
        planning.bridge.add_target(target("f44"));
        assert_eq!(planning.run(FindTarget { name: "f44" }).await.unwrap(), Some(target("f44")));
        let failure = planning.again().run(FindTarget { name: "f45" }).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::User, "koji.unknown_target"));
        assert!(failure.message.contains("'f45'"));
    }

    #[tokio::test]
    async fn nobody_is_asked_offline() {
        let planning = Planning::start().await;
        let offline = planning.reaching(Reach::Nothing);
        assert_eq!(offline.run(FindTarget { name: "f44" }).await.unwrap(), None);
        assert!(planning.bridge.calls().is_empty());
    }
}
