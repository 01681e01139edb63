//! Step: keeps the plan with the build's record, before anything of it is done.

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    image::Digest,
};
use serde::Serialize;

use crate::{
    plan::{Draft, PLAN},
    services::BuildServices,
};

/// Keeps the plan. It is no part of the step's fingerprint: it names the lines of
/// files that set a value, and those move while a service is restarted. What is
/// built follows from the steps before.
#[derive(Serialize)]
pub struct RecordPlan {
    #[serde(skip)]
    digest: Digest,
    #[serde(skip)]
    body: String,
}

impl RecordPlan {
    /// Keeps this plan.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn of(draft: &Draft) -> Result<Self, Failure> {
        let body = serde_json::to_string(draft)
            .map_err(|error| Failure::from_error(FailureClass::Internal, "plan.unserializable", &error))?;
        Ok(Self { digest: Digest::of(body.as_bytes()), body })
    }
}

impl Step<BuildServices> for RecordPlan {
    const NAME: &'static str = "record_plan";
    const STAGE: Stage = Stage::Prepare;
    type Output = Digest;

    fn policy(&self) -> Policy {
        Policy { attempts: 3, wait: Duration::from_secs(2), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<Digest, Failure> {
        cx.services.shared.store.put_document(&cx.services.stamp.build, PLAN, &self.body).await?;
        Ok(self.digest.clone())
    }
}
