//! Step: which release the image gets.
//!
//! Asked for in the request, else that of an isolated build, else the label of
//! the Dockerfile, else the next one that Koji has not seen. The search has an
//! end, and nothing is reserved here: until it is, somebody else may take the
//! same release. A scratch build is recorded nowhere and needs none, so Koji is
//! not asked for one.

mod candidates;

use std::collections::BTreeMap;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    nvr::Nvr,
    request::BuildMode,
};
use serde::{Deserialize, Serialize};

pub(super) use self::candidates::Candidates;
use self::candidates::NotCountable;
use super::target::koji_policy;
use crate::{
    outside::{Koji, KojiBuild, KojiBuildState},
    services::{PlanServices, patiently},
};

/// Releases that are tried before giving up.
const MAX_TRIES: usize = 100;

/// The labels that decide on a release. Of two spellings the newer one wins; an
/// empty label says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseLabels {
    /// `com.redhat.component`, or `BZComponent`.
    pub component: Option<String>,
    /// `version`, or `Version`.
    pub version: Option<String>,
    /// `release`, or `Release`.
    pub release: Option<String>,
}

impl ReleaseLabels {
    /// Those among the labels of a Dockerfile's last stage, or of an image.
    pub fn of(labels: &BTreeMap<String, String>) -> Self {
        let either = |names: [&str; 2]| {
            let mut values = names.into_iter().filter_map(|name| labels.get(name));
            values.find(|value| !value.is_empty()).cloned()
        };
        Self {
            component: either(["com.redhat.component", "BZComponent"]),
            version: either(["version", "Version"]),
            release: either(["release", "Release"]),
        }
    }

    /// Which of component and version are not there, by their label's name.
    fn missing(&self) -> Vec<&'static str> {
        let both = [("com.redhat.component", &self.component), ("version", &self.version)];
        both.into_iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect()
    }
}

/// Where a release is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseSource {
    /// The request's release.
    Request,
    /// The release of an isolated build.
    Isolated,
    /// The label in the Dockerfile.
    Label,
    /// The next one that Koji has not seen.
    Koji,
    /// The first one appended to the label, or to `1`, that Koji has not seen.
    Appended,
    /// Koji would give one, and was not asked.
    NotAsked,
    /// There is none: no Koji and no label.
    Nobody,
    /// There is none: a scratch build needs none.
    Scratch,
}

/// The release, and why it is that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseChoice {
    /// The release, if there is one.
    pub release: Option<String>,
    /// Where it is from.
    pub from: ReleaseSource,
    /// That in a sentence, for people.
    pub reason: String,
}

impl ReleaseChoice {
    pub(super) fn new(release: Option<&str>, from: ReleaseSource, reason: impl Into<String>) -> Self {
        Self { release: release.map(str::to_owned), from, reason: reason.into() }
    }

    /// The failure of a build whose tags or record need a release, where there
    /// is none: `release.missing`. `None` where there is one.
    pub fn missing(&self) -> Option<Failure> {
        if self.release.is_some() {
            return None;
        }
        let message = format!("the image has no release: {}", self.reason);
        let advice = "set the label 'release' in the Dockerfile, or the release in the request";
        Some(Failure::new(FailureClass::Source, "release.missing", message).with_advice(advice))
    }
}

/// Chooses the release.
#[derive(Serialize)]
pub struct ChooseRelease<'a> {
    /// The request's release.
    pub requested: Option<&'a str>,
    /// Kind of build.
    pub mode: &'a BuildMode,
    /// The labels of the Dockerfile.
    pub labels: &'a ReleaseLabels,
    /// Whether a number is appended to the label's release, as for Flatpaks.
    pub append: bool,
    /// Whether the site has a Koji.
    pub has_koji: bool,
    /// Whether Koji is asked; without effect where the site has none.
    pub ask_koji: bool,
    /// Whether the build will be reserved: then the release of a build that has
    /// failed can be taken again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reserves: bool,
    /// Whether Koji is asked for a build of the release that somebody has given:
    /// where none is reserved, nobody else does before the import.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_checked: bool,
}

