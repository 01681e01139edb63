//! `BuildService`: plan and explain. A plan that is asked for is a dry run: it
//! changes nothing, in a directory that is gone when the answer is sent. Only a
//! few run at a time, and each has a deadline, for anybody may ask.

mod messages;

use std::{sync::Arc, time::Duration};

use common::{names::BuildId, request::BuildRequest};
use proto::{
    convert::{BadField, failure_status},
    v1::{self, explain_build_request::Subject as Asked},
};
use tokio::{sync::Semaphore, time::timeout};
use tonic::Status;

use super::store_status;
use crate::{
    plan::{
        Draft, DryRun, Silence, dry_run,
        explain::{Explanation, Subject},
        joints,
    },
    services::{Reach, Services, disk_failure},
};

/// Dry runs at the same time.
const MAX_AT_A_TIME: usize = 4;
/// Longest time of one, the wait for its turn included.
const DEADLINE: Duration = Duration::from_secs(300);

/// Beginning of the name of its directory: that of a build's, so that what a
/// crash leaves behind is removed when the service starts again.
const DIRECTORY: &str = "bld_plan-";

/// Plans, for those who ask over the network.
pub(super) struct Plans {
    services: Arc<Services>,
    turns: Semaphore,
}

impl Plans {
    pub(super) fn new(services: Arc<Services>) -> Self {
        Self { services, turns: Semaphore::new(MAX_AT_A_TIME) }
    }

    /// Plans a request without building it.
    pub(super) async fn plan(&self, request: v1::PlanBuildRequest) -> Result<v1::Plan, Status> {
        let v1::PlanBuildRequest { request, offline } = request;
        let request = request.ok_or_else(|| BadField::missing("request"))?.try_into()?;
        Ok(self.in_turn(request, offline).await?.into())
    }

    /// The plan of a build.
    pub(super) async fn stored(&self, build: &BuildId) -> Result<v1::Plan, Status> {
        match joints::stored_draft(&self.services.store, build).await.map_err(store_status)? {
            Some(draft) => Ok(draft.into()),
            None => Err(Status::failed_precondition(format!(
                "{build} has no plan yet: it is stored as soon as every decision is made"
            ))),
        }
    }

    /// Explains a build that was found, a request, or the site alone.
    pub(super) async fn explain(
        &self,
        build: Option<BuildId>,
        request: v1::ExplainBuildRequest,
    ) -> Result<v1::Explanation, Status> {
        let v1::ExplainBuildRequest { subject, path, offline } = request;
        let (asked, draft) = match (build, subject) {
            (Some(build), _) => {
                let store = &self.services.store;
                let history = store.history(&build).await.map_err(store_status)?;
                let draft = joints::stored_draft(store, &build).await.map_err(store_status)?;
                (history.map(|history| history.request), draft)
            }
            (None, Some(Asked::Request(request))) => {
                let request: BuildRequest = request.try_into()?;
                (Some(request.clone()), Some(self.in_turn(request, offline).await?))
            }
            (None, _) => (None, None),
        };
        let readers = joints::readers();
        let explanation = Explanation::of(Subject {
            site: joints::site_leaves(&self.services.site),
            request: asked.as_ref(),
            draft: draft.as_ref(),
            readers: &readers,
            ..Subject::default()
        });
        let chosen = explanation.filter(&path);
        if chosen.entries.is_empty() {
            let near = explanation.near(&path);
            let near =
                if near.is_empty() { String::new() } else { format!("; near it are {}", near.join(", ")) };
            return Err(Status::not_found(format!("there is no '{path}'{near}")));
        }
        Ok(chosen.into())
    }

    async fn in_turn(&self, request: BuildRequest, offline: bool) -> Result<Draft, Status> {
        let planned = timeout(DEADLINE, async {
            let _turn = self.turns.acquire().await.map_err(|_| Status::unavailable("the service ends"))?;
            plan_for_api(&self.services, request, offline).await
        });
        planned.await.unwrap_or_else(|_| {
            let text = format!("there was no plan within {} s; try again later", DEADLINE.as_secs());
            Err(Status::deadline_exceeded(text))
        })
    }
}

/// A dry run with the site, credentials and layouts of the service.
async fn plan_for_api(services: &Services, request: BuildRequest, offline: bool) -> Result<Draft, Status> {
    let work = &services.work_directory;
    let directory = tokio::fs::create_dir_all(work)
        .await
        .and_then(|()| tempfile::Builder::new().prefix(DIRECTORY).tempdir_in(work))
        .map_err(|error| failure_status(&disk_failure("cannot make a directory in", work, &error)))?;
    let cancel = services.shutdown.child_token();
    // Whoever asked may go away; then nobody needs the answer.
    let _cancelled_with_the_call = cancel.clone().drop_guard();
    dry_run(DryRun {
        site: services.site.clone(),
        outside: services.outside.clone(),
        request,
        reach: if offline { Reach::Nothing } else { Reach::Questions },
        layout_root: services.layout_root.clone(),
        directory: directory.path().to_owned(),
        assumed_parent: None,
        unique_tag: None,
        narrator: Arc::new(Silence),
        cancel,
    })
    .await
    .map_err(|failure| failure_status(&failure))
}

#[cfg(test)]
mod tests;
