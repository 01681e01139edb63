//! Which tags a build of a whole repository gets.

use common::{image::Tag, request::BuildMode};
use orchestrator::plan::Tags;

use crate::world::{Case, DOCKERFILE, problems, repository};

fn texts(tags: &Tags) -> (Vec<&str>, Vec<&str>) {
    (tags.primary.iter().map(Tag::as_str).collect(), tags.floating.iter().map(Tag::as_str).collect())
}

#[tokio::test]
async fn tags_of_a_repository() {
    type Texts = &'static [&'static str];
    type Row = (&'static str, BuildMode, &'static [(&'static str, &'static str)], Texts, Texts);
    let isolated = || BuildMode::Isolated { release: "1.1".into() };
    let more: &[(&str, &str)] = &[("additional-tags", "tag1\ntag2\n")];
    let rows: Vec<Row> = vec![
        ("no more tags", BuildMode::Normal, &[], &["1.0-3"], &["1.0", "latest"]),
        ("PLAN-10, T16", BuildMode::Normal, more, &["1.0-3"], &["1.0", "latest", "tag1", "tag2"]),
        (
            "T10",
            BuildMode::Normal,
            &[("additional-tags", "spam\nbacon\n")],
            &["1.0-3"],
            &["1.0", "latest", "spam", "bacon"],
        ),
        ("PLAN-11, T17 scratch", BuildMode::Scratch, more, &[], &[]),
        ("PLAN-11, T17 isolated", isolated(), more, &["1.0-1.1"], &[]),
        (
            "container.yaml wins",
            BuildMode::Normal,
            &[("additional-tags", "a\n"), ("container.yaml", "tags: [b]\n")],
            &["1.0-3"],
            &["b"],
        ),
    ];
    for (case, mode, files, primary, floating) in rows {
        let files: Vec<(&str, &str)> = [("Dockerfile", DOCKERFILE)].iter().chain(files).copied().collect();
        let repository = repository(&files);
        let draft = Case::of(&repository, "{}").with(|request| request.mode = mode).draft().await;
        assert_eq!(problems(&draft), [""; 0], "{case}");
        let tags = draft.tags.as_ref().unwrap();
        assert_eq!(texts(tags), (primary.to_vec(), floating.to_vec()), "{case}");
        assert_eq!(tags.unique.len(), 1, "{case}");
    }
}

#[tokio::test]
async fn the_unique_tag_names_target_number_and_time() {
    // UP-1 and PLAN-12: one for all platforms, for the index stands for them all;
    // members are pushed by digest and need no suffix.
    let repository = repository(&[("Dockerfile", DOCKERFILE)]);
    let case = Case::of(&repository, "{}").with(|request| {
        request.target = Some("tothepoint".into());
        request.user = "user".into();
    });
    let draft = case.draft().await;
    let tags = draft.tags.unwrap();
    let parts: Vec<&str> = tags.unique[0].as_str().split('-').collect();
    assert_eq!(parts[0], "tothepoint");
    assert!(parts[1].len() == 5 && parts[1].bytes().all(|byte| byte.is_ascii_digit()), "{parts:?}");
    assert!(parts[2].len() == 14 && parts[2].bytes().all(|byte| byte.is_ascii_digit()), "{parts:?}");
    assert_eq!(parts.len(), 3);
}

#[tokio::test]
async fn the_label_name_is_a_repository_without_a_registry() {
    for (case, name, expected) in [
        ("UP-11", "fedora-25.1/something", &["labels.name_looks_like_registry"][..]),
        ("UP-11", "fedora-25-1/something", &[]),
        (
            "UP-14, the registry would be part of it",
            "docker.io/fedora23/python",
            &["labels.name_looks_like_registry"],
        ),
        ("UP-14", "fedora23", &[]),
        ("upper case", "Team/Hello", &["labels.name_invalid"]),
    ] {
        let dockerfile = DOCKERFILE.replace("team/hello", name);
        let repository = repository(&[("Dockerfile", &dockerfile)]);
        let draft =
            Case::of(&repository, "publication:\n  registries: [registry.example.org]\n").draft().await;
        assert_eq!(problems(&draft), expected, "{case} {name}");
        if expected.is_empty() {
            assert_eq!(draft.destinations[0].to_string(), format!("docker://registry.example.org/{name}"));
        }
    }
}
