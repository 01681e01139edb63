//! The client against a bridge in memory, over real connections.

use serde_json::json;
use testkit::koji::{Effect, InMemoryBridge};
use tonic::Code;

use super::*;

fn build(id: u64, nvr: &str) -> KojiBuild {
    KojiBuild {
        id,
        nvr: nvr.parse().unwrap(),
        state: KojiBuildState::Complete,
        volume: String::new(),
        files_url: "https://files.example.org/packages/hello/1.0/3".into(),
        extra: json!({"image": {"index": {"pull": ["r.example.org/hello:1.0-3"]}}}),
        origin: Default::default(),
        details_unavailable: false,
    }
}

fn target() -> KojiTarget {
    KojiTarget {
        name: "f44".into(),
        build_tag: "f44-build".into(),
        destination_tag: "f44-done".into(),
        platforms: vec!["x86_64".into(), "aarch64".into()],
    }
}

async fn koji() -> (InMemoryBridge, Koji) {
    let bridge = InMemoryBridge::start().await.unwrap();
    let koji = Koji::new(bridge.address().clone());
    (bridge, koji)
}

#[tokio::test]
async fn questions_are_answered_over_tcp_and_unix() {
    let directory = tempfile::tempdir().unwrap();
    let socket = ServiceAddress::Unix(directory.path().join("koji.sock"));
    for bridge in [InMemoryBridge::start().await.unwrap(), InMemoryBridge::listen(&socket).await.unwrap()] {
        let koji = Koji::new(bridge.address().clone());
        assert_eq!(koji.describe().await.unwrap().hub_url, "https://koji.example.org/kojihub");
        bridge.add_target(target());
        assert_eq!(koji.target("f44").await.unwrap(), Some(target()));
        let hello = build(7, "hello-1.0-3");
        bridge.add_build(hello.clone());
        assert_eq!(koji.build(&hello.nvr).await.unwrap(), Some(hello.clone()));
        assert_eq!(koji.build_by_id(7).await.unwrap(), Some(hello.clone()));
        let directory = koji.maven_directory(&hello).await.unwrap();
        assert_eq!(directory, "https://files.example.org/packages/hello/1.0/3/maven");
        bridge.set_next_release("hello", "1.0", "4");
        assert_eq!(koji.next_release("hello", "1.0").await.unwrap(), "4");
        bridge.add_repository("f44-build", 9, "https://files.example.org/repos/f44-build/9/$basearch");
        assert_eq!(koji.repository("f44-build").await.unwrap().unwrap().id, 9);
    }
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    let (_bridge, koji) = koji().await;
    assert_eq!(koji.target("nowhere").await.unwrap(), None);
    assert_eq!(koji.build(&"a-1-1".parse().unwrap()).await.unwrap(), None);
    assert_eq!(koji.build_by_id(1).await.unwrap(), None);
    assert_eq!(koji.repository("nowhere").await.unwrap(), None);
    assert_eq!(koji.archives(1, None).await.unwrap(), []);
}

#[tokio::test]
async fn archives_come_by_kind() {
    let (bridge, koji) = koji().await;
    let archive = |filename: &str| KojiArchive {
        filename: filename.into(),
        group_id: "org.example".into(),
        artifact_id: "hello".into(),
        version: "1.0".into(),
        checksum: KojiChecksum::Sha1("a".repeat(40)),
        extra: serde_json::Value::Null,
    };
    bridge.add_archives(7, "maven", [archive("a.jar")]);
    bridge.add_archives(7, "image", [archive("b.tar")]);
    assert_eq!(koji.archives(7, None).await.unwrap().len(), 2);
    assert_eq!(koji.archives(7, Some("maven")).await.unwrap(), [archive("a.jar")]);
}

#[tokio::test]
async fn each_fault_has_its_code() {
    let cases = [
        (Effect::Status(Code::Unavailable, "the hub is offline"), "koji.unavailable", true),
        (Effect::Status(Code::Internal, "x"), "koji.unavailable", true),
        (Effect::Silence, "koji.unavailable", true),
        (Effect::Status(Code::PermissionDenied, "policy violation"), "koji.refused", false),
        (Effect::Status(Code::Unimplemented, ""), "koji.not_offered", false),
    ];
    for (effect, code, again) in cases {
        let (bridge, koji) = koji().await;
        let koji = koji.with_deadline(Duration::from_millis(500));
        let text = format!("{effect:?}");
        bridge.add_fault("ResolveTarget", 1, effect);
        let failure = koji.target("f44").await.unwrap_err();
        assert_eq!(failure.code, code, "{text}");
        assert_eq!(failure.class.is_worth_another_try(), again, "{text}");
        assert!(!failure.advice.is_empty(), "{text}");
        assert_eq!(koji.target("f44").await.unwrap(), None, "the connection goes on after {text}");
    }
}

