//! Logging in over TLS: certificates, hubs that ask for them late, and what is
//! wrong with either side's.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    serve::{IncomingStream, Listener},
};
use koji_bridge::{
    login::LoginError,
    session::{CallError, ErrorKind, HubSettings, LateCertificate, Login, Session},
    xmlrpc::Arguments,
};
use openssl::{
    asn1::Asn1Time,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{X509, X509Name},
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use tempfile::{TempDir, tempdir};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
        version::{TLS12, TLS13},
    },
    server::TlsStream,
};

use crate::{
    files::request,
    script::{Generation, Hub, settings},
};

/// An authority and the files of what it signs.
struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new() -> Self {
        let directory = tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        std::fs::write(directory.path().join("ca.pem"), &certificate).unwrap();
        Self { directory, issuer: Issuer::new(params, key), certificate }
    }

    fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Certificate and key in PEM.
    fn sign(&self, name: &str, last_year: i32) -> (String, KeyPair) {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = date_time_ymd(last_year, 1, 1);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key)
    }

    /// A file as Koji's users have it.
    fn client(&self, name: &str, last_year: i32) -> PathBuf {
        let (certificate, key) = self.sign(name, last_year);
        self.file(name, &format!("Some words before.\n{}{certificate}", key.serialize_pem()))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(format!("{name}.pem"));
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// Which clients a server asks for a certificate, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// All, in the handshake.
    Everybody,
    /// Whoever logs in, after the request: only clients of TLS 1.2 can do that.
    /// The certificate itself is not seen here.
    Late,
    /// As before, and TLS 1.2 is not spoken.
    LateWithoutTls12,
}

/// What a server knows of a connection.
#[derive(Debug, Clone)]
struct Peer {
    tls12: bool,
    certified: bool,
}

struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Peer) {
        loop {
            let (stream, _) = self.tcp.accept().await.unwrap();
            let Ok(stream) = self.acceptor.accept(stream).await else { continue };
            let connection = stream.get_ref().1;
            let tls12 = connection.protocol_version() == Some(TLS12.version);
            let certified = connection.peer_certificates().is_some();
            return (stream, Peer { tls12, certified });
        }
    }

    fn local_addr(&self) -> std::io::Result<Peer> {
        Ok(Peer { tls12: false, certified: false })
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        stream.remote_addr().clone()
    }
}

async fn guard(
    State(asks): State<Asks>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().path().ends_with("/ssllogin") && asks != Asks::Everybody && !peer.tls12 {
        let page = "<h1>Forbidden</h1>Reason: Cannot perform Post-Handshake Authentication.<br />";
        return (axum::http::StatusCode::FORBIDDEN, page).into_response();
    }
    assert!(asks != Asks::Everybody || peer.certified);
    next.run(request).await
}

struct TlsHub {
    hub: Hub,
    settings: HubSettings,
    _server: JoinSet<()>,
}

