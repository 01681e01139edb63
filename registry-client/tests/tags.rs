//! Taking a tag away from registries that delete tags, manifests only, or
//! nothing.
#![allow(clippy::unwrap_used, reason = "a test ends there")]

mod fixture;

use axum::http::Method;
use common::{image::Tag, work::ManifestFormat};
use fixture::{remote, write_index};
use registry_client::{
    Registry, RegistryError,
    verify::{Depth, verify},
};
use testkit::registry::{Deletion, Effect, Fault, InMemoryRegistry, Options};

async fn registry(deletion: Deletion) -> InMemoryRegistry {
    InMemoryRegistry::start(Options { deletion, ..Options::default() }).await.unwrap()
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

#[tokio::test]
async fn a_tag_goes_and_its_image_and_neighbours_stay() {
    for deletion in [Deletion::Everything, Deletion::ByDigest] {
        let registry = registry(deletion).await;
        let remote = remote(&registry.host(), "a");
        let index = write_index(&remote, ManifestFormat::Oci, "1").await;
        write_index(&remote, ManifestFormat::Oci, "latest").await;
        assert!(remote.delete_tag(&tag("1")).await.unwrap(), "{deletion:?}");
        assert!(!remote.delete_tag(&tag("1")).await.unwrap(), "{deletion:?}");
        assert_eq!(remote.tags().await.unwrap(), [tag("latest")], "{deletion:?}");
        verify(&remote, &index, Depth::Content).await.unwrap();
        assert_eq!(registry.count("DELETE", index.digest.as_str()), 0, "{deletion:?}");
    }
}

#[tokio::test]
async fn without_deletion_the_tag_stays_where_it_is() {
    let registry = registry(Deletion::Nothing).await;
    let remote = remote(&registry.host(), "a");
    let index = write_index(&remote, ManifestFormat::Oci, "1").await;
    registry.forget_requests();
    let refused = remote.delete_tag(&tag("1")).await.unwrap_err();
    assert!(
        matches!(&refused, RegistryError::DeletionDisabled { tag: kept, .. } if *kept == tag("1")),
        "{refused}"
    );
    assert_eq!(registry.tags("a")["1"], index.digest);
    assert_eq!(registry.count("PUT", "/manifests/"), 0);
    assert!(!remote.delete_tag(&tag("2")).await.unwrap());
}

#[tokio::test]
async fn unsupported_may_come_as_not_found() {
    let registry = registry(Deletion::Everything).await;
    let remote = remote(&registry.host(), "a");
    write_index(&remote, ManifestFormat::Oci, "1").await;
    let body = r#"{"errors":[{"code":"UNSUPPORTED","message":"by digest only"}]}"#;
    registry.add_fault(Fault::once(Method::DELETE, "/manifests/1", Effect::Status(404, vec![], body)));
    assert!(remote.delete_tag(&tag("1")).await.unwrap());
    assert!(registry.tags("a").is_empty());
    assert_eq!(registry.count("PUT", "/manifests/1"), 2);
}

#[tokio::test]
async fn a_deletion_that_fails_half_way_puts_the_tag_back() {
    let registry = registry(Deletion::ByDigest).await;
    let remote = remote(&registry.host(), "a");
    let index = write_index(&remote, ManifestFormat::Oci, "1").await;
    // The question whether deletion is allowed is answered; the deletion itself is not.
    registry.add_fault(Fault::once(Method::DELETE, "/manifests/sha256", Effect::Status(404, vec![], "")));
    registry.add_fault(Fault::once(Method::DELETE, "/manifests/sha256", Effect::Status(403, vec![], "")));
    let error = remote.delete_tag(&tag("1")).await.unwrap_err();
    assert_eq!(error.status(), Some(403), "{error}");
    assert_eq!(registry.tags("a")["1"], index.digest);
    assert!(remote.delete_tag(&tag("1")).await.unwrap());
    assert!(registry.tags("a").is_empty());
    verify(&remote, &index, Depth::Content).await.unwrap();
}