#[tokio::test]
async fn a_file_that_is_there_with_another_content_is_sent_from_its_beginning() {
    use futures::StreamExt as _;
    use md5::{Digest as _, Md5};
    let (bridge, koji) = koji().await;
    bridge.set_capabilities(&KojiCapability::ALL);
    let prepared = koji.prepare_upload("bld_1").await.unwrap();
    let patience = common::retry::Patience {
        attempts: 2,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(1),
    };
    for content in ["damaged", "correct"] {
        let md5 = hex::encode(Md5::digest(content));
        let (size, name) = (content.len() as u64, "a.log");
        let upload =
            Upload { directory: &prepared.directory, ticket: &prepared.ticket, name, size, md5: &md5 };
        let source = |offset: u64| {
            let rest = &content.as_bytes()[usize::try_from(offset).unwrap()..];
            futures::stream::iter([Ok(bytes::Bytes::from_static(rest))]).boxed()
        };
        koji.upload(upload, patience, &source).await.unwrap();
        let there = bridge.uploaded(&prepared.directory, name).unwrap();
        assert_eq!(there, content.as_bytes());
    }
    assert_eq!(bridge.count("UploadFile"), 3, "the second file took two tries");
}

#[tokio::test]
async fn a_bridge_with_a_private_authority_is_reached_with_a_certificate() {
    use common::service::{ClientIdentity, TlsFiles, install_crypto_provider};
    install_crypto_provider();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(file("ca.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    for name in ["localhost", "orchestrator"] {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        std::fs::write(file(name), params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        std::fs::write(file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    let (certificate, key) = (file("localhost"), file("localhost.key"));
    let tls = TlsFiles { certificate, key, client_ca: Some(file("ca.pem")) };
    let bridge = InMemoryBridge::listen_tls(&"https://localhost:0".parse().unwrap(), tls).await.unwrap();
    let site = |tls: &str| {
        let path = file("site.yaml");
        std::fs::write(&path, format!("koji: {{bridge: '{}', tls: {tls}}}\n", bridge.address())).unwrap();
        crate::config::Site::load(&[path], [], &[]).unwrap()
    };
    let at = directory.path().display();
    let whole = format!(
        "{{ca_file: {at}/ca.pem, certificate_file: {at}/orchestrator, key_file: {at}/orchestrator.key}}"
    );
    let of = |tls: &str| crate::app::outside(&site(tls)).unwrap().koji.unwrap();
    assert_eq!(of(&whole).describe().await.unwrap().hub_url, "https://koji.example.org/kojihub");
    for other in [format!("{{ca_file: {at}/ca.pem}}"), "{}".to_owned()] {
        let koji = of(&other).with_deadline(Duration::from_secs(5));
        assert_eq!(koji.describe().await.unwrap_err().code, "koji.unavailable", "{other}");
    }
    let identity = ClientIdentity { certificate: file("gone"), key: file("orchestrator.key") };
    let options = ConnectOptions { identity: Some(identity), ..ConnectOptions::default() };
    let failure = Koji::new(bridge.address().clone()).with_options(options).describe().await.unwrap_err();
    assert!(failure.to_string().contains("gone") || format!("{failure:?}").contains("gone"), "{failure:?}");
}

#[tokio::test]
async fn a_bridge_that_is_not_there_is_unavailable() {
    let (bridge, koji) = koji().await;
    koji.describe().await.unwrap();
    bridge.stop().await;
    let failure = koji.describe().await.unwrap_err();
    assert_eq!(failure.code, "koji.unavailable");
    assert!(failure.message.contains("127.0.0.1"), "{failure}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_is_said_to_be_one() {
    let (bridge, koji) = koji().await;
    bridge.add_repository("f44-build", 9, "https://x.example.org/\nenabled=1");
    assert_eq!(koji.repository("f44-build").await.unwrap_err().code, "koji.bad_answer");
    bridge.add_target(KojiTarget { build_tag: String::new(), ..target() });
    assert_eq!(koji.target("f44").await.unwrap_err().code, "koji.bad_answer");
}

#[test]
fn a_step_that_needs_koji_knows_why_it_is_left_out() {
    let bridge = KojiBridge { capabilities: vec![KojiCapability::Targets], ..KojiBridge::default() };
    let unavailable = KojiReach::Unavailable { reason: "x".into() };
    let cases = [
        (KojiReach::NotConfigured, Some("no_koji")),
        (KojiReach::NotAsked, Some("offline")),
        (unavailable, Some("koji_unavailable")),
        (KojiReach::Serving { bridge: KojiBridge::default() }, Some("koji_not_offered")),
        (KojiReach::Serving { bridge }, None),
    ];
    for (reach, code) in cases {
        assert_eq!(reach.lacks(KojiCapability::Targets).map(|(code, _)| code), code, "{reach:?}");
        assert_eq!(reach.offers(KojiCapability::Targets), code.is_none(), "{reach:?}");
    }
}
