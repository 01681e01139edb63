use super::*;
use crate::store::MAX_DOCUMENT_BYTES;

#[tokio::test]
async fn a_document_is_kept_and_can_be_replaced() {
    let (directory, store) = open().await;
    let (build, other) = (new_build(&store).await, new_build(&store).await);
    assert_eq!(store.document(&build, "plan").await.unwrap(), None);
    for body in ["{}", "{}", r#"{"a":1}"#] {
        store.put_document(&build, "plan", body).await.unwrap();
        assert_eq!(store.document(&build, "plan").await.unwrap().as_deref(), Some(body));
    }
    store.put_document(&build, "outcome", "[]").await.unwrap();
    assert_eq!(store.document(&other, "plan").await.unwrap(), None);
    store.close().await;
    let store = Store::open(directory.path()).await.unwrap();
    assert_eq!(store.document(&build, "plan").await.unwrap().as_deref(), Some(r#"{"a":1}"#));
    assert_eq!(store.document(&build, "outcome").await.unwrap().as_deref(), Some("[]"));
}

#[tokio::test]
async fn a_build_that_has_ended_can_get_a_document() {
    let (_directory, store) = open().await;
    let build = new_build(&store).await;
    finish(&store, &build).await;
    store.put_document(&build, "outcome", "{}").await.unwrap();
    assert_eq!(store.document(&build, "outcome").await.unwrap().as_deref(), Some("{}"));
}

#[tokio::test]
async fn documents_belong_to_a_build_and_have_a_limit() {
    let (_directory, store) = open().await;
    let build = new_build(&store).await;
    let nobody: BuildId = "bld_0".parse().unwrap();
    let error = store.put_document(&nobody, "plan", "{}").await.unwrap_err();
    assert_eq!(error.code(), "store.build_not_found");
    let most = "x".repeat(MAX_DOCUMENT_BYTES);
    store.put_document(&build, "plan", &most).await.unwrap();
    let error = store.put_document(&build, "plan", &format!("{most}x")).await.unwrap_err();
    assert_eq!(error.code(), "store.document_too_large");
    assert!(error.to_string().contains("'plan'"), "{error}");
    assert_eq!(store.document(&build, "plan").await.unwrap().map(|body| body.len()), Some(most.len()));
}
