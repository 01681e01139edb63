//! What a dry run needs: a repository that really is one, a request, a site.

use std::sync::Arc;

use common::request::BuildRequest;
use testkit::git::GitRepository;
use tokio_util::sync::CancellationToken;

use super::{Told, all};
use crate::{
    app,
    config::Site,
    plan::{Draft, DryRun, Silence, dry_run},
    services::{LayoutRoot, Reach},
};

/// The Dockerfile of repositories that have no other.
pub(super) const DOCKERFILE: &str = "FROM registry.example.org/base:1\n\
     LABEL name=hello version=1 release=1 com.redhat.component=hello\n";

/// An entry of a repository.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entry {
    /// A file with a text.
    Text(&'static str),
    /// A file with bytes.
    Bytes(&'static [u8]),
    /// A file of so many comment signs.
    Long(usize),
    /// A symbolic link.
    Link(&'static str),
    /// Nothing, where otherwise there would be something.
    Gone,
}

/// A build that cannot be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) files: &'static [(&'static str, Entry)],
    pub(super) request: fn(&mut BuildRequest),
    /// YAML of the site.
    pub(super) site: &'static str,
    pub(super) code: &'static str,
    pub(super) says: &'static str,
}

/// A row about files alone.
pub(super) const fn files(
    name: &'static str,
    files: &'static [(&'static str, Entry)],
    code: &'static str,
    says: &'static str,
) -> Row {
    Row { name, files, request: |_| {}, site: "", code, says }
}

/// A row about a request for a good repository, and a site.
pub(super) const fn asked(
    name: &'static str,
    request: fn(&mut BuildRequest),
    site: &'static str,
    code: &'static str,
    says: &'static str,
) -> Row {
    Row { name, files: &[], request, site, code, says }
}

/// A repository with the files.
pub(super) fn repository(files: &[(&str, Entry)]) -> GitRepository {
    let repository = GitRepository::new().unwrap();
    if !files.iter().any(|(path, _)| path.split('/').next() == Some("Dockerfile")) {
        repository.write("Dockerfile", DOCKERFILE).unwrap();
    }
    repository.write("README", "so that there is something\n").unwrap();
    for (path, entry) in files {
        match entry {
            Entry::Text(text) => repository.write(path, text).unwrap(),
            Entry::Bytes(bytes) => repository.write(path, bytes).unwrap(),
            Entry::Long(length) => repository.write(path, "#".repeat(*length)).unwrap(),
            Entry::Link(target) => repository.link(path, target).unwrap(),
            Entry::Gone => {}
        }
    }
    repository.commit("a build that cannot be").unwrap();
    repository
}

pub(super) fn site(text: &str) -> Site {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("site.yaml");
    std::fs::write(&file, text).unwrap();
    Site::read(&[file], [], &[]).unwrap()
}

pub(super) async fn plan(site: Site, request: BuildRequest, reach: Reach) -> Draft {
    let directory = tempfile::tempdir().unwrap();
    let site = Arc::new(site);
    dry_run(DryRun {
        outside: app::outside(&site).unwrap(),
        site,
        request,
        reach,
        layout_root: LayoutRoot::Fence(directory.path().join("layouts")),
        directory: directory.path().join("work"),
        assumed_parent: None,
        unique_tag: None,
        narrator: Arc::new(Silence),
        cancel: CancellationToken::new(),
    })
    .await
    .unwrap()
}

/// Plans a row without network: what people are told.
pub(super) async fn told(row: &Row) -> Vec<Told> {
    common::service::install_crypto_provider();
    let repository = repository(row.files);
    let mut request = BuildRequest::new(&repository.path().display().to_string(), None);
    (row.request)(&mut request);
    all(plan(site(row.site), request, Reach::Nothing).await.problems)
}

/// Plans all rows.
pub(super) async fn hold(rows: &[Row]) {
    let mut failures = Vec::new();
    for row in rows {
        failures.push(super::held(row.name, row.code, row.says, &told(row).await));
    }
    super::none_of(failures);
}
