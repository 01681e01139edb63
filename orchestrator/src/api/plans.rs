//! `BuildService`: plan and explain. A plan that is asked for is a dry run: it
//! changes nothing, in a directory that is gone when the answer is sent. Only a
//! few run at a time, and each has a deadline, for anybody may ask.

mod messages;

use std::{sync::Arc, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    names::BuildId,
    request::BuildRequest,
};
use proto::{
    convert::{BadField, failure_status},
    v1::{self, explain_build_request::Subject as Asked},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;

use super::{check::check, store_status};
use crate::{
    plan::{
        DRY_RUN_ENDS, Draft, DryRun, Notice, Silence, dry_run,
        explain::{Explanation, NoSuchPath, Subject},
        joints,
    },
    services::{Reach, Services, disk_failure},
};

/// Dry runs at the same time.
const MAX_AT_A_TIME: usize = 4;
/// Dry runs that wait for their turn.
const MAX_WAITING: usize = 32;
/// Longest time of one, the wait for its turn included.
const DEADLINE: Duration = Duration::from_secs(300);

/// Beginning of the name of its directory: that of a build's, so that what a
/// crash leaves behind is removed when the service starts again.
const DIRECTORY: &str = "bld_plan-";

/// Plans, for those who ask over the network.
pub(super) struct Plans {
    services: Arc<Services>,
    /// The end of the service waits for these tasks.
    tracker: TaskTracker,
    /// One permit for each that runs or waits.
    places: Arc<Semaphore>,
    /// One permit for each that runs.
    turns: Arc<Semaphore>,
}

impl Plans {
    pub(super) fn new(services: Arc<Services>, tracker: TaskTracker) -> Self {
        Self {
            services,
            tracker,
            places: Arc::new(Semaphore::new(MAX_AT_A_TIME + MAX_WAITING)),
            turns: Arc::new(Semaphore::new(MAX_AT_A_TIME)),
        }
    }

    /// Plans a request without building it.
    pub(super) async fn plan(&self, request: v1::PlanBuildRequest) -> Result<v1::Plan, Status> {
        let v1::PlanBuildRequest { request, offline } = request;
        let request = request.ok_or_else(|| BadField::missing("request"))?.try_into()?;
        Ok(within_deadline(self.dry_run(request, offline)).await?.into())
    }

    /// The plan of a build.
    pub(super) async fn stored(&self, build: &BuildId) -> Result<v1::Plan, Status> {
        match self.stored_draft(build).await? {
            Some(draft) => Ok(draft.into()),
            None => Err(Status::failed_precondition(format!(
                "{build} has no plan yet: it is stored as soon as every decision is made"
            ))),
        }
    }

    async fn stored_draft(&self, build: &BuildId) -> Result<Option<Draft>, Status> {
        let draft = joints::stored_draft(&self.services.store, build).await;
        draft.map_err(|failure| failure_status(&failure))
    }

    /// Explains a build that was found, a request, or the site alone.
    pub(super) async fn explain(
        &self,
        build: Option<BuildId>,
        request: v1::ExplainBuildRequest,
    ) -> Result<v1::ExplainBuildResponse, Status> {
        NoSuchPath::check(&request.path).map_err(|error| {
            failure_status(&Failure::from_error(FailureClass::User, "explain.path_too_long", &error))
        })?;
        within_deadline(self.explained(build, request)).await
    }

    async fn explained(
        &self,
        build: Option<BuildId>,
        request: v1::ExplainBuildRequest,
    ) -> Result<v1::ExplainBuildResponse, Status> {
        let v1::ExplainBuildRequest { subject, path, offline } = request;
        let (asked, draft) = match (build, subject) {
            (Some(build), _) => {
                let history = self.services.store.history(&build).await.map_err(store_status)?;
                (history.map(|history| history.request), self.stored_draft(&build).await?)
            }
            (None, Some(Asked::Request(request))) => {
                let request: BuildRequest = request.try_into()?;
                (Some(request.clone()), Some(self.dry_run(request, offline).await?))
            }
            (None, _) => (None, None),
        };
        let services = self.services.clone();
        // Sorting and comparing thousands of values is no work for the threads
        // that answer calls.
        let explained = tokio::task::spawn_blocking(move || {
            let explanation = Explanation::of(Subject {
                site: joints::site_leaves(&services.site),
                request: asked.as_ref(),
                draft: draft.as_ref(),
                readers: &joints::readers(),
                ..Subject::default()
            });
            let chosen = explanation.choose(&path).map_err(|error| Status::not_found(error.to_string()))?;
            let notice = draft.as_ref().and_then(|draft| other_settings(&services, draft));
            let problems = draft.map(|draft| draft.problems).unwrap_or_default();
            Ok(v1::ExplainBuildResponse {
                explanation: Some(chosen.into()),
                problems: problems.into_iter().flat_map(Failure::each).map(Into::into).collect(),
                notices: notice.into_iter().map(Into::into).collect(),
            })
        });
        explained
            .await
            .map_err(|error| Status::internal(format!("explaining ended unexpectedly: {error}")))?
    }

    /// Plans in turn. Who goes away, or has waited long enough, stops it; its
    /// place stays taken, and its directory there, until it has really ended.
    async fn dry_run(&self, request: BuildRequest, offline: bool) -> Result<Draft, Status> {
        check(&self.services.site, &request).map_err(|failure| failure_status(&failure))?;
        let place = self.places.clone().try_acquire_owned().map_err(|_| {
            let message = format!("{MAX_AT_A_TIME} plans are being made, and {MAX_WAITING} wait");
            let failure = Failure::new(FailureClass::Capacity, "plan.too_many", message);
            failure_status(&failure.with_advice("try again later"))
        })?;
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| Status::unavailable("the service ends"))?;
        let cancel = self.services.shutdown.child_token();
        let _cancelled_with_the_call = cancel.clone().drop_guard();
        let run = plan_for_api(self.services.clone(), request, offline, cancel, [place, turn]);
        self.tracker
            .spawn(run)
            .await
            .map_err(|error| Status::internal(format!("planning ended unexpectedly: {error}")))?
    }
}

