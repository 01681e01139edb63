//! Writing blobs: whole, in pieces, broken off, mounted.
#![allow(clippy::unwrap_used, reason = "a test ends there")]

mod fixture;

use axum::http::Method;
use bytes::Bytes;
use fixture::{client, descriptor, noise, plain, registry, remote};
use registry_client::{BlobSource, HostSettings, Registry as _, RegistryError};
use testkit::registry::{Effect, Fault, InMemoryRegistry, Options};

async fn upload(registry: &InMemoryRegistry, content: &Bytes) -> Result<(), RegistryError> {
    let source = BlobSource::Bytes(content.clone());
    remote(&registry.host(), "a").write_blob(&descriptor(content), &source).await
}

#[tokio::test]
async fn a_blob_goes_up_in_one_request_and_only_once() {
    for relative_location in [false, true] {
        let options = Options { relative_location, ..Options::default() };
        let registry = InMemoryRegistry::start(options).await.unwrap();
        let content = noise(300_000);
        upload(&registry, &content).await.unwrap();
        upload(&registry, &content).await.unwrap();
        assert_eq!(registry.blob("a", &descriptor(&content).digest).unwrap(), content);
        assert_eq!(
            (registry.count("POST", ""), registry.count("PUT", ""), registry.count("PATCH", "")),
            (1, 1, 0)
        );
        let put = registry.requests().into_iter().find(|request| request.method == Method::PUT).unwrap();
        assert_eq!(put.header("content-length"), Some("300000"));
        assert!(put.query.contains("state=0&digest=sha256"), "{}", put.query);
    }
}

#[tokio::test]
async fn files_are_streamed() {
    let registry = registry().await;
    let content = noise(1_000_000);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &content).unwrap();
    let blob = descriptor(&content);
    let source = BlobSource::File(file.path().to_owned());
    remote(&registry.host(), "a").write_blob(&blob, &source).await.unwrap();
    assert_eq!(registry.blob("a", &blob.digest).unwrap(), content);
}

#[tokio::test]
async fn an_upload_that_broke_off_is_resumed() {
    for cut_at in [100_000, 299_999] {
        let registry = registry().await;
        let content = noise(300_000);
        registry.add_fault(Fault::once(Method::PUT, "/blobs/uploads/", Effect::CutRequest(cut_at)));
        registry.add_fault(Fault::once(Method::PATCH, "/blobs/uploads/", Effect::CutRequest(1)));
        upload(&registry, &content).await.unwrap();
        assert_eq!(registry.blob("a", &descriptor(&content).digest).unwrap(), content);
        assert_eq!(registry.count("POST", "/blobs/uploads/"), 1, "it did not start again");
        assert_eq!(registry.open_uploads(), 0);
        let first = registry.requests().into_iter().find(|request| request.method == Method::PATCH).unwrap();
        assert!(!first.header("content-range").unwrap().starts_with("0-"), "{:?}", first.headers);
    }
}

#[tokio::test]
async fn an_upload_that_the_registry_forgot_starts_again() {
    let registry = registry().await;
    let content = noise(300_000);
    registry.add_fault(Fault::once(Method::PUT, "/blobs/uploads/", Effect::CutRequest(1)));
    upload(&registry, &content).await.unwrap();
    assert_eq!(registry.blob("a", &descriptor(&content).digest).unwrap(), content);
    assert_eq!(registry.count("POST", "/blobs/uploads/"), 2, "one byte cannot be told from none");
    assert_eq!(registry.open_uploads(), 0);

    let registry = fixture::registry().await;
    registry.add_fault(Fault::once(Method::PUT, "/blobs/uploads/", Effect::CutRequest(100_000)));
    let unknown = Effect::Status(404, vec![], r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}"#);
    registry.add_fault(Fault::once(Method::GET, "/blobs/uploads/", unknown));
    upload(&registry, &content).await.unwrap();
    assert_eq!(registry.blob("a", &descriptor(&content).digest).unwrap(), content);
    assert_eq!(registry.count("POST", "/blobs/uploads/"), 2);
}

