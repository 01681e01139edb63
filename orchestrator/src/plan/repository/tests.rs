use std::collections::BTreeMap;

use common::{failure::Failure, request::BuildRequest};

use super::{
    RepositoryFacts,
    understand::{Files, understand},
};
use crate::{plan::Notice, repository::image_build_conf};

const DOCKERFILE: (&str, &str) = ("Dockerfile", "FROM fedora:44\nLABEL a=b\n");

fn read(files: &[(&str, &str)]) -> Result<(RepositoryFacts, Vec<Notice>), Failure> {
    let request = BuildRequest::new("https://git.example.org/containers/hello.git", None);
    let find = |path: &str| files.iter().find(|(name, _)| *name == path);
    let content = |path: &str| Ok(find(path).map(|(_, text)| text.as_bytes().to_vec()));
    let files = Files::gather(None, &BTreeMap::new(), |path| find(path).is_some(), content)?;
    understand(&files, &request)
}

fn codes(files: &[(&str, &str)]) -> Vec<String> {
    read(files).unwrap_err().each().into_iter().map(|failure| failure.code).collect()
}

#[test]
fn a_dockerfile_is_enough() {
    let (facts, notices) = read(&[DOCKERFILE]).unwrap();
    assert_eq!(facts.dockerfile_path, "Dockerfile");
    assert_eq!(facts.labels["a"], "b");
    assert_eq!(facts.component.as_str(), "hello");
    assert!(!facts.base_is_koji_filesystem && facts.has_help.is_none());
    assert!(notices.is_empty());
}

#[test]
fn every_file_is_read() {
    let sum = "0".repeat(64);
    let urls = format!("- {{url: 'https://h/a.jar', sha256: '{sum}'}}\n");
    let (facts, notices) = read(&[
        DOCKERFILE,
        ("container.yaml", "platforms:\n  not: s390x\ncompose: {pulp_repos: true}\n"),
        ("additional-tags", "spam\n"),
        ("content_sets.yml", "x86_64: [a]\n"),
        ("fetch-artifacts-koji.yaml", "- nvr: a-1-1\n"),
        ("fetch-artifacts-url.yaml", &urls),
        (".osbs-repo-config", "[autorebuild]\nenabled = true\n"),
        ("help.md", "# help"),
        ("sources", "x"),
    ])
    .unwrap();
    assert_eq!(facts.container.platforms.not, ["s390x"]);
    assert_eq!(facts.container_lines["compose"], 3);
    assert_eq!(facts.additional_tags[0].as_str(), "spam");
    assert_eq!(facts.content_sets["x86_64"], ["a"]);
    assert_eq!((facts.artifacts.koji.len(), facts.artifacts.urls.len()), (1, 1));
    assert!(facts.repository_config.autorebuild);
    assert_eq!(facts.has_help.as_deref(), Some("help.md"));
    assert!(notices.is_empty(), "{notices:?}");
    let stored = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<RepositoryFacts>(&stored).unwrap(), facts);
}

