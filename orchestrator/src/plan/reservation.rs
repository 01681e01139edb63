//! Step: reserves the build in Koji, before anything is built.
//!
//! Two builds that are told the same next release would both be built, and one
//! of them refused at the very end. A reservation settles that at the beginning.
//! A release that Koji has chosen and somebody else took in the meantime gives
//! way to the next one; one that the user gave is theirs or nobody's.
//!
//! The token of the reservation is kept in the build's vault before the step is
//! recorded, and is no part of the record. A token that was lost on the way is
//! replaced: the bridge knows the reservation by the build's id.

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    nvr::Nvr,
    secret::Secret,
};
use serde::{Deserialize, Serialize};

use super::{
    release::{
        Candidates, ReleaseChoice, ReleaseLabels, ReleaseSource, bad_nvr, exists, is_over, not_countable,
    },
    target::askable,
};
use crate::{
    outside::{KojiPatience, ReservationRequest},
    services::{PlanServices, patiently},
};

/// Name of the token in the build's vault.
pub const RESERVATION_TOKEN: &str = "koji_reservation";
/// Name, in the build's vault, of what was asked for last: noted before it is
/// asked for, so that an answer that was lost leaves no reservation behind.
pub const RESERVING: &str = "koji_reserving";
/// Releases that are tried before giving up.
const MAX_TRIES: usize = 21;
/// What the bridge and the hub say of a build that is somebody else's.
const TAKEN: [&str; 3] = ["koji.build_exists", "koji.build_reserved", "koji.build_in_progress"];

/// What the bridge says where the hub has no reservations. It may have come to know
/// that after it has said what it can do.
const NOT_OFFERED: [&str; 2] = ["koji.no_reservations", "koji.not_offered"];

/// Reserves the build. `None` in a dry run, and where the hub has no such thing.
#[derive(Serialize)]
pub struct ReserveBuild<'a> {
    /// Who the image says that it is.
    pub labels: &'a ReleaseLabels,
    /// The release, and who chose it.
    pub choice: &'a ReleaseChoice,
    /// The Koji task that the build belongs to.
    pub task: Option<u64>,
}

/// A reserved build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// Its number.
    pub build: u64,
    /// Its name, version and release.
    pub nvr: Nvr,
}

impl Step<PlanServices> for ReserveBuild<'_> {
    const NAME: &'static str = "reserve_build";
    const STAGE: Stage = Stage::Prepare;
    type Output = Option<Reserved>;

    fn policy(&self) -> Policy {
        // A call that is under way is waited for: its answer says what to give back.
        Policy { timeout: KojiPatience::STEP_LIMIT, grace: Duration::from_secs(60), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Option<Reserved>, Failure> {
        let services = cx.services;
        let Some(koji) = askable(services) else { return Ok(None) };
        let mut candidates = ReservationCandidates::of(self.labels, self.choice);
        let mut next = candidates.following()?;
        // A step that runs again goes on with what it may have reserved.
        if let Some(noted) = services.vault.secret(RESERVING).await? {
            while next.as_ref().is_some_and(|nvr| nvr.to_string() != noted.expose()) {
                next = candidates.following()?;
            }
            if next.is_none() {
                candidates = ReservationCandidates::of(self.labels, self.choice);
                next = candidates.following()?;
            }
        }
        while let Some(nvr) = next {
            if !services.reach.may_change() {
                services.say(cx.name, &format!("a build would reserve {nvr} in Koji")).await;
                return Ok(None);
            }
            services.vault.keep(RESERVING, &Secret::new(nvr.to_string())).await?;
            let key = services.stamp.build.to_string();
            let request = ReservationRequest { nvr, key, task: self.task };
            match patiently(cx, "reserve a build in Koji", || koji.reserve(&request)).await {
                Ok(reserved) => {
                    services.vault.keep(RESERVATION_TOKEN, &reserved.token).await?;
                    let line = format!("{} is reserved in Koji as build {}", reserved.nvr, reserved.build);
                    services.say(cx.name, &line).await;
                    return Ok(Some(Reserved { build: reserved.build, nvr: reserved.nvr }));
                }
                Err(failure) if NOT_OFFERED.contains(&failure.code.as_str()) => {
                    services.vault.forget(RESERVING).await?;
                    let found = match candidates.goes_on() {
                        true => None,
                        false => {
                            patiently(cx, "look for a build in Koji", || koji.build(&request.nvr)).await?
                        }
                    };
                    if let Some(build) = found.filter(|build| !is_over(build)) {
                        return Err(exists(&build));
                    }
                    let text = format!("nothing is reserved: {}", failure.message);
                    services.say(cx.name, &text).await;
                    cx.warn("koji.no_reservations", text).await?;
                    return Ok(None);
                }
                Err(failure) if !is_taken(&failure) => return Err(failure),
                Err(failure) if !candidates.goes_on() => return Err(taken(&request.nvr, failure)),
                Err(failure) => {
                    let line = format!("{} is taken: {}", request.nvr, failure.message);
                    services.say(cx.name, &line).await;
                }
            }
            next = candidates.following()?;
        }
        Err(none_free(self.labels))
    }
}

/// What may be reserved for a build, in the order in which it is tried.
#[derive(Debug)]
struct ReservationCandidates<'a> {
    labels: &'a ReleaseLabels,
    release: Option<&'a str>,
    /// Releases after the first; `None` where nobody may choose another one.
    more: Option<Candidates>,
    tried: usize,
}

