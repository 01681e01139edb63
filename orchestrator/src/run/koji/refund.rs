//! Step: gives the reservation back when the build has failed.

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Flow, Policy, Stage, Step},
    nvr::Nvr,
};
use serde::Serialize;

use super::{
    RecordBuild, koji,
    owed::{Owed, Refunded, imported_unheard},
};
use crate::{
    plan::{RESERVATION_TOKEN, RESERVING, ReserveBuild, Reserved},
    services::{BuildServices, patiently_for},
};

/// How long a build waits with its end until the reservation is given back. What
/// takes longer is done after its end.
const PATIENCE: Duration = Duration::from_secs(60);

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
        // What is not done within this attempt is done in the background.
        Policy { timeout: Duration::from_secs(600), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<bool, Failure> {
        let services = cx.services;
        let vault = &services.planning.vault;
        let Some(owed) = self.owed(services).await? else {
            services.say(cx.name, "there was no reservation to give back").await;
            return Ok(false);
        };
        owed.note(vault).await?;
        let koji = koji(services).map_err(|failure| pending(&owed, failure))?;
        let refund = || owed.give_back(koji);
        let refunded = patiently_for(cx, PATIENCE, "give a reservation back in Koji", refund)
            .await
            .map_err(|failure| pending(&owed, failure))?;
        Owed::forget(vault).await?;
        let line = match refunded {
            Refunded::Done => "the reservation was given back",
            Refunded::Nothing => "there was no reservation to give back",
            Refunded::Imported(build) => return Err(imported_unheard(&owed.nvr, build)),
        };
        services.say(cx.name, line).await;
        Ok(refunded == Refunded::Done)
    }
}

impl RefundBuild<'_> {
    /// What is reserved, or else what was asked for last, if the hub has done it:
    /// what is somebody else's has another key and stays as it is.
    async fn owed(&self, services: &BuildServices) -> Result<Option<Owed>, Failure> {
        let vault = &services.planning.vault;
        let (key, reason) = (services.stamp.build.to_string(), self.reason.clone().bounded());
        if let Some(Reserved { build, nvr }) = &self.reserved {
            let token = vault.secret(RESERVATION_TOKEN).await?.map(|token| token.expose().to_owned());
            return Ok(Some(Owed { nvr: nvr.clone(), build: Some(*build), key, token, reason }));
        }
        let asked = vault.secret(RESERVING).await?;
        let nvr = asked.and_then(|asked| asked.expose().parse::<Nvr>().ok());
        Ok(nvr.map(|nvr| Owed { nvr, build: None, key, token: None, reason }))
    }
}

/// A refund that has not come to its end: it is noted, and goes on after the
/// build.
fn pending(owed: &Owed, failure: Failure) -> Failure {
    let message = format!(
        "{} is still reserved: {}; it will be tried again until Koji has answered",
        owed.shown(),
        failure.message
    );
    let mut pending = Failure::new(FailureClass::Infrastructure, "koji.refund_pending", message).with_advice(
        "nothing needs to be done while this orchestrator runs; its log says when it has succeeded",
    );
    pending.causes = [vec![format!("{}: {}", failure.code, failure.message)], failure.causes].concat();
    pending
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