#[test]
fn tags_of_container_yaml_win_over_the_file() {
    let (facts, notices) =
        read(&[DOCKERFILE, ("container.yaml", "tags: [b, a, b]\n"), ("additional-tags", "@\n")]).unwrap();
    assert_eq!(facts.additional_tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(notices[0].code, "source.additional_tags_ignored");
}

#[test]
fn all_problems_of_all_files_are_told_at_once() {
    let found = codes(&[
        ("Dockerfile", "RUN x\n"),
        ("container.yaml", "platform: x\nversion: 7\n"),
        ("additional-tags", "@\nb#\n"),
        ("content_sets.yml", "[]"),
        ("fetch-artifacts-koji.yaml", ""),
        ("fetch-artifacts-url.yaml", "- {url: 'https://h/a'}\n"),
        ("fetch-artifacts-pnc.yaml", ""),
        (".osbs-repo-config", "[autorebuild]\nenabled=perhaps\n"),
    ]);
    for code in [
        "source.container_yaml_unknown_key",
        "source.content_sets",
        "source.artifacts_koji",
        "source.artifact_no_checksum",
        "source.artifacts_pnc_unsupported",
        "source.osbs_repo_config",
    ] {
        assert!(found.iter().any(|found| found == code), "{code} in {found:?}");
    }
    assert!(found.iter().any(|code| code.contains("dockerfile")), "{found:?}");
    let two = codes(&[DOCKERFILE, ("additional-tags", "@\nb#\n"), ("content_sets.yml", "[]")]);
    assert_eq!(two, ["source.additional_tag", "source.additional_tag", "source.content_sets"]);
}

#[test]
fn what_is_not_acted_on_is_told() {
    let (_, notices) = read(&[
        ("Dockerfile", "FROM a\nRUN --mount=type=cache,target=/c x\n"),
        ("container.yaml", "autorebuild:\n  add_timestamp_to_release: true\n"),
    ])
    .unwrap();
    let codes: Vec<&str> = notices.iter().map(|notice| notice.code.as_str()).collect();
    assert_eq!(codes, ["dockerfile.needs_buildkit", "source.add_timestamp_ignored"]);
    assert!(notices[0].text.contains("line 2: RUN --mount"), "{}", notices[0].text);
}

#[test]
fn a_repository_must_leave_our_directory_alone() {
    assert_eq!(codes(&[DOCKERFILE, (".reactor", "")]), ["source.reserved_directory"]);
    assert!(read(&[DOCKERFILE, ("sub/.reactor", "")]).is_ok());
}

#[test]
fn without_a_dockerfile_there_is_nothing_to_build() {
    for (case, container, code) in [
        ("SRC-2", Some("flatpak: {}\n"), "source.flatpak_not_supported"),
        ("SRC-3", Some(""), "source.no_accompanying_dockerfile"),
        ("SRC-3", Some("tags: [a]\n"), "source.no_accompanying_dockerfile"),
        ("SRC-3", None, "source.no_dockerfile"),
    ] {
        let files: Vec<_> = container.map(|text| ("container.yaml", text)).into_iter().collect();
        assert_eq!(codes(&files), [code], "{case} {container:?}");
    }
}

#[test]
fn a_file_system_of_koji_needs_its_file() {
    let conf = "[image-build]\nname = x\n";
    // case, FROM, files, whether it stands on one, code
    type Case = (&'static str, &'static str, Option<&'static str>, bool, Option<&'static str>);
    let cases: &[Case] = &[
        ("FS-9", "koji/image-build", None, true, Some("source.no_image_build_conf")),
        ("FS-9", "koji/image-build:f44", Some("image-build.conf"), true, Some("source.no_image_build_conf")),
        ("default", "koji/image-build:latest", Some(image_build_conf::FILE), true, None),
        ("tag", "koji/image-build:f44", Some("f44"), true, None),
        ("another image", "fedora:44", None, false, None),
        ("another registry's", "r.example.org/koji/image-build", None, false, None),
        ("a case of its own", "r.example.org/x/koji/image-build", None, false, None),
    ];
    for (case, image, file, stands, code) in cases {
        let dockerfile = format!("FROM {image}\n");
        let mut files = vec![("Dockerfile", dockerfile.as_str())];
        files.extend(file.map(|name| (name, conf)));
        match read(&files) {
            Ok((facts, _)) => {
                assert_eq!(*code, None, "{case}");
                assert_eq!(facts.base_is_koji_filesystem, *stands, "{case}");
                assert_eq!(facts.image_build_conf.is_some(), *stands, "{case}");
            }
            Err(failure) => assert_eq!(Some(failure.code.as_str()), *code, "{case}: {failure}"),
        }
    }
}

#[test]
fn what_does_not_fit_into_a_record_is_refused() {
    let large = "FROM a\n".to_owned() + &"#".repeat(128 * 1024);
    assert_eq!(codes(&[("Dockerfile", &large)]), ["source.dockerfile_too_large"]);
    let quotes = "FROM a\n#".to_owned() + &"\"".repeat(125_000);
    assert_eq!(codes(&[("Dockerfile", &quotes)]), ["source.inputs_too_large"]);
}
