//! Step: for which platforms the image is built.

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Stage, Step},
    platform::{Architecture, Platform},
};
use serde::{Deserialize, Serialize};

use crate::{
    config::Site,
    repository::{container_yaml::PlatformLimits, platforms::select},
    services::PlanServices,
};

/// Selects the platforms.
#[derive(Serialize)]
pub struct SelectPlatforms<'a> {
    /// Those that the user asked for; empty leaves it to the others.
    pub asked: &'a [Platform],
    /// What the repository wants.
    pub limits: &'a PlatformLimits,
    /// The site's, for when nobody else says anything.
    pub default_platforms: &'a [Platform],
}

/// A platform that will be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectedPlatform {
    /// Koji's name.
    pub platform: Platform,
    /// OCI's name.
    pub architecture: Architecture,
}

impl Step<PlanServices> for SelectPlatforms<'_> {
    const NAME: &'static str = "select_platforms";
    const STAGE: Stage = Stage::Prepare;
    type Output = Vec<SelectedPlatform>;

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Self::Output, Failure> {
        let site = &cx.services.site;
        let enabled = enabled_platforms(site);
        let nobody_says = self.asked.is_empty() && self.limits.only.is_empty();
        let available = if nobody_says { self.default_platforms } else { &enabled[..] };
        let selection = select(self.asked, available, self.limits)?;
        for line in &selection.arithmetic {
            cx.services.say(cx.name, line).await;
        }
        let table = site.platform_table();
        let known = |platform: &Platform| match table.architecture(platform) {
            Ok(architecture) => {
                Ok(SelectedPlatform { platform: platform.clone(), architecture: architecture.clone() })
            }
            Err(error) => Err(Failure::from_error(FailureClass::User, "plan.unknown_platform", &error)),
        };
        let mut selected: Vec<_> = selection.platforms.iter().map(known).collect::<Result<_, _>>()?;
        // The order of the index: whoever asks, and however, gets the same one.
        selected.sort_by(|a, b| a.architecture.cmp(&b.architecture));
        Ok(selected)
    }
}

/// Every platform that builds may ask for.
fn enabled_platforms(site: &Site) -> Vec<Platform> {
    site.platform_table().platforms().filter(|platform| site.is_enabled(platform)).cloned().collect()
}
