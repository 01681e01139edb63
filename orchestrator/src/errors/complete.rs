//! The pages and the sources of the workspace know the same codes. Codes are
//! string literals of the form `area.problem`; whatever else has that form in an
//! area of codes is a key, a path or a name, and is told apart below.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::*;
use crate::{config::Site, plan::CATALOGUE};

/// Crates whose codes reach a build's record.
const CRATES: &[&str] = &["orchestrator", "registry-client", "worker", "common", "koji-bridge"];

/// Every class of pages.
const CLASSES: &[&str] = &[
    "user",
    "source",
    "parent",
    "policy",
    "infrastructure",
    "capacity",
    "cancelled",
    "timeout",
    "internal",
    "notice",
    "skip",
];

/// Codes without an area.
const PLAIN: &[&str] = &["cancelled", "only_on_failure"];

/// Words of code that look like codes: paths of values that `explain` and replays
/// name, keys of the former configuration, files.
const NO_CODES: &[&str] = &[
    "artifacts.koji",
    "artifacts.urls",
    "site.policy",
    "site.service",
    "build.build_id",
    "build.draft",
    "build.epoch",
    "build.extra",
    "build.name",
    "build.owner",
    "build.release",
    "build.start_time",
    "build.task_id",
    "build.version",
    "config.json",
    "context.tar",
    "help.1",
    "help.md",
    "koji.auth",
    "koji.insecure_download",
    "koji.reserve_build",
    "koji.use_fast_upload",
    "openshift.auth",
    "openshift.build_json_dir",
    "orchestrator.log",
    "orchestrator.sock",
    "plan.component",
    "plan.destinations",
    "plan.labels",
    "plan.nvr",
    "plan.platforms",
    "plan.rebuild",
    "plan.release",
    "request.allow_local_parents",
    "request.attempts",
    "request.branch",
    "request.build_args",
    "request.component",
    "request.composes",
    "request.destinations",
    "request.failure_policy",
    "request.filesystem_task",
    "request.flatpak",
    "request.image_stream",
    "request.koji_task",
    "request.labels",
    "request.limits",
    "request.mode",
    "request.parent_build",
    "request.platforms",
    "request.queue_deadline",
    "request.rebuild",
    "request.release",
    "request.repository_urls",
    "request.signing_intent",
    "request.source",
    "request.target",
    "request.triggered_by",
    "request.user",
    "request.user_data",
    "source.git",
    "source.ref",
    "source.uri",
];

fn sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_test = name.contains("tests") || name.contains("samples") || name.contains("fixture");
        if is_test || path.ends_with("orchestrator/src/errors") {
            continue;
        }
        if path.is_dir() {
            sources(&path, files);
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

/// The string literals of a file that can be codes, without comments and tests.
fn literals(text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut found = BTreeSet::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for literal in line.split('"').skip(1) {
            let word = |part: &str| {
                part.starts_with(|c: char| c.is_ascii_lowercase())
                    && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            };
            let dotted = literal.split_once('.').is_some_and(|(area, problem)| word(area) && word(problem));
            if dotted || PLAIN.contains(&literal) {
                found.insert(literal.to_owned());
            }
        }
    }
    found
}

/// Where each literal is.
fn in_code() -> BTreeMap<String, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    CRATES.iter().for_each(|name| sources(&root.join(name).join("src"), &mut files));
    let mut found = BTreeMap::new();
    for file in files {
        for literal in literals(&fs::read_to_string(&file).unwrap()) {
            found.insert(literal, file.clone());
        }
    }
    found
}

fn is_a_key(literal: &str) -> bool {
    let keys = Site::keys();
    let below = |key: &str| key == literal || key.strip_prefix(literal).is_some_and(|k| k.starts_with('.'));
    let reads = |entry: &crate::plan::catalogue::Entry| entry.reads.contains(&literal);
    keys.iter().any(|key| below(&key.name)) || CATALOGUE.iter().any(reads)
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let found = in_code();
    let codes: BTreeSet<&str> = pages().map(|page| page.code).collect();
    assert_eq!(codes.len(), pages().count(), "a code has two pages");
    let gone: Vec<&&str> = codes.iter().filter(|code| !found.contains_key(**code)).collect();
    assert!(gone.is_empty(), "pages of codes that are nowhere in the sources: {gone:?}");
    let areas: BTreeSet<&str> = codes.iter().filter_map(|code| Some(code.split_once('.')?.0)).collect();
    let without: Vec<_> = found
        .iter()
        .filter(|(literal, _)| literal.split_once('.').is_some_and(|(area, _)| areas.contains(area)))
        .filter(|(literal, _)| !codes.contains(literal.as_str()))
        .filter(|(literal, _)| !NO_CODES.contains(&literal.as_str()) && !is_a_key(literal))
        .collect();
    assert!(without.is_empty(), "codes without a page (or words for NO_CODES): {without:#?}");
}

/// What `Failure::new` and its like are given is a code even in an area that no
/// page has.
#[test]
fn areas_of_failures_are_known() {
    let areas: BTreeSet<&str> = pages().filter_map(|page| Some(page.code.split_once('.')?.0)).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    CRATES.iter().for_each(|name| sources(&root.join(name).join("src"), &mut files));
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for (at, _) in text.match_indices("FailureClass::") {
            let rest: String = text[at..].chars().take(200).collect();
            let end = rest.find(';').unwrap_or(rest.len());
            for literal in literals(&rest[..end]) {
                let area = literal.split('.').next().unwrap();
                let known = areas.contains(area) || PLAIN.contains(&literal.as_str()) || is_a_key(&literal);
                assert!(known, "{literal} in {} has no page", file.display());
            }
        }
    }
}

/// A class that stands right before a code, as in `Failure::new(CLASS, CODE, …)`
/// and in the tables of error types, is a class of its page.
#[test]
fn classes_are_those_of_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    CRATES.iter().for_each(|name| sources(&root.join(name).join("src"), &mut files));
    let mut looked_at = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for page in pages() {
            for (at, _) in text.match_indices(&format!("\"{}\"", page.code)) {
                let Some(before) = text[..at].trim_end().strip_suffix(',') else { continue };
                let start = before.rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |at| at + 1);
                let class = before[start..].to_ascii_lowercase();
                if before[start..].starts_with(char::is_uppercase) && CLASSES.contains(&class.as_str()) {
                    let fits = page.classes().any(|other| other == class);
                    assert!(fits, "{} is {class} in {}", page.code, file.display());
                    looked_at += 1;
                }
            }
        }
    }
    assert!(looked_at > 150, "{looked_at}");
}

#[test]
fn words_that_are_no_codes_have_no_pages() {
    for word in NO_CODES {
        assert!(page(word).is_none(), "{word}");
    }
}

#[test]
fn pages_are_whole() {
    for page in pages() {
        let Page { code, class, title, means, fix, example } = page;
        assert!(page.classes().all(|class| CLASSES.contains(&class)), "{code}: {class}");
        for (part, text) in [("title", title), ("means", means), ("fix", fix)] {
            assert!(text.ends_with('.'), "{code}: {part} is no sentence: {text}");
            assert!(text.len() < 400 && !text.contains('\n'), "{code}: {part}");
        }
        assert!(example.len() < 200, "{code}");
    }
}

#[test]
fn the_document_is_the_one_that_is_checked_in() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let written = fs::read_to_string(file).unwrap();
    let made = markdown();
    assert!(written == made, "write it anew: orchestrator errors --markdown > docs/errors.md");
}
