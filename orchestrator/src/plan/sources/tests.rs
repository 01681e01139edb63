//! The sources command, with real processes.

use std::time::{Duration, Instant};

use common::{failure::Failure, flow::Flow, request::GitSource};
use testkit::git::GitRepository;
use tokio_util::sync::CancellationToken;

use super::{DIRECTORY, FetchSources};
use crate::{
    config::{Artifacts, Settings},
    plan::{ExtraFileContent, ExtraFileRecord, fixture::World},
    repository::{GitAccess, ResolvedSource, resolve},
    services::Reach,
};

struct Case {
    directory: tempfile::TempDir,
    source: GitSource,
    resolved: ResolvedSource,
    _repository: GitRepository,
}

async fn case() -> Case {
    let repository = GitRepository::new().unwrap();
    let files = [("Dockerfile", "FROM a"), ("dir/kept", "kept"), ("dir/changed", "before"), ("sources", "x")];
    for (path, content) in files {
        repository.write(path, content).unwrap();
    }
    repository.link("inside", "dir/kept").unwrap();
    repository.link("dir/outside", "../../../../../../etc/passwd").unwrap();
    repository.commit("x").unwrap();
    let source = GitSource { uri: repository.path().display().to_string(), reference: None };
    let resolved = resolve(&GitAccess::default(), &source, &CancellationToken::new()).await.unwrap();
    Case { directory: tempfile::tempdir().unwrap(), source, resolved, _repository: repository }
}

impl Case {
    fn world(&self, reach: Reach, command: &[&str]) -> World {
        let sources_command = command.iter().map(|&word| word.to_owned()).collect();
        let artifacts = Artifacts { sources_command, ..Artifacts::default() };
        World::new(self.directory.path(), reach, Settings { artifacts, ..Settings::default() })
    }

    fn step(&self) -> FetchSources<'_> {
        FetchSources { source: &self.source, resolved: &self.resolved, dockerfile_path: "Dockerfile" }
    }

    async fn sh(&self, script: &str) -> (World, Result<Vec<ExtraFileRecord>, Failure>) {
        let world = self.world(Reach::Everything, &["sh", "-c", script]);
        let found = world.flow().run(self.step()).await;
        (world, found)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_command_brings_is_collected() {
    let case = case().await;
    let script = "cat inside; echo; echo $((6*7)) >&2; test ! -e dir/outside || exit 9
        test ! -L dir/outside || exit 8
        mkdir -p new/deep; printf hello > new/deep/file; chmod +x new/deep/file
        printf after > dir/changed; rm sources; touch Dockerfile dir/kept; echo FROM b > Dockerfile
        ln -s /etc/passwd new/link; mkfifo new/pipe; git config remote.origin.url >/dev/null || exit 7
        echo x > .git/mine; env";
    let (world, found) = case.sh(script).await;
    let found = found.unwrap();
    let paths: Vec<_> = found.iter().map(|file| (file.path.as_str(), file.executable)).collect();
    assert_eq!(paths, [("dir/changed", false), ("new/deep/file", true)], "{}", world.told());
    let ExtraFileContent::Source { sha256, size: 5 } = &found[1].content else { panic!("{found:?}") };
    let kept = case.directory.path().join(DIRECTORY).join(sha256);
    assert_eq!(std::fs::read(kept).unwrap(), b"hello");
    let told = world.told();
    assert!(told.contains("kept") && told.contains("42"), "{told}");
    assert!(!told.contains("CARGO") && told.contains("HOME=/"), "a clean environment: {told}");
    assert!(!case.directory.path().join("sources-work").exists());
    let events = format!("{:?}", world.journal.events());
    for expected in ["new/link", "new/pipe", "sources.not_a_file", "sources.change_ignored"] {
        assert!(events.contains(expected), "{expected}: {events}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_fails_the_build() {
    let case = case().await;
    assert_eq!(case.sh("exit 3").await.1.unwrap_err().code, "sources.command_failed", "DST-1");
    let world = case.world(Reach::Everything, &["/nowhere/fedpkg", "sources"]);
    let failure = world.flow().run(case.step()).await.unwrap_err();
    assert_eq!(failure.code, "sources.command_missing");
    // The command gets its arguments as they are, no shell in between.
    let world = case.world(Reach::Everything, &["echo", "sources $HOME", "*"]);
    let here = std::env::current_dir().unwrap();
    assert_eq!(world.flow().run(case.step()).await.unwrap(), []);
    assert!(world.told().contains("sources $HOME *"), "DST-1 {}", world.told());
    assert_eq!(std::env::current_dir().unwrap(), here, "DST-1: the process stays where it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_it_would_run() {
    let case = case().await;
    let world = case.world(Reach::Questions, &["fedpkg", "sources"]);
    assert_eq!(world.flow().run(case.step()).await.unwrap(), []);
    assert!(world.told().contains(r#"["fedpkg", "sources"]"#), "{}", world.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_the_whole_group() {
    let case = case().await;
    let mark = case.directory.path().join("mark");
    let script = format!("(sleep 3; touch {0}.late) & touch {0}; sleep 60", mark.display());
    let world = case.world(Reach::Everything, &["sh", "-c", &script]);
    let cancel = CancellationToken::new();
    let flow = Flow::new(&world.services, &world.journal, cancel.clone());
    let begun = Instant::now();
    let stop = async {
        while !mark.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        cancel.cancel();
    };
    let (found, ()) = tokio::join!(flow.run(case.step()), stop);
    assert_eq!(found.unwrap_err().code, "cancelled");
    assert!(begun.elapsed() < Duration::from_secs(30));
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!mark.with_extension("late").exists(), "no child is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_stays_behind_does_not_hold_the_build() {
    let case = case().await;
    let begun = Instant::now();
    case.sh("setsid sleep 20 & echo done").await.1.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15));
}
