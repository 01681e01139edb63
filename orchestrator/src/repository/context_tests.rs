//! Build contexts of real commits.

use std::{collections::BTreeMap, io::Read as _, os::unix::ffi::OsStrExt as _, path::Path};

use common::{failure::Failure, image::Digest, request::GitSource, work::Descriptor};
use testkit::git::{GitRepository, GitServer};
use tokio_util::sync::CancellationToken;

use super::{
    GitAccess, SourceTree,
    context::{ContextError, MEDIA_TYPE, write_context},
    extra::{ExtraContent, ExtraFile},
    fetch, resolve,
};

const LIMIT: u64 = 1024 * 1024;

async fn fetched(uri: &str, into: &Path) -> SourceTree {
    let source = GitSource { uri: uri.to_owned(), reference: None };
    let (access, token) = (GitAccess::default(), CancellationToken::new());
    let resolved = resolve(&access, &source, &token).await.unwrap();
    fetch(&access, &source, &resolved, into, &token).await.unwrap()
}

async fn context(tree: &SourceTree, into: &Path, limit: u64) -> Result<Descriptor, ContextError> {
    Ok(write_context(tree, "Dockerfile", &[], into, limit, &CancellationToken::new()).await?.descriptor)
}

/// Path, kind, mode and content (or target) of every entry; owner and time are
/// checked on the way.
fn unpacked(archive: &Path) -> Vec<(Vec<u8>, tar::EntryType, u32, Vec<u8>)> {
    let mut archive = tar::Archive::new(std::fs::File::open(archive).unwrap());
    let read = |entry: std::io::Result<tar::Entry<'_, std::fs::File>>| {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!(header.mtime().unwrap(), 1_700_000_000);
        let path = entry.path_bytes().into_owned();
        let target = entry.link_name_bytes().map(|target| target.into_owned());
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (path, header.entry_type(), header.mode().unwrap(), target.unwrap_or(content))
    };
    archive.entries().unwrap().map(read).collect()
}

