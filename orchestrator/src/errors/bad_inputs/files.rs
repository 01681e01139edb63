//! Repositories whose files cannot be used.

use super::world::{
    Entry::{Bytes, Gone, Link, Long, Text},
    Row, asked, files, hold,
};

const KOJI: &str = "fetch-artifacts-koji.yaml";
const URL: &str = "fetch-artifacts-url.yaml";
const IMAGE_BUILD: &str = "FROM koji/image-build\nLABEL name=a version=1 release=1\n";

const CONTAINER: &[Row] = &[
    files("no YAML", &[("container.yaml", Text("tags: [a\n"))], "source.container_yaml", "container.yaml"),
    files(
        "a misspelt key",
        &[("container.yaml", Text("platform: {only: x86_64}\n"))],
        "source.container_yaml_unknown_key",
        "did you mean 'platforms'?",
    ),
    files(
        "a long container.yaml",
        &[("container.yaml", Long(300_000))],
        "source.container_yaml_too_large",
        "300000",
    ),
    files(
        "a version that does not exist",
        &[("container.yaml", Text("\nversion: 2\n"))],
        "source.container_yaml_version",
        "line 2",
    ),
    files(
        "a retired way to build",
        &[("container.yaml", Text("image_build_method: imagebuilder\n"))],
        "source.image_build_method",
        "imagebuilder",
    ),
    files(
        "a source elsewhere",
        &[("container.yaml", Text("remote_source: {repo: 'https://h/r', ref: a}\n"))],
        "source.remote_source_unsupported",
        "remote_source",
    ),
    files(
        "an operator bundle",
        &[("container.yaml", Text("operator_manifests: {manifests_dir: m}\n"))],
        "source.operator_manifests_unsupported",
        "operator_manifests",
    ),
    files(
        "a variable that is none",
        &[("container.yaml", Text("set_release_env: 1A\n"))],
        "source.set_release_env",
        "1A",
    ),
    files(
        "a tag with a space",
        &[("container.yaml", Text("tags: ['a b']\n"))],
        "source.container_yaml_tag",
        "a b",
    ),
    files(
        "a module without stream",
        &[("container.yaml", Text("compose: {modules: ['postgresql']}\n"))],
        "source.module_spec",
        "postgresql",
    ),
    files(
        "a directory for container.yaml",
        &[("container.yaml/x", Text(""))],
        "source.not_a_file",
        "container.yaml",
    ),
];

const BESIDE: &[Row] = &[
    files("a tag with @", &[("additional-tags", Text("a\nb@c\n"))], "source.additional_tag", "line 2"),
    files("tags in Latin-1", &[("additional-tags", Bytes(b"\xe4\n"))], "source.additional_tags", "UTF-8"),
    files(
        "tags without end",
        &[("additional-tags", Long(300_000))],
        "source.additional_tags_too_large",
        "300000",
    ),
    files("101 tags", &[("additional-tags", Text(MANY_TAGS))], "source.too_many_tags", "101"),
    files(
        "a content set with a space",
        &[("content_sets.yml", Text("x86_64: [a b]\n"))],
        "source.content_sets",
        "a b",
    ),
    files(
        "content sets without end",
        &[("content_sets.yml", Long(70_000))],
        "source.content_sets_too_large",
        "70000",
    ),
    files("artifacts that are no list", &[(KOJI, Text("nvr: a-1-1\n"))], "source.artifacts_koji", KOJI),
    files(
        "a misspelt key of artifacts",
        &[(KOJI, Text("- nvr: a-1-1\n  archive: []\n"))],
        "source.artifacts_koji_unknown_key",
        "archive",
    ),
    files("artifacts without end", &[(KOJI, Long(70_000))], "source.artifacts_koji_too_large", "70000"),
    files("a build without release", &[(KOJI, Text("- nvr: a-1\n"))], "source.artifact_nvr", "a-1"),
    files(
        "a pattern with an open bracket",
        &[(KOJI, Text("- nvr: a-1-1\n  archives: [{filename: '[a'}]\n"))],
        "source.artifact_pattern",
        "[a",
    ),
    files("an empty list of URLs", &[(URL, Text(""))], "source.artifacts_url", URL),
    files(
        "a misspelt key of URLs",
        &[(URL, Text("- {url: 'https://h/a', sha265: x}\n"))],
        "source.artifacts_url_unknown_key",
        "sha265",
    ),
    files("URLs without end", &[(URL, Long(70_000))], "source.artifacts_url_too_large", "70000"),
    files("an artifact by ftp", &[(URL, Text("- {url: 'ftp://h/a'}\n"))], "source.artifact_url", "ftp://h/a"),
    files(
        "an artifact without checksum",
        &[(URL, Text("- url: https://h/a\n"))],
        "source.artifact_no_checksum",
        "https://h/a",
    ),
    files(
        "half a checksum",
        &[(URL, Text("- {url: 'https://h/a', sha256: abc}\n"))],
        "source.artifact_checksum",
        "abc",
    ),
    files(
        "a target that climbs",
        &[(
            URL,
            Text("- {url: 'https://h/a', md5: 0123456789abcdef0123456789abcdef, target: ../../etc/x}\n"),
        )],
        "source.artifact_target",
        "../../etc/x",
    ),
    files(
        "artifacts of a system that is not supported",
        &[("fetch-artifacts-pnc.yaml", Text("a: b\n"))],
        "source.artifacts_pnc_unsupported",
        "fetch-artifacts-pnc.yaml",
    ),
    files(
        "neither true nor false",
        &[(".osbs-repo-config", Text("[autorebuild]\nenabled = maybe\n"))],
        "source.osbs_repo_config",
        "maybe",
    ),
    files(
        "settings without end",
        &[(".osbs-repo-config", Long(300_000))],
        "source.osbs_repo_config_too_large",
        "300000",
    ),
    files(
        "a file system that nobody describes",
        &[("Dockerfile", Text(IMAGE_BUILD))],
        "source.no_image_build_conf",
        "image-build.conf",
    ),
    files(
        "a description that is no INI file",
        &[("Dockerfile", Text(IMAGE_BUILD)), ("image-build.conf", Text("[image-build\n"))],
        "source.image_build_conf",
        "image-build.conf",
    ),
    files(
        "a description without end",
        &[("Dockerfile", Text(IMAGE_BUILD)), ("image-build.conf", Long(300_000))],
        "source.image_build_conf_too_large",
        "300000",
    ),
];

