//! What the repository says: its commit, and its files key by key.

use common::yaml;
use serde_json::Value;

use super::{Explained, value_text};
use crate::plan::Draft;

/// The keys of a YAML file of the repository (`container.yaml`), each a value of
/// its own. A file that is no YAML has none: that it is not is told elsewhere.
pub fn leaves(file: &str, text: &[u8]) -> Vec<Explained> {
    let mut leaves = Vec::new();
    if let Ok(Some(value)) = yaml::read::<Option<Value>>(file, text) {
        add(&mut leaves, "repository", &value, file);
    }
    leaves
}

fn add(leaves: &mut Vec<Explained>, path: &str, value: &Value, file: &str) {
    match value {
        Value::Object(below) if !below.is_empty() => {
            for (name, value) in below {
                add(leaves, &format!("{path}.{name}"), value, file);
            }
        }
        leaf => leaves.push(Explained::new(path, value_text(leaf), file)),
    }
}

/// What planning found of the repository.
pub(super) fn of_draft(draft: &Draft) -> Vec<Explained> {
    let uri = &draft.source.uri;
    let mut leaves = Vec::new();
    if let Some(commit) = &draft.commit {
        let led = draft.full_ref.as_deref().unwrap_or("the commit that was asked for");
        leaves.push(
            Explained::new("repository.commit", commit, format!("{led} of {uri}"))
                .meaning("The commit that is built."),
        );
    }
    if let Some(full_ref) = &draft.full_ref {
        let asked = match &draft.source.reference {
            Some(reference) => format!("request.source.ref: {reference}"),
            None => format!("the default branch of {uri}"),
        };
        leaves.push(
            Explained::new("repository.ref", full_ref, asked).meaning("The ref that led to the commit."),
        );
    }
    if let Some(path) = &draft.dockerfile_path {
        leaves.push(
            Explained::new("repository.dockerfile", path, format!("found in {uri}"))
                .meaning("The Dockerfile that is built."),
        );
    }
    let keys = draft.repository_keys.iter();
    leaves.extend(keys.map(|key| {
        Explained::new(format!("repository.{}", key.path), &key.value, &key.from)
            .meaning("What the repository says.")
    }));
    leaves
}
