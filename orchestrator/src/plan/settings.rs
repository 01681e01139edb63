//! Step: freezes the site's settings for this build.
//!
//! Settings can change while a build runs, or between a crash and its resumption.
//! The build keeps those that it began with, and their digest is in its record.

use common::{
    failure::Failure,
    flow::{Context, Stage, Step},
    image::Digest,
};
use serde::{Deserialize, Serialize};

use crate::{config::Settings, services::PlanServices};

/// Freezes the settings.
#[derive(Serialize)]
pub struct FreezeSettings;

/// The site's settings as they were when the build began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenSettings {
    /// Digest of their canonical JSON.
    pub digest: Digest,
    /// The settings. Secrets are files, so only their paths are in here.
    pub settings: Settings,
}

impl Step<PlanServices> for FreezeSettings {
    const NAME: &'static str = "freeze_settings";
    const STAGE: Stage = Stage::Prepare;
    type Output = FrozenSettings;

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<FrozenSettings, Failure> {
        let site = &cx.services.site;
        Ok(FrozenSettings { digest: site.digest(), settings: Settings::clone(site) })
    }
}
