//! A build service for tests: a real server on a port of its own, with one build
//! whose history is fixed, and connections that break when they are told to.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use common::service::{Listener, Server, Shutdown};
use futures::{Stream, StreamExt as _, stream, stream::BoxStream};
use proto::v1::{
    self,
    build_service_server::{BuildService, BuildServiceServer},
    worker_service_server::{WorkerService, WorkerServiceServer},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, service::Routes};

use crate::plan::explain;

type Answer<T> = Result<Response<T>, Status>;
type Stopped<T> = BoxStream<'static, Result<T, Status>>;

/// What the service has and does.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) build: v1::Build,
    pub(crate) events: Vec<v1::BuildEvent>,
    pub(crate) records: Vec<v1::LogRecord>,
    /// Every stream breaks after so many messages; 0 means never.
    pub(crate) break_after: usize,
    /// Events after this position wait for `CancelBuild`.
    pub(crate) hold_events_at: Option<usize>,
}

/// The running service.
pub(crate) struct Service {
    pub(crate) address: String,
    pub(crate) seen: Arc<Seen>,
    shutdown: Shutdown,
    tasks: JoinSet<()>,
}

/// What clients did.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) streams: AtomicUsize,
    pub(crate) submitted: Mutex<Vec<v1::SubmitBuildRequest>>,
    pub(crate) cancelled: Mutex<Vec<String>>,
    cancel: CancellationToken,
}

impl Service {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_address().to_string();
        let (seen, shutdown) = (Arc::new(Seen::default()), Shutdown::new());
        let fake = Fake { script, seen: Arc::clone(&seen) };
        let routes =
            Routes::new(BuildServiceServer::new(fake.clone())).add_service(WorkerServiceServer::new(fake));
        let server = Server::new(routes, &["reactor.v1.BuildService"], proto::DESCRIPTORS);
        let mut tasks = JoinSet::new();
        let end = shutdown.clone();
        tasks.spawn(async move { server.serve(listener, &end).await.unwrap() });
        Self { address, seen, shutdown, tasks }
    }

    pub(crate) async fn stop(mut self) {
        self.shutdown.token.cancel();
        self.tasks.join_next().await.unwrap().unwrap();
    }
}

#[derive(Clone)]
struct Fake {
    script: Script,
    seen: Arc<Seen>,
}

impl Fake {
    /// The same build for every beginning of its id.
    fn build(&self, beginning: &str) -> Result<v1::Build, Status> {
        if !beginning.is_empty() && self.script.build.id.starts_with(beginning) {
            Ok(self.script.build.clone())
        } else {
            Err(Status::not_found(format!("there is no build '{beginning}'")))
        }
    }

    /// Cuts a stream off where the script says so.
    fn breaking<T: Send + 'static>(&self, messages: impl Stream<Item = T> + Send + 'static) -> Stopped<T> {
        self.seen.streams.fetch_add(1, Ordering::Relaxed);
        let whole = messages.map(Ok);
        match self.script.break_after {
            0 => whole.boxed(),
            count => whole.take(count).chain(stream::iter([Err(Status::unavailable("cut off"))])).boxed(),
        }
    }
}

#[tonic::async_trait]
impl BuildService for Fake {
    type WatchBuildStream = Stopped<v1::WatchBuildResponse>;
    type ReadLogsStream = Stopped<v1::ReadLogsResponse>;

    async fn submit_build(
        &self,
        request: Request<v1::SubmitBuildRequest>,
    ) -> Answer<v1::SubmitBuildResponse> {
        let request = request.into_inner();
        if request.idempotency_key == "refused" {
            return Err(Status::invalid_argument("request.source.uri: it is empty"));
        }
        self.seen.submitted.lock().unwrap().push(request);
        Ok(Response::new(v1::SubmitBuildResponse { build: Some(self.script.build.clone()) }))
    }

    async fn get_build(&self, request: Request<v1::GetBuildRequest>) -> Answer<v1::GetBuildResponse> {
        let build = self.build(&request.get_ref().build_id)?;
        Ok(Response::new(v1::GetBuildResponse { build: Some(build) }))
    }

    async fn list_builds(&self, request: Request<v1::ListBuildsRequest>) -> Answer<v1::ListBuildsResponse> {
        // Two builds on each page, three pages.
        let page: usize = request.get_ref().page_token.parse().unwrap_or_default();
        let build = |number: usize| v1::Build { id: format!("bld_{number}"), ..self.script.build.clone() };
        let next_page_token = if page < 2 { (page + 1).to_string() } else { String::new() };
        let builds = vec![build(page * 2), build(page * 2 + 1)];
        Ok(Response::new(v1::ListBuildsResponse { builds, next_page_token }))
    }

