//! A client of a running service: one method for each call that the commands
//! need, each with a deadline and with errors that people understand.

use std::{error::Error as _, path::Path, time::Duration};

use common::{
    secret::Secret,
    service::{ConnectOptions, Connection, MAX_MESSAGE_BYTES, ServiceAddress, connect},
};
use proto::v1::{self, build_service_client::BuildServiceClient, worker_service_client::WorkerServiceClient};
use tonic::{Code, Response, Status, Streaming};

use crate::cli::error::CliError;

/// Longest wait for the answer to a call, and for the beginning of a stream.
const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// A client of the build and worker services at one address. Clones share the
/// connection.
#[derive(Clone)]
pub(crate) struct Client {
    server: String,
    builds: BuildServiceClient<Connection>,
    workers: WorkerServiceClient<Connection>,
}

impl Client {
    /// A client that dials on first use.
    pub(crate) async fn new(
        address: &ServiceAddress,
        token_file: Option<&Path>,
        ca_file: Option<&Path>,
    ) -> Result<Self, CliError> {
        let options = ConnectOptions {
            ca_file: ca_file.map(Path::to_owned),
            token: token_file.map(Secret::from_file).transpose()?,
            ..ConnectOptions::default()
        };
        let connection = connect(address, &options).await?;
        Ok(Self {
            server: address.to_string(),
            builds: BuildServiceClient::new(connection.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES),
            workers: WorkerServiceClient::new(connection).max_decoding_message_size(MAX_MESSAGE_BYTES),
        })
    }

    pub(crate) async fn submit(&self, request: v1::SubmitBuildRequest) -> Result<v1::Build, CliError> {
        let mut builds = self.builds.clone();
        let answer = self.call("submitting the build", builds.submit_build(request)).await?;
        self.present("submitting the build", answer.build)
    }

    pub(crate) async fn get(&self, build: &str) -> Result<v1::Build, CliError> {
        let mut builds = self.builds.clone();
        let request = v1::GetBuildRequest { build_id: build.to_owned() };
        let answer = self.call("reading the build", builds.get_build(request)).await?;
        self.present("reading the build", answer.build)
    }

    pub(crate) async fn plan(&self, build: &str) -> Result<v1::Plan, CliError> {
        let what = "reading the plan";
        let mut builds = self.builds.clone();
        let request = v1::GetPlanRequest { build_id: build.to_owned() };
        let answer = self.call(what, builds.get_plan(request)).await?;
        let empty = || self.error(what, Status::internal("the service's answer holds no plan"));
        answer.plan.ok_or_else(empty)
    }

    pub(crate) async fn explain(
        &self,
        build: &str,
        path: &str,
    ) -> Result<v1::ExplainBuildResponse, CliError> {
        let mut builds = self.builds.clone();
        let request = v1::ExplainBuildRequest {
            subject: Some(v1::explain_build_request::Subject::BuildId(build.to_owned())),
            path: path.to_owned(),
            offline: false,
        };
        self.call("explaining the build", builds.explain_build(request)).await
    }

    pub(crate) async fn list(
        &self,
        request: v1::ListBuildsRequest,
    ) -> Result<v1::ListBuildsResponse, CliError> {
        let mut builds = self.builds.clone();
        self.call("listing builds", builds.list_builds(request)).await
    }

    pub(crate) async fn cancel(&self, build: &str, reason: &str) -> Result<v1::Build, CliError> {
        let mut builds = self.builds.clone();
        let request = v1::CancelBuildRequest { build_id: build.to_owned(), reason: reason.to_owned() };
        let answer = self.call("cancelling the build", builds.cancel_build(request)).await?;
        self.present("cancelling the build", answer.build)
    }

    pub(crate) async fn watch(
        &self,
        build: &str,
        after_sequence: u64,
    ) -> Result<Streaming<v1::WatchBuildResponse>, CliError> {
        let mut builds = self.builds.clone();
        let request = v1::WatchBuildRequest { build_id: build.to_owned(), after_sequence };
        self.call("watching the build", builds.watch_build(request)).await
    }

    pub(crate) async fn logs(
        &self,
        request: v1::ReadLogsRequest,
    ) -> Result<Streaming<v1::ReadLogsResponse>, CliError> {
        let mut builds = self.builds.clone();
        self.call("reading the log", builds.read_logs(request)).await
    }

    pub(crate) async fn workers(&self) -> Result<v1::ListWorkersResponse, CliError> {
        let mut workers = self.workers.clone();
        self.call("listing workers", workers.list_workers(v1::ListWorkersRequest {})).await
    }

    /// A status of a call or of a stream as an error.
    pub(crate) fn error(&self, call: &'static str, status: Status) -> CliError {
        let broken = status.source().is_some_and(|source| source.is::<tonic::transport::Error>());
        if broken && matches!(status.code(), Code::Unavailable | Code::Unknown) {
            return CliError::Unreachable { server: self.server.clone(), reason: root_cause(&status) };
        }
        CliError::Refused { call, status }
    }

    async fn call<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CliError> {
        match tokio::time::timeout(CALL_DEADLINE, answer).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.error(what, status)),
            Err(_) => {
                let text = format!("no answer within {} s", CALL_DEADLINE.as_secs());
                Err(self.error(what, Status::deadline_exceeded(text)))
            }
        }
    }

    fn present(&self, what: &'static str, build: Option<v1::Build>) -> Result<v1::Build, CliError> {
        build.ok_or_else(|| self.error(what, Status::internal("the service's answer holds no build")))
    }
}

/// What the system said, below the transport's own wrappings.
fn root_cause(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = status.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}
