//! Real servers on real sockets, asked by real clients.

use futures::{StreamExt as _, stream};
use tokio::task::JoinSet;
use tonic::{Code, Request};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus as Wire, health_client::HealthClient,
};
use tonic_reflection::pb::{
    v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    },
    v1alpha,
};

use super::*;
use crate::service::{ConnectOptions, Connection, ServiceAddress, connect};

const SERVED: &str = "reactor.v1.BuildService";
const ABSENT: &str = "reactor.v1.KojiBridgeService";

struct Running {
    tasks: JoinSet<Result<(), ServeError>>,
    shutdown: Shutdown,
    address: ServiceAddress,
}

impl Running {
    async fn start(address: &str, change: impl FnOnce(&mut Server)) -> Self {
        let listener = Listener::bind(&address.parse().unwrap()).await.unwrap();
        let address = listener.local_address().clone();
        let shutdown = Shutdown::new();
        // The contract of another crate is not at hand here; health's own does.
        let descriptors = tonic_health::pb::FILE_DESCRIPTOR_SET;
        let mut server = Server::new(Routes::default(), &[SERVED], descriptors);
        server.absent.push(ABSENT);
        server.grace = Duration::from_millis(200);
        change(&mut server);
        let (mut tasks, handle) = (JoinSet::new(), shutdown.clone());
        tasks.spawn(async move { server.serve(listener, &handle).await });
        Self { tasks, shutdown, address }
    }

    async fn connection(&self) -> Connection {
        connect(&self.address, &ConnectOptions::default()).await.unwrap()
    }

    async fn health(&self, service: &str) -> Result<Wire, tonic::Status> {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = HealthClient::new(self.connection().await).check(request).await?;
        Ok(answer.into_inner().status())
    }

    async fn stop(mut self) -> Result<(), ServeError> {
        self.shutdown.token.cancel();
        self.tasks.join_next().await.unwrap().unwrap()
    }
}

fn list_request() -> ServerReflectionRequest {
    let message_request = Some(MessageRequest::ListServices(String::new()));
    ServerReflectionRequest { host: String::new(), message_request }
}

#[tokio::test]
async fn health_has_one_name_per_service() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    for address in ["127.0.0.1:0", &format!("unix:{}", socket.display())] {
        let running = Running::start(address, |_| {}).await;
        assert_eq!(running.health("").await.unwrap(), Wire::Serving, "{address}");
        assert_eq!(running.health(SERVED).await.unwrap(), Wire::Serving);
        assert_eq!(running.health(ABSENT).await.unwrap(), Wire::NotServing);
        assert_eq!(running.health("x.Y").await.unwrap_err().code(), Code::NotFound);
        running.stop().await.unwrap();
    }
    assert!(!socket.exists(), "the socket goes away with the server");
}

#[tokio::test]
async fn reflection_lists_what_is_published() {
    let running = Running::start("127.0.0.1:0", |_| {}).await;
    let mut client = ServerReflectionClient::new(running.connection().await);
    let requests = stream::iter([list_request()]);
    let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for name in [SERVED, ABSENT, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"] {
        assert!(names.iter().any(|found| found == name), "{name} is not in {names:?}");
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_older_reflection_is_there_too_and_both_can_be_left_out() {
    let ask = async |running: &Running| {
        let connection = running.connection().await;
        let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(connection);
        let message_request =
            Some(v1alpha::server_reflection_request::MessageRequest::ListServices(String::new()));
        let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request };
        client.server_reflection_info(stream::iter([request])).await.map(|_| ())
    };
    let with = Running::start("127.0.0.1:0", |_| {}).await;
    ask(&with).await.unwrap();
    with.stop().await.unwrap();
    let without = Running::start("127.0.0.1:0", |server| server.reflection = false).await;
    assert_eq!(ask(&without).await.unwrap_err().code(), Code::Unimplemented);
    without.stop().await.unwrap();
}

#[tokio::test]
async fn a_health_watch_sees_the_end_and_is_over() {
    // So long that the test would never end if the watch had to be cut.
    let running = Running::start("127.0.0.1:0", |server| server.grace = Duration::from_secs(3600)).await;
    let request = HealthCheckRequest { service: SERVED.to_owned() };
    let mut client = HealthClient::new(running.connection().await);
    let mut watch = client.watch(request).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), Wire::Serving);
    running.stop().await.unwrap();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), Wire::NotServing);
    assert!(watch.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_that_never_ends_is_cut_after_the_grace_period() {
    let running = Running::start("127.0.0.1:0", |_| {}).await;
    let mut client = ServerReflectionClient::new(running.connection().await);
    let requests = Request::new(stream::iter([list_request()]).chain(stream::pending()));
    let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap();
    running.stop().await.unwrap();
    assert!(answers.message().await.is_err(), "a cut is not an end");
}

#[tokio::test]
async fn nobody_is_accepted_after_the_end() {
    let running = Running::start("127.0.0.1:0", |_| {}).await;
    let connection = running.connection().await;
    running.stop().await.unwrap();
    let error = HealthClient::new(connection).check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
}

#[tokio::test]
async fn https_without_a_certificate_is_refused() {
    let mut running = Running::start("https://127.0.0.1:0", |_| {}).await;
    let ended = running.tasks.join_next().await.unwrap().unwrap();
    assert!(matches!(ended, Err(ServeError::NoCertificate)), "{ended:?}");
}