impl<'a> ReservationCandidates<'a> {
    /// Those of a build that says who it is, with the release that was chosen.
    fn of(labels: &'a ReleaseLabels, choice: &'a ReleaseChoice) -> Self {
        let release = choice.release.as_deref();
        let more = match choice.from {
            ReleaseSource::Koji => release.map(Candidates::counting),
            ReleaseSource::Appended => release.and_then(Candidates::appended),
            _ => None,
        };
        Self { labels, release, more, tried: 0 }
    }

    /// Whether another one may be tried when this one is taken.
    fn goes_on(&self) -> bool {
        self.more.is_some()
    }

    /// The next one; `None` after the last.
    ///
    /// # Errors
    /// `release.bad_nvr`; `release.not_countable`.
    fn following(&mut self) -> Result<Option<Nvr>, Failure> {
        let Some(first) = self.release else { return Ok(None) };
        if self.tried >= MAX_TRIES || (self.tried > 0 && self.more.is_none()) {
            return Ok(None);
        }
        if self.tried > 0 {
            let advanced = self.more.take().map(Candidates::advance).transpose();
            self.more = advanced.map_err(|error| not_countable(&error))?;
        }
        self.tried += 1;
        let release = self.more.as_ref().map_or_else(|| first.to_owned(), Candidates::current);
        let name = self.labels.component.as_deref().unwrap_or_default();
        let version = self.labels.version.as_deref().unwrap_or_default();
        Nvr::new(name, version, &release).map(Some).map_err(|error| bad_nvr(&error))
    }
}

/// Whether somebody else has the build.
fn is_taken(failure: &Failure) -> bool {
    TAKEN.contains(&failure.code.as_str())
}

fn taken(nvr: &Nvr, failure: Failure) -> Failure {
    let message =
        format!("Koji has {nvr} already, and its release was not Koji's to choose: {}", failure.message);
    let mut taken = Failure::new(FailureClass::User, TAKEN[0], message)
        .with_advice("give another release, or none so that Koji chooses the next one");
    taken.causes = failure.causes;
    taken
}

fn none_free(labels: &ReleaseLabels) -> Failure {
    let name = labels.component.as_deref().unwrap_or_default();
    let version = labels.version.as_deref().unwrap_or_default();
    let message = format!(
        "{MAX_TRIES} releases of {name}-{version} were tried, and somebody has reserved each of them"
    );
    Failure::new(FailureClass::Source, "release.none_free", message)
        .with_advice("set a release that is free in the Dockerfile or in the request")
}

#[cfg(test)]
mod tests;
