//! Step: a directory at Koji for the files of the build, and the ticket for it.

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    secret::Secret,
    service::ServiceAddress,
    work::KojiUpload,
};
use serde::{Deserialize, Serialize};

use super::{koji, patiently};
use crate::{
    outside::KojiPatience,
    plan::{Plan, Target},
    services::BuildServices,
};

/// Name of the ticket in the build's vault.
pub const UPLOAD_TICKET: &str = "koji_upload";

/// Gets the directory. Its ticket is kept in the build's vault and is no part of
/// the record.
#[derive(Serialize)]
pub struct PrepareKojiUpload {}

/// A directory for the build's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedUpload {
    /// Below the hub's upload area.
    pub directory: String,
    /// Where workers reach the bridge; `None` where the orchestrator hands their
    /// files on.
    pub worker_address: Option<ServiceAddress>,
}

impl Step<BuildServices> for PrepareKojiUpload {
    const NAME: &'static str = "prepare_koji_upload";
    const STAGE: Stage = Stage::Prepare;
    type Output = PreparedUpload;

    fn policy(&self) -> Policy {
        Policy {
            attempts: 2,
            wait: Duration::from_secs(10),
            timeout: KojiPatience::STEP_LIMIT,
            ..Policy::default()
        }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<PreparedUpload, Failure> {
        let services = cx.services;
        let koji = koji(services)?;
        let key = services.stamp.build.as_str();
        let prepared = patiently(cx, "prepare an upload to Koji", || koji.prepare_upload(key)).await?;
        services.planning.vault.keep(UPLOAD_TICKET, &prepared.ticket).await?;
        services.say(cx.name, &format!("files for Koji go to {}", prepared.directory)).await;
        Ok(PreparedUpload { directory: prepared.directory, worker_address: prepared.worker_address })
    }
}

impl PreparedUpload {
    /// The ticket of the directory.
    ///
    /// # Errors
    /// `koji.ticket_lost`; the store failed.
    pub async fn ticket(&self, services: &BuildServices) -> Result<Secret, Failure> {
        services.planning.vault.secret(UPLOAD_TICKET).await?.ok_or_else(|| {
            let message = format!("the ticket for {} at Koji is not in the build's record", self.directory);
            Failure::new(FailureClass::Internal, "koji.ticket_lost", message)
                .with_advice("submit the build again")
        })
    }

    /// What a worker is told about files for Koji.
    ///
    /// # Errors
    /// The ticket is lost, or the store failed.
    pub(in crate::run) async fn order(
        &self,
        services: &BuildServices,
        plan: &Plan,
    ) -> Result<Option<KojiUpload>, Failure> {
        let Some(recording) = super::recording(plan) else { return Ok(None) };
        Ok(Some(KojiUpload {
            address: self.worker_address.clone(),
            directory: self.directory.clone(),
            ticket: self.ticket(services).await?,
            archive: recording.archive,
            pull_specs: pull_specs(plan),
        }))
    }
}

/// Where the published image will be found: at each registry by its primary tag,
/// else by its unique one.
fn pull_specs(plan: &Plan) -> Vec<String> {
    let tag = plan.tags.primary.first().or(plan.tags.unique.first());
    let registries = plan.targets.iter().filter_map(|target| match target {
        Target::Registry { host, repository, .. } => Some(format!("{host}/{repository}")),
        Target::Layout { .. } => None,
    });
    registries.filter_map(|place| Some(format!("{place}:{}", tag?))).collect()
}
