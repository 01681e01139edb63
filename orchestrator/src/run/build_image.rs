//! Step: one platform's image, built by a worker.

use std::{collections::BTreeMap, sync::OnceLock, time::Duration};

use bytes::Bytes;
use common::{
    failure::{Failure, FailureClass},
    flow::{
        Context, Policy, Stage, Step,
        event::{EventKind, WorkerStatus},
        step::JOURNAL_FAILED,
    },
    names::{WorkOrderId, WorkerId},
    platform::{Architecture, Platform},
    work::{KojiUpload, WorkOrder, WorkOutcome},
};
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::{BuiltMember, PreparedUpload};
use crate::{
    plan::{Plan, PlatformPlan},
    pool::{Submission, Update},
    repository::dockerfile::Dockerfile,
    services::BuildServices,
};

/// How long a worker may take to stop before it is given up.
const CANCEL_DEADLINE: Duration = Duration::from_secs(10);
/// What a work order may take beside the engine's build: context, export, upload.
const TRANSFER_TIME: Duration = Duration::from_secs(2 * 3600);
/// Why work stops when nothing more is known.
const ASKED_TO_STOP: &str = "the build was asked to stop";
/// A build without a limit of its own.
const LONGEST_BUILD: Duration = Duration::from_secs(48 * 3600);

/// Builds one platform.
#[derive(Serialize)]
pub struct BuildImage<'a> {
    /// What is the same for all platforms.
    pub plan: &'a Plan,
    /// What is particular to this one.
    pub platform: &'a PlatformPlan,
    /// Where files for Koji go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<&'a PreparedUpload>,
    /// Why this platform should stop, if it is not the whole build that stops.
    #[serde(skip)]
    pub stop_reason: &'a OnceLock<String>,
}

impl Step<BuildServices> for BuildImage<'_> {
    const NAME: &'static str = "build_image";
    const STAGE: Stage = Stage::Build;
    type Output = BuiltMember;

    fn policy(&self) -> Policy {
        Policy {
            attempts: self.plan.attempts,
            wait: Duration::from_secs(1),
            timeout: self.plan.queue_deadline + self.work_time() + CANCEL_DEADLINE * 2,
            grace: CANCEL_DEADLINE + Duration::from_secs(5),
        }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<BuiltMember, Failure> {
        let services = cx.services;
        let staging = services.make_staging().await?;
        // Only here: a build that is over has forgotten the ticket.
        let koji_upload = match self.upload {
            Some(upload) => upload.order(services, self.plan).await?,
            None => None,
        };
        let order = self.order(cx, koji_upload);
        let follow = Follow {
            step: self,
            cx,
            id: order.id.clone(),
            submission: services.shared.pool.submit(order, cx.resumed),
        };
        let image = match follow.until_answered().await? {
            Ok(image) => image,
            Err(failure) => return Err(received(failure, &self.platform.platform)),
        };
        if image.platform != self.platform.platform {
            let message =
                format!("the worker built {} instead of {}", image.platform, self.platform.platform);
            return Err(Failure::new(FailureClass::Infrastructure, "member.contradiction", message));
        }
        BuiltMember::accept(&image, &self.platform.architecture, &staging).await
    }
}

impl BuildImage<'_> {
    fn order(&self, cx: &Context<'_, BuildServices>, koji_upload: Option<KojiUpload>) -> WorkOrder {
        let build = &cx.services.stamp.build;
        let id = WorkOrderId::derive(build, &self.platform.platform, cx.attempt);
        WorkOrder {
            ticket: cx.services.shared.tickets.ticket(&id),
            id,
            build: build.clone(),
            platform: self.platform.platform.clone(),
            engine_platform: self.platform.architecture.engine_platform(),
            attempt: cx.attempt,
            context: self.plan.context.clone(),
            dockerfile_path: self.plan.dockerfile_path.clone(),
            dockerfile: Bytes::copy_from_slice(self.platform.dockerfile.as_bytes()),
            build_args: self.build_args(),
            labels: BTreeMap::new(),
            host_label: self.plan.host_label.clone(),
            limits: self.plan.limits,
            use_cache: false,
            parents: self.platform.parents.clone(),
            manifest_format: self.plan.format,
            koji_upload,
            list_packages: self.plan.reason_against("compare_members").is_none(),
        }
    }

    /// The user's values, and those that the engine's builder does not define by
    /// itself.
    fn build_args(&self) -> BTreeMap<String, String> {
        build_args(&self.platform.dockerfile, &self.platform.architecture, &self.plan.build_args)
    }

    fn work_time(&self) -> Duration {
        self.plan.limits.time.unwrap_or(LONGEST_BUILD) + TRANSFER_TIME
    }

    fn failure(&self, class: FailureClass, code: &str, message: String) -> Failure {
        Failure::new(class, code, message).on_platform(&self.platform.platform)
    }
}

