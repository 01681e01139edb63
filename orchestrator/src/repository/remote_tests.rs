//! Resolving and fetching from real remotes.

use std::{path::Path, time::Duration};

use common::{failure::Failure, request::GitSource};
use testkit::git::{GitRepository, GitServer};
use tokio_util::sync::CancellationToken;

use super::{
    CommitId, GitAccess, ResolvedSource, SourceError, SourceTree, fetch, resolve,
    tree::{EntryKind, TreePath},
};

fn source(uri: &str, reference: Option<&str>) -> GitSource {
    GitSource { uri: uri.to_owned(), reference: reference.map(str::to_owned) }
}

/// Two commits on `main`, a branch, a lightweight and an annotated tag.
fn hello() -> (GitRepository, String, String) {
    let repository = GitRepository::new().unwrap();
    let first = repository.commit_files("one", &[("Dockerfile", "FROM a\n"), ("gone", "x")]).unwrap();
    repository.git(&["tag", "light"]).unwrap();
    repository.git(&["tag", "-a", "-m", "note", "annotated"]).unwrap();
    repository.git(&["branch", "old"]).unwrap();
    repository.git(&["rm", "--quiet", "gone"]).unwrap();
    let second = repository.commit_files("two", &[("Dockerfile", "FROM b\n"), ("src/a.txt", "a")]).unwrap();
    (repository, first, second)
}

async fn resolved(
    access: &GitAccess,
    uri: &str,
    reference: Option<&str>,
) -> Result<ResolvedSource, SourceError> {
    resolve(access, &source(uri, reference), &CancellationToken::new()).await
}

async fn fetched(
    access: &GitAccess,
    uri: &str,
    reference: Option<&str>,
    into: &Path,
) -> Result<SourceTree, SourceError> {
    let source = source(uri, reference);
    let token = CancellationToken::new();
    let resolved = resolve(access, &source, &token).await?;
    fetch(access, &source, &resolved, into, &token).await
}

/// How many commits the bare repository has.
fn commits(bare: &Path) -> usize {
    let repository = git2::Repository::open_bare(bare).unwrap();
    let odb = repository.odb().unwrap();
    let mut count = 0;
    odb.foreach(|id| {
        count += usize::from(odb.read_header(*id).unwrap().1 == git2::ObjectType::Commit);
        true
    })
    .unwrap();
    count
}

