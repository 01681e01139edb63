//! Step: fetches repository files (`.repo`), each once, for all platforms.
//!
//! What is fetched is recorded whole, so that the build uses these bytes and no
//! others whatever the server says later. `$basearch` and other variables stay as
//! they are: package managers replace them.

mod ini;
mod names;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    platform::Platform,
};
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::record::check_record;
use crate::{
    outside::{AllowedPlaces, shown, shown_address},
    repository::repo_file::RepositoryFile,
    services::PlanServices,
};

/// Largest repository file in bytes.
const MAX_FILE: u64 = 64 * 1024;
/// Files that are fetched side by side.
const AT_A_TIME: usize = 4;

/// Things for every platform, and things for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByPlatform<T> {
    /// For every platform.
    pub everywhere: Vec<T>,
    /// For one platform.
    pub platforms: BTreeMap<Platform, Vec<T>>,
}

impl<T> Default for ByPlatform<T> {
    fn default() -> Self {
        Self { everywhere: Vec::new(), platforms: BTreeMap::new() }
    }
}

impl<T> ByPlatform<T> {
    /// What a platform gets: what is for every platform first.
    pub fn on(&self, platform: &Platform) -> impl Iterator<Item = &T> {
        self.everywhere.iter().chain(self.platforms.get(platform).into_iter().flatten())
    }

    /// Whether nobody gets anything.
    pub fn is_empty(&self) -> bool {
        self.everywhere.is_empty() && self.platforms.values().all(Vec::is_empty)
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.everywhere.iter().chain(self.platforms.values().flatten())
    }
}

/// Fetches repository files.
#[derive(Serialize)]
pub struct FetchRepositories<'a> {
    /// URLs that the request gives, for all platforms. They may come from the
    /// site's allowed places only.
    pub asked: &'a [String],
    /// URLs that ODCS gave. The site names ODCS itself, so its word is taken.
    pub composed: &'a ByPlatform<String>,
}

impl Step<PlanServices> for FetchRepositories<'_> {
    const NAME: &'static str = "fetch_repositories";
    const STAGE: Stage = Stage::Prepare;
    type Output = ByPlatform<RepositoryFile>;

    fn policy(&self) -> Policy {
        Policy { timeout: std::time::Duration::from_secs(1800), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<ByPlatform<RepositoryFile>, Failure> {
        let services = cx.services;
        let sources = sources(self.asked, self.composed, &services.site.repositories.allowed_domains)?;
        if !services.reach.may_ask() {
            let text = format!("{} repository files are not fetched offline", sources.len());
            services.say(cx.name, &text).await;
            return Ok(ByPlatform::default());
        }
        let proxy = services.site.repositories.proxy.as_deref();
        let fetched = sources.values().cloned().map(|source| fetch(services, source, proxy));
        let fetched: Vec<_> = stream::iter(fetched).buffered(AT_A_TIME).collect().await;
        let mut files = BTreeMap::new();
        let mut problems = Vec::new();
        for (address, result) in sources.keys().zip(fetched) {
            match result {
                Ok((file, sha256)) => {
                    let text = format!("{} from {}, sha256 {sha256}", file.name, file.from);
                    services.say(cx.name, &text).await;
                    files.insert(*address, file);
                }
                Err(failure) => problems.push(failure),
            }
        }
        if let Some(failure) = Failure::all(problems) {
            return Err(failure);
        }
        dealt_out(self.asked, self.composed, &files)
    }
}

/// One file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    url: Url,
    name: String,
    allowed: AllowedPlaces,
}

/// Which files to fetch, each once, by its address as it was given.
fn sources<'a>(
    asked: &'a [String],
    composed: &'a ByPlatform<String>,
    allowed: &[String],
) -> Result<BTreeMap<&'a str, Source>, Failure> {
    let allowed = AllowedPlaces::parse(allowed)?;
    let all = asked.iter().map(|address| (address, true)).chain(composed.iter().map(|a| (a, false)));
    let mut sources = BTreeMap::new();
    let mut names = names::Names::default();
    let mut problems = Vec::new();
    for (address, is_asked) in all {
        if sources.contains_key(address.as_str()) {
            continue;
        }
        let url = match address.parse::<Url>() {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            _ => {
                let text = format!("'{}' is no web address of a repository file", shown_address(address));
                problems.push(
                    Failure::new(FailureClass::User, "repositories.bad_url", text)
                        .with_advice("give addresses that begin with https:// or http://"),
                );
                continue;
            }
        };
        if is_asked && !allowed.allows(&url) {
            let text = format!("{} is in no place that this site allows for repository files", shown(&url));
            problems.push(
                Failure::new(FailureClass::Policy, "repositories.domain_not_allowed", text).with_advice(
                    "the places are in repositories.allowed_domains of the site's configuration",
                ),
            );
            continue;
        }
        let name = names.of(&url);
        let allowed = if is_asked { allowed.clone() } else { AllowedPlaces::any() };
        sources.insert(address.as_str(), Source { url, name, allowed });
    }
    Failure::all(problems).map_or(Ok(sources), Err)
}

/// A file and its SHA-256 as it came.
async fn fetch(
    services: &PlanServices,
    source: Source,
    proxy: Option<&str>,
) -> Result<(RepositoryFile, String), Failure> {
    let bytes = services.outside.http.get_from(&source.url, MAX_FILE, &source.allowed).await?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let content = checked(&bytes, proxy).map_err(|reason| {
        let text = format!("{} is no repository file: {reason}", shown(&source.url));
        Failure::new(FailureClass::Source, "repositories.bad_file", text)
            .with_advice("look at what is at this address; dnf's documentation describes the format")
    })?;
    let file = RepositoryFile { name: source.name, content, from: shown(&source.url).to_string() };
    Ok((file, sha256))
}

/// The text of a repository file, with the proxy in each section.
fn checked(bytes: &[u8], proxy: Option<&str>) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        format!("line {line} is not UTF-8")
    })?;
    ini::check(text)?;
    Ok(match proxy {
        Some(proxy) => ini::with_proxy(text, proxy),
        None => text.to_owned(),
    })
}

/// Gives each platform its files, in the order in which they were asked for.
fn dealt_out(
    asked: &[String],
    composed: &ByPlatform<String>,
    files: &BTreeMap<&str, RepositoryFile>,
) -> Result<ByPlatform<RepositoryFile>, Failure> {
    let pick = |addresses: &[String]| -> Vec<RepositoryFile> {
        let mut found: Vec<RepositoryFile> = Vec::new();
        for file in addresses.iter().filter_map(|address| files.get(address.as_str())) {
            if !found.contains(file) {
                found.push(file.clone());
            }
        }
        found
    };
    let both: Vec<String> = asked.iter().chain(&composed.everywhere).cloned().collect();
    let all = ByPlatform {
        everywhere: pick(&both),
        platforms: composed.platforms.iter().map(|(p, addresses)| (p.clone(), pick(addresses))).collect(),
    };
    check_record(&all).map_err(|size| {
        let text =
            format!("the repository files, each counted for every platform that it is for, come to {size}");
        Failure::new(FailureClass::Source, "repositories.too_large", text)
            .with_advice("leave out repositories that the build does not need")
    })?;
    Ok(all)
}
