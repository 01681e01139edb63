//! Both ends of TLS, with authorities made for the test.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::{TempDir, tempdir};
use tokio::task::JoinSet;
use tonic::{Code, service::Routes};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::*;
use crate::service::{
    ClientIdentity, ConnectOptions, Listener, ServeError, Server, ServiceAddress, Shutdown, connect,
};

/// A directory with an authority (`ca.pem`) and whatever it signs.
struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let directory = tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { directory, issuer: Issuer::new(params, key) }
    }

    fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    fn sign(&self, name: &str) -> ClientIdentity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = |kind: &str| self.directory.path().join(format!("{name}.{kind}.pem"));
        std::fs::write(file("certificate"), certificate.pem()).unwrap();
        std::fs::write(file("key"), key.serialize_pem()).unwrap();
        ClientIdentity { certificate: file("certificate"), key: file("key") }
    }
}

struct Running {
    tasks: JoinSet<Result<(), ServeError>>,
    shutdown: Shutdown,
    address: ServiceAddress,
}

impl Running {
    async fn start(authority: &Authority, client_ca: Option<PathBuf>) -> Self {
        install_crypto_provider();
        let listener = Listener::bind(&"https://localhost:0".parse().unwrap()).await.unwrap();
        let address = listener.local_address().clone();
        let mut server = Server::new(Routes::default(), &[], tonic_health::pb::FILE_DESCRIPTOR_SET);
        let ClientIdentity { certificate, key } = authority.sign("localhost");
        server.tls = Some(TlsFiles { certificate, key, client_ca });
        let shutdown = Shutdown::new();
        let (mut tasks, handle) = (JoinSet::new(), shutdown.clone());
        tasks.spawn(async move { server.serve(listener, &handle).await });
        Self { tasks, shutdown, address }
    }

    async fn check(&self, options: &ConnectOptions) -> Result<(), Code> {
        let connection = connect(&self.address, options).await.unwrap();
        let answer = HealthClient::new(connection).check(HealthCheckRequest::default()).await;
        answer.map(|_| ()).map_err(|status| status.code())
    }

    async fn stop(mut self) {
        self.shutdown.token.cancel();
        self.tasks.join_next().await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_client_trusts_the_authority_that_it_is_given_and_no_other() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let running = Running::start(&authority, None).await;
    let mut options = ConnectOptions { ca_file: Some(authority.ca()), ..Default::default() };
    assert_eq!(running.check(&options).await, Ok(()));
    options.ca_file = Some(stranger.ca());
    assert_eq!(running.check(&options).await, Err(Code::Unavailable));
    let ServiceAddress::Tcp { host, port, .. } = running.address.clone() else { panic!() };
    let in_the_clear = format!("http://{host}:{port}").parse().unwrap();
    let connection = connect(&in_the_clear, &ConnectOptions::default()).await.unwrap();
    assert!(HealthClient::new(connection).check(HealthCheckRequest::default()).await.is_err());
    running.stop().await;
}

#[tokio::test]
async fn a_server_with_client_authorities_turns_strangers_away() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let running = Running::start(&authority, Some(authority.ca())).await;
    let options = |identity| ConnectOptions { ca_file: Some(authority.ca()), identity, ..Default::default() };
    assert_eq!(running.check(&options(Some(authority.sign("worker")))).await, Ok(()));
    assert!(running.check(&options(None)).await.is_err());
    assert!(running.check(&options(Some(stranger.sign("worker")))).await.is_err());
    running.stop().await;
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let files = TlsFiles { certificate: "/does/not/exist".into(), key: "/nor/this".into(), client_ca: None };
    let error = files.read().await.unwrap_err().to_string();
    assert_eq!(error, "cannot read the server certificate in /does/not/exist");
}