fn paths(tree: &SourceTree) -> Vec<String> {
    tree.entries().iter().map(|entry| entry.path.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_ref_is_resolved_on_every_transport() {
    let (repository, first, second) = hello();
    let daemon = GitServer::daemon(repository.root()).await.unwrap();
    let http = GitServer::http(repository.root(), None).await.unwrap();
    let path = repository.path().display().to_string();
    let remotes = [daemon.uri("hello"), http.uri("hello/.git"), format!("file://{path}"), path];
    let cases = [
        (None, &second, Some("refs/heads/main")),
        (Some("main"), &second, Some("refs/heads/main")),
        (Some("old"), &first, Some("refs/heads/old")),
        (Some("refs/heads/old"), &first, Some("refs/heads/old")),
        (Some("light"), &first, Some("refs/tags/light")),
        (Some("annotated"), &first, Some("refs/tags/annotated")),
        (Some(first.as_str()), &first, None),
    ];
    for uri in &remotes {
        for (reference, commit, full) in &cases {
            let resolved = resolved(&GitAccess::default(), uri, *reference).await.unwrap();
            assert_eq!(resolved.commit.as_str(), commit.as_str(), "{uri} {reference:?}");
            assert_eq!(resolved.full_ref.as_deref(), *full, "{uri} {reference:?}");
        }
        let error = resolved(&GitAccess::default(), uri, Some("anotated")).await.unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(failure.code, "source.ref_not_found", "{uri}");
        assert!(failure.message.contains("'anotated'; near to it are 'annotated'"), "{failure}");
        let error = resolved(&GitAccess::default(), uri, Some(&first[..8])).await.unwrap_err();
        assert_eq!(Failure::from(error).code, "source.short_commit", "{uri}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_one_commit_comes_over_the_network() {
    let (repository, first, second) = hello();
    let daemon = GitServer::daemon(repository.root()).await.unwrap();
    let http = GitServer::http(repository.root(), None).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    for (index, uri) in [daemon.uri("hello"), http.uri("hello")].iter().enumerate() {
        for (name, reference, commit) in [
            ("head", None, &second),
            ("branch", Some("main"), &second),
            ("tag", Some("annotated"), &first),
            ("commit", Some(first.as_str()), &first),
        ] {
            let bare = directory.path().join(format!("{index}/{name}"));
            let tree = fetched(&GitAccess::default(), uri, reference, &bare).await.unwrap();
            assert_eq!(tree.commit().as_str(), commit.as_str(), "{uri} {name}");
            assert_eq!(commits(&bare), 1, "{uri} {name}");
            let expected = if *commit == second {
                vec!["Dockerfile", "src", "src/a.txt"]
            } else {
                vec!["Dockerfile", "gone"]
            };
            assert_eq!(paths(&tree), expected, "{uri} {name}");
            assert!(!bare.join("Dockerfile").exists(), "there is no working tree");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_repository_is_fetched_too() {
    let (repository, _, second) = hello();
    let directory = tempfile::tempdir().unwrap();
    let uri = format!("file://{}", repository.path().display());
    let bare = directory.path().join("bare");
    let tree = fetched(&GitAccess::default(), &uri, None, &bare).await.unwrap();
    assert_eq!(tree.commit().as_str(), second);
    assert_eq!(tree.read("Dockerfile").unwrap().as_deref(), Some(&b"FROM b\n"[..]));
    assert_eq!(tree.read("missing").unwrap(), None);
    assert_eq!(tree.committed_at(), 1_700_000_000);

    let closed = GitAccess { allow_local: false, ..GitAccess::default() };
    let error = fetched(&closed, &uri, None, &bare).await.unwrap_err();
    assert_eq!(Failure::from(error).code, "source.address_refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_resolved_commit_is_built_when_the_branch_has_moved() {
    let (repository, _, second) = hello();
    let daemon = GitServer::daemon(repository.root()).await.unwrap();
    let uri = daemon.uri("hello");
    let access = GitAccess::default();
    let resolved = resolved(&access, &uri, Some("main")).await.unwrap();
    repository.commit_files("three", &[("new", "n")]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let token = CancellationToken::new();
    let bare = directory.path().join("bare");
    let tree = fetch(&access, &source(&uri, Some("main")), &resolved, &bare, &token).await.unwrap();
    assert_eq!(tree.commit().as_str(), second);
    assert_eq!(paths(&tree), ["Dockerfile", "src", "src/a.txt"]);

    // With leave to ask for any commit the server sends it alone.
    repository.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]).unwrap();
    let alone = directory.path().join("alone");
    fetch(&access, &source(&uri, Some("main")), &resolved, &alone, &token).await.unwrap();
    assert_eq!(commits(&alone), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_nowhere_is_named() {
    let (repository, _, second) = hello();
    let daemon = GitServer::daemon(repository.root()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let bare = directory.path().join("bare");
    let absent = "1234567890123456789012345678901234567890";
    let local = repository.path().display().to_string();
    for uri in [daemon.uri("hello"), local] {
        let error = fetched(&GitAccess::default(), &uri, Some(absent), &bare).await.unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(failure.code, "source.commit_not_found");
        assert!(failure.message.contains(absent), "{failure}");
        assert!(!bare.exists());
    }
    // The id of a tree is no commit.
    let tree = repository.git(&["rev-parse", &format!("{second}^{{tree}}")]).unwrap();
    assert!(fetched(&GitAccess::default(), &daemon.uri("hello"), Some(&tree), &bare).await.is_err());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_repository_is_used_again_and_a_partial_one_replaced() {
    let (repository, _, second) = hello();
    let daemon = GitServer::daemon(repository.root()).await.unwrap();
    let uri = daemon.uri("hello");
    let directory = tempfile::tempdir().unwrap();
    let bare = directory.path().join("bare");
    let (access, token) = (GitAccess::default(), CancellationToken::new());
    fetched(&access, &uri, None, &bare).await.unwrap();

    std::fs::remove_file(bare.join("reactor-commit")).unwrap();
    std::fs::write(bare.join("left-over"), "").unwrap();
    fetched(&access, &uri, None, &bare).await.unwrap();
    assert!(!bare.join("left-over").exists());

    drop(daemon);
    let resolved = ResolvedSource { commit: second.parse().unwrap(), full_ref: None };
    let tree = fetch(&access, &source(&uri, None), &resolved, &bare, &token).await.unwrap();
    assert_eq!(tree.commit().as_str(), second, "no server was needed");

    let foreign = directory.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("precious"), "").unwrap();
    let error = fetch(&access, &source(&uri, None), &resolved, &foreign, &token).await.unwrap_err();
    assert_eq!(Failure::from(error).code, "source.storage");
    assert!(foreign.join("precious").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_comes_from_the_credentials_file() {
    let (repository, _, second) = hello();
    let server = GitServer::http(repository.root(), Some(("builder", "hunter2%"))).await.unwrap();
    let uri = server.uri("hello/.git");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credentials");
    let line = |password: &str| format!("http://builder:{password}@{}\n", server.address());
    let access = GitAccess { credentials_file: Some(file.clone()), ..GitAccess::default() };

    std::fs::write(&file, line("hunter2%25")).unwrap();
    let tree = fetched(&access, &uri, None, &directory.path().join("bare")).await.unwrap();
    assert_eq!(tree.commit().as_str(), second);

    std::fs::write(&file, line("wrong-secret")).unwrap();
    let failure = Failure::from(resolved(&access, &uri, None).await.unwrap_err());
    assert_eq!(failure.code, "source.unauthorized");
    assert!(
        failure.message.contains("'builder'") && !failure.to_string().contains("wrong-secret"),
        "{failure}"
    );

    let failure = Failure::from(resolved(&GitAccess::default(), &uri, None).await.unwrap_err());
    assert_eq!(failure.code, "source.unauthorized");
    assert!(failure.message.contains("no credentials are known for 127.0.0.1"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn remotes_that_do_not_answer_are_told_apart() {
    let root = tempfile::tempdir().unwrap();
    let http = GitServer::http(root.path(), None).await.unwrap();
    let gone = {
        let server = GitServer::silent().await.unwrap();
        server.uri("hello")
    };
    let absent = root.path().join("absent").display().to_string();
    for (uri, code) in [
        (http.uri("nothing-here"), "source.repository_unreachable"),
        (gone, "source.repository_unreachable"),
        // Not worth another try.
        (absent, "source.no_such_directory"),
    ] {
        let failure = Failure::from(resolved(&GitAccess::default(), &uri, None).await.unwrap_err());
        assert_eq!(failure.code, code, "{failure}");
        assert!(failure.message.contains(&uri), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_ends_in_a_timeout_or_a_cancellation() {
    let server = GitServer::silent().await.unwrap();
    let uri = server.uri("hello");
    let access = GitAccess { timeout: Duration::from_millis(50), ..GitAccess::default() };
    let failure = Failure::from(resolved(&access, &uri, None).await.unwrap_err());
    assert_eq!(failure.code, "source.timeout");

    let token = CancellationToken::new();
    token.cancel();
    let error = resolve(&GitAccess::default(), &source(&uri, None), &token).await.unwrap_err();
    assert_eq!(Failure::from(error).code, "cancelled");
    // The connections break here, so that the threads that wait for them end.
    drop(server);
}

/// The tree of a repository with the given links.
async fn with_links(links: &[(&str, &str)], directory: &Path) -> SourceTree {
    let repository = GitRepository::new().unwrap();
    repository.write("dir/file", "content").unwrap();
    for (path, target) in links {
        repository.link(path, target).unwrap();
    }
    repository.commit("links").unwrap();
    let uri = repository.path().display().to_string();
    fetched(&GitAccess::default(), &uri, None, &directory.join("bare")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_leave_the_tree_are_refused() {
    type Links = &'static [(&'static str, &'static str)];
    let cases: &[(Links, Option<&str>)] = &[
        (&[("ok", "dir/file"), ("dir/up", "../dir/./file"), ("self", "self"), ("none", "dir/none")], None),
        (&[("bad", "/etc/passwd")], Some("bad")),
        (&[("bad", "../outside")], Some("bad")),
        (&[("dir/bad", "../../outside")], Some("dir/bad")),
        // The kernel follows `a` to `deep/er` before it applies `..`.
        (&[("deep/er/x", "../.."), ("a", "deep/er"), ("fine", "a/../../dir")], None),
        (&[("a", "."), ("bad", "a/../x")], Some("bad")),
        (&[("sub/a", "../dir"), ("sub/bad", "a/../../x")], Some("sub/bad")),
        (&[("one", "dir/two"), ("dir/two", "three"), ("dir/three", "../..")], Some("dir/three")),
    ];
    for (links, bad) in cases {
        let directory = tempfile::tempdir().unwrap();
        let tree = with_links(links, directory.path()).await;
        let checked = tree.on_thread(SourceTree::check_links).await;
        match (checked, bad) {
            (Ok(()), None) => {}
            (Err(SourceError::LinkEscapes { link, target }), Some(bad)) => {
                assert_eq!(link, *bad);
                assert!(links.contains(&(link.as_str(), target.as_str())));
            }
            (other, _) => panic!("{links:?}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_through_links_inside_the_tree_only() {
    let directory = tempfile::tempdir().unwrap();
    let links = [
        ("Dockerfile", "sub/../dir/file"),
        ("sub", "dir"),
        ("loop", "loop"),
        ("bad", "../x"),
        ("through", "bad/y"),
    ];
    let tree = with_links(&links, directory.path()).await;
    assert_eq!(tree.read("Dockerfile").unwrap().as_deref(), Some(&b"content"[..]));
    assert_eq!(tree.read("sub/file").unwrap().as_deref(), Some(&b"content"[..]));
    assert_eq!(tree.read("loop").unwrap(), None);
    assert!(matches!(tree.read("bad"), Err(SourceError::LinkEscapes { .. })));
    assert!(matches!(tree.read("through"), Err(SourceError::LinkEscapes { .. })));
    assert!(matches!(tree.read("dir"), Err(SourceError::NotAFile { .. })));
    assert!(matches!(tree.read("../x"), Err(SourceError::HostilePath { .. })));
    assert!(matches!(tree.read("/etc/passwd"), Err(SourceError::HostilePath { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_are_reported_and_modes_kept() {
    let (repository, first, _) = hello();
    repository.write("run.sh", "#!/bin/sh\n").unwrap();
    repository.git(&["add", "run.sh"]).unwrap();
    repository.git(&["update-index", "--chmod=+x", "run.sh"]).unwrap();
    let link = format!("160000,{first},third/party");
    repository.git(&["update-index", "--add", "--cacheinfo", &link]).unwrap();
    repository.git(&["commit", "--quiet", "-m", "submodule"]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let uri = repository.path().display().to_string();
    let tree = fetched(&GitAccess::default(), &uri, None, &directory.path().join("bare")).await.unwrap();
    let submodules: Vec<String> = tree.submodules().map(TreePath::to_string).collect();
    assert_eq!(submodules, ["third/party"]);
    assert_eq!(tree.entry(b"run.sh").unwrap().kind, EntryKind::File { executable: true });
    assert_eq!(tree.entry(b"Dockerfile").unwrap().kind, EntryKind::File { executable: false });
    assert!(matches!(tree.read("third/party"), Err(SourceError::NotAFile { .. })));
    assert_eq!(first.parse::<CommitId>().unwrap().as_str(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_with_hostile_paths_is_refused() {
    for (names, what) in [(&[".git", "x"][..], ".git"), (&["..", "x"], ".."), (&["x", "x"], "twice")] {
        let repository = GitRepository::new().unwrap();
        repository.commit_files("one", &[("x", "x")]).unwrap();
        // Written through libgit2 without its checks: the git program refuses to.
        let raw = git2::Repository::open(repository.path()).unwrap();
        let blob = raw.blob(b"evil").unwrap();
        let mut content = Vec::new();
        for name in names {
            content.extend_from_slice(format!("100644 {name}\0").as_bytes());
            content.extend_from_slice(blob.as_bytes());
        }
        let tree = raw.odb().unwrap().write(git2::ObjectType::Tree, &content).unwrap();
        let who = git2::Signature::new("a", "a@example.org", &git2::Time::new(0, 0)).unwrap();
        let text = format!(
            "tree {tree}\nauthor {0} <a@b> 0 +0000\ncommitter {0} <a@b> 0 +0000\n\nx\n",
            who.name().unwrap()
        );
        let commit = raw.odb().unwrap().write(git2::ObjectType::Commit, text.as_bytes()).unwrap();
        raw.reference("refs/heads/evil", commit, true, "").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let bare = directory.path().join("bare");
        let uri = repository.path().display().to_string();
        let error = fetched(&GitAccess::default(), &uri, Some("evil"), &bare).await.unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(failure.code, "source.hostile_path", "{failure}");
        assert!(failure.message.contains(what), "{failure}");
        assert!(!bare.exists());
    }
}
