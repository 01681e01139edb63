//! Step: freezes what the site's settings mean for this build.
//!
//! Settings can change while a build runs, or between a crash and its resumption.
//! The build keeps those that it began with.

use std::time::Duration;

use common::{
    failure::Failure,
    flow::{Context, Stage, Step},
    platform::Platform,
    request::{FailurePolicy, Limits},
    work::ManifestFormat,
};
use serde::{Deserialize, Serialize};

use crate::{config::Site, services::PlanServices};

/// Freezes the settings.
#[derive(Serialize)]
pub struct FreezeSettings;

/// The site's settings that shape a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Platforms when neither request nor repository names any.
    pub default_platforms: Vec<Platform>,
    /// Bounds where the request has none.
    pub limits: Limits,
    /// How long a work order may wait for a worker.
    pub queue_deadline: Duration,
    /// How often a platform is tried when machines fail.
    pub attempts: u32,
    /// What a failed platform does to the others.
    pub failure_policy: FailurePolicy,
    /// What kind of manifests to make.
    pub format: ManifestFormat,
}

impl Step<PlanServices> for FreezeSettings {
    const NAME: &'static str = "freeze_settings";
    const STAGE: Stage = Stage::Prepare;
    type Output = Settings;

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Settings, Failure> {
        Ok(Settings::from(&*cx.services.site))
    }
}

impl From<&Site> for Settings {
    fn from(site: &Site) -> Self {
        Self {
            default_platforms: site.default_platforms().to_vec(),
            limits: site.limits(),
            queue_deadline: site.builds.queue_deadline.duration(),
            attempts: site.builds.attempts,
            failure_policy: site.builds.failure_policy,
            format: site.publication.manifest_format,
        }
    }
}
