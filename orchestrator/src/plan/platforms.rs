//! Step: for which platforms the image is built.

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Stage, Step},
    platform::{Architecture, Platform},
    request::BuildMode,
};
use serde::{Deserialize, Serialize};

use crate::{
    config::Site,
    repository::{
        container_yaml::PlatformLimits,
        platforms::{Voices, select},
    },
    services::PlanServices,
};

/// Selects the platforms.
#[derive(Serialize)]
pub struct SelectPlatforms<'a> {
    /// Those that the user asked for; empty leaves it to the others.
    pub asked: &'a [Platform],
    /// What kind of build it is.
    pub mode: &'a BuildMode,
    /// Architectures of the Koji target's build tag; `None` without a target.
    pub target: Option<&'a [String]>,
    /// What the repository wants.
    pub limits: &'a PlatformLimits,
    /// The site's, for when nobody else says anything.
    pub default_platforms: &'a [Platform],
}

/// The platforms that will be built, and why these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// The platforms, in the order of the index.
    pub platforms: Vec<SelectedPlatform>,
    /// One line for each thing that had a say.
    pub arithmetic: Vec<String>,
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
    type Output = Selection;

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Selection, Failure> {
        let selection = self.select(&cx.services.site)?;
        for line in &selection.arithmetic {
            cx.services.say(cx.name, line).await;
        }
        Ok(selection)
    }
}

impl SelectPlatforms<'_> {
    fn select(&self, site: &Site) -> Result<Selection, Failure> {
        let table = site.platform_table();
        let known: Vec<_> = table.platforms().cloned().collect();
        let enabled: Vec<_> = known.iter().filter(|platform| site.is_enabled(platform)).cloned().collect();
        let voices = Voices {
            asked: self.asked,
            target: self.target,
            beyond_target: !matches!(self.mode, BuildMode::Normal),
            limits: self.limits,
            known: &known,
            enabled: &enabled,
            defaults: self.default_platforms,
        };
        let outcome = select(&voices).map_err(|problems| {
            let none = || Failure::new(FailureClass::User, "plan.no_platforms", "no platform is left");
            Failure::all(problems.into_iter().map(Failure::from)).unwrap_or_else(none)
        })?;
        let with_architecture = |platform: Platform| match table.architecture(&platform) {
            Ok(architecture) => Ok(SelectedPlatform { architecture: architecture.clone(), platform }),
            Err(error) => Err(Failure::from_error(FailureClass::User, "plan.unknown_platform", &error)),
        };
        let mut platforms: Vec<_> =
            outcome.platforms.into_iter().map(with_architecture).collect::<Result<_, _>>()?;
        // The order of the index: whoever asks, and however, gets the same one.
        platforms.sort_by(|a, b| a.architecture.cmp(&b.architecture));
        Ok(Selection { platforms, arithmetic: outcome.arithmetic })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_index() {
        let platforms = |text: &str| -> Vec<Platform> {
            text.split_whitespace().map(|name| name.parse().unwrap()).collect()
        };
        let target = ["x86_64", "s390x", "vax", "aarch64"].map(str::to_owned);
        let step = SelectPlatforms {
            asked: &[],
            mode: &BuildMode::Normal,
            target: Some(&target),
            limits: &PlatformLimits::default(),
            default_platforms: &platforms("x86_64"),
        };
        let selection = step.select(&Site::default()).unwrap();
        let names: Vec<_> = selection.platforms.iter().map(|s| s.platform.as_str()).collect();
        assert_eq!(names, ["x86_64", "aarch64", "s390x"], "amd64, arm64, s390x");
        assert!(selection.arithmetic.iter().any(|line| line.contains("does not build vax")));
    }
}