async fn within_deadline<T>(work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    timeout(DEADLINE, work).await.unwrap_or_else(|_| {
        let text = format!("there was no answer within {} s; try again later", DEADLINE.as_secs());
        Err(Status::deadline_exceeded(text))
    })
}

/// What to say when the settings that are told are not those of the plan.
fn other_settings(services: &Services, draft: &Draft) -> Option<Notice> {
    let now = services.site.digest();
    (now != draft.settings_digest).then(|| {
        let text = format!(
            "the plan was made with other settings ({}) than the service has now ({now}); what stands under \
             'site' is of now",
            draft.settings_digest
        );
        Notice::new("explain.other_settings", text)
    })
}

/// A dry run with the site, credentials and layouts of the service. It holds its
/// permits until its directory is gone.
async fn plan_for_api(
    services: Arc<Services>,
    request: BuildRequest,
    offline: bool,
    cancel: CancellationToken,
    _permits: [OwnedSemaphorePermit; 2],
) -> Result<Draft, Status> {
    let work = &services.work_directory;
    let directory = tokio::fs::create_dir_all(work)
        .await
        .and_then(|()| tempfile::Builder::new().prefix(DIRECTORY).tempdir_in(work))
        .map_err(|error| failure_status(&disk_failure("cannot make a directory in", work, &error)))?;
    let run = dry_run(DryRun {
        site: services.site.clone(),
        outside: services.outside.clone(),
        request,
        reach: if offline { Reach::Nothing } else { Reach::Questions },
        layout_root: services.layout_root.clone(),
        directory: directory.path().to_owned(),
        assumed_parent: None,
        unique_tag: None,
        narrator: Arc::new(Silence),
        cancel: cancel.clone(),
    });
    let overdue = async {
        cancel.cancelled().await;
        tokio::time::sleep(DRY_RUN_ENDS).await;
    };
    // Boxed, for its steps are many.
    let draft = tokio::select! {
        draft = Box::pin(run) => draft,
        () = overdue => Err(Failure::cancelled("planning was asked to stop")),
    };
    draft.map_err(|failure| failure_status(&failure))
}

#[cfg(test)]
mod tests;
