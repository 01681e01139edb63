//! Step: for which platforms the image is built.

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Stage, Step},
    platform::{Architecture, Platform},
};
use serde::{Deserialize, Serialize};

use crate::{repository::PlatformRules, services::BuildServices};

/// Selects the platforms.
#[derive(Serialize)]
pub struct SelectPlatforms<'a> {
    /// Those that the user asked for; empty leaves it to the others.
    pub asked: &'a [Platform],
    /// What the repository wants.
    pub rules: &'a PlatformRules,
    /// The site's, for when nobody else says anything.
    pub site: &'a [Platform],
}

/// A platform that will be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectedPlatform {
    /// Koji's name.
    pub platform: Platform,
    /// OCI's name.
    pub architecture: Architecture,
}

impl Step<BuildServices> for SelectPlatforms<'_> {
    const NAME: &'static str = "select_platforms";
    const STAGE: Stage = Stage::Prepare;
    type Output = Vec<SelectedPlatform>;

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<Self::Output, Failure> {
        let selection = self.rules.select(self.asked, self.site)?;
        for line in &selection.arithmetic {
            cx.services.say(cx.name, line).await;
        }
        let table = cx.services.shared.site.platform_table();
        let known = |platform: &Platform| match table.architecture(platform) {
            Ok(architecture) => {
                Ok(SelectedPlatform { platform: platform.clone(), architecture: architecture.clone() })
            }
            Err(error) => Err(Failure::from_error(FailureClass::User, "plan.unknown_platform", &error)),
        };
        selection.platforms.iter().map(known).collect()
    }
}