/// The user's build arguments, and the automatic ones that a Dockerfile declares.
fn build_args(
    dockerfile: &str,
    architecture: &Architecture,
    given: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    // The plan has made this text from one that could be read.
    let dockerfile = Dockerfile::parse(dockerfile.as_bytes());
    let automatic = dockerfile.map(|dockerfile| dockerfile.automatic_arguments(architecture, given));
    let mut all = automatic.unwrap_or_default();
    all.extend(given.clone());
    all
}

/// A worker's failure as it counts here: on this machine's clock, so that the
/// first of several is the first, and a cancellation only if there was one.
fn received(failure: Failure, platform: &Platform) -> Failure {
    let mut failure = failure.on_platform(platform);
    if failure.class == FailureClass::Cancelled {
        failure.class = FailureClass::Infrastructure;
        failure.code = "worker.stopped_unasked".to_owned();
        failure.message = format!("the worker stopped, though nobody asked: {}", failure.message);
    }
    failure.at = Timestamp::now();
    failure
}

/// Follows one work order until a worker has answered, or nobody will.
struct Follow<'a, 'b> {
    step: &'a BuildImage<'b>,
    cx: &'a Context<'a, BuildServices>,
    id: WorkOrderId,
    submission: Submission,
}

/// Why an order is being stopped.
struct Stopping {
    failure: Failure,
    until: Instant,
}

impl Follow<'_, '_> {
    /// Follows to the end. An order that is submitted again, by the next process
    /// or when the journal works again, stays with its worker.
    async fn until_answered(mut self) -> Result<WorkOutcome, Failure> {
        let result = self.follow().await;
        let journal_failed = result.as_ref().is_err_and(|failure| failure.code == JOURNAL_FAILED);
        if journal_failed || self.cx.services.shared.shutdown.is_cancelled() {
            self.submission.keep();
        }
        result
    }

    async fn follow(&mut self) -> Result<WorkOutcome, Failure> {
        let queue_deadline = Instant::now() + self.step.plan.queue_deadline;
        let mut deadline = queue_deadline;
        let mut waiting = String::from("no worker has taken it yet");
        let mut assigned = false;
        let mut stopping: Option<Stopping> = None;
        loop {
            let cancel = self.cx.cancel;
            tokio::select! {
                update = self.submission.next() => match update {
                    Some(Update::Waiting(reason)) => {
                        self.ensure_worker();
                        self.note(None, WorkerStatus::Waiting, &reason).await?;
                        waiting = reason;
                        // A worker may have given it back.
                        assigned = false;
                        deadline = queue_deadline;
                    }
                    Some(Update::Assigned(worker)) => {
                        assigned = true;
                        deadline = Instant::now() + self.step.work_time();
                        self.note(Some(worker), WorkerStatus::Assigned, "").await?;
                    }
                    Some(Update::Reattached(worker)) => {
                        assigned = true;
                        deadline = Instant::now() + self.step.work_time();
                        self.note(Some(worker), WorkerStatus::Reattached, "").await?;
                    }
                    Some(Update::Finished(worker, outcome)) => {
                        self.note(Some(worker), WorkerStatus::Finished, "").await?;
                        return match stopping {
                            Some(stopping) => Err(stopping.failure),
                            None => Ok(*outcome),
                        };
                    }
                    Some(Update::Lost(worker, reason)) => {
                        self.note(Some(worker.clone()), WorkerStatus::Lost, &reason).await?;
                        return Err(stopping.map_or_else(|| self.lost(&worker, &reason), |s| s.failure));
                    }
                    Some(Update::Hopeless(reason)) => return Err(self.hopeless(&reason)),
                    None => return Err(stopping.map_or_else(|| self.forgotten(), |s| s.failure)),
                },
                () = cancel.cancelled(), if stopping.is_none() => {
                    let reason = self.step.stop_reason.get().map_or(ASKED_TO_STOP, String::as_str);
                    let failure = Failure::cancelled(reason);
                    // A process that ends leaves its workers alone: the next one
                    // takes the order up again.
                    if self.cx.services.shared.shutdown.is_cancelled() {
                        return Err(failure);
                    }
                    match self.stop(reason, failure) {
                        Ok(begun) => stopping = Some(begun),
                        Err(failure) => return Err(failure),
                    }
                }
                () = sleep_until(deadline), if stopping.is_none() => {
                    let failure = if assigned { self.took_too_long() } else { self.waited_too_long(&waiting) };
                    match self.stop("its deadline passed", failure) {
                        Ok(begun) => stopping = Some(begun),
                        Err(failure) => return Err(failure),
                    }
                }
                () = sleep_until(stopping.as_ref().map_or(deadline, |s| s.until)), if stopping.is_some() => {
                    let text = "the worker did not stop in time; its answer will not count";
                    self.cx.warn("worker.ignored_cancel", text).await?;
                    return Err(stopping.map_or_else(|| self.forgotten(), |s| s.failure));
                }
            }
        }
    }

