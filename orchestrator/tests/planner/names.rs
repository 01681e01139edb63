//! Names of images and of what is built, and requests that name nothing.

use common::image::{Host, ImageReference, Tag};

use crate::world::{Case, DOCKERFILE, SEED_CONFIG, pod, problems, repository};

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn names_of_images_are_taken_apart() {
    type Row = (&'static str, &'static str, Option<&'static str>, &'static str, Option<&'static str>);
    let rows: [Row; 6] = [
        // A digest of five digits, as the case has it, is no digest.
        (
            "IMG-1",
            "repository.com/prefix/image-name@sha256:HEX",
            Some("repository.com"),
            "prefix/image-name",
            None,
        ),
        ("IMG-2", "registry:5000/image-name:latest", Some("registry:5000"), "image-name", Some("latest")),
        ("IMG-2", "prefix/image-name:1", None, "prefix/image-name", Some("1")),
        ("IMG-2", "library/fedora:20", None, "library/fedora", Some("20")),
        // Unlike then, as engines do: a first part is a registry only if it looks like
        // one, and localhost is one.
        ("IMG-3", "foo/bar/baz:1", None, "foo/bar/baz", Some("1")),
        ("IMG-3", "localhost/img", Some("localhost"), "img", None),
    ];
    for (case, text, host, repository, tag) in rows {
        let text = text.replace("HEX", HEX);
        let image: ImageReference = text.parse().unwrap();
        assert_eq!(image.host.as_ref().map(Host::as_str), host, "{case} {text}");
        assert_eq!(image.repository.as_str(), repository, "{case} {text}");
        assert_eq!(image.tag.as_ref().map(Tag::as_str), tag, "{case} {text}");
        assert_eq!(image.to_string(), text, "{case}");
    }
    assert!("repository.com/prefix/image-name@sha256:12345".parse::<ImageReference>().is_err(), "IMG-1");
}

#[tokio::test]
async fn a_request_without_a_source_says_so() {
    // SRC-5: there is one kind of source, and its address is all that can lack.
    let repository = repository(&[("Dockerfile", DOCKERFILE)]);
    let draft = Case::of(&repository, "{}").with(|request| request.source.uri.clear()).draft().await;
    assert!(problems(&draft).contains(&"request.source_missing"), "{:?}", draft.problems);
}

#[test]
fn a_pod_without_its_build_is_no_pod() {
    // REB-4: without BUILD nobody knows whether this was a rebuild. Which
    // BuildConfig it came from is no question any more.
    let mut pod = pod(SEED_CONFIG, &[]);
    for (name, value) in &mut pod {
        if name == "BUILD" {
            *value = r#"{"metadata": {"labels": {}}}"#.to_owned();
        }
    }
    assert!(!Case::try_replay(&pod).unwrap().request.rebuild);
    pod.retain(|(name, _)| name != "BUILD");
    assert_eq!(Case::try_replay(&pod).err().unwrap().code, "request.replay_incomplete");
}
