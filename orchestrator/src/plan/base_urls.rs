//! Step: where the packages are that a file system is made of.

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
};
use serde::Serialize;

use crate::{outside::AllowedPlaces, repository::image_build_conf::base_urls, services::PlanServices};

/// Largest repository file that is looked into, in bytes.
const MAX_REPOSITORY_FILE: u64 = 64 * 1024;

/// Reads the base URLs of repository files.
#[derive(Serialize)]
pub struct FindBaseUrls<'a> {
    /// The repository files, by URL.
    pub asked: &'a [String],
}

impl Step<PlanServices> for FindBaseUrls<'_> {
    const NAME: &'static str = "find_base_urls";
    const STAGE: Stage = Stage::Prepare;
    type Output = Vec<String>;

    fn policy(&self) -> Policy {
        Policy { attempts: 2, wait: std::time::Duration::from_secs(5), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Vec<String>, Failure> {
        let services = cx.services;
        if !services.reach.may_ask() {
            return Ok(Vec::new());
        }
        let allowed = AllowedPlaces::parse(&services.site.repositories.allowed_domains)
            .map_err(|error| Failure::from_error(FailureClass::Policy, "site.bad_allowed_domain", &error))?;
        let (mut found, mut problems) = (Vec::new(), Vec::new());
        for address in self.asked {
            match read(services, address, &allowed).await {
                Ok(urls) => found.extend(urls),
                Err(problem) => problems.push(problem),
            }
        }
        Failure::all(problems).map_or(Ok(found), Err)
    }
}

async fn read(
    services: &PlanServices,
    address: &str,
    allowed: &AllowedPlaces,
) -> Result<Vec<String>, Failure> {
    let url: url::Url = address.parse().map_err(|error| {
        let message = format!("a repository file has no valid URL: {error}");
        Failure::new(FailureClass::User, "repositories.bad_url", message)
            .with_advice("correct the URLs of repositories in the request")
    })?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let file = services.outside.http.get_from(&url, MAX_REPOSITORY_FILE, allowed).await?;
    base_urls(&file).map_err(|error| {
        let message = format!("the repository file from {host} cannot be read: {error}");
        Failure::new(FailureClass::User, "repositories.bad_file", message)
            .with_advice("the URL must lead to a .repo file")
    })
}
