//! Each rule, by the acceptance case that it answers where there is one.

use common::request::Limits;

use super::*;

type Spoil = fn(&mut BuildRequest);

fn good() -> BuildRequest {
    BuildRequest {
        platforms: vec!["x86_64".parse().unwrap()],
        target: Some("f44-container-candidate".into()),
        user: "Mara Ö.".into(),
        branch: Some("osbs-box-demo".into()),
        ..BuildRequest::new("git://git.example.org/hello", Some("refs/heads/feature/x"))
    }
}

fn isolated(release: &str) -> BuildMode {
    BuildMode::Isolated { release: release.into() }
}

fn urls(urls: &[&str]) -> Vec<String> {
    urls.iter().map(|url| (*url).to_owned()).collect()
}

fn codes(spoil: Spoil) -> Vec<String> {
    let mut request = good();
    spoil(&mut request);
    let found = check(&request);
    for failure in &found {
        assert_eq!(failure.class, FailureClass::User);
        assert!(!failure.advice.is_empty(), "{failure}");
        assert!(failure.message.contains(": "), "it names the field: {failure}");
    }
    found.into_iter().map(|failure| failure.code).collect()
}

#[test]
fn requests_that_keep_the_rules() {
    let cases: &[(&str, Spoil)] = &[
        ("plain", |_| {}),
        ("T18 '1.1'", |r| r.mode = isolated("1.1")),
        ("T18 '2.1.el7'", |r| r.mode = isolated("2.1.el7")),
        ("UP-7 release 1.1", |r| r.mode = isolated("1.1")),
        ("PLAN-9", |r| r.release = Some("1.2.1".into())),
        ("scratch with a release", |r| (r.mode, r.release) = (BuildMode::Scratch, Some("1".into()))),
        ("PLAN-15 NVR", |r| r.parent_build = Some("fedora-26-9".into())),
        ("PLAN-15 number", |r| r.parent_build = Some("4711".into())),
        ("PLAN-13", |r| r.repository_urls = urls(&["http://example.com/my.repo", "https://h:8/a?b=c"])),
        ("PLAN-14", |r| r.repository_urls.clear()),
        ("PLAN-8", |r| (r.flatpak, r.composes) = (true, vec![42, 2])),
        ("a rebuild", |r| (r.rebuild, r.triggered_by) = (true, Some("r.example.org/a:1".parse().unwrap()))),
        ("an image stream", |r| r.image_stream = Some("lucarval-docker-hello-world".into())),
        ("names of other people", |r| {
            r.labels.insert("com.example/a-b_c".into(), "x\ny".into());
            r.build_args.insert("_A.b-1".into(), String::new());
        }),
        ("scp address", |r| r.source.uri = "git@host:path/x.git".into()),
        ("a path with a sign", |r| r.source.uri = "/srv/a:b@c".into()),
    ];
    for (name, spoil) in cases {
        assert_eq!(codes(*spoil), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn requests_that_break_one() {
    let cases: &[(&str, &str, Spoil)] = &[
        ("T18 UP-7 none", "isolated_needs_release", |r| r.mode = isolated("")),
        ("T18 UP-7 '1'", "isolated_release_format", |r| r.mode = isolated("1")),
        ("T18 '1.'", "isolated_release_format", |r| r.mode = isolated("1.")),
        ("T18 '1.1.'", "isolated_release_format", |r| r.mode = isolated("1.1.")),
        ("T18 'a.1'", "isolated_release_format", |r| r.mode = isolated("a.1")),
        ("T18 '1.1el7'", "isolated_release_format", |r| r.mode = isolated("1.1el7")),
        ("T19 scratch + rebuild", "kinds_exclusive", |r| (r.mode, r.rebuild) = (BuildMode::Scratch, true)),
        ("T19 isolated + rebuild", "kinds_exclusive", |r| (r.mode, r.rebuild) = (isolated("1.1"), true)),
        ("1.5 Flatpak", "flatpak_isolated", |r| (r.mode, r.flatpak) = (isolated("1.1"), true)),
        ("UP-5 intent + composes", "signing_intent_with_composes", |r| {
            (r.signing_intent, r.composes) = (Some("release".into()), vec![1, 2]);
        }),
        ("UP-5 composes + repositories", "composes_with_repositories", |r| {
            (r.composes, r.repository_urls) = (vec![1, 2], urls(&["http://x/y"]));
        }),
        ("UP-5 intent + repositories, forgotten in 2018", "signing_intent_with_repositories", |r| {
            (r.signing_intent, r.repository_urls) = (Some("release".into()), urls(&["http://x/y"]));
        }),
        ("", "source_missing", |r| r.source.uri.clear()),
        ("", "source_invalid", |r| r.source.uri = "--upload-pack=x".into()),
        ("", "source_invalid", |r| r.source.uri = "https://x/a b".into()),
        ("", "source_password", |r| r.source.uri = "https://mara:pw@x/y".into()),
        ("", "source_password", |r| r.source.uri = "mara:pw@host:path".into()),
        ("", "source_password", |r| r.source.uri = "https://ghp_token@x/y".into()),
        ("", "reference_invalid", |r| r.source.reference = Some("a..b".into())),
        ("", "reference_invalid", |r| r.source.reference = Some("-x".into())),
        ("", "branch_invalid", |r| r.branch = Some("a b".into())),
        ("", "branch_invalid", |r| r.branch = Some(String::new())),
        ("", "release_invalid", |r| r.release = Some("1-2".into())),
        ("", "release_invalid", |r| r.release = Some(String::new())),
        ("", "release_invalid", |r| r.mode = isolated("1.1.a-b")),
        ("", "release_too_long", |r| r.release = Some("1".repeat(129))),
        ("", "release_twice", |r| (r.mode, r.release) = (isolated("1.1"), Some("2".into()))),
        ("", "user_invalid", |r| r.user = " mara".into()),
        ("", "user_invalid", |r| r.user = "a\nb".into()),
        ("", "target_invalid", |r| r.target = Some("a b".into())),
        ("", "target_invalid", |r| r.target = Some(String::new())),
        ("", "target_no_tag", |r| r.target = Some("a/b".into())),
        ("", "target_no_tag", |r| r.target = Some("a".repeat(108))),
        ("", "image_stream_invalid", |r| r.image_stream = Some("team/hello".into())),
        ("", "signing_intent_invalid", |r| r.signing_intent = Some("a b".into())),
        ("", "repository_url_invalid", |r| r.repository_urls = urls(&["should be a list"])),
        ("", "repository_url_invalid", |r| r.repository_urls = urls(&["file:///etc/yum.repos.d/x.repo"])),
        ("", "repository_url_invalid", |r| r.repository_urls = urls(&["example.org/x.repo"])),
        ("", "repository_url_password", |r| r.repository_urls = urls(&["https://u:p@x/y.repo"])),
        ("", "repository_url_repeated", |r| r.repository_urls = urls(&["http://x/y", "http://x/y"])),
        ("", "task_invalid", |r| r.koji_task = Some(0)),
        ("", "task_invalid", |r| r.filesystem_task = Some(0)),
        ("", "parent_build_invalid", |r| r.parent_build = Some("fedora:26".into())),
        ("", "parent_build_invalid", |r| r.parent_build = Some("0".into())),
        ("", "compose_invalid", |r| r.composes = vec![0]),
        ("", "compose_repeated", |r| r.composes = vec![1, 2, 1]),
        ("", "limit_zero", |r| r.limits = Limits { memory_bytes: Some(0), time: None }),
        ("", "platform_repeated", |r| r.platforms = vec!["x86_64".parse().unwrap(); 2]),
        ("", "destination_repeated", |r| r.destinations = vec!["oci:x".parse().unwrap(); 2]),
        ("", "too_many", |r| r.composes = (1..40).collect()),
        ("", "too_many", |r| r.labels = (0..300).map(|n| (format!("a{n}"), String::new())).collect()),
        ("", "value_invalid", |r| drop(r.labels.insert("a".into(), "\0".into()))),
        ("", "value_invalid", |r| drop(r.build_args.insert("A".into(), "x".repeat(70_000)))),
        ("", "label_name_invalid", |r| drop(r.labels.insert("a b".into(), String::new()))),
        ("", "label_name_invalid", |r| drop(r.labels.insert(String::new(), String::new()))),
        ("", "argument_name_invalid", |r| drop(r.build_args.insert("1A".into(), String::new()))),
    ];
    for (name, code, spoil) in cases {
        assert_eq!(codes(*spoil), [format!("request.{code}")], "{name} {code}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let spoil: Spoil = |r| {
        (r.mode, r.flatpak, r.rebuild) = (isolated("1.1-2"), true, true);
        r.repository_urls = urls(&["x", "y"]);
    };
    let found = codes(spoil);
    let expected = [
        "kinds_exclusive",
        "flatpak_isolated",
        // T18 '1.1-2'
        "isolated_release_format",
        "release_invalid",
        "repository_url_invalid",
        "repository_url_invalid",
    ];
    assert_eq!(found, expected.map(|code| format!("request.{code}")));
}

#[test]
fn lists_without_end_have_few_problems() {
    let mut request = good();
    request.repository_urls = (0..100_000).map(|number| format!("ftp://x/{number}")).collect();
    request.labels = (0..10_000).map(|number| (format!("a b{number}"), "\0".to_owned())).collect();
    request.build_args.clone_from(&request.labels);
    assert!(check(&request).len() < 1100);
}

#[test]
fn what_is_secret_is_not_told() {
    for address in [
        "https://mara:hunter2@x/y",
        "https://mara:hunter2@x y/z",
        "mara:hunter2@ x:y",
        "https://mara:hunter2@x:99999/y",
        "mara:hunter2/x@host:path",
        "https://hunter2@x/y",
    ] {
        let mut request = good();
        request.source.uri = address.into();
        request.repository_urls = urls(&[address]);
        let found = check(&request);
        assert_eq!(found.len(), 2, "{address}");
        assert!(found.iter().all(|failure| !failure.to_string().contains("hunter2")), "{found:?}");
    }
}

#[test]
fn a_message_shows_a_text_that_does_no_harm() {
    assert_eq!(text::shown("a\u{1b}[31m\n"), "a\\u{1b}[31m\\n");
    assert_eq!(text::shown(&"ä".repeat(101)).chars().count(), 101);
}