/// What is known without asking anybody.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Settled(ReleaseChoice),
    /// Koji is asked: what is appended to, if anything is.
    Ask {
        append_to: Option<Option<String>>,
    },
}

impl ChooseRelease<'_> {
    fn decide(&self) -> Result<Decision, Failure> {
        use ReleaseSource::{Isolated, Label, Nobody, NotAsked, Request, Scratch};
        let settled = |choice| Ok(Decision::Settled(choice));
        if let Some(release) = self.requested.filter(|release| !release.is_empty()) {
            checked(release, FailureClass::User, "the request's release")?;
            return settled(ReleaseChoice::new(Some(release), Request, "the request asks for it"));
        }
        if let BuildMode::Isolated { release } = self.mode {
            checked(release, FailureClass::User, "the isolated build's release")?;
            return settled(ReleaseChoice::new(
                Some(release),
                Isolated,
                "the request asks for an isolated build",
            ));
        }
        let label = self.labels.release.as_deref();
        if let Some(release) = label {
            checked(release, FailureClass::Source, "the label 'release'")?;
        }
        let keeps_label = ReleaseChoice::new(label, Label, "the Dockerfile's label says so");
        if label.is_some() && !self.append {
            return settled(keeps_label);
        }
        if *self.mode == BuildMode::Scratch {
            let none = ReleaseChoice::new(None, Scratch, "a scratch build is not recorded and needs none");
            return settled(if label.is_some() { keeps_label } else { none });
        }
        if !self.has_koji {
            let reason = "the Dockerfile has no label 'release', and the site has no Koji that could count";
            let none = ReleaseChoice::new(None, Nobody, reason);
            return settled(if label.is_some() { keeps_label } else { none });
        }
        let missing = self.labels.missing();
        if !missing.is_empty() {
            return Err(missing_labels(&missing));
        }
        if !self.ask_koji {
            let reason = "Koji would be asked for the next one, and is not asked now";
            return settled(ReleaseChoice::new(None, NotAsked, reason));
        }
        Ok(Decision::Ask { append_to: self.append.then(|| self.labels.release.clone()) })
    }
}

impl Step<PlanServices> for ChooseRelease<'_> {
    const NAME: &'static str = "choose_release";
    const STAGE: Stage = Stage::Prepare;
    type Output = ReleaseChoice;

    fn policy(&self) -> Policy {
        koji_policy()
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<ReleaseChoice, Failure> {
        let choice = match (self.decide()?, &cx.services.outside.koji) {
            (Decision::Settled(choice), Some(koji)) if self.is_checked => {
                self.check(cx, koji, &choice).await?;
                choice
            }
            (Decision::Settled(choice), _) => choice,
            (Decision::Ask { append_to }, Some(koji)) => {
                let name = self.labels.component.as_deref().unwrap_or_default();
                let version = self.labels.version.as_deref().unwrap_or_default();
                search(cx, koji, (name, version), append_to, self.reserves).await?
            }
            (Decision::Ask { .. }, None) => return Err(no_koji()),
        };
        let release = choice.release.as_deref().unwrap_or("none");
        cx.services.say(cx.name, &format!("release: {release} ({})", choice.reason)).await;
        Ok(choice)
    }
}

impl ChooseRelease<'_> {
    /// Makes sure that Koji has no build of a release that is not its own choice.
    /// One that has failed or was cancelled can be taken again.
    async fn check(
        &self,
        cx: &Context<'_, PlanServices>,
        koji: &Koji,
        choice: &ReleaseChoice,
    ) -> Result<(), Failure> {
        let (Some(name), Some(version), Some(release)) =
            (&self.labels.component, &self.labels.version, &choice.release)
        else {
            return Ok(());
        };
        let nvr = Nvr::new(name, version, release).map_err(|error| bad_nvr(&error))?;
        match patiently(cx, "look for a build in Koji", || koji.build(&nvr)).await? {
            Some(build) if !is_over(&build) => Err(exists(&build)),
            _ => Ok(()),
        }
    }
}

