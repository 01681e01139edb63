//! What the repository's files say beside the Dockerfile, key by key, each with
//! the file and line that it comes from: for those who ask where a value is from.

use serde_json::Value;

use super::RepositoryFacts;
use crate::{
    plan::{RepositoryKey, explain::value_text},
    repository::{additional_tags, artifact_files, container_yaml, content_sets},
};

/// Every key that is there, in the order of their paths.
pub(crate) fn keys(facts: &RepositoryFacts) -> Vec<RepositoryKey> {
    let mut keys = of_container(facts);
    if facts.container.tags.is_empty() && !facts.additional_tags.is_empty() {
        let tags: Vec<&str> = facts.additional_tags.iter().map(|tag| tag.as_str()).collect();
        keys.push(key("additional_tags", tags.join(", "), additional_tags::FILE));
    }
    let sets = facts.content_sets.iter();
    keys.extend(sets.map(|(platform, sets)| {
        key(&format!("content_sets.{platform}"), sets.join(", "), content_sets::FILE)
    }));
    let files = [
        ("artifacts.koji", facts.artifacts.koji.len(), artifact_files::KOJI_FILE),
        ("artifacts.urls", facts.artifacts.urls.len(), artifact_files::URL_FILE),
    ];
    let wished = files.into_iter().filter(|(_, entries, _)| *entries > 0);
    keys.extend(wished.map(|(path, entries, file)| key(path, format!("{entries} entries"), file)));
    if let Some(help) = &facts.has_help {
        keys.push(key("help", help.clone(), "found beside the Dockerfile"));
    }
    keys
}

fn key(path: &str, value: String, from: &str) -> RepositoryKey {
    RepositoryKey { path: path.to_owned(), value, from: from.to_owned() }
}

/// The keys of `container.yaml` that are written there, with their lines.
fn of_container(facts: &RepositoryFacts) -> Vec<RepositoryKey> {
    let whole = serde_json::to_value(&facts.container).unwrap_or_default();
    let lines = &facts.container_lines;
    let is_section = |path: &str| lines.keys().any(|other| is_below(other, path));
    let leaf = |(path, line): (&String, &usize)| {
        let value = path.split('.').try_fold(&whole, |value, name| value.get(name))?;
        if value.is_object() && is_section(path) {
            return None;
        }
        let text = if is_blank(value) { "none".to_owned() } else { value_text(value) };
        Some(key(path, text, &format!("{}:{line}", container_yaml::FILE)))
    };
    lines.iter().filter_map(leaf).collect()
}

fn is_below(path: &str, section: &str) -> bool {
    path.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a value says nothing: a key without one, or with an empty list.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(entries) => entries.is_empty(),
        Value::Object(entries) => entries.values().all(is_blank),
        _ => false,
    }
}
