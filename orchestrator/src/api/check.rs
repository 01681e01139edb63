//! What can be known to be wrong with a request before anything is asked or
//! stored: the same for a build, a plan and an explanation.

use common::{
    ParseError,
    failure::{Failure, FailureClass},
    platform::Platform,
    request::BuildRequest,
};

use crate::{config::Site, request::validate};

/// Checks a request.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn check(site: &Site, request: &BuildRequest) -> Result<(), Failure> {
    let rules = validate::check(request).into_iter();
    let platforms = request.platforms.iter().filter_map(|name| platform(site, name).err());
    Failure::all(rules.chain(platforms)).map_or(Ok(()), Err)
}

fn platform(site: &Site, platform: &Platform) -> Result<(), Failure> {
    let unknown =
        |error: &ParseError| Failure::from_error(FailureClass::User, "plan.unknown_platform", error);
    site.platform_table().architecture(platform).map_err(|error| unknown(&error))?;
    if !site.is_enabled(platform) {
        let message = format!("the site does not build for {platform}");
        return Err(Failure::new(FailureClass::Policy, "plan.platform_disabled", message)
            .with_advice("leave the platform out, or enable it under 'platforms'"));
    }
    Ok(())
}