#[tokio::test]
async fn pieces_are_as_long_as_the_site_says() {
    let registry = registry().await;
    let content = noise(250_000);
    let blob = descriptor(&content);
    let settings = HostSettings { upload_chunk_bytes: Some(100_000), ..plain() };
    let remote = client(settings).repository(&registry.host(), &"a".parse().unwrap());
    registry.add_fault(Fault::once(Method::PATCH, "/blobs/uploads/", Effect::Status(416, vec![], "")));
    remote.write_blob(&blob, &BlobSource::Bytes(content.clone())).await.unwrap();
    assert_eq!(registry.blob("a", &blob.digest).unwrap(), content);
    let ranges: Vec<String> = registry
        .requests()
        .iter()
        .filter(|request| request.method == Method::PATCH)
        .map(|request| request.header("content-range").unwrap().to_owned())
        .collect();
    assert_eq!(ranges, ["0-99999", "0-99999", "100000-199999", "200000-249999"]);
}

#[tokio::test]
async fn a_registry_that_refuses_the_length_gets_pieces() {
    let max_body_bytes = Some(100_000);
    let registry = InMemoryRegistry::start(Options { max_body_bytes, ..Options::default() }).await.unwrap();
    let content = noise(170_000);
    upload(&registry, &content).await.unwrap();
    assert_eq!(registry.count("PATCH", "/blobs/uploads/"), 2);
    assert_eq!(registry.blob("a", &descriptor(&content).digest).unwrap().len(), content.len());
}

#[tokio::test]
async fn content_that_is_not_the_blob_is_refused_and_leaves_nothing() {
    let registry = registry().await;
    let blob = descriptor(b"expected");
    let remote = remote(&registry.host(), "a");
    let error = remote.write_blob(&blob, &BlobSource::Bytes(Bytes::from("received"))).await.unwrap_err();
    assert!(error.has_code("DIGEST_INVALID"), "{error}");
    assert!(registry.blob("a", &blob.digest).is_none());
    assert_eq!(registry.open_uploads(), 0);
}

#[tokio::test]
async fn trouble_with_the_source_is_told_as_such() {
    let (registry, from) = (registry().await, registry().await);
    let source = remote(&from.host(), "b");
    let blob = descriptor(&noise(50_000));
    from.put_blob("b", noise(50_000));
    from.add_fault(Fault::once(Method::GET, "/blobs/", Effect::Body(b"wrong")).always());
    let error = remote(&registry.host(), "a").write_blob(&blob, &BlobSource::Registry(&source)).await;
    assert!(matches!(error, Err(RegistryError::SizeMismatch { .. })), "{error:?}");
    assert_eq!(registry.open_uploads(), 0);
}

#[tokio::test]
async fn uploads_do_not_go_to_another_host() {
    let registry = registry().await;
    let foreign = Effect::Header("location", Some("http://127.0.0.2:1/v2/a/blobs/uploads/x".to_owned()));
    registry.add_fault(Fault::once(Method::POST, "/blobs/uploads/", foreign).always());
    let error = upload(&registry, &noise(10)).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Protocol { reason, .. } if reason.contains("another host")),
        "{error}"
    );

    registry.add_fault(Fault::once(Method::POST, "/v2/b/blobs/uploads/", Effect::Header("location", None)));
    let content = noise(10);
    let error =
        remote(&registry.host(), "b").write_blob(&descriptor(&content), &BlobSource::Bytes(content)).await;
    assert!(matches!(error, Err(RegistryError::Protocol { .. })));
}

#[tokio::test]
async fn a_mount_moves_nothing_and_one_that_fails_leaves_nothing() {
    let registry = registry().await;
    let digest = registry.put_blob("from", "content");
    let remote = remote(&registry.host(), "to");
    let from = "from".parse().unwrap();
    registry.add_fault(Fault::once(Method::POST, "/v2/to/blobs/uploads/", Effect::NoMount));
    assert!(!remote.mount_blob(&digest, &from).await.unwrap());
    assert_eq!(registry.open_uploads(), 0, "the upload that was begun instead is cancelled");
    for status in [400, 403, 404, 405] {
        let refusal = Effect::Status(status, vec![], "");
        registry.add_fault(Fault::once(Method::POST, "/v2/to/blobs/uploads/", refusal));
        assert!(!remote.mount_blob(&digest, &from).await.unwrap(), "{status}");
    }
    assert!(remote.mount_blob(&digest, &from).await.unwrap());
    assert_eq!(registry.blob("to", &digest).unwrap(), "content");
}
