//! Dockerfiles that are none, or that say what is not done.

use super::world::{
    Entry::{Bytes, Text},
    Row, files, hold,
};

const ROWS: &[Row] = &[
    files("nothing but labels", &[("Dockerfile", Text("LABEL a=b\n"))], "dockerfile.no_from", "FROM"),
    files(
        "an instruction of no kind",
        &[("Dockerfile", Text("FROM a\nRUNN true\n"))],
        "dockerfile.invalid",
        "line 2",
    ),
    files("Latin-1", &[("Dockerfile", Bytes(b"FROM a\n# \xe4\n"))], "dockerfile.not_utf8", "line 2"),
    files(
        "a here-document without end",
        &[("Dockerfile", Text("FROM a\nRUN <<EOF\ntrue\n"))],
        "dockerfile.here_document",
        "EOF",
    ),
    files(
        "a stage that comes later",
        &[("Dockerfile", Text("FROM a AS one\nCOPY --from=two /x /x\nFROM b AS two\n"))],
        "dockerfile.unknown_stage",
        "two",
    ),
    files("an image in capitals", &[("Dockerfile", Text("FROM Base:1\n"))], "dockerfile.image_name", "Base"),
    files(
        "a variable that nobody set",
        &[("Dockerfile", Text("ARG VERSION\nFROM base:${VERSION:?unset}\n"))],
        "dockerfile.variable",
        "VERSION",
    ),
    files(
        "a flag of FROM that does not exist",
        &[("Dockerfile", Text("FROM --platfrom=linux/amd64 a\n"))],
        "dockerfile.from_flag",
        "platfrom",
    ),
    files(
        "another platform",
        &[("Dockerfile", Text("FROM --platform=linux/s390x a\nLABEL version=1 release=1\n"))],
        "dockerfile.platform_flag",
        "linux/s390x",
    ),
    files(
        "a label that is no pair",
        &[("Dockerfile", Text("FROM a\nLABEL version=1 \"open\n"))],
        "dockerfile.words",
        "line 2",
    ),
];

pub(super) fn codes() -> Vec<&'static str> {
    ROWS.iter().map(|row| row.code).collect()
}

#[tokio::test]
async fn each_flaw_has_its_own_answer() {
    hold(ROWS).await;
}
