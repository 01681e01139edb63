//! Requests that break a rule by themselves.

use std::time::Duration;

use common::request::{BuildMode, BuildRequest};

use super::{all, held, none_of};
use crate::request::validate;

type Row = (&'static str, fn(&mut BuildRequest), &'static str, &'static str);

/// Name, what is wrong with the request, code, what the message says.
const ROWS: &[Row] = &[
    ("no repository", |r| r.source.uri.clear(), "request.source_missing", "source.uri"),
    (
        "a password in the address",
        |r| r.source.uri = "https://me:secret@git.example.org/a.git".into(),
        "request.source_password",
        "source.uri",
    ),
    ("an address with a space", |r| r.source.uri = "two words".into(), "request.source_invalid", "two words"),
    (
        "a reference with a space",
        |r| r.source.reference = Some("my branch".into()),
        "request.reference_invalid",
        "my branch",
    ),
    ("a branch like a flag", |r| r.branch = Some("--all".into()), "request.branch_invalid", "--all"),
    (
        "scratch and rebuild",
        |r| (r.mode, r.rebuild) = (BuildMode::Scratch, true),
        "request.kinds_exclusive",
        "scratch and rebuild",
    ),
    (
        "an isolated Flatpak",
        |r| (r.mode, r.flatpak) = (isolated("1.1"), true),
        "request.flatpak_isolated",
        "flatpak",
    ),
    ("isolated without release", |r| r.mode = isolated(""), "request.isolated_needs_release", "release"),
    ("isolated, release 12", |r| r.mode = isolated("12"), "request.isolated_release_format", "'12'"),
    ("a release with a dash", |r| r.release = Some("1-2".into()), "request.release_invalid", "'1-2'"),
    (
        "a release too long for a tag",
        |r| r.release = Some("1".repeat(129)),
        "request.release_too_long",
        "release",
    ),
    (
        "two releases",
        |r| (r.mode, r.release) = (isolated("1.1"), Some("2".into())),
        "request.release_twice",
        "'1.1' and '2'",
    ),
    ("a user of two lines", |r| r.user = "me\nroot".into(), "request.user_invalid", "user"),
    ("a target with a space", |r| r.target = Some("f 44".into()), "request.target_invalid", "f 44"),
    ("a target with a slash", |r| r.target = Some("f/44".into()), "request.target_no_tag", "f/44"),
    (
        "an image stream in capitals",
        |r| r.image_stream = Some("Hello".into()),
        "request.image_stream_invalid",
        "Hello",
    ),
    (
        "a signing intent with a slash",
        |r| r.signing_intent = Some("a/b".into()),
        "request.signing_intent_invalid",
        "a/b",
    ),
    (
        "an intent for composes that exist",
        |r| (r.signing_intent, r.composes) = (Some("beta".into()), vec![1]),
        "request.signing_intent_with_composes",
        "signing_intent",
    ),
    (
        "composes and repository files",
        |r| (r.repository_urls, r.composes) = (vec!["https://h/a.repo".into()], vec![1]),
        "request.composes_with_repositories",
        "repository_urls",
    ),
    (
        "an intent for repository files",
        |r| (r.repository_urls, r.signing_intent) = (vec!["https://h/a.repo".into()], Some("beta".into())),
        "request.signing_intent_with_repositories",
        "signing_intent",
    ),
    (
        "a repository file by ftp",
        |r| r.repository_urls = vec!["ftp://h/a.repo".into()],
        "request.repository_url_invalid",
        "repository_urls[0]",
    ),
    (
        "a repository file with a password",
        |r| r.repository_urls = vec!["https://me:secret@h/a.repo".into()],
        "request.repository_url_password",
        "repository_urls[0]",
    ),
    ("task 0", |r| r.koji_task = Some(0), "request.task_invalid", "koji_task"),
    (
        "a parent without release",
        |r| r.parent_build = Some("fedora".into()),
        "request.parent_build_invalid",
        "fedora",
    ),
    ("compose 0", |r| r.composes = vec![0], "request.compose_invalid", "compose 0"),
    ("no time at all", |r| r.limits.time = Some(Duration::ZERO), "request.limit_zero", "limits"),
    (
        "a platform twice",
        |r| r.platforms = vec!["x86_64".parse().unwrap(); 2],
        "request.platform_repeated",
        "x86_64",
    ),
    (
        "a destination twice",
        |r| r.destinations = vec!["docker://r.example.org/a".parse().unwrap(); 2],
        "request.destination_repeated",
        "r.example.org/a",
    ),
    (
        "a repository file twice",
        |r| r.repository_urls = vec!["https://h/a.repo".into(); 2],
        "request.repository_url_repeated",
        "https://h/a.repo",
    ),
    ("a compose twice", |r| r.composes = vec![7, 7], "request.compose_repeated", "'7'"),
    ("33 composes", |r| r.composes = (1..=33).collect(), "request.too_many", "33"),
    (
        "a label's value with NUL",
        |r| r.labels = [("a".into(), "\0".into())].into(),
        "request.value_invalid",
        "'a'",
    ),
    (
        "a label's name with a space",
        |r| r.labels = [("a b".into(), "1".into())].into(),
        "request.label_name_invalid",
        "a b",
    ),
    (
        "a build argument like a number",
        |r| r.build_args = [("1a".into(), "1".into())].into(),
        "request.argument_name_invalid",
        "1a",
    ),
];

fn isolated(release: &str) -> BuildMode {
    BuildMode::Isolated { release: release.to_owned() }
}

pub(super) fn codes() -> Vec<&'static str> {
    ROWS.iter().map(|row| row.2).collect()
}

#[test]
fn each_rule_has_its_own_answer() {
    none_of(ROWS.iter().map(|(name, break_it, code, says)| {
        let mut request = BuildRequest::new("https://git.example.org/hello.git", Some("main"));
        assert_eq!(validate::check(&request), []);
        break_it(&mut request);
        held(name, code, says, &all(validate::check(&request)))
    }));
}
