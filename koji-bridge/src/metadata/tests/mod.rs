//! Tests of the check and of the explanations. Numbers in tables are those of
//! the refusals that were seen on a hub of version 1.35.

mod accepted;
mod check;
mod faults;
mod other_faults;
mod reservations;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

/// An import of one platform that a hub took.
const ONE_PLATFORM: &str =
    include_str!("../../../../common/src/koji/metadata/fixtures/one_platform_2018.json");
/// An import of two platforms into a reservation that a hub took.
const TWO_PLATFORMS: &str =
    include_str!("../../../../common/src/koji/metadata/fixtures/two_platforms_reserved.json");

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn words(words: &[&str]) -> Option<BTreeSet<String>> {
    Some(words.iter().map(|&word| word.to_owned()).collect())
}

/// All that can be known when a document is imported as it is.
fn context(document: &Value) -> Context {
    let files = document["output"].as_array().unwrap().iter().map(|output| {
        let md5 = output["checksum"].as_str().map(str::to_owned);
        let file = UploadedFile { size: output["filesize"].as_u64().unwrap(), md5, sha256: None };
        (output["filename"].as_str().unwrap().to_owned(), file)
    });
    let files: BTreeMap<_, _> = files.collect();
    Context {
        files: Some(files),
        reservation: None,
        generator: Some("atomic-reactor".into()),
        build_types: words(&["image", "maven", "win", "rpm"]),
        extensions: words(&["tar", "tar.gz", "zip", "json", "jar"]),
    }
}

fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        _ => parent[key] = value,
    }
}

fn remove(document: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
}

/// Appends a copy of an element to its list.
fn repeat(document: &mut Value, pointer: &str) {
    let copy = document.pointer(pointer).unwrap().clone();
    let (parent, _) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap().as_array_mut().unwrap().push(copy);
}

/// What a check finds of a severity, as code (without `koji.metadata_`) and path.
fn found(document: &Value, context: &Context, severity: Severity) -> Vec<(&'static str, String)> {
    let problems = check(document, context).into_iter().filter(|problem| problem.severity == severity);
    problems
        .map(|problem| {
            assert!(!problem.message.is_empty() && !problem.advice.is_empty(), "{problem:?}");
            (problem.code.strip_prefix("koji.metadata_").unwrap(), problem.path)
        })
        .collect()
}

fn expected(list: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    list.iter().map(|&(code, path)| (code, path.to_owned())).collect()
}