/// Whether a build has not come to be.
pub(super) fn is_over(build: &KojiBuild) -> bool {
    matches!(build.state, KojiBuildState::Failed | KojiBuildState::Cancelled)
}

/// The failure of a release that is somebody else's.
pub(super) fn exists(build: &KojiBuild) -> Failure {
    let KojiBuild { id, nvr, state, .. } = build;
    let message = format!(
        "Koji has {nvr} already, as build {id}, which is {state}, and its release was not Koji's to choose"
    );
    Failure::new(FailureClass::User, "koji.build_exists", message)
        .with_advice("give another release, or none so that Koji chooses the next one")
}

/// The first release that no build in Koji has, in whatever state that is. A
/// build that is reserved can take the place of one that has failed or was
/// cancelled.
async fn search(
    cx: &Context<'_, PlanServices>,
    koji: &Koji,
    (name, version): (&str, &str),
    append_to: Option<Option<String>>,
    reserves: bool,
) -> Result<ReleaseChoice, Failure> {
    let (mut candidates, from) = match &append_to {
        Some(base) => (Candidates::appending(base.as_deref()), ReleaseSource::Appended),
        None => {
            let asked = || koji.next_release(name, version);
            let next = patiently(cx, "ask Koji for the next release", asked).await?;
            (Candidates::from(&next), ReleaseSource::Koji)
        }
    };
    for tries in 0..MAX_TRIES {
        let release = candidates.current();
        let nvr = Nvr::new(name, version, &release).map_err(|error| bad_nvr(&error))?;
        let found = patiently(cx, "look for a build in Koji", || koji.build(&nvr)).await?;
        if found.as_ref().is_none_or(|build| reserves && is_over(build)) {
            let skipped = match tries {
                0 => String::new(),
                tries => format!("; {tries} before it are taken"),
            };
            let reason = match found {
                None => format!("Koji has no build {nvr} yet{skipped}"),
                Some(build) => {
                    format!("Koji's build {nvr} has not come to be: it is {}{skipped}", build.state)
                }
            };
            return Ok(ReleaseChoice::new(Some(&release), from, reason));
        }
        candidates = candidates.advance().map_err(|error| not_countable(&error))?;
    }
    let message =
        format!("{MAX_TRIES} releases of {name}-{version} were tried, and Koji has a build of each of them");
    Err(Failure::new(FailureClass::Source, "release.none_free", message)
        .with_advice("set a release that is free in the Dockerfile or in the request"))
}

/// A release has to be a part of an NVR and of a tag.
fn checked(release: &str, class: FailureClass, what: &str) -> Result<(), Failure> {
    match Nvr::new("name", "version", release) {
        Ok(_) => Ok(()),
        Err(_) => {
            let message =
                format!("{what} '{}' has characters that no release may have", release.escape_debug());
            Err(Failure::new(class, "release.bad_characters", message)
                .with_advice("use letters, digits, '.', '_', '+', '~' and '^'; a dash would end it"))
        }
    }
}

pub(super) fn not_countable(error: &NotCountable) -> Failure {
    Failure::from_error(FailureClass::Source, "release.not_countable", error)
        .with_advice("set the label 'release' in the Dockerfile, or the release in the request")
}

pub(super) fn bad_nvr(error: &common::ParseError) -> Failure {
    Failure::from_error(FailureClass::Source, "release.bad_nvr", error)
        .with_advice("correct the labels 'com.redhat.component' and 'version' in the Dockerfile")
}

fn missing_labels(missing: &[&str]) -> Failure {
    let labels: Vec<_> = missing.iter().map(|name| format!("'{name}'")).collect();
    let noun = if labels.len() == 1 { "label" } else { "labels" };
    let message =
        format!("missing {noun} {}: without them Koji cannot say the next release", labels.join(" and "));
    Failure::new(FailureClass::Source, "release.missing_label", message)
        .with_advice("set them in the last stage of the Dockerfile, or set the label 'release'")
}

fn no_koji() -> Failure {
    let message = "the next release was to be asked of Koji, and there is none";
    Failure::new(FailureClass::Internal, "release.no_koji", message)
}

#[cfg(test)]
mod tests;