    async fn watch_build(&self, request: Request<v1::WatchBuildRequest>) -> Answer<Self::WatchBuildStream> {
        let request = request.into_inner();
        self.build(&request.build_id)?;
        let held = self.script.hold_events_at.unwrap_or(usize::MAX);
        let cancel = self.seen.cancel.clone();
        // A service that repeats the last event is allowed for: it is dropped.
        let after = usize::try_from(request.after_sequence).unwrap().saturating_sub(1);
        let events = self.script.events.clone().into_iter().enumerate().skip(after);
        let messages = stream::iter(events).then(move |(position, event)| {
            let cancel = cancel.clone();
            async move {
                if position >= held {
                    cancel.cancelled().await;
                }
                v1::WatchBuildResponse { event: Some(event) }
            }
        });
        Ok(Response::new(self.breaking(messages)))
    }

    async fn read_logs(&self, request: Request<v1::ReadLogsRequest>) -> Answer<Self::ReadLogsStream> {
        let request = request.into_inner();
        self.build(&request.build_id)?;
        let chosen = move |record: &v1::LogRecord| {
            record.offset + record.text.len() as u64 > request.offset
                && (request.platform.is_empty() || record.platform == request.platform)
        };
        let records: Vec<_> = self.script.records.iter().filter(|record| chosen(record)).cloned().collect();
        let messages = records.into_iter().map(|record| v1::ReadLogsResponse {
            next_offset: record.offset + record.text.len() as u64,
            records: vec![record],
            end: false,
        });
        let end = v1::ReadLogsResponse { end: true, ..v1::ReadLogsResponse::default() };
        Ok(Response::new(self.breaking(stream::iter(messages.chain([end]).collect::<Vec<_>>()))))
    }

    async fn cancel_build(
        &self,
        request: Request<v1::CancelBuildRequest>,
    ) -> Answer<v1::CancelBuildResponse> {
        let request = request.into_inner();
        let build = self.build(&request.build_id)?;
        self.seen.cancelled.lock().unwrap().push(request.reason);
        self.seen.cancel.cancel();
        Ok(Response::new(v1::CancelBuildResponse { build: Some(build) }))
    }

    async fn plan_build(&self, _: Request<v1::PlanBuildRequest>) -> Answer<v1::PlanBuildResponse> {
        Err(Status::unimplemented("not for these tests"))
    }

    async fn get_plan(&self, request: Request<v1::GetPlanRequest>) -> Answer<v1::GetPlanResponse> {
        self.build(&request.get_ref().build_id)?;
        Ok(Response::new(v1::GetPlanResponse { plan: Some(explain::samples::draft().into()) }))
    }

    async fn explain_build(
        &self,
        request: Request<v1::ExplainBuildRequest>,
    ) -> Answer<v1::ExplainBuildResponse> {
        let request = request.into_inner();
        if let Some(v1::explain_build_request::Subject::BuildId(build)) = &request.subject {
            self.build(build)?;
        }
        let draft = explain::samples::draft();
        let subject = explain::Subject { draft: Some(&draft), ..explain::Subject::default() };
        let explanation = explain::Explanation::of(subject).filter(&request.path);
        Ok(Response::new(v1::ExplainBuildResponse {
            explanation: Some(explanation.into()),
            problems: Vec::new(),
            notices: vec![
                crate::plan::Notice::new("explain.other_settings", "the settings are of now").into(),
            ],
        }))
    }
}

#[tonic::async_trait]
impl WorkerService for Fake {
    type AttachStream = Stopped<v1::AttachResponse>;
    type FetchContextStream = Stopped<v1::FetchContextResponse>;

    async fn list_workers(&self, _: Request<v1::ListWorkersRequest>) -> Answer<v1::ListWorkersResponse> {
        let worker = v1::Worker {
            id: "wrk_a".into(),
            platforms: vec!["x86_64".into()],
            slots: 1,
            ..v1::Worker::default()
        };
        Ok(Response::new(v1::ListWorkersResponse { workers: vec![worker] }))
    }

    async fn attach(&self, _: Request<Streaming<v1::AttachRequest>>) -> Answer<Self::AttachStream> {
        Err(Status::unimplemented("not for these tests"))
    }

    async fn fetch_context(&self, _: Request<v1::FetchContextRequest>) -> Answer<Self::FetchContextStream> {
        Err(Status::unimplemented("not for these tests"))
    }

    async fn find_blobs(&self, _: Request<v1::FindBlobsRequest>) -> Answer<v1::FindBlobsResponse> {
        Err(Status::unimplemented("not for these tests"))
    }

    async fn upload_blob(
        &self,
        _: Request<Streaming<v1::UploadBlobRequest>>,
    ) -> Answer<v1::UploadBlobResponse> {
        Err(Status::unimplemented("not for these tests"))
    }
}
