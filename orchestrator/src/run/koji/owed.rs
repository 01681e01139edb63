//! Reservations that have to be given back: kept in the store until that is done.
//!
//! A build that fails while the hub is down ends all the same. What it owes is
//! noted before it is tried, among the secrets of the build, and this process and
//! every later one tries it again until the hub has answered.

use std::{collections::HashMap, sync::Arc, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    names::BuildId,
    nvr::Nvr,
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::{
    outside::{Koji, Refund},
    services::{Services, Vault},
};

/// Name, in the build's vault, of what has to be given back.
const OWED: &str = "koji_refund";
/// Wait between two rounds.
const ROUND: Duration = Duration::from_secs(180);
/// Wait before a refund that was refused is tried again.
const REFUSED: Duration = Duration::from_secs(3600);
/// Builds that are looked at in one round.
const MOST: u32 = 200;

/// A reservation that has to be given back.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Owed {
    /// What is reserved, or may be.
    pub(super) nvr: Nvr,
    /// Its number; `None` when nobody has heard the answer to the reservation.
    pub(super) build: Option<u64>,
    /// What the reservation is known by.
    pub(super) key: String,
    /// Its token, if it is known.
    pub(super) token: Option<String>,
    /// Why the build has ended.
    pub(super) reason: Failure,
}

/// What came of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refunded {
    /// The reservation was given back.
    Done,
    /// There was none.
    Nothing,
    /// The hub has imported the build of this number.
    Imported(u64),
}

impl Owed {
    /// Notes it, so that it outlives this process.
    pub(super) async fn note(&self, vault: &Vault) -> Result<(), Failure> {
        let text = serde_json::to_string(self)
            .map_err(|error| Failure::from_error(FailureClass::Internal, "koji.unserializable", &error))?;
        vault.keep(OWED, &Secret::new(text)).await
    }

    /// What a build owes; `None` for nothing, and for what cannot be read.
    async fn of(vault: &Vault) -> Result<Option<Self>, Failure> {
        let Some(text) = vault.secret(OWED).await? else { return Ok(None) };
        Ok(serde_json::from_str(text.expose()).ok())
    }

    /// Forgets what a build owes.
    pub(super) async fn forget(vault: &Vault) -> Result<(), Failure> {
        vault.forget(OWED).await
    }

    /// Gives the reservation back, once, unless the hub has imported the build: an
    /// import whose answer was lost cannot be taken back.
    pub(super) async fn give_back(&self, koji: &Koji) -> Result<Refunded, Failure> {
        if let Some(build) = self.imported(koji).await? {
            return Ok(Refunded::Imported(build));
        }
        let token = self.token.as_ref().map(|token| Secret::new(token.as_str()));
        let refund = match (&token, self.build) {
            (Some(token), Some(build)) => Refund::Token { build, token },
            _ => Refund::Key { key: &self.key, nvr: &self.nvr },
        };
        if koji.refund(refund, &self.reason).await? {
            return Ok(Refunded::Done);
        }
        // It may have been imported since.
        Ok(self.imported(koji).await?.map_or(Refunded::Nothing, Refunded::Imported))
    }

    /// The number of the build if it is in Koji. One that nobody knew to be
    /// reserved can be somebody else's.
    async fn imported(&self, koji: &Koji) -> Result<Option<u64>, Failure> {
        let Some(reserved) = self.build else { return Ok(None) };
        let found = koji.build(&self.nvr).await?;
        Ok(found.filter(|build| build.id == reserved && build.is_complete()).map(|build| build.id))
    }

    /// What is owed, for people. Example: `hello-1.0-3 (Koji's build 17)`.
    pub(super) fn shown(&self) -> String {
        match self.build {
            Some(build) => format!("{} (Koji's build {build})", self.nvr),
            None => self.nvr.to_string(),
        }
    }
}

/// Gives back what builds have left reserved, at once and every few minutes, until
/// this process ends.
pub async fn look_after_refunds(services: Arc<Services>) {
    let shutdown = services.shutdown.clone();
    let rounds = async {
        let mut refused = HashMap::new();
        loop {
            round(&services, &mut refused).await;
            sleep(ROUND).await;
        }
    };
    tokio::select! {
        () = rounds => {}
        () = shutdown.cancelled() => {}
    }
}

/// One round over all that is owed.
async fn round(services: &Services, refused: &mut HashMap<BuildId, Instant>) {
    let builds = match services.store.builds_with_document(&Vault::document(OWED), MOST).await {
        Ok(builds) => builds,
        Err(error) => {
            tracing::warn!(%error, "reservations that have to be given back cannot be listed");
            return;
        }
    };
    refused.retain(|build, until| builds.contains(build) && *until > Instant::now());
    for build in builds.iter().filter(|build| !refused.contains_key(build)).cloned().collect::<Vec<_>>() {
        match settle(services, &build).await {
            Ok(()) => {}
            Err(failure) if failure.class.is_worth_another_try() => {
                // The others would fail in the same way.
                tracing::warn!(%build, %failure, waiting = builds.len(), "a reservation in Koji is not given back yet; it will be tried again");
                return;
            }
            Err(failure) => {
                tracing::warn!(%build, %failure, "a reservation in Koji cannot be given back; it will be tried again in an hour");
                refused.insert(build, Instant::now() + REFUSED);
            }
        }
    }
}

/// Gives back what one build owes, unless it still runs and does so itself.
pub(super) async fn settle(services: &Services, build: &BuildId) -> Result<(), Failure> {
    let history = services.store.history(build).await?;
    if history.is_none_or(|history| !history.state.is_final()) {
        return Ok(());
    }
    let vault = Vault::of(services.store.clone(), build.clone());
    let Some(owed) = Owed::of(&vault).await? else { return Ok(()) };
    let Some(koji) = &services.outside.koji else {
        return Err(Failure::new(
            FailureClass::Policy,
            "koji.no_bridge",
            format!("{} is reserved in Koji, and this process knows no koji-bridge", owed.shown()),
        )
        .with_advice("set koji.bridge again as it was when the build began"));
    };
    let what = owed.shown();
    match owed.give_back(koji).await? {
        Refunded::Done => tracing::info!(%build, what, "a reservation in Koji was given back at last"),
        Refunded::Nothing => tracing::info!(%build, what, "there was no reservation in Koji to give back"),
        Refunded::Imported(_) => {
            let failure = imported_unheard(&owed.nvr, owed.build.unwrap_or_default());
            tracing::warn!(%build, %failure, "a build that has failed is in Koji");
        }
    }
    Owed::forget(&vault).await
}

/// The failure beside that of the build: it is in Koji all the same.
pub(super) fn imported_unheard(nvr: &Nvr, build: u64) -> Failure {
    let message = format!(
        "Koji has imported {nvr} as build {build}, and the answer was not heard: the build has failed, and its \
         record stays there"
    );
    Failure::new(FailureClass::Policy, "koji.imported_unheard", message)
        .with_advice("untag or delete the build in Koji, or submit the build again with another release")
}

#[cfg(test)]
mod tests;
