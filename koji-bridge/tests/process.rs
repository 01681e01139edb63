//! The binary as a process: what it prints, what it answers, how it ends.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{process::Stdio, time::Duration};

use common::service::{ConnectOptions, Connection, ServiceAddress, connect, version_line};
use futures::{StreamExt as _, stream};
use proto::v1::{self, koji_bridge_service_client::KojiBridgeServiceClient};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    time::timeout,
};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

const SERVICE: &str = "reactor.v1.KojiBridgeService";
/// A test that waits longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_koji-bridge"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn next<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>) -> String {
    let line = timeout(PATIENCE, lines.next_line()).await.expect("a line in time").unwrap();
    line.expect("a line before the end")
}

struct Bridge {
    process: Child,
    address: ServiceAddress,
    logs: Lines<BufReader<ChildStderr>>,
}

impl Bridge {
    async fn start(arguments: &[&str]) -> Self {
        let mut command = command(&[&["serve"], arguments].concat());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = next(&mut output).await;
        let address = line.strip_prefix("listening on ").expect(&line).parse().unwrap();
        let logs = BufReader::new(process.stderr.take().unwrap()).lines();
        Self { process, address, logs }
    }

    async fn connection(&self) -> Connection {
        connect(&self.address, &ConnectOptions::default()).await.unwrap()
    }

    async fn health(&self, service: &str) -> ServingStatus {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = HealthClient::new(self.connection().await).check(request).await.unwrap();
        answer.into_inner().status()
    }

    async fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process.id().expect("it runs"));
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    }

    async fn log_with(&mut self, part: &str) -> String {
        loop {
            let line = next(&mut self.logs).await;
            if line.contains(part) {
                return line;
            }
        }
    }

    async fn exit_code(mut self) -> Option<i32> {
        timeout(PATIENCE, self.process.wait()).await.expect("an end in time").unwrap().code()
    }
}

fn list_services() -> ServerReflectionRequest {
    let message_request = Some(MessageRequest::ListServices(String::new()));
    ServerReflectionRequest { host: String::new(), message_request }
}

#[tokio::test]
async fn version_names_the_contract() {
    let output = command(&["--version"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let line = version_line("koji-bridge", proto::CONTRACT_DIGEST);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{line}\n"));
}

#[tokio::test]
async fn bad_usage_and_a_taken_address_have_their_own_exit_codes() {
    for bad in [&["serve", "--listen", "nowhere"][..], &["serve", "--log-filter", "a=b=c"], &["dance"], &[]] {
        let output = command(bad).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{bad:?}");
        assert!(!output.stderr.is_empty(), "{bad:?}");
    }
    let bridge = Bridge::start(&["--listen", "127.0.0.1:0"]).await;
    let address = bridge.address.to_string();
    let output = command(&["serve", "--listen", &address]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("in use by another process"));
}

#[tokio::test]
async fn it_serves_health_and_says_that_there_is_no_hub() {
    let directory = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", directory.path().join("koji.sock").display());
    for listen in ["127.0.0.1:0", &socket] {
        let mut bridge = Bridge::start(&["--listen", listen]).await;
        let log: serde_json::Value = serde_json::from_str(&bridge.log_with("hub").await).unwrap();
        assert_eq!((&log["level"], &log["service"]), (&"WARN".into(), &SERVICE.into()));
        assert_eq!(bridge.health("").await, ServingStatus::Serving, "{listen}");
        assert_eq!(bridge.health(SERVICE).await, ServingStatus::NotServing);
        let mut client = KojiBridgeServiceClient::new(bridge.connection().await);
        let request = v1::ResolveTargetRequest { name: "f44".into() };
        assert_eq!(client.resolve_target(request).await.unwrap_err().code(), Code::Unimplemented);
        let described = client.describe(v1::DescribeRequest {}).await.unwrap().into_inner();
        assert_eq!(described.version, env!("CARGO_PKG_VERSION"));
        assert!(described.hub_url.is_empty() && described.capabilities.is_empty(), "{described:?}");
        bridge.signal("TERM").await;
        assert_eq!(bridge.exit_code().await, Some(0));
    }
    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "the socket is gone");
}

#[tokio::test]
async fn reflection_publishes_the_contract_unless_it_is_turned_off() {
    let bridge = Bridge::start(&["--listen", "127.0.0.1:0"]).await;
    let mut client = ServerReflectionClient::new(bridge.connection().await);
    let symbol = Some(MessageRequest::FileContainingSymbol(SERVICE.to_owned()));
    let describe = ServerReflectionRequest { host: String::new(), message_request: symbol };
    let requests = stream::iter([list_services(), describe]);
    let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
    let list = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = list else { panic!("{list:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&SERVICE), "{names:?}");
    assert!(!names.contains(&"reactor.v1.BuildService"), "only its own services: {names:?}");
    let file = answers.message().await.unwrap().unwrap().message_response;
    assert!(matches!(file, Some(MessageResponse::FileDescriptorResponse(_))), "{file:?}");

    let silent = Bridge::start(&["--listen", "127.0.0.1:0", "--no-reflection"]).await;
    let mut client = ServerReflectionClient::new(silent.connection().await);
    let error = client.server_reflection_info(stream::iter([list_services()])).await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
}

#[tokio::test]
async fn the_first_signal_drains_and_the_second_ends_at_once() {
    let mut bridge = Bridge::start(&["--listen", "127.0.0.1:0", "--grace", "3600"]).await;
    let mut client = ServerReflectionClient::new(bridge.connection().await);
    let endless = stream::iter([list_services()]).chain(stream::pending());
    let mut answers = client.server_reflection_info(endless).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap();
    bridge.signal("TERM").await;
    bridge.log_with("SIGTERM").await;
    assert!(bridge.process.try_wait().unwrap().is_none(), "it waits for the open call");
    bridge.signal("INT").await;
    assert_eq!(bridge.exit_code().await, Some(130));
}