async fn start(authority: &Authority, asks: Asks, file: PathBuf) -> TlsHub {
    common::service::install_crypto_provider();
    let (certificate, key) = authority.sign("localhost", 2100);
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let versions = if asks == Asks::LateWithoutTls12 { vec![&TLS13] } else { vec![&TLS12, &TLS13] };
    let builder = ServerConfig::builder_with_protocol_versions(&versions);
    let builder = if asks == Asks::Everybody {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
        builder.with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let config = builder.with_single_cert(chain, key).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // http: logging in by certificate makes it https.
    let url = format!("http://localhost:{}/kojihub", tcp.local_addr().unwrap().port()).parse().unwrap();
    let listener = TlsListener { tcp, acceptor: TlsAcceptor::from(Arc::new(config)) };
    let hub = Hub::new(Generation::Current, &[], &[]);
    let router: Router = hub.router().layer(middleware::from_fn_with_state(asks, guard));
    let mut server = JoinSet::new();
    let service = router.into_make_service_with_connect_info::<Peer>();
    server.spawn(async move { axum::serve(listener, service).await.unwrap() });
    let login = Login::Certificate { file, proxy_user: Some("alice".to_owned()) };
    let settings = HubSettings { ca_file: Some(authority.ca()), ..settings(url, login) };
    TlsHub { hub, settings, _server: server }
}

async fn read(settings: HubSettings) -> Result<i64, LoginError> {
    let session = Session::new(Arc::new(settings)).unwrap();
    let answer = session.read("getThing", Arguments::none()).await;
    answer.map_err(|error| match error {
        CallError::Login(error) => error,
        other => panic!("{other:?}"),
    })
}

#[tokio::test]
async fn a_certificate_logs_in() {
    let authority = Authority::new();
    let hub = start(&authority, Asks::Everybody, authority.client("osbs", 2100)).await;
    assert_eq!(read(hub.settings).await.unwrap(), 1);
    let asked = hub.hub.asked();
    assert_eq!((asked[0].path.as_str(), asked[1].path.as_str()), ("/kojihub/ssllogin", "/kojihub"));
    assert_eq!(asked[0].call().unwrap(), request("022-ssllogin-proxyuser").call().unwrap());
    assert_eq!(hub.hub.course(), "login 1:0");
}

#[tokio::test]
async fn a_login_for_oneself_and_a_renewal_are_those_of_the_official_client() {
    let authority = Authority::new();
    let mut hub = start(&authority, Asks::Everybody, authority.client("osbs", 2100)).await;
    hub.settings.login = Login::Certificate { file: authority.client("osbs", 2100), proxy_user: None };
    let expired = crate::script::Reply::Fault(1007, "session \"1\" has expired");
    hub.hub.expect(&[expired]);
    read(hub.settings).await.unwrap();
    let asked = hub.hub.asked();
    assert_eq!(asked[0].call().unwrap(), request("018-ssllogin").call().unwrap());
    let renewal = request("034-auth-expired-renew-2");
    assert_eq!(asked[2].call().unwrap(), renewal.call().unwrap());
    let number = asked[2].headers.get("koji-session-callnum").unwrap();
    assert_eq!(Some(number.to_str().unwrap()), renewal.header("koji-session-callnum"));
    assert_eq!(hub.hub.course(), "login 1:0 renew 1:2");
}

#[tokio::test]
async fn a_hub_that_asks_late_is_logged_in_to_by_the_other_library() {
    use LateCertificate::{Always, Auto, Never};
    let authority = Authority::new();
    let late = "koji.login_late_certificate";
    let rows = [
        (Asks::Late, Auto, None),
        (Asks::Late, Always, None),
        (Asks::Late, Never, Some(late)),
        (Asks::LateWithoutTls12, Auto, Some("koji.login_late_certificate")),
        (Asks::Everybody, Always, None),
    ];
    for (asks, late_certificate, code) in rows {
        let mut hub = start(&authority, asks, authority.client("osbs", 2100)).await;
        hub.settings.late_certificate = late_certificate;
        let answer = read(hub.settings).await;
        assert_eq!(
            answer.as_ref().err().map(LoginError::code),
            code,
            "{asks:?} {late_certificate:?} {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_handshake_that_fails_for_no_known_reason_is_told_as_the_usual_way_fails() {
    /// The alert `handshake_failure` of TLS, fatal.
    const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];
    common::service::install_crypto_provider();
    let authority = Authority::new();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: url::Url =
        format!("https://localhost:{}/kojihub", tcp.local_addr().unwrap().port()).parse().unwrap();
    let mut server = JoinSet::new();
    server.spawn(async move {
        loop {
            let (mut stream, _) = tcp.accept().await.unwrap();
            let _ = stream.read(&mut [0; 16 << 10]).await;
            let _ = stream.write_all(&ALERT).await;
            let _ = stream.shutdown().await;
        }
    });
    for (late_certificate, words) in [
        (LateCertificate::Auto, "HandshakeFailure"),
        (LateCertificate::Never, "HandshakeFailure"),
        (LateCertificate::Always, "handshake failure"),
    ] {
        let login = Login::Certificate { file: authority.client("osbs", 2100), proxy_user: None };
        let ca_file = Some(authority.ca());
        let error = read(HubSettings { ca_file, late_certificate, ..settings(url.clone(), login) })
            .await
            .unwrap_err();
        assert_eq!(error.code(), "koji.connection_setup", "{error}");
        assert!(!error.is_permanent() && error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn certificates_that_are_not_taken_are_told() {
    let (authority, other) = (Authority::new(), Authority::new());
    // The hub does not know who signed ours.
    let hub = start(&authority, Asks::Everybody, other.client("osbs", 2100)).await;
    assert_eq!(read(hub.settings).await.unwrap_err().code(), "koji.client_certificate");
    // We do not know who signed the hub's.
    for late_certificate in [LateCertificate::Auto, LateCertificate::Always] {
        let mut hub = start(&authority, Asks::Everybody, authority.client("osbs", 2100)).await;
        hub.settings.ca_file = Some(other.ca());
        hub.settings.late_certificate = late_certificate;
        assert_eq!(read(hub.settings).await.unwrap_err().code(), "koji.hub_certificate");
    }
    // The hub's has another name.
    let mut hub = start(&authority, Asks::Everybody, authority.client("osbs", 2100)).await;
    hub.settings.url.set_host(Some("127.0.0.1")).unwrap();
    assert_eq!(read(hub.settings).await.unwrap_err().code(), "koji.hub_certificate");
}

#[tokio::test]
async fn files_that_are_no_certificates_are_named() {
    let authority = Authority::new();
    let (certificate, _) = authority.sign("a", 2100);
    let (_, key) = authority.sign("b", 2100);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let rows = [
        (authority.file("empty", ""), "no certificate"),
        (authority.file("no-key", &certificate), "no key"),
        (authority.file("other-key", &format!("{certificate}{}", key.serialize_pem())), "does not belong"),
        (authority.file("encrypted", &format!("{certificate}{encrypted}")), "key"),
        (authority.client("old", 2001), "expired"),
        (PathBuf::from("/nonexistent/client.pem"), "No such file"),
    ];
    for (file, words) in rows {
        let hub = start(&authority, Asks::Everybody, file.clone()).await;
        let error = read(hub.settings).await.unwrap_err();
        assert_eq!(error.code(), "koji.certificate_file", "{error}");
        let text = error.to_string();
        assert!(text.contains(words) && text.contains(file.to_str().unwrap()), "{text}");
        assert_eq!(hub.hub.course(), "");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_at_the_next_login() {
    let authority = Authority::new();
    let file = authority.client("osbs", 2001);
    let hub = start(&authority, Asks::Everybody, file.clone()).await;
    let session = Session::new(Arc::new(hub.settings)).unwrap();
    let error = session.read::<i64>("getThing", Arguments::none()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retryable, "{error}");
    assert_eq!(authority.client("osbs", 2100), file);
    assert_eq!(session.read::<i64>("getThing", Arguments::none()).await.unwrap(), 1);
}

/// A certificate of version 1 with a key in the form that it had before PKCS #8.
fn of_old(authority: &Authority, name: &str, key: &PKey<Private>, pem: &[u8]) -> PathBuf {
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(0).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(&subject).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(9).unwrap()).unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    let certificate = builder.build().to_pem().unwrap();
    authority.file(name, &String::from_utf8([&*certificate, pem].concat()).unwrap())
}

#[tokio::test]
async fn certificates_and_keys_of_old_are_taken() {
    let authority = Authority::new();
    let rsa = Rsa::generate(2048).unwrap();
    let pem = rsa.private_key_to_pem().unwrap();
    assert!(pem.starts_with(b"-----BEGIN RSA PRIVATE KEY-----"));
    let files = [of_old(&authority, "rsa", &PKey::from_rsa(rsa).unwrap(), &pem)];
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let ec = EcKey::generate(&curve).unwrap();
    let pem = ec.private_key_to_pem().unwrap();
    assert!(pem.starts_with(b"-----BEGIN EC PRIVATE KEY-----"));
    let more = of_old(&authority, "ec", &PKey::from_ec_key(ec).unwrap(), &pem);
    for file in files.into_iter().chain([more]) {
        // A hub that looks at the certificate at all would need an authority of that age, too.
        let hub = start(&authority, Asks::Late, file).await;
        assert_eq!(read(hub.settings).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn kerberos_needs_what_it_needs() {
    let keytab = Some(PathBuf::from("/nonexistent/koji.keytab"));
    let login = Login::Gssapi { principal: None, keytab, cache: None, proxy_user: None };
    let error = read(settings("https://localhost:1/kojihub".parse().unwrap(), login)).await.unwrap_err();
    if cfg!(feature = "gssapi") {
        assert_eq!(error.code(), "koji.login_gssapi");
        assert!(error.to_string().contains("KRB5_CLIENT_KTNAME=FILE:/nonexistent/koji.keytab"), "{error}");
    } else {
        assert_eq!(error.code(), "koji.login_unsupported");
    }
}