    /// Asks the worker to stop; the failure at once when no worker has the order.
    fn stop(&self, reason: &str, failure: Failure) -> Result<Stopping, Failure> {
        if self.submission.cancel(reason) {
            Ok(Stopping { failure, until: Instant::now() + CANCEL_DEADLINE })
        } else {
            Err(failure)
        }
    }

    fn ensure_worker(&self) {
        let shared = &self.cx.services.shared;
        if !shared.pool.has_worker_for(&self.step.platform.platform) {
            shared.launcher.ensure(&self.step.platform.platform);
        }
    }

    async fn note(
        &self,
        worker: Option<WorkerId>,
        status: WorkerStatus,
        reason: &str,
    ) -> Result<(), Failure> {
        let platform = self.step.platform.platform.clone();
        let (work_order, reason) = (self.id.clone(), reason.to_owned());
        self.cx.note(EventKind::WorkerChanged { platform, work_order, worker, status, reason }).await
    }

    fn lost(&self, worker: &WorkerId, reason: &str) -> Failure {
        let message = format!("the worker {worker} was lost while it built {}: {reason}", self.id);
        self.step.failure(FailureClass::Infrastructure, "worker.lost", message)
    }

    fn hopeless(&self, reason: &str) -> Failure {
        self.step
            .failure(FailureClass::Capacity, "worker.cannot_start", reason.to_owned())
            .with_advice("is the container engine running, and may this user reach its socket?")
    }

    fn waited_too_long(&self, waiting: &str) -> Failure {
        let seconds = self.step.plan.queue_deadline.as_secs();
        let message = format!("no worker took the work within {seconds} s: {waiting}");
        self.step
            .failure(FailureClass::Capacity, "capacity.no_worker", message)
            .with_advice("start a worker for the platform, or raise builds.queue_deadline")
    }

    fn took_too_long(&self) -> Failure {
        let seconds = self.step.work_time().as_secs();
        let message = format!("the worker took longer than {seconds} s");
        self.step.failure(FailureClass::Timeout, "worker.timeout", message)
    }

    fn forgotten(&self) -> Failure {
        let message = format!("the pool forgot {}", self.id);
        self.step.failure(FailureClass::Internal, "pool.forgotten", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancellation_that_nobody_asked_for_is_worth_another_try() {
        let platform = "x86_64".parse().unwrap();
        let failure = received(Failure::cancelled("went on without it"), &platform);
        assert_eq!(failure.code, "worker.stopped_unasked");
        assert!(failure.class.is_worth_another_try());
        assert!(failure.message.contains("went on without it"), "{failure}");
    }

    #[test]
    fn declared_automatic_arguments_go_to_the_worker_beside_the_users() {
        let given = BTreeMap::from(
            [("A", "1"), ("TARGETOS", "mine")].map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let found =
            build_args("FROM a\nARG TARGETARCH\nARG TARGETOS\n", &Architecture::plain("s390x"), &given);
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("A", "1"), ("TARGETARCH", "s390x"), ("TARGETOS", "mine")]);
    }

    #[test]
    fn a_failure_happens_when_it_is_heard_of() {
        let platform: Platform = "x86_64".parse().unwrap();
        let sent = Failure::new(FailureClass::Source, "build.failed", "exit 3");
        for at in [Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            let before = Timestamp::now();
            let failure = received(Failure { at, ..sent.clone() }, &platform);
            assert!(before <= failure.at && failure.at <= Timestamp::now());
            assert_eq!((failure.code.as_str(), failure.platform.as_ref()), ("build.failed", Some(&platform)));
        }
    }
}