fn names(archive: &Path) -> Vec<String> {
    unpacked(archive).into_iter().map(|(path, ..)| String::from_utf8(path).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_but_the_dockerfile_is_in_order() {
    let repository = GitRepository::new().unwrap();
    let long = format!("long/{}/{}", "a".repeat(120), "b".repeat(200));
    for (path, content) in
        [("Dockerfile", "FROM a"), ("b.txt", "b"), ("dir/run.sh", "#!"), ("dir.txt", ""), (&long, "long")]
    {
        repository.write(path, content).unwrap();
    }
    repository.link("link", "dir/run.sh").unwrap();
    let far = format!("../{}", "c/".repeat(60));
    repository.link("dir/far", &far).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"odd-\xff");
    std::fs::write(repository.path().join(odd), "odd").unwrap();
    repository.git(&["add", "--all"]).unwrap();
    repository.git(&["update-index", "--chmod=+x", "dir/run.sh"]).unwrap();
    repository.git(&["commit", "--quiet", "-m", "x"]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let tree = fetched(&repository.path().display().to_string(), &directory.path().join("bare")).await;
    let out = directory.path().join("contexts");
    let descriptor = context(&tree, &out, LIMIT).await.unwrap();

    let file = out.join(descriptor.digest.hex());
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(descriptor.media_type, MEDIA_TYPE);
    assert_eq!(descriptor.size, bytes.len() as u64);
    assert_eq!(descriptor.digest, Digest::of(&bytes));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1, "no temporary file is left");

    use tar::EntryType::{Directory, Regular, Symlink};
    let expected: Vec<(&[u8], tar::EntryType, u32, &[u8])> = vec![
        (b"b.txt", Regular, 0o644, b"b"),
        (b"dir", Directory, 0o755, b""),
        (b"dir.txt", Regular, 0o644, b""),
        (b"dir/far", Symlink, 0o777, far.as_bytes()),
        (b"dir/run.sh", Regular, 0o755, b"#!"),
        (b"link", Symlink, 0o777, b"dir/run.sh"),
        (b"long", Directory, 0o755, b""),
        (&long.as_bytes()[..125], Directory, 0o755, b""),
        (long.as_bytes(), Regular, 0o644, b"long"),
        (b"odd-\xff", Regular, 0o644, b"odd"),
    ];
    let found = unpacked(&file);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let found = (found.0.as_slice(), found.1, found.2, found.3.as_slice());
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(found.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_commit_gives_the_same_context_everywhere() {
    let mut found = BTreeMap::new();
    for _ in 0..2 {
        let repository = GitRepository::new().unwrap();
        repository.write("a/b", "x").unwrap();
        repository.write("c", "y").unwrap();
        repository.commit("same").unwrap();
        let daemon = GitServer::daemon(repository.root()).await.unwrap();
        for uri in [daemon.uri("hello"), repository.path().display().to_string()] {
            let directory = tempfile::tempdir().unwrap();
            let tree = fetched(&uri, &directory.path().join("bare")).await;
            let out = directory.path().join("out");
            let first = context(&tree, &out, LIMIT).await.unwrap();
            let file = out.join(first.digest.hex());
            let written = std::fs::metadata(&file).unwrap().modified().unwrap();
            let second = context(&tree, &out, LIMIT).await.unwrap();
            assert_eq!(first, second);
            assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), written, "it is kept");
            // A file of another length under the name is no context.
            std::fs::write(&file, "torn").unwrap();
            context(&tree, &out, LIMIT).await.unwrap();
            assert_eq!(Digest::of(&std::fs::read(&file).unwrap()), first.digest);
            found.insert(first.digest.to_string(), uri);
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dockerignore_and_the_dockerfile_stay_out() {
    let repository = GitRepository::new().unwrap();
    let ignore = "# docs\n*.md\nlogs/*\n!logs/keep\nbuild\n!build/deep/kept\n";
    let files = [
        ("Dockerfile", "FROM a"),
        ("sub/Dockerfile", "FROM b"),
        ("README.md", "r"),
        ("sub/x.md", "kept"),
        ("logs/a", "a"),
        ("logs/keep", "k"),
        ("empty/x.log", "e"),
        ("build/o", "o"),
        ("build/deep/kept", "k"),
        (".dockerignore", &format!("{ignore}empty/x.log\n")),
    ];
    repository.commit_files("x", &files).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let tree = fetched(&repository.path().display().to_string(), &directory.path().join("bare")).await;
    let descriptor = context(&tree, directory.path(), LIMIT).await.unwrap();
    assert_eq!(
        names(&directory.path().join(descriptor.digest.hex())),
        [
            "build",
            "build/deep",
            "build/deep/kept",
            "empty",
            "logs",
            "logs/keep",
            "sub",
            "sub/Dockerfile",
            "sub/x.md",
        ]
    );
    let token = CancellationToken::new();
    let other = write_context(&tree, "sub/Dockerfile", &[], directory.path(), LIMIT, &token).await.unwrap();
    let names = names(&directory.path().join(other.descriptor.digest.hex()));
    assert!(names.contains(&"Dockerfile".to_owned()) && !names.contains(&"sub/Dockerfile".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_cancellation_leave_nothing_behind() {
    let repository = GitRepository::new().unwrap();
    repository.commit_files("x", &[("a", "a"), ("big", &"b".repeat(10_000)), ("c", "c")]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let tree = fetched(&repository.path().display().to_string(), &directory.path().join("bare")).await;
    let out = directory.path().join("out");
    let failure = Failure::from(context(&tree, &out, 8192).await.unwrap_err());
    assert_eq!(failure.code, "context.too_large");
    assert!(failure.message.contains("'big'"), "{failure}");
    let exact = context(&tree, &directory.path().join("whole"), LIMIT).await.unwrap().size;
    assert!(context(&tree, &out, exact - 1).await.is_err());

    let token = CancellationToken::new();
    token.cancel();
    let error = write_context(&tree, "Dockerfile", &[], &out, LIMIT, &token).await.unwrap_err();
    assert_eq!(Failure::from(error).code, "cancelled");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
    assert_eq!(context(&tree, &out, exact).await.unwrap().size, exact);

    repository.commit_files("bad", &[(".dockerignore", "a\n[\n")]).unwrap();
    let tree = fetched(&repository.path().display().to_string(), &directory.path().join("second")).await;
    let failure = Failure::from(context(&tree, &out, LIMIT).await.unwrap_err());
    assert_eq!((failure.code.as_str(), failure.message.contains("line 2")), ("dockerignore.invalid", true));
}

fn extra(path: &str, content: &str) -> ExtraFile {
    let content = ExtraContent::Bytes(content.to_owned().into());
    ExtraFile { path: path.to_owned(), content, executable: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn extra_files_are_merged_in() {
    let repository = GitRepository::new().unwrap();
    let files =
        [("Dockerfile", "FROM a"), (".dockerignore", "*.jar\nartifacts\n"), ("b", "old"), ("dir/c", "c")];
    for (path, content) in files {
        repository.write(path, content).unwrap();
    }
    repository.link("link", "dir").unwrap();
    repository.commit("x").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let tree = fetched(&repository.path().display().to_string(), &directory.path().join("bare")).await;
    let out = directory.path().join("out");
    let kept = directory.path().join("kept");
    std::fs::write(&kept, "jar").unwrap();
    let sha256 = Digest::of(b"jar").hex().to_owned();
    let jar = |sha256: &str, size| ExtraFile {
        path: "artifacts/org/spam.jar".to_owned(),
        content: ExtraContent::File { path: kept.clone(), size, sha256: sha256.to_owned() },
        executable: true,
    };
    let token = CancellationToken::new();
    let write = async |extra: &[ExtraFile]| {
        write_context(&tree, "Dockerfile", extra, &out, LIMIT, &token).await.map_err(Failure::from)
    };
    let written = write(&[jar(&sha256, 3), extra("b", "new"), extra("dir/a", "a")]).await.unwrap();
    assert_eq!(written.replaced, ["b"]);
    use tar::EntryType::{Directory, Regular, Symlink};
    let expected: Vec<(&[u8], tar::EntryType, u32, &[u8])> = vec![
        (b"artifacts", Directory, 0o755, b""),
        (b"artifacts/org", Directory, 0o755, b""),
        (b"artifacts/org/spam.jar", Regular, 0o755, b"jar"),
        (b"b", Regular, 0o644, b"new"),
        (b"dir", Directory, 0o755, b""),
        (b"dir/a", Regular, 0o644, b"a"),
        (b"dir/c", Regular, 0o644, b"c"),
        (b"link", Symlink, 0o777, b"dir"),
    ];
    let found = unpacked(&out.join(written.descriptor.digest.hex()));
    let found: Vec<_> = found.iter().map(|f| (f.0.as_slice(), f.1, f.2, f.3.as_slice())).collect();
    assert_eq!(found, expected);
    let again = write(&[extra("dir/a", "a"), jar(&sha256, 3), extra("b", "new")]).await.unwrap();
    assert_eq!(again, written, "their order does not matter");

    for path in [
        "",
        "/x",
        "../x",
        "a/../../x",
        "a//b",
        "a/./b",
        "a\0b",
        ".git/config",
        "x/.GIT/y",
        "dir",
        "link/x",
        "b/x",
        "Dockerfile",
        ".dockerignore",
    ] {
        let failure = write(&[extra(path, "x")]).await.unwrap_err();
        assert_eq!(failure.code, "context.extra_path", "{path}");
    }
    for pair in [["x", "x"], ["x", "x/y"]] {
        let failure = write(&pair.map(|path| extra(path, "x"))).await.unwrap_err();
        assert_eq!(failure.code, "context.extra_path", "{pair:?}");
    }
    for changed in [jar(&"0".repeat(64), 3), jar(&sha256, 2), jar(&sha256, 4)] {
        assert_eq!(write(&[changed]).await.unwrap_err().code, "context.extra_changed");
    }
    let large = write(&[extra("x", &"x".repeat(2_000_000))]).await.unwrap_err();
    assert_eq!(large.code, "context.too_large");
    assert_eq!(write(&[extra("link", "a file")]).await.unwrap().replaced, ["link"]);
}
