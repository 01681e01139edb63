//! Step: gives the reservation back when the build has failed.

use std::time::Duration;

use common::{
    failure::Failure,
    flow::{Context, Flow, Policy, Stage, Step},
    nvr::Nvr,
};
use serde::Serialize;

use super::{RecordBuild, koji, patiently};
use crate::{
    outside::{Koji, Refund},
    plan::{RESERVATION_TOKEN, RESERVING, ReserveBuild, Reserved},
    services::BuildServices,
};

/// Gives the reservation back, if there is one.
#[derive(Serialize)]
pub struct RefundBuild<'a> {
    /// What is known to be reserved.
    pub reserved: Option<Reserved>,
    /// Why the build has ended. No part of the step's fingerprint: the next
    /// process may know another text for the same failure.
    #[serde(skip)]
    pub reason: &'a Failure,
}

impl Step<BuildServices> for RefundBuild<'_> {
    const NAME: &'static str = "refund_build";
    const STAGE: Stage = Stage::Finish;
    type Output = bool;

    fn policy(&self) -> Policy {
        Policy {
            attempts: 2,
            wait: Duration::from_secs(30),
            timeout: Duration::from_secs(1800),
            ..Policy::default()
        }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<bool, Failure> {
        let services = cx.services;
        let koji = koji(services)?;
        let refunded = match &self.reserved {
            Some(reserved) => self.known(services, koji, reserved).await?,
            None => self.unknown(services, koji).await?,
        };
        let line =
            if refunded { "the reservation was given back" } else { "there was no reservation to give back" };
        services.say(cx.name, line).await;
        Ok(refunded)
    }
}

impl RefundBuild<'_> {
    async fn known(
        &self,
        services: &BuildServices,
        koji: &Koji,
        reserved: &Reserved,
    ) -> Result<bool, Failure> {
        let token = services.planning.vault.secret(RESERVATION_TOKEN).await?;
        let key = services.stamp.build.as_str();
        patiently("refund a build in Koji", || {
            let refund = match &token {
                Some(token) => Refund::Token { build: reserved.build, token },
                None => Refund::Key { key, nvr: &reserved.nvr },
            };
            koji.refund(refund, self.reason)
        })
        .await
    }

    /// Gives back what was asked for last, if the hub has done it: what is somebody
    /// else's has another key and stays as it is.
    async fn unknown(&self, services: &BuildServices, koji: &Koji) -> Result<bool, Failure> {
        let key = services.stamp.build.as_str();
        let Some(asked) = services.planning.vault.secret(RESERVING).await? else { return Ok(false) };
        let Ok(nvr) = asked.expose().parse::<Nvr>() else { return Ok(false) };
        let refund = || koji.refund(Refund::Key { key, nvr: &nvr }, self.reason);
        patiently("refund a build in Koji", refund).await
    }
}

/// Gives back what a build that has failed has reserved or may have reserved,
/// unless it was imported.
pub(in crate::run) async fn give_back(
    flow: &Flow<'_, BuildServices>,
    reason: &Failure,
) -> Result<(), Failure> {
    let planning = flow.over(&flow.services().planning);
    if !planning.began::<ReserveBuild<'_>>().await? || flow.recorded::<RecordBuild<'_>>().await?.is_some() {
        return Ok(());
    }
    let reserved = planning.recorded::<ReserveBuild<'_>>().await?.flatten();
    flow.run(RefundBuild { reserved, reason }).await.map(drop)
}