const SOURCE: &[Row] = &[
    files("no Dockerfile", &[("Dockerfile", Gone)], "source.no_dockerfile", "Dockerfile"),
    files(
        "container.yaml alone",
        &[("Dockerfile", Gone), ("container.yaml", Text("version: 1\n"))],
        "source.no_accompanying_dockerfile",
        "container.yaml",
    ),
    files(
        "a Flatpak",
        &[("Dockerfile", Gone), ("container.yaml", Text("flatpak: {id: org.example.App}\n"))],
        "source.flatpak_not_supported",
        "container.yaml",
    ),
    files(
        "a Dockerfile somewhere else",
        &[("Dockerfile", Link("../../../etc/passwd"))],
        "source.symlink_escapes",
        "../../../etc/passwd",
    ),
    files("a long Dockerfile", &[("Dockerfile", Long(200_000))], "source.dockerfile_too_large", "200000"),
    files("nine megabytes", &[("container.yaml", Long(9_000_000))], "source.too_large", "container.yaml"),
    asked(
        "a branch that is not there",
        |r| r.source.reference = Some("mian".into()),
        "",
        "source.ref_not_found",
        "mian",
    ),
    asked(
        "half a commit",
        |r| r.source.reference = Some("0123abc".into()),
        "",
        "source.short_commit",
        "0123abc",
    ),
    asked(
        "a commit that is not there",
        |r| r.source.reference = Some("0123456789012345678901234567890123456789".into()),
        "",
        "source.commit_not_found",
        "0123456789012345678901234567890123456789",
    ),
    asked(
        "a repository that is not there",
        |r| r.source.uri = "/nonexistent/repository".into(),
        "",
        "source.no_such_directory",
        "/nonexistent/repository",
    ),
    asked(
        "an address of an unknown kind",
        |r| r.source.uri = "./relative".into(),
        "",
        "source.address_refused",
        "./relative",
    ),
];

/// The same codes once more, in other words.
const ALSO: &[Row] = &[
    files(
        "a container.yaml somewhere else",
        &[("container.yaml", Link("/etc/passwd"))],
        "source.symlink_escapes",
        "/etc/passwd",
    ),
    files(
        "a Dockerfile that is a directory",
        &[("Dockerfile/a", Text(""))],
        "source.not_a_file",
        "Dockerfile",
    ),
    files(
        "an absolute target",
        &[(URL, Text("- {url: 'https://h/a', md5: 0123456789abcdef0123456789abcdef, target: /etc/x}\n"))],
        "source.artifact_target",
        "/etc/x",
    ),
    files(
        "a tag too long",
        &[(
            "additional-tags",
            Text(concat!(
                "11111111111111111111111111111111111111111111111111111111111111111",
                "11111111111111111111111111111111111111111111111111111111111111111\n"
            )),
        )],
        "source.additional_tag",
        "line 1",
    ),
    files(
        "a key of a key",
        &[("container.yaml", Text("compose:\n  package: [a]\n"))],
        "source.container_yaml_unknown_key",
        "line 2",
    ),
];

const MANY_TAGS: &str = include_str!("many_tags.txt");

pub(super) fn codes() -> Vec<&'static str> {
    [CONTAINER, BESIDE, SOURCE].concat().iter().map(|row| row.code).collect()
}

#[tokio::test]
async fn other_inputs_of_the_same_kinds() {
    hold(ALSO).await;
}

#[tokio::test]
async fn container_yaml() {
    hold(CONTAINER).await;
}

#[tokio::test]
async fn files_beside_the_dockerfile() {
    hold(BESIDE).await;
}

#[tokio::test]
async fn repositories_that_cannot_be_read() {
    hold(SOURCE).await;
}
