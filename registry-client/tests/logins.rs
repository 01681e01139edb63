//! Who we are: tokens, passwords, and what is never sent.
#![allow(clippy::unwrap_used, reason = "a test ends there")]

mod fixture;

use std::path::PathBuf;

use axum::http::Method;
use bytes::Bytes;
use common::failure::Failure;
use fixture::{client, descriptor, plain, tag};
use registry_client::{BlobSource, HostSettings, Registry as _, RegistryError, Remote};
use testkit::registry::{Auth, Effect, Fault, InMemoryRegistry, Options};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// `user:hunter2`.
const BASIC: &str = "Basic dXNlcjpodW50ZXIy";

struct Site {
    registry: InMemoryRegistry,
    directory: tempfile::TempDir,
}

impl Site {
    async fn new(auth: Auth) -> Self {
        let registry = InMemoryRegistry::start(Options { auth, ..Options::default() }).await.unwrap();
        registry.put_manifest("a", Some("1"), MANIFEST, r#"{"schemaVersion":2,"layers":[]}"#);
        Self { registry, directory: tempfile::tempdir().unwrap() }
    }

    fn credentials(&self, auth: &str) -> PathBuf {
        let path = self.directory.path().join("config.json");
        let text = format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, self.registry.host());
        std::fs::write(&path, text).unwrap();
        path
    }

