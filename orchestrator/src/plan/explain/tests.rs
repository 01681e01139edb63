//! Every value has its origin, and is found.

use std::path::PathBuf;

use super::*;
use crate::{
    config::{FlagSetting, Site},
    plan::{explain::samples, joints},
};

const READERS: &[Reader<'static>] = &[
    Reader { step: "freeze_settings", reads: &["site"] },
    Reader { step: "set_labels", reads: &["site.labels", "request.labels", "plan.labels"] },
];

fn request() -> BuildRequest {
    let mut request = BuildRequest::new("https://git.example.org/hello.git", Some("main"));
    request.mode = common::request::BuildMode::Isolated { release: "3.1".into() };
    request.target = Some("f44".into());
    request.labels.insert("io.example.note".into(), "x".into());
    request.limits.memory_bytes = Some(2 << 30);
    request
}

fn of(site: &Site, container_yaml: &str) -> Explanation {
    let (request, draft) = (request(), samples::draft());
    let origins = [("target", "flag --target"), ("limits", "flag --memory"), ("labels", "flag --label")];
    Explanation::of(Subject {
        site: joints::site_leaves(site),
        request: Some(&request),
        request_origins: origins.map(|(field, origin)| (field.to_owned(), origin.to_owned())).into(),
        repository: repository_leaves("container.yaml", container_yaml.as_bytes()),
        draft: Some(&draft),
        readers: READERS,
    })
}

fn site(memory: &str) -> Site {
    let flag = FlagSetting { flag: "--memory", key: "builds.memory", text: memory.to_owned() };
    Site::load(&[] as &[PathBuf], [], &[flag]).unwrap()
}

fn whole() -> Explanation {
    of(&site("1GiB"), "platforms:\n  not: s390x\ntags: [a, b]\n")
}

#[test]
fn every_leaf_has_an_origin_and_its_own_path() {
    let whole = whole();
    let mut paths = std::collections::BTreeSet::new();
    for entry in &whole.entries {
        assert!(!entry.origin.is_empty(), "{}", entry.path);
        assert!(!entry.value.is_empty(), "{}", entry.path);
        assert!(PARTS.iter().any(|part| is_below(&entry.path, part)), "{}", entry.path);
        assert!(paths.insert(entry.path.clone()), "{} is there twice", entry.path);
        assert!(
            !entry.meaning.is_empty()
                || entry.path.contains(".work_orders.")
                || is_below(&entry.path, "repository"),
            "{} says nothing",
            entry.path
        );
    }
    let mut ranks: Vec<usize> = whole
        .entries
        .iter()
        .map(|entry| PARTS.iter().position(|part| is_below(&entry.path, part)).unwrap())
        .collect();
    assert!(ranks.is_sorted());
    ranks.dedup();
    assert_eq!(ranks.len(), PARTS.len(), "every part is told");
}

#[test]
fn values_know_who_set_them_what_they_beat_and_who_reads_them() {
    let whole = whole();
    for (path, value, origin) in [
        ("site.builds.memory", "1GiB", "flag --memory"),
        ("site.builds.attempts", "2", "built in"),
        ("request.target", "f44", "flag --target"),
        ("request.release", "3.1", "the request"),
        ("request.component", "not set", "not given"),
        ("request.labels.io.example.note", "x", "flag --label"),
        ("request.limits.memory_bytes", "2147483648", "flag --memory"),
        ("repository.platforms.not", "s390x", "container.yaml"),
        ("repository.tags", "a, b", "container.yaml"),
        ("repository.ref", "refs/heads/main", "request.source.ref: main"),
        ("plan.nvr", "hello-1.0-3.1", "name and version of the labels, and plan.release"),
        ("plan.release", "3.1", "the request names it"),
        (
            "plan.platforms",
            "x86_64, aarch64",
            "the site has x86_64, aarch64 and s390x; container.yaml leaves s390x out",
        ),
        ("plan.labels.vendor", "Example Project", "site: labels.set.vendor"),
        ("plan.labels.aarch64.architecture", "aarch64", "platform"),
        ("plan.tags.floating", "none", "the kind of build (request.mode)"),
        ("plan.limits.memory_bytes", "2147483648", "request.limits.memory_bytes (flag --memory)"),
        ("plan.limits.time", "3600s", "site.builds.time (built in)"),
        ("plan.work_orders.x86_64.build_args.VERSION", "1.2", "request.build_args.VERSION"),
    ] {
        let entry = whole.find(path).unwrap_or_else(|| panic!("{path} is missing"));
        assert_eq!((entry.value.as_str(), entry.origin.as_str()), (value, origin), "{path}");
    }
    let vendor = whole.find("plan.labels.vendor").unwrap();
    let beaten: Vec<&str> = vendor.beaten.iter().map(|said| said.from.as_str()).collect();
    assert_eq!(beaten, ["Dockerfile:3", "parent image"]);
    assert_eq!(vendor.read_by, ["set_labels"]);
    assert_eq!(whole.find("plan.limits.memory_bytes").unwrap().beaten[0].value, "1GiB");
    assert_eq!(whole.find("site.labels.set").unwrap().read_by, ["freeze_settings", "set_labels"]);
}

#[test]
fn one_changed_layer_changes_exactly_what_follows_from_it() {
    let (before, after) = (whole(), of(&site("3GiB"), "platforms:\n  not: s390x\ntags: [a, b]\n"));
    let changed: Vec<&str> = before
        .entries
        .iter()
        .filter(|entry| after.find(&entry.path) != Some(entry))
        .map(|entry| entry.path.as_str())
        .collect();
    assert_eq!(changed, ["site.builds.memory", "plan.limits.memory_bytes"]);
    assert_eq!(before.entries.len(), after.entries.len());
}

#[test]
fn a_path_chooses_what_is_at_it_and_below() {
    let whole = whole();
    let tags = whole.filter("plan.tags");
    assert_eq!(tags.entries.len(), 3);
    assert!(tags.entries.iter().all(|entry| entry.path.starts_with("plan.tags.")));
    assert_eq!(whole.filter("").entries.len(), whole.entries.len());
    assert!(whole.filter("plan.tag").entries.is_empty());
    assert_eq!(whole.filter("plan.nvr").entries.len(), 1);
}

#[test]
fn a_path_that_there_is_not_has_near_ones() {
    let whole = whole();
    for (typo, hint) in [
        ("plan.labels.vendr", "plan.labels.vendor"),
        ("site.builds.memroy", "site.builds.memory"),
        ("builds.memory", "site.builds.memory"),
        ("plan.tag", "plan.tags"),
        ("plan.label", "plan.labels"),
    ] {
        let near = whole.near(typo);
        assert!(near.len() <= 3 && near.iter().any(|path| path == hint), "{typo}: {near:?}");
    }
    assert!(whole.near("something.else.entirely").is_empty());
}

#[test]
fn values_are_words_where_they_can_be() {
    use serde_json::json;
    for (value, text) in [
        (json!(null), "not set"),
        (json!("a b"), "a b"),
        (json!([]), "none"),
        (json!({}), "none"),
        (json!(["a", 1, true]), "a, 1, true"),
        (json!([["a"]]), "[[\"a\"]]"),
        (json!({"a": 1}), "{\"a\":1}"),
    ] {
        assert_eq!(value_text(&value), text);
    }
}
