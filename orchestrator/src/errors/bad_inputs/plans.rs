//! Builds of which everything can be read, and which cannot be.

use common::request::BuildRequest;

use super::world::{
    Entry::{Bytes, Long, Text},
    Row, asked, files, hold,
};

const URL: &str = "fetch-artifacts-url.yaml";
const TWO_ARTIFACTS: &str = "- {url: 'https://h/a', md5: 0123456789abcdef0123456789abcdef, target: x}\n\
                             - {url: 'https://h/b', md5: 0123456789abcdef0123456789abcdef, target: x}\n";
const KOJI: &str = "koji: {hub_url: 'https://koji.example.org/kojihub', unrecorded_builds: allow}\n";

const ROWS: &[Row] = &[
    asked("a platform of no kind", |r| platforms(r, &["vax"]), "", "plan.unknown_platform", "vax"),
    asked(
        "a platform that is off",
        |r| platforms(r, &["s390x"]),
        "platforms: {s390x: {enabled: false}}\n",
        "plan.platform_disabled",
        "s390x",
    ),
    Row {
        request: |r| platforms(r, &["x86_64"]),
        ..files(
            "no platform left",
            &[("container.yaml", Text("platforms: {not: x86_64}\n"))],
            "plan.no_platforms",
            "container.yaml excludes x86_64",
        )
    },
    asked(
        "a layout outside",
        |r| r.destinations = vec!["oci:/etc/layout".parse().unwrap()],
        "",
        "plan.layout_outside_root",
        "/etc/layout",
    ),
    asked(
        "a target that is not allowed",
        |r| r.target = Some("f44-secret".into()),
        "policy: {allowed_targets: ['*-candidate']}\n",
        "policy.allowed_targets",
        "f44-secret",
    ),
    asked(
        "a repository that is not allowed",
        |_| {},
        "policy: {allowed_sources: [git.example.org]}\n",
        "policy.allowed_sources",
        "git.example.org",
    ),
    files(
        "a component with a space",
        &[("Dockerfile", Text("FROM a\nLABEL com.redhat.component=\"two words\"\n"))],
        "plan.invalid_component",
        "two words",
    ),
    files(
        "a version with a dash",
        &[("Dockerfile", Text("FROM a\nLABEL version=1-2 release=1\n"))],
        "tags.version_has_dash",
        "1-2",
    ),
    files(
        "a version with a space",
        &[("Dockerfile", Text("FROM a\nLABEL version=\"1 2\" release=1\n"))],
        "tags.version",
        "1 2",
    ),
    files(
        "a release that no tag takes",
        &[("Dockerfile", Text("FROM a\nLABEL version=1 release=1^2\n"))],
        "tags.release",
        "1^2",
    ),
    files(
        "a version too long for a tag",
        &[("Dockerfile", Text(LONG_VERSION))],
        "tags.too_long",
        "characters",
    ),
    files(
        "a release with a dash",
        &[("Dockerfile", Text("FROM a\nLABEL version=1 release=1-2\n"))],
        "release.bad_characters",
        "1-2",
    ),
    asked(
        "a label of two lines",
        |r| r.labels = [("a".into(), "1\n2".into())].into(),
        "",
        "labels.line_break",
        "\"a\"",
    ),
    asked(
        "a label that is not there, for Koji",
        |r| r.release = Some("1".into()),
        KOJI,
        "labels.missing",
        "'version'",
    )
    .with(&[("Dockerfile", Text("FROM scratch\nLABEL com.redhat.component=a\n"))]),
    asked(
        "a page of no address",
        |_| {},
        "labels: {info_url: 'https://x/{name'}\n",
        "labels.info_url_format",
        "{name",
    ),
    asked(
        "a page of a label that is not there",
        |_| {},
        "labels: {info_url: 'https://x/{vendor}'}\n",
        "labels.info_url_label",
        "'vendor'",
    )
    .with(&[("Dockerfile", Text("FROM scratch\nLABEL version=1 release=1\n"))]),
    asked(
        "an artifact from a place that is not allowed",
        |_| {},
        "artifacts: {allowed_domains: [files.example.org]}\n",
        "artifacts.domain_not_allowed",
        "https://h/a",
    )
    .with(&[(URL, Text("- {url: 'https://h/a', md5: 0123456789abcdef0123456789abcdef}\n"))]),
    files(
        "two artifacts in one place",
        &[(URL, Text(TWO_ARTIFACTS))],
        "artifacts.duplicate_destination",
        "artifacts/x",
    ),
    files(
        "artifacts of Koji without Koji",
        &[("fetch-artifacts-koji.yaml", Text("- nvr: a-1-1\n"))],
        "artifacts.no_koji",
        "fetch-artifacts-koji.yaml",
    ),
    files("a help file in Latin-1", &[("help.md", Bytes(b"one\n\xe4\n"))], "help.not_utf8", "line 2"),
    files("a help file with a NUL", &[("help.md", Bytes(b"one\n\0\n"))], "help.control_character", "line 2"),
    files("a long help file", &[("help.md", Long(2_000_000))], "help.too_large", "2000000"),
    asked(
        "a rebuild of the head of no branch",
        |r| r.rebuild = true,
        "",
        "request.rebuild_needs_branch",
        "from_latest",
    )
    .with(&[("container.yaml", Text("autorebuild: {from_latest: true}\n"))]),
    files(
        "a file where a build puts its own",
        &[("Dockerfile", Text("FROM a\nLABEL version=1\n")), (".reactor/x86_64/help.1", Text("x\n"))],
        "source.reserved_directory",
        ".reactor",
    ),
];

const LONG_VERSION: &str = "FROM a\nLABEL release=1 version=\
    1111111111111111111111111111111111111111111111111111111111111111\
    1111111111111111111111111111111111111111111111111111111111111111\n";

impl Row {
    /// The same with other files.
    const fn with(self, files: &'static [(&'static str, super::world::Entry)]) -> Self {
        Self { files, ..self }
    }
}

fn platforms(request: &mut BuildRequest, names: &[&str]) {
    request.platforms = names.iter().map(|name| name.parse().unwrap()).collect();
}

pub(super) fn codes() -> Vec<&'static str> {
    ROWS.iter().map(|row| row.code).collect()
}

#[tokio::test]
async fn each_reason_has_its_own_answer() {
    hold(ROWS).await;
}
