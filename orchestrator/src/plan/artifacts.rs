//! Step: files that a build needs and that are not in its repository: archives of
//! Koji builds, and files by URL.
//!
//! All wishes of both kinds are resolved, and all that is wrong with them is
//! reported, before the first byte is downloaded. A file is fetched once, for all
//! platforms; it has to match every checksum that is known of it, and at least
//! one is.

mod fetch;
mod resolve;
#[cfg(test)]
mod tests;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
};
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

pub use self::fetch::ensure;
use self::resolve::{archives_of, by_url, conflicts};
use super::record::check_record;
use crate::{
    outside::{AllowedPlaces, Koji, shown},
    repository::inputs::{ArtifactWishes, KojiArtifacts},
    services::{PlanServices, patiently},
};

/// Downloads, and questions to Koji, side by side.
const AT_A_TIME: usize = 4;

/// Directory of artifacts in the build context, and in the build's own directory.
pub const DIRECTORY: &str = "artifacts";

/// Checksums that are known of a file before it is there. At least one is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksums {
    /// MD5, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-1, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// SHA-256, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A file to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedArtifact {
    /// Where it is.
    pub url: url::Url,
    /// Path below `artifacts/`.
    pub destination: String,
    /// What is known of its content.
    pub checksums: Checksums,
    /// Whether the URL is the user's, who may name the site's allowed places only.
    pub is_asked: bool,
}

/// A file that was fetched. It is in the build's own directory as
/// `artifacts/SHA256`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedArtifact {
    /// Path below `artifacts/` of the build context.
    pub destination: String,
    /// What it is, hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// Where it came from. It may hold a secret; see [`FetchedArtifact::shown_url`].
    pub url: url::Url,
    /// Whether the URL is the user's, who may name the site's allowed places only.
    pub is_asked: bool,
}

impl WantedArtifact {
    /// Where it is, for people: without what may be a secret.
    pub fn shown_url(&self) -> String {
        shown(&self.url).to_string()
    }
}

impl FetchedArtifact {
    /// Where it came from, for people: without what may be a secret.
    pub fn shown_url(&self) -> String {
        shown(&self.url).to_string()
    }
}

/// What came of the wishes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactOutcome {
    /// In a dry run, what would be fetched; else nothing.
    pub wanted: Vec<WantedArtifact>,
    /// What was fetched.
    pub fetched: Vec<FetchedArtifact>,
}

/// Fetches artifacts.
#[derive(Serialize)]
pub struct FetchArtifacts<'a> {
    /// What the repository asks for.
    pub wishes: &'a ArtifactWishes,
}

impl Step<PlanServices> for FetchArtifacts<'_> {
    const NAME: &'static str = "fetch_artifacts";
    const STAGE: Stage = Stage::Prepare;
    type Output = ArtifactOutcome;

    fn policy(&self) -> Policy {
        Policy { timeout: crate::outside::KojiPatience::STEP_LIMIT, ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<ArtifactOutcome, Failure> {
        let services = cx.services;
        let allowed = AllowedPlaces::parse(&services.site.artifacts.allowed_domains)?;
        let wanted = self.resolve(cx, &allowed).await?;
        // What is wanted takes about as much as what will have been fetched.
        check_record(&wanted).map_err(too_many)?;
        if !services.reach.may_change() {
            for file in &wanted {
                let text =
                    format!("a build would fetch {} as artifacts/{}", file.shown_url(), file.destination);
                services.say(cx.name, &text).await;
            }
            let outcome = ArtifactOutcome { wanted, fetched: Vec::new() };
            return checked(outcome);
        }
        let fetched = wanted.into_iter().map(|wanted| fetch::fetch(services, wanted, &allowed));
        let results: Vec<_> = stream::iter(fetched).buffered(AT_A_TIME).collect().await;
        let (mut fetched, mut problems) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(file) => fetched.push(file),
                Err(failure) => problems.push(failure),
            }
        }
        if let Some(failure) = Failure::all(problems) {
            return Err(failure);
        }
        for file in &fetched {
            let text =
                format!("artifacts/{} from {}, sha256 {}", file.destination, file.shown_url(), file.sha256);
            services.say(cx.name, &text).await;
        }
        checked(ArtifactOutcome { wanted: Vec::new(), fetched })
    }
}

/// The outcome, if it can be recorded.
fn checked(outcome: ArtifactOutcome) -> Result<ArtifactOutcome, Failure> {
    check_record(&outcome).map_err(too_many)?;
    Ok(outcome)
}

fn too_many(size: String) -> Failure {
    let text = format!("the artifacts' names, places and digests come to {size}");
    Failure::new(FailureClass::Source, "artifacts.too_many", text)
        .with_advice("ask for fewer files, or for one archive that has them")
}

impl FetchArtifacts<'_> {
    /// All files that are meant, or all problems.
    async fn resolve(
        &self,
        cx: &Context<'_, PlanServices>,
        allowed: &AllowedPlaces,
    ) -> Result<Vec<WantedArtifact>, Failure> {
        let (services, step) = (cx.services, cx.name);
        let (mut wanted, mut problems) = (Vec::new(), Vec::new());
        match &services.outside.koji {
            _ if self.wishes.koji.is_empty() => {}
            Some(koji) if services.reach.may_ask() => {
                let asked = self.wishes.koji.iter().cloned().map(|wish| of_koji(cx, koji, wish));
                let asked: Vec<_> = stream::iter(asked).buffered(AT_A_TIME).collect().await;
                for result in asked {
                    match result {
                        Ok(files) => wanted.extend(files),
                        Err(failure) => problems.push(failure),
                    }
                }
            }
            Some(_) => {
                let text = format!("files of {} Koji builds are not known offline", self.wishes.koji.len());
                services.say(step, &text).await;
            }
            None => problems.push(
                Failure::new(
                    FailureClass::Policy,
                    "artifacts.no_koji",
                    "fetch-artifacts-koji.yaml asks for files of Koji builds, and the site has no Koji",
                )
                .with_advice("set koji.hub_url and koji.bridge, or ask by URL"),
            ),
        }
        for wish in &self.wishes.urls {
            match by_url(wish, allowed) {
                Ok(file) => wanted.push(file),
                Err(failure) => problems.push(failure),
            }
        }
        problems.extend(conflicts(&wanted));
        Failure::all(problems).map_or(Ok(wanted), Err)
    }
}

/// The files of one Koji build.
async fn of_koji(
    cx: &Context<'_, PlanServices>,
    koji: &Koji,
    wish: KojiArtifacts,
) -> Result<Vec<WantedArtifact>, Failure> {
    let Some(build) = patiently(cx, "look for a build in Koji", || koji.build(&wish.nvr)).await? else {
        let text = format!("fetch-artifacts-koji.yaml: build {} is not found in Koji", wish.nvr);
        return Err(Failure::new(FailureClass::Source, "artifacts.build_not_found", text)
            .with_advice("correct the name, version and release"));
    };
    let archives =
        patiently(cx, "list the files of a build in Koji", || koji.archives(build.id, Some("maven"))).await?;
    let directory = koji.maven_directory(&build).await?;
    archives_of(&wish, &archives, &directory)
}
