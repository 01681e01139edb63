use std::os::unix::fs::{MetadataExt as _, symlink};

use common::work::ManifestFormat;
use futures::TryStreamExt as _;

use super::*;

fn blob(content: &[u8]) -> Descriptor {
    Descriptor { media_type: "x/y".into(), digest: Digest::of(content), size: content.len() as u64 }
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

async fn fresh() -> (tempfile::TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::create(directory.path().join("deep/er")).await.unwrap();
    (directory, layout)
}

fn uploads(layout: &Layout) -> usize {
    fs::read_dir(layout.root().join(UPLOADS)).unwrap().count()
}

#[tokio::test]
async fn only_layouts_and_empty_directories_are_used() {
    let (directory, layout) = fresh().await;
    Layout::create(layout.root()).await.unwrap();
    Layout::open(layout.root()).await.unwrap();
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).unwrap();
    Layout::create(&empty).await.unwrap();
    let home = directory.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("thesis.tex"), "").unwrap();
    assert!(matches!(Layout::create(&home).await, Err(RegistryError::Layout { .. })));
    assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
    assert!(matches!(Layout::open(&home).await, Err(RegistryError::Layout { .. })));
    fs::write(empty.join(HEADER), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(Layout::open(&empty).await.unwrap_err().to_string().contains("2.0.0"));
}

#[tokio::test]
async fn a_blob_that_comes_in_pieces_is_checked_before_it_is_there() {
    let (_directory, layout) = fresh().await;
    let content = vec![7_u8; 1_300_000];
    let expected = blob(&content);
    let mut writer = layout.blob_writer(expected.size).await.unwrap();
    for piece in content.chunks(99_999) {
        writer.write(piece).await.unwrap();
    }
    assert_eq!(writer.written(), expected.size);
    assert!(!layout.has_blob(&expected).await.unwrap());
    writer.finish(&expected).await.unwrap();
    let read: Vec<Bytes> = layout.read_blob(&expected).await.unwrap().try_collect().await.unwrap();
    assert_eq!(read.concat(), content);
    assert_eq!(uploads(&layout), 0);
}

#[tokio::test]
async fn wrong_blobs_leave_nothing() {
    let (_directory, layout) = fresh().await;
    let expected = blob(b"expected");
    for (content, what) in [("received", "digest"), ("expect", "bytes"), ("expected and more", "larger")] {
        let mut writer = layout.blob_writer(8).await.unwrap();
        let result = match writer.write(content.as_bytes()).await {
            Ok(()) => writer.finish(&expected).await,
            Err(error) => Err(error),
        };
        let error = result.unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    drop(layout.blob_writer(8).await.unwrap());
    assert!(!layout.has_blob(&expected).await.unwrap());
    assert_eq!(uploads(&layout), 0);
}

#[tokio::test]
async fn tags_move_and_others_entries_stay() {
    let (_directory, layout) = fresh().await;
    let foreign = r#"{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha512:00","size":1,
        "annotations":{"org.opencontainers.image.ref.name":"registry/with/slash:1"}}],"annotations":{"k":"v"}}"#;
    fs::write(layout.root().join("index.json"), foreign).unwrap();
    let media_type = ManifestFormat::Oci.manifest();
    let put = |name: &str, text: &'static str| {
        let (layout, selector) = (layout.clone(), Selector::Tag(tag(name)));
        async move { layout.put_manifest(&selector, media_type, Bytes::from(text)).await.unwrap() }
    };
    put("1", r#"{"layers":[]}"#).await;
    put("2", r#"{"layers":[]}"#).await;
    let moved = put("1", r#"{"layers":[ ]}"#).await;
    assert_eq!(layout.tags().await.unwrap(), [tag("1"), tag("2")]);
    let found = layout.manifest(&tag("1").into()).await.unwrap().unwrap();
    assert_eq!((found.descriptor.digest, found.descriptor.media_type.as_str()), (moved.clone(), media_type));
    let text = fs::read_to_string(layout.root().join("index.json")).unwrap();
    assert!(text.contains("registry/with/slash:1") && text.contains(r#""k":"v""#), "{text}");

    assert!(layout.delete_tag(&tag("2")).await.unwrap());
    assert!(!layout.delete_tag(&tag("2")).await.unwrap());
    assert!(layout.delete_manifest(&moved).await.unwrap());
    assert!(layout.tags().await.unwrap().is_empty());
    assert!(layout.manifest(&moved.into()).await.unwrap().is_none());
}

#[tokio::test]
async fn many_writers_lose_no_tag() {
    let (_directory, layout) = fresh().await;
    let names: Vec<Tag> = (0..40).map(|number| tag(&format!("t{number:02}"))).collect();
    let puts = names.iter().map(|name| {
        let (root, selector) = (layout.root().to_owned(), Selector::Tag(name.clone()));
        async move {
            // Each opens the layout for itself, as processes do.
            let layout = Layout::create(root).await?;
            layout
                .put_manifest(
                    &selector,
                    "a/b",
                    Bytes::from(format!("{{\"layers\":[],\"t\":\"{selector}\"}}")),
                )
                .await
        }
    });
    futures::future::try_join_all(puts).await.unwrap();
    let mut found = layout.tags().await.unwrap();
    found.sort();
    assert_eq!(found, names);
}

#[tokio::test]
async fn a_copy_on_one_file_system_is_a_link() {
    let (_one, from) = fresh().await;
    let (_two, to) = fresh().await;
    let content = Bytes::from("shared");
    let expected = blob(&content);
    from.write_blob(&expected, &BlobSource::Bytes(content)).await.unwrap();
    to.write_blob(&expected, &BlobSource::Registry(&from)).await.unwrap();
    let inode = |layout: &Layout| fs::metadata(layout.blob_path(&expected.digest)).unwrap().ino();
    assert_eq!(inode(&from), inode(&to));
    assert!(matches!(
        to.write_blob(&blob(b"absent"), &BlobSource::Registry(&from)).await,
        Err(RegistryError::Missing { .. })
    ));
}

#[tokio::test]
async fn links_out_of_the_layout_are_not_followed() {
    let (directory, layout) = fresh().await;
    let secret = directory.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let planted = blob(b"secret");
    symlink(&secret, layout.blob_path(&planted.digest)).unwrap();
    assert!(matches!(layout.read_blob(&planted).await, Err(RegistryError::File { .. })));
    assert!(matches!(layout.manifest(&planted.digest.into()).await, Err(RegistryError::File { .. })));
}

#[tokio::test]
async fn what_a_dead_process_left_goes_after_a_week() {
    let (_directory, layout) = fresh().await;
    let day = std::time::Duration::from_secs(24 * 3600);
    for (name, days) in [("blob-old", 8), ("blob-new", 6)] {
        let file = fs::File::create(layout.root().join(UPLOADS).join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - day * days).unwrap();
    }
    Layout::create(layout.root()).await.unwrap();
    let left: Vec<_> = fs::read_dir(layout.root().join(UPLOADS)).unwrap().flatten().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].file_name(), "blob-new");
}
