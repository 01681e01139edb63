//! `BuildService`: submit, get, list, watch, read logs, cancel, plan, explain.

use std::sync::Arc;

use common::{
    ParseError,
    flow::{StepRecord, state::History},
    names::BuildId,
    platform::Platform,
    request::BuildRequest,
    service::Shutdown,
};
use proto::{
    convert::{BadField, build_state, failure_status},
    v1::{self, build_service_server::BuildService},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{Access, check::check, plans::Plans, store_status, streams};
use crate::{
    plan::ResolveSource,
    repository::ResolvedSource,
    services::{PlanServices, Services},
    store::ListQuery,
    supervisor::Supervisor,
};

const MAX_KEY: usize = 128;
/// Longest id of a build, or beginning of one, in bytes.
const MAX_ID: usize = 128;
const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 500;

/// Serves `reactor.v1.BuildService`.
pub struct BuildApi {
    services: Arc<Services>,
    supervisor: Supervisor,
    access: Access,
    shutdown: Shutdown,
    plans: Plans,
}

impl BuildApi {
    /// The service over these parts.
    pub fn new(services: Arc<Services>, supervisor: Supervisor, access: Access, shutdown: Shutdown) -> Self {
        let plans = Plans::new(services.clone(), shutdown.tracker.clone());
        Self { services, supervisor, access, shutdown, plans }
    }

    async fn find(&self, id: &str) -> Result<BuildId, Status> {
        if id.is_empty() {
            return Err(BadField::missing("build_id").into());
        }
        if id.len() > MAX_ID {
            return Err(
                BadField::new("build_id", format!("it has {} bytes; no id is so long", id.len())).into()
            );
        }
        self.services.store.find(id).await.map_err(store_status)
    }

    async fn build(&self, id: &BuildId) -> Result<v1::Build, Status> {
        match self.services.store.history(id).await.map_err(store_status)? {
            Some(history) => Ok(as_message(id, &history)),
            None => Err(Status::not_found(format!("there is no build {id}"))),
        }
    }
}

#[tonic::async_trait]
impl BuildService for BuildApi {
    async fn submit_build(
        &self,
        request: Request<v1::SubmitBuildRequest>,
    ) -> Result<Response<v1::SubmitBuildResponse>, Status> {
        self.access.client(&request)?;
        let v1::SubmitBuildRequest { request, idempotency_key } = request.into_inner();
        let request: BuildRequest = request.ok_or_else(|| BadField::missing("request"))?.try_into()?;
        if idempotency_key.len() > MAX_KEY {
            let reason = format!("it has {} bytes; at most {MAX_KEY} are allowed", idempotency_key.len());
            return Err(BadField::new("idempotency_key", reason).into());
        }
        check(&self.services.site, &request).map_err(|failure| failure_status(&failure))?;
        let key = (!idempotency_key.is_empty()).then_some(idempotency_key.as_str());
        let created = self.services.store.create(&request, key).await.map_err(store_status)?;
        if created.new {
            tracing::info!(build = %created.id, uri = request.source.uri, user = request.user, "accepted a build");
            self.supervisor.announce();
        }
        Ok(Response::new(v1::SubmitBuildResponse { build: Some(self.build(&created.id).await?) }))
    }

    async fn get_build(
        &self,
        request: Request<v1::GetBuildRequest>,
    ) -> Result<Response<v1::GetBuildResponse>, Status> {
        self.access.client(&request)?;
        let id = self.find(&request.into_inner().build_id).await?;
        Ok(Response::new(v1::GetBuildResponse { build: Some(self.build(&id).await?) }))
    }

    async fn list_builds(
        &self,
        request: Request<v1::ListBuildsRequest>,
    ) -> Result<Response<v1::ListBuildsResponse>, Status> {
        self.access.client(&request)?;
        let v1::ListBuildsRequest { page_size, page_token, states } = request.into_inner();
        let page_size = match page_size {
            0 => DEFAULT_PAGE,
            1..=MAX_PAGE => page_size,
            _ => return Err(BadField::new("page_size", format!("at most {MAX_PAGE} builds a page")).into()),
        };
        let states =
            states.into_iter().map(|number| build_state("states", number)).collect::<Result<_, _>>()?;
        let query = ListQuery { page_size, page_token, states };
        let page = self.services.store.list(&query).await.map_err(store_status)?;
        let builds = page.builds.iter().map(|(id, history)| as_message(id, history)).collect();
        let next_page_token = page.next_page_token.unwrap_or_default();
        Ok(Response::new(v1::ListBuildsResponse { builds, next_page_token }))
    }

    type WatchBuildStream = ReceiverStream<Result<v1::WatchBuildResponse, Status>>;

    async fn watch_build(
        &self,
        request: Request<v1::WatchBuildRequest>,
    ) -> Result<Response<Self::WatchBuildStream>, Status> {
        self.access.client(&request)?;
        let v1::WatchBuildRequest { build_id, after_sequence } = request.into_inner();
        let id = self.find(&build_id).await?;
        let (services, token) = (self.services.clone(), self.shutdown.token.clone());
        Ok(Response::new(streams::send(&self.shutdown, move |out| {
            streams::watch(services, id, after_sequence, out, token)
        })))
    }

    type ReadLogsStream = ReceiverStream<Result<v1::ReadLogsResponse, Status>>;

    async fn read_logs(
        &self,
        request: Request<v1::ReadLogsRequest>,
    ) -> Result<Response<Self::ReadLogsStream>, Status> {
        self.access.client(&request)?;
        let v1::ReadLogsRequest { build_id, platform, offset, follow } = request.into_inner();
        let id = self.find(&build_id).await?;
        let platform: Option<Platform> = match platform.as_str() {
            "" => None,
            text => {
                Some(text.parse().map_err(|error: ParseError| BadField::new("platform", error.to_string()))?)
            }
        };
        let (services, token) = (self.services.clone(), self.shutdown.token.clone());
        let wanted = streams::WantedLogs { build: id, platform, offset, follow };
        Ok(Response::new(streams::send(&self.shutdown, move |out| {
            streams::logs(services, wanted, out, token)
        })))
    }

    async fn cancel_build(
        &self,
        request: Request<v1::CancelBuildRequest>,
    ) -> Result<Response<v1::CancelBuildResponse>, Status> {
        self.access.client(&request)?;
        let v1::CancelBuildRequest { build_id, reason } = request.into_inner();
        let id = self.find(&build_id).await?;
        let reason: String = reason.chars().take(500).collect();
        tracing::info!(build = %id, reason, "asked to cancel a build");
        let history = self.supervisor.cancel(&id, &reason).await.map_err(store_status)?;
        Ok(Response::new(v1::CancelBuildResponse { build: Some(as_message(&id, &history)) }))
    }

    async fn plan_build(
        &self,
        request: Request<v1::PlanBuildRequest>,
    ) -> Result<Response<v1::PlanBuildResponse>, Status> {
        self.access.client(&request)?;
        let plan = self.plans.plan(request.into_inner()).await?;
        Ok(Response::new(v1::PlanBuildResponse { plan: Some(plan) }))
    }

    async fn get_plan(
        &self,
        request: Request<v1::GetPlanRequest>,
    ) -> Result<Response<v1::GetPlanResponse>, Status> {
        self.access.client(&request)?;
        let id = self.find(&request.into_inner().build_id).await?;
        Ok(Response::new(v1::GetPlanResponse { plan: Some(self.plans.stored(&id).await?) }))
    }

    async fn explain_build(
        &self,
        request: Request<v1::ExplainBuildRequest>,
    ) -> Result<Response<v1::ExplainBuildResponse>, Status> {
        self.access.client(&request)?;
        let request = request.into_inner();
        let build = match &request.subject {
            Some(v1::explain_build_request::Subject::BuildId(id)) => Some(self.find(id).await?),
            _ => None,
        };
        Ok(Response::new(self.plans.explain(build, request).await?))
    }
}

/// A build as the API shows it. The commit is what the step that resolved it
/// recorded.
fn as_message(id: &BuildId, history: &History) -> v1::Build {
    let name = <ResolveSource<'_> as common::flow::Step<PlanServices>>::NAME;
    let commit = match history.steps.get(name) {
        Some(StepRecord::Succeeded { output, .. }) => {
            serde_json::from_value::<ResolvedSource>(output.clone())
                .ok()
                .map(|resolved| resolved.commit.to_string())
        }
        _ => None,
    };
    (id.clone(), history, commit).into()
}
