//! Every leaf has an origin and a reader.

use orchestrator::{config::Site, plan::joints};

use crate::world::{Case, DOCKERFILE, repository};

#[tokio::test]
async fn every_leaf_of_the_seed_has_an_origin() {
    let told = Case::seed().tell().await;
    for entry in &told.explanation.entries {
        assert!(!entry.origin.is_empty() && !entry.value.is_empty(), "{}", entry.path);
        assert!(entry.beaten.iter().all(|said| !said.from.is_empty()), "{}", entry.path);
    }
    // Every setting there is has its leaf, or leaves below it.
    for key in Site::keys() {
        let path = format!("site.{}", key.name);
        assert!(!told.explanation.filter(&path).entries.is_empty() || key.name.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn everything_that_can_be_set_is_read_by_somebody() {
    let told = Case::seed().tell().await;
    let set = |path: &str| path.starts_with("site.") || path.starts_with("request.");
    for entry in told.explanation.entries.iter().filter(|entry| set(&entry.path)) {
        // That all settings are kept for the build is no use of them.
        let readers = entry.read_by.iter().filter(|reader| *reader != "freeze_settings");
        assert!(readers.count() > 0, "{} is read by nobody", entry.path);
    }
    let service = told.explanation.find("site.service.listen").unwrap();
    assert_eq!(service.read_by, ["freeze_settings", "the service itself"]);
}

#[test]
fn readers_name_settings_that_there_are() {
    let known: Vec<String> = Site::keys().into_iter().map(|key| format!("site.{}", key.name)).collect();
    for reader in joints::readers() {
        for path in reader.reads.iter().filter(|path| path.starts_with("site.")) {
            let below = |key: &&String| key.starts_with(&format!("{path}.")) || *key == path;
            assert!(known.iter().any(|key| below(&key)), "{} reads {path}, which there is not", reader.step);
        }
    }
}

#[tokio::test]
async fn what_the_repository_says_has_its_line() {
    let container = "platforms:\n  only:\n  - x86_64\n  - s390x\ncompose:\nautorebuild:\n  from_latest: true\n\
                     set_release_env: RELEASE\ntags: [a, b]\n";
    let files = [
        ("Dockerfile", DOCKERFILE),
        ("container.yaml", container),
        ("content_sets.yml", "x86_64:\n- server-rpms\n- more-rpms\n"),
    ];
    let repository = repository(&files);
    let told = Case::of(&repository, "{}").tell().await;
    for (path, value, origin, reader) in [
        ("repository.platforms.only", "x86_64, s390x", "container.yaml:2", "select_platforms"),
        ("repository.autorebuild.from_latest", "true", "container.yaml:7", "note_rebuild"),
        ("repository.set_release_env", "RELEASE", "container.yaml:8", "write_dockerfiles"),
        ("repository.tags", "a, b", "container.yaml:9", "confirm_tags"),
        ("repository.compose", "none", "container.yaml:5", "decide_composes"),
        ("repository.content_sets.x86_64", "server-rpms, more-rpms", "content_sets.yml", "decide_composes"),
    ] {
        let entry = told.explanation.find(path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!((entry.value.as_str(), entry.origin.as_str()), (value, origin), "{path}");
        assert!(entry.read_by.iter().any(|step| step == reader), "{path}: {:?}", entry.read_by);
    }
    let floating = told.explanation.find("plan.tags.floating").unwrap();
    assert_eq!(floating.origin, "repository.tags (container.yaml:9)");
}
