//! Whole images: resolving, copying, verifying, between registries and layouts.
#![allow(clippy::unwrap_used, reason = "a test ends there")]

mod fixture;

use std::sync::Arc;

use axum::http::Method;
use bytes::Bytes;
use common::{
    failure::Failure,
    platform::Architecture,
    work::{Descriptor, ManifestFormat},
};
use fixture::{descriptor, layer, registry, remote, tag, write_image, write_index};
use registry_client::{
    Layout, Registry, RegistryError, Selector,
    copy::{Copied, copy_manifest_by_digest},
    resolve::{resolve, resolve_all},
    verify::{Depth, verify},
};
use testkit::registry::{Effect, Fault, InMemoryRegistry, Options};

async fn layout() -> (tempfile::TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::create(directory.path().join("layout")).await.unwrap();
    (directory, layout)
}

/// A registry, a second repository in it, and a layout, each behind the trait.
async fn places() -> (InMemoryRegistry, tempfile::TempDir, Vec<Box<dyn Registry>>) {
    let registry = registry().await;
    let (directory, layout) = layout().await;
    let remote = remote(&registry.host(), "source");
    (registry, directory, vec![Box::new(remote), Box::new(layout)])
}

#[tokio::test]
async fn every_place_finds_the_image_of_an_architecture() {
    let (_registry, _directory, places) = places().await;
    for place in &places {
        for format in [ManifestFormat::Oci, ManifestFormat::Docker] {
            let index = write_index(place.as_ref(), format, "latest").await;
            let architectures = [Architecture::plain("arm64"), Architecture::plain("amd64")];
            let images = resolve_all(place.as_ref(), &tag("latest"), &architectures).await.unwrap().unwrap();
            for (image, architecture) in images.iter().zip(&architectures) {
                assert_eq!(image.index.as_ref(), Some(&index));
                assert_eq!(image.architecture, *architecture);
                assert_eq!(image.labels["name"], "sample");
                assert_eq!((image.env.len(), image.layers.len(), image.diff_ids.len()), (1, 1, 1));
            }
            let by_digest = Selector::from(index.digest);
            let error = resolve(place.as_ref(), &by_digest, &Architecture::plain("s390x")).await.unwrap_err();
            assert!(
                error.to_string().ends_with("lacks platform linux/s390x; it has: linux/amd64, linux/arm64"),
                "{error}"
            );
            assert_eq!(Failure::from(error).code, "registry.platform_missing");
        }
        assert!(resolve(place.as_ref(), &tag("no"), &Architecture::plain("arm64")).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_single_manifest_answers_for_its_own_architecture_only() {
    let (_registry, _directory, places) = places().await;
    for place in &places {
        let manifest = write_image(place.as_ref(), ManifestFormat::Oci, "arm64").await;
        let selector = Selector::from(manifest.digest.clone());
        let image = resolve(place.as_ref(), &selector, &Architecture::plain("arm64")).await.unwrap().unwrap();
        assert_eq!((image.index, image.manifest), (None, manifest));
        let error = resolve(place.as_ref(), &selector, &Architecture::plain("amd64")).await.unwrap_err();
        assert!(matches!(error, RegistryError::LacksPlatform { has, .. } if has == ["linux/arm64"]));
    }
}

#[tokio::test]
async fn the_first_schema_is_refused_by_name() {
    let registry = registry().await;
    let types = [
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/json",
        "",
    ];
    for media_type in types {
        registry.put_manifest("a", Some("old"), media_type, r#"{"schemaVersion":1,"fsLayers":[]}"#);
        let remote = remote(&registry.host(), "a");
        let error = resolve(&remote, &tag("old"), &Architecture::plain("amd64")).await.unwrap_err();
        assert!(matches!(error, RegistryError::SchemaOne { .. }), "{media_type}: {error}");
    }
}

#[tokio::test]
async fn a_copy_between_repositories_of_one_registry_mounts() {
    let registry = registry().await;
    let (source, target) = (remote(&registry.host(), "source"), remote(&registry.host(), "target/of"));
    let index = write_index(&source, ManifestFormat::Docker, "1").await;
    let copied = copy_manifest_by_digest(&source, &target, &index).await.unwrap();
    assert_eq!(copied, Copied { manifests: 3, mounted: 4, ..Copied::default() });
    assert!(registry.tags("target/of").is_empty());
    verify(&target, &index, Depth::Content).await.unwrap();
    let again = copy_manifest_by_digest(&source, &target, &index).await.unwrap();
    assert_eq!(again, Copied { manifests: 3, present: 4, ..Copied::default() });
}

#[tokio::test]
async fn a_mount_that_fails_becomes_an_upload() {
    let registry = registry().await;
    let (source, target) = (remote(&registry.host(), "source"), remote(&registry.host(), "target"));
    let index = write_index(&source, ManifestFormat::Oci, "1").await;
    registry.add_fault(Fault::once(Method::POST, "/v2/target/blobs/uploads/", Effect::NoMount).always());
    let copied = copy_manifest_by_digest(&source, &target, &index).await.unwrap();
    assert_eq!((copied.mounted, copied.sent), (0, 4));
    assert_eq!(registry.open_uploads(), 0);
    verify(&target, &index, Depth::Content).await.unwrap();
}

#[tokio::test]
async fn an_image_survives_a_round_through_all_places() {
    let (first, second) = (registry().await, registry().await);
    let ((_a, layout), (_b, other_layout)) = (layout().await, layout().await);
    let source = remote(&first.host(), "x");
    let index = write_index(&source, ManifestFormat::Oci, "1").await;
    let end = remote(&second.host(), "y");
    let way: [&dyn Registry; 4] = [&source, &layout, &other_layout, &end];
    for leg in way.windows(2) {
        let copied = copy_manifest_by_digest(leg[0], leg[1], &index).await.unwrap();
        assert_eq!((copied.manifests, copied.sent), (3, 4), "{}", leg[1].describe());
        let verified = verify(leg[1], &index, Depth::Content).await.unwrap();
        assert_eq!((verified.manifests, verified.blobs), (3, 4));
        assert_eq!(verified.blob_bytes, copied.sent_bytes);
    }
    assert_eq!(second.manifest("y", index.digest.as_str()), first.manifest("x", "1"));
}

#[tokio::test]
async fn foreign_layers_may_be_absent() {
    let registry = registry().await;
    let config = registry.put_blob("a", r#"{"architecture":"amd64","os":"linux","rootfs":{}}"#);
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"c","digest":"{config}","size":49}},"layers":[
            {{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","digest":"{}","size":5}}]}}"#,
        descriptor(b"layer").digest
    );
    let manifest = registry.put_manifest("a", None, ManifestFormat::Docker.manifest(), manifest);
    let (source, target) = (remote(&registry.host(), "a"), remote(&registry.host(), "b"));
    let copied = copy_manifest_by_digest(&source, &target, &manifest).await.unwrap();
    assert_eq!((copied.foreign, copied.mounted), (1, 1));
    verify(&target, &manifest, Depth::Content).await.unwrap();
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_found() {
    let registry = registry().await;
    let source = remote(&registry.host(), "a");
    let manifest = write_image(&source, ManifestFormat::Oci, "amd64").await;
    let missing = Effect::Status(404, vec![], "");
    let layer = descriptor(&layer("amd64")).digest;
    registry.add_fault(Fault::once(Method::HEAD, layer.as_str(), missing));
    assert!(matches!(verify(&source, &manifest, Depth::Sizes).await, Err(RegistryError::Missing { .. })));
    let short = Effect::Header("content-length", Some("1".to_owned()));
    registry.add_fault(Fault::once(Method::HEAD, layer.as_str(), short));
    let error = verify(&source, &manifest, Depth::Sizes).await;
    assert!(matches!(error, Err(RegistryError::SizeMismatch { .. })));
    let absent = Descriptor { ..descriptor(b"absent") };
    assert!(matches!(verify(&source, &absent, Depth::Sizes).await, Err(RegistryError::Missing { .. })));
    verify(&source, &manifest, Depth::Content).await.unwrap();
}

#[tokio::test]
async fn a_layout_that_was_damaged_does_not_verify() {
    let (_directory, layout) = layout().await;
    let manifest = write_image(&layout, ManifestFormat::Oci, "amd64").await;
    let layer = descriptor(&layer("amd64"));
    std::fs::write(layout.blob_path(&layer.digest), vec![0; layer.size as usize]).unwrap();
    verify(&layout, &manifest, Depth::Sizes).await.unwrap();
    let error = verify(&layout, &manifest, Depth::Content).await;
    assert!(matches!(error, Err(RegistryError::DigestMismatch { expected, .. }) if expected == layer.digest));
}

#[tokio::test]
async fn tags_come_in_pages_and_go_one_by_one() {
    let options = Options { tags_per_page: Some(2), ..Options::default() };
    let registry = InMemoryRegistry::start(options).await.unwrap();
    let remote = remote(&registry.host(), "a");
    assert!(remote.tags().await.unwrap().is_empty());
    let media_type = ManifestFormat::Oci.manifest();
    for name in ["1", "2", "3", "4", "5"] {
        registry.put_manifest("a", Some(name), media_type, Bytes::from("{}"));
    }
    let names: Vec<String> = remote.tags().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["1", "2", "3", "4", "5"]);
    assert!(remote.delete_tag(&"3".parse().unwrap()).await.unwrap());
    assert!(!remote.delete_tag(&"3".parse().unwrap()).await.unwrap());
    assert!(remote.delete_manifest(&descriptor(b"{}").digest).await.unwrap());
    assert!(remote.tags().await.unwrap().is_empty());
    registry.add_fault(Fault::once(Method::DELETE, "/manifests/", Effect::Status(405, vec![], "")));
    let refused = remote.delete_manifest(&descriptor(b"{}").digest).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Unsupported { .. }), "{refused}");
}

#[tokio::test]
async fn copies_run_as_tasks_on_shared_places() {
    let registry = registry().await;
    let source: Arc<dyn Registry> = Arc::new(remote(&registry.host(), "source"));
    let index = write_index(source.as_ref(), ManifestFormat::Oci, "1").await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..4 {
        let (source, index) = (Arc::clone(&source), index.clone());
        let target = remote(&registry.host(), &format!("target{number}"));
        tasks.spawn(async move {
            copy_manifest_by_digest(source.as_ref(), &target, &index).await?;
            verify(&target, &index, Depth::Content).await?;
            resolve(&target, &Selector::from(index.digest), &Architecture::plain("amd64")).await
        });
    }
    for image in tasks.join_all().await {
        assert!(image.unwrap().is_some());
    }
}
