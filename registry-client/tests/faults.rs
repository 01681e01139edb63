//! Registries that fail, answer half, or answer wrongly.
#![allow(clippy::unwrap_used, reason = "a test ends there")]

mod fixture;

use axum::http::Method;
use bytes::Bytes;
use common::failure::Failure;
use fixture::{descriptor, noise, registry, remote, tag};
use futures::TryStreamExt as _;
use registry_client::{BlobSource, Registry as _, RegistryError};
use testkit::registry::{Effect, Fault, InMemoryRegistry, Options};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

async fn with_manifest() -> InMemoryRegistry {
    let registry = registry().await;
    registry.put_manifest("a", Some("1"), MANIFEST, r#"{"schemaVersion":2}"#);
    registry
}

fn status(status: u16) -> Effect {
    Effect::Status(status, vec![], r#"{"errors":[{"code":"UNAVAILABLE","message":"not now"}]}"#)
}

#[tokio::test]
async fn three_errors_of_the_server_are_sat_out() {
    for code in [408, 429, 500, 502, 503, 504] {
        let registry = with_manifest().await;
        registry.add_fault(Fault::once(Method::GET, "/manifests/1", status(code)).times(3));
        assert!(remote(&registry.host(), "a").manifest(&tag("1")).await.unwrap().is_some(), "{code}");
        assert_eq!(registry.count("GET", "/manifests/1"), 4);
    }
}

#[tokio::test]
async fn an_error_that_stays_is_told_with_address_status_and_tries() {
    let registry = with_manifest().await;
    registry.add_fault(Fault::once(Method::GET, "/manifests/1", status(503)).always());
    let error = remote(&registry.host(), "a").manifest(&tag("1")).await.unwrap_err();
    assert_eq!(error.status(), Some(503));
    let failure = Failure::from(error);
    assert_eq!(failure.code, "registry.unavailable");
    let expected = format!(
        "GET {}/v2/a/manifests/1 was answered with status 503: UNAVAILABLE (not now), 5 times",
        registry.origin()
    );
    assert_eq!(failure.message, expected);
}

#[tokio::test]
async fn a_refusal_is_not_tried_again() {
    let registry = with_manifest().await;
    registry.add_fault(Fault::once(Method::PUT, "/manifests/2", status(400)).always());
    let error = remote(&registry.host(), "a").put_manifest(&tag("2"), MANIFEST, Bytes::from("{}")).await;
    assert_eq!(error.unwrap_err().status(), Some(400));
    assert_eq!(registry.count("PUT", "/manifests/2"), 1);
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_cut_to_the_longest() {
    let registry = with_manifest().await;
    let wait = vec![("retry-after", "86400".to_owned())];
    registry.add_fault(Fault::once(Method::GET, "/manifests/1", Effect::Status(429, wait, "")));
    assert!(remote(&registry.host(), "a").manifest(&tag("1")).await.unwrap().is_some());
}

#[tokio::test]
async fn no_connection_is_an_error_with_the_address() {
    let host = registry().await.host();
    let error = remote(&host, "a").manifest(&tag("1")).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Connection { attempts: 5, url, .. } if url.contains(host.as_str()))
    );
    assert_eq!(Failure::from(error).code, "registry.unavailable");
}

#[tokio::test]
async fn an_https_only_host_is_never_asked_in_plain_http() {
    let registry = with_manifest().await;
    let client = fixture::client(registry_client::HostSettings::default());
    let error = client.repository(&registry.host(), &"a".parse().unwrap()).manifest(&tag("1")).await;
    assert!(matches!(error, Err(RegistryError::Connection { .. })));
    assert!(registry.requests().is_empty());
}

#[tokio::test]
async fn a_manifest_is_held_to_its_digests() {
    let registry = with_manifest().await;
    let remote = remote(&registry.host(), "a");
    let claim = |digest: &str| Effect::Header("docker-content-digest", Some(digest.to_owned()));
    let other = descriptor(b"other").digest;
    registry.add_fault(Fault::once(Method::GET, "/manifests/1", claim(other.as_str())));
    assert!(matches!(remote.manifest(&tag("1")).await, Err(RegistryError::DigestMismatch { .. })));

    registry.add_fault(Fault::once(Method::PUT, "/manifests/2", claim(other.as_str())));
    let put = remote.put_manifest(&tag("2"), MANIFEST, Bytes::from(r#"{"layers":[]}"#)).await;
    assert!(matches!(put, Err(RegistryError::DigestMismatch { .. })));

    let digest = descriptor(br#"{"schemaVersion":2}"#).digest;
    registry.add_fault(Fault::once(Method::GET, digest.as_str(), Effect::Body(b"{}")));
    let by_digest = remote.manifest(&digest.clone().into()).await;
    assert!(matches!(by_digest, Err(RegistryError::DigestMismatch { expected, .. }) if expected == digest));
}

#[tokio::test]
async fn headers_that_are_left_out_are_made_up_for() {
    let registry = registry().await;
    let remote = remote(&registry.host(), "a");
    let expected = registry.put_manifest("a", Some("1"), MANIFEST, r#"{"schemaVersion":2,"layers":[]}"#);
    for header in ["docker-content-digest", "content-type", "content-length"] {
        registry.add_fault(Fault::once(Method::HEAD, "/manifests/1", Effect::Header(header, None)));
        assert_eq!(remote.head_manifest(&tag("1")).await.unwrap(), Some(expected.clone()), "{header}");
        registry.add_fault(Fault::once(Method::GET, "/manifests/1", Effect::Header(header, None)));
        assert_eq!(remote.manifest(&tag("1")).await.unwrap().unwrap().descriptor, expected, "{header}");
    }
    assert_eq!(remote.head_manifest(&tag("absent")).await.unwrap(), None);
}

#[tokio::test]
async fn a_manifest_too_large_is_not_read() {
    let registry = registry().await;
    registry.put_manifest("a", Some("1"), MANIFEST, vec![b' '; 5 * 1024 * 1024]);
    let error = remote(&registry.host(), "a").manifest(&tag("1")).await.unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { .. }));
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke_off() {
    let registry = registry().await;
    let content = noise(100_000);
    registry.put_blob("a", content.clone());
    for cut_at in [0, 40_000] {
        registry.add_fault(Fault::once(Method::GET, "/blobs/", Effect::CutAnswer(cut_at)));
    }
    let stream = remote(&registry.host(), "a").read_blob(&descriptor(&content)).await.unwrap();
    let read: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert_eq!(read.concat(), content);
    let last = registry.requests().pop().unwrap();
    assert!(last.header("range").unwrap().starts_with("bytes="), "{:?}", last.headers);
}

#[tokio::test]
async fn wrong_content_never_ends_well() {
    let registry = registry().await;
    let content = noise(50_000);
    registry.put_blob("a", content.clone());
    registry.add_fault(Fault::once(Method::GET, "/blobs/", Effect::Body(b"something else")).always());
    let remote = remote(&registry.host(), "a");
    let stream = remote.read_blob(&descriptor(&content)).await;
    let result: Result<Vec<Bytes>, _> = match stream {
        Ok(stream) => stream.try_collect().await,
        Err(error) => Err(error),
    };
    assert!(matches!(result, Err(RegistryError::SizeMismatch { .. })), "{result:?}");
}

#[tokio::test]
async fn silence_ends_after_the_limit() {
    let registry = with_manifest().await;
    registry.add_fault(Fault::once(Method::GET, "/manifests/1", Effect::Silence));
    let limits =
        registry_client::Limits { answer: std::time::Duration::from_millis(50), ..fixture::limits() };
    let settings = registry_client::RegistrySettings { defaults: fixture::plain(), ..Default::default() };
    let client = registry_client::Client::with_limits(settings, limits);
    let remote = client.repository(&registry.host(), &"a".parse().unwrap());
    assert!(remote.manifest(&tag("1")).await.unwrap().is_some());
    assert_eq!(registry.count("GET", "/manifests/1"), 2);
}

#[tokio::test]
async fn a_redirect_takes_no_authorization_along() {
    let elsewhere = registry().await;
    let auth = testkit::registry::Auth::Token(None);
    let registry = InMemoryRegistry::start(Options { auth, ..Options::default() }).await.unwrap();
    let content = noise(1000);
    elsewhere.put_blob("a", content.clone());
    registry.add_fault(
        Fault::once(Method::GET, "/blobs/", Effect::Redirect(elsewhere.origin().to_owned())).always(),
    );
    registry.put_manifest("a", Some("1"), MANIFEST, "{}");
    let remote = remote(&registry.host(), "a");
    remote.head_manifest(&tag("1")).await.unwrap();
    let stream = remote.read_blob(&descriptor(&content)).await.unwrap();
    let read: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert_eq!(read.concat(), content);
    assert!(registry.requests().last().unwrap().header("authorization").is_some());
    let followed = elsewhere.requests();
    assert_eq!(followed.len(), 1);
    assert_eq!(followed[0].header("authorization"), None);
}

#[tokio::test]
async fn redirects_without_end_are_left() {
    let registry = registry().await;
    let home = registry.origin().to_owned();
    registry.add_fault(Fault::once(Method::GET, "/blobs/", Effect::Redirect(home)).always());
    let Err(error) = remote(&registry.host(), "a").read_blob(&descriptor(b"x")).await else {
        panic!("no error")
    };
    assert!(matches!(error, RegistryError::Protocol { .. }), "{error}");
    assert!(registry.count("GET", "/blobs/") < 10);
}

#[tokio::test]
async fn a_blob_that_is_not_there_is_missing() {
    let registry = registry().await;
    let remote = remote(&registry.host(), "a");
    let blob = descriptor(b"x");
    assert!(remote.stat_blob(&blob.digest).await.unwrap().is_none());
    assert!(matches!(remote.read_blob(&blob).await, Err(RegistryError::Missing { .. })));
    let empty = descriptor(b"");
    remote.write_blob(&empty, &BlobSource::Bytes(Bytes::new())).await.unwrap();
    assert!(remote.has_blob(&empty).await.unwrap());
}