    fn remote(&self, credentials_file: Option<PathBuf>) -> Remote {
        let settings = HostSettings { credentials_file, ..plain() };
        client(settings).repository(&self.registry.host(), &"a".parse().unwrap())
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_for_each_scope() {
    let site = Site::new(Auth::Token(None)).await;
    let remote = site.remote(None);
    for _ in 0..3 {
        assert!(remote.manifest(&tag("1")).await.unwrap().is_some());
    }
    assert_eq!(site.registry.count("GET", "/token"), 1);
    let content = Bytes::from("content");
    remote.write_blob(&descriptor(&content), &BlobSource::Bytes(content)).await.unwrap();
    assert_eq!(site.registry.count("GET", "/token"), 2);
    assert!(remote.manifest(&tag("1")).await.unwrap().is_some());
    assert_eq!(site.registry.count("GET", "/token"), 2);
    let asked = site.registry.requests().into_iter().find(|request| request.path == "/token").unwrap();
    assert!(asked.query.contains("service=in+memory"), "{}", asked.query);
}

#[tokio::test]
async fn many_requests_at_once_fetch_one_token() {
    let site = Site::new(Auth::Token(None)).await;
    let remote = site.remote(None);
    let one = tag("1");
    let reads = (0..10).map(|_| remote.manifest(&one));
    futures::future::try_join_all(reads).await.unwrap();
    assert_eq!(site.registry.count("GET", "/token"), 1);
}

#[tokio::test]
async fn a_token_that_expired_is_replaced() {
    let site = Site::new(Auth::Token(None)).await;
    let remote = site.remote(None);
    remote.manifest(&tag("1")).await.unwrap();
    site.registry.revoke_tokens();
    assert!(remote.manifest(&tag("1")).await.unwrap().is_some());
    assert_eq!(site.registry.count("GET", "/token"), 2);
}

#[tokio::test]
async fn a_mount_asks_for_both_repositories() {
    let site = Site::new(Auth::Token(None)).await;
    let digest = site.registry.put_blob("other", "content");
    assert!(site.remote(None).mount_blob(&digest, &"other".parse().unwrap()).await.unwrap());
    let asked = site.registry.requests().into_iter().find(|request| request.path == "/token").unwrap();
    assert!(asked.query.contains("scope=repository%3Aa%3Apull%2Cpush"), "{}", asked.query);
    assert!(asked.query.contains("scope=repository%3Aother%3Apull"), "{}", asked.query);
}

#[tokio::test]
async fn the_password_goes_to_the_token_server_only() {
    let site = Site::new(Auth::Token(Some(BASIC.to_owned()))).await;
    let remote = site.remote(Some(site.credentials("dXNlcjpodW50ZXIy")));
    assert!(remote.manifest(&tag("1")).await.unwrap().is_some());
    for request in site.registry.requests() {
        let has_password = request.header("authorization") == Some(BASIC);
        assert_eq!(has_password, request.path == "/token", "{}", request.path);
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_without_showing_it() {
    for auth in [Auth::Token(Some(BASIC.to_owned())), Auth::Basic(BASIC.to_owned())] {
        let site = Site::new(auth).await;
        for file in [None, Some(site.credentials("dXNlcjp3cm9uZy1zZWNyZXQ="))] {
            let remote = site.remote(file.clone());
            let error = remote.put_manifest(&tag("2"), MANIFEST, Bytes::from("{}")).await.unwrap_err();
            let shown = format!("{error} {error:?} {remote:?}");
            assert!(!shown.contains("wrong-secret") && !shown.contains("dXNlcjp3"), "{shown}");
            let failure = Failure::from(error);
            assert_eq!(failure.code, "registry.unauthorized", "{file:?}");
            assert!(failure.advice.contains("credentials"));
        }
        assert_eq!(site.registry.manifest("a", "2"), None);
    }
}

#[tokio::test]
async fn a_password_is_sent_along_once_it_was_asked_for() {
    let site = Site::new(Auth::Basic(BASIC.to_owned())).await;
    let remote = site.remote(Some(site.credentials("dXNlcjpodW50ZXIy")));
    for _ in 0..2 {
        assert!(remote.manifest(&tag("1")).await.unwrap().is_some());
    }
    let sent: Vec<bool> =
        site.registry.requests().iter().map(|request| request.header("authorization").is_some()).collect();
    assert_eq!(sent, [false, true, true]);
}

#[tokio::test]
async fn a_refusal_in_spite_of_a_token_is_absence_to_readers_and_an_error_to_writers() {
    let site = Site::new(Auth::Token(Some(BASIC.to_owned()))).await;
    let remote = site.remote(Some(site.credentials("dXNlcjpodW50ZXIy")));
    let refusal = || {
        let realm = format!("Bearer realm=\"{}/token\"", site.registry.origin());
        Effect::Status(401, vec![("www-authenticate", realm)], "")
    };
    site.registry.add_fault(Fault::once(Method::GET, "/manifests/", refusal()).always());
    site.registry.add_fault(Fault::once(Method::PUT, "/manifests/", refusal()).always());
    assert_eq!(remote.manifest(&tag("1")).await.unwrap(), None);
    let put = remote.put_manifest(&tag("2"), MANIFEST, Bytes::from("{}")).await.unwrap_err();
    assert_eq!(put.status(), Some(401));
    // Nobody in particular cannot know whether it is there.
    let anonymous = Site::new(Auth::Token(None)).await;
    let realm = format!("Bearer realm=\"{}/token\"", anonymous.registry.origin());
    let refusal = Effect::Status(401, vec![("www-authenticate", realm)], "");
    anonymous.registry.add_fault(Fault::once(Method::GET, "/manifests/", refusal).always());
    assert_eq!(anonymous.remote(None).manifest(&tag("1")).await.unwrap_err().status(), Some(401));
}

#[tokio::test]
async fn a_token_server_is_given_another_chance() {
    let site = Site::new(Auth::Token(None)).await;
    site.registry.add_fault(Fault::once(Method::GET, "/token", Effect::Status(503, vec![], "")).times(3));
    assert!(site.remote(None).manifest(&tag("1")).await.unwrap().is_some());
}

#[tokio::test]
async fn an_endless_token_is_not_read() {
    static ENDLESS: [u8; 100_000] = [b' '; 100_000];
    let site = Site::new(Auth::Token(None)).await;
    site.registry.add_fault(Fault::once(Method::GET, "/token", Effect::Body(&ENDLESS)));
    let error = site.remote(None).manifest(&tag("1")).await.unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { limit: 65_536, .. }), "{error}");
}

#[tokio::test]
async fn the_credentials_file_is_read_again_for_each_login() {
    let site = Site::new(Auth::Token(Some(BASIC.to_owned()))).await;
    let file = site.directory.path().join("config.json");
    let remote = site.remote(Some(file.clone()));
    let error = remote.manifest(&tag("1")).await.unwrap_err();
    assert!(matches!(&error, RegistryError::File { path, .. } if *path == file), "{error}");
    site.credentials("hunter2!");
    let error = remote.manifest(&tag("1")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Settings { .. }), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    site.credentials("dXNlcjpodW50ZXIy");
    assert!(remote.manifest(&tag("1")).await.unwrap().is_some());
}
