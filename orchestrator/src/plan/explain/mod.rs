//! Where every value comes from: the site's settings, the request, what the
//! repository says and what the plan made of them, each under a path of its own,
//! with who set it, what that won over and which steps read it.
//!
//! Paths begin with `site`, `request`, `repository` or `plan`. A part of a path
//! may itself hold dots (labels do), so a path is only ever compared as text.

mod derived;
mod orders;
mod repository;
mod request;
#[cfg(test)]
pub(crate) mod samples;
mod secrets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use common::request::BuildRequest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Draft, Said};
use crate::config::nearest;

pub use repository::leaves as repository_leaves;
pub use secrets::add_fingerprints;

/// The first parts of all paths, in the order in which they are told.
pub const PARTS: [&str; 4] = ["site", "request", "repository", "plan"];

/// Most paths that are named as near to one that there is not.
const MAX_HINTS: usize = 3;

/// Values with their origins, in the order of [`PARTS`] and then by path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The values.
    pub entries: Vec<Explained>,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// Its path. Example: `plan.labels.vendor`.
    pub path: String,
    /// The effective value as text. Of a secret, the path of its file.
    pub value: String,
    /// Who set it. Never empty. Example: `/etc/reactor/site.yaml`.
    pub origin: String,
    /// What it won over, the nearest first.
    pub beaten: Vec<Said>,
    /// The steps that read it.
    pub read_by: Vec<String>,
    /// What it means; may be empty.
    pub meaning: String,
}

impl Explained {
    /// A value that beat nobody.
    pub fn new(path: impl Into<String>, value: impl Into<String>, origin: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            value: value.into(),
            origin: origin.into(),
            beaten: Vec::new(),
            read_by: Vec::new(),
            meaning: String::new(),
        }
    }

    /// The same value with what it means.
    #[must_use]
    pub fn meaning(mut self, meaning: impl Into<String>) -> Self {
        self.meaning = meaning.into();
        self
    }

    /// The same value with what it won over.
    #[must_use]
    pub fn over(mut self, beaten: Vec<Said>) -> Self {
        self.beaten = beaten;
        self
    }
}

/// A step and the beginnings of the paths that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader<'a> {
    /// The step's name. Example: `pin_parents`.
    pub step: &'a str,
    /// Example: `request.allow_local_parents`.
    pub reads: &'a [&'a str],
}

impl Reader<'_> {
    fn reads(&self, path: &str) -> bool {
        self.reads.iter().any(|beginning| is_below(path, beginning))
    }
}

/// What there is to explain.
#[derive(Debug, Clone, Default)]
pub struct Subject<'a> {
    /// The site's settings, under `site`.
    pub site: Vec<Explained>,
    /// The request, if there is one.
    pub request: Option<&'a BuildRequest>,
    /// Who set which field of the request. A field that is set and not named
    /// here was set by "the request".
    pub request_origins: BTreeMap<String, String>,
    /// What the repository's files say, under `repository`.
    pub repository: Vec<Explained>,
    /// What planning made of it, if it was planned.
    pub draft: Option<&'a Draft>,
    /// Which step reads what.
    pub readers: &'a [Reader<'a>],
}

impl Explanation {
    /// Puts everything together.
    pub fn of(subject: Subject<'_>) -> Self {
        let mut entries = subject.site;
        if let Some(request) = subject.request {
            entries.extend(request::leaves(request, &subject.request_origins));
        }
        entries.extend(subject.repository);
        if let Some(draft) = subject.draft {
            entries.extend(repository::of_draft(draft));
            let known = Self { entries };
            let plan = derived::leaves(draft, &known);
            entries = known.entries;
            entries.extend(plan);
            entries.extend(orders::leaves(draft));
        }
        let rank = |path: &str| PARTS.iter().position(|part| is_below(path, part)).unwrap_or(PARTS.len());
        entries.sort_by(|a, b| (rank(&a.path), &a.path).cmp(&(rank(&b.path), &b.path)));
        entries.dedup_by(|later, earlier| later.path == earlier.path);
        for entry in &mut entries {
            let readers = subject.readers.iter().filter(|reader| reader.reads(&entry.path));
            entry.read_by = readers.map(|reader| reader.step.to_owned()).collect();
        }
        Self { entries }
    }

    /// Only the values at or below a path; all of them for an empty one.
    #[must_use]
    pub fn filter(&self, path: &str) -> Self {
        let chosen = self.entries.iter().filter(|entry| path.is_empty() || is_below(&entry.path, path));
        Self { entries: chosen.cloned().collect() }
    }

    /// The value at exactly this path.
    pub fn find(&self, path: &str) -> Option<&Explained> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// Paths that somebody may have meant who named one that there is not, the
    /// best first: whole ones, and beginnings of them.
    pub fn near(&self, path: &str) -> Vec<String> {
        let mut candidates: Vec<&str> = Vec::new();
        for entry in &self.entries {
            let dots = entry.path.match_indices('.').map(|(at, _)| &entry.path[..at]);
            candidates.extend(dots.chain([entry.path.as_str()]));
        }
        candidates.sort_unstable();
        candidates.dedup();
        let mut hints = Vec::new();
        // A key without its section, as it stands in a file.
        let end = format!(".{path}");
        hints.extend(candidates.iter().filter(|candidate| candidate.ends_with(&end)).copied());
        while hints.len() < MAX_HINTS {
            let left = candidates.iter().filter(|candidate| !hints.contains(candidate)).copied();
            match nearest(path, left) {
                Some(hint) => hints.push(hint),
                None => break,
            }
        }
        hints.into_iter().take(MAX_HINTS).map(str::to_owned).collect()
    }
}

/// Whether `path` is at `beginning` or below it.
pub fn is_below(path: &str, beginning: &str) -> bool {
    path.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A value as text: words as they are, lists with commas, the rest as JSON.
pub fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Object(entries) if entries.is_empty() => "none".to_owned(),
        Value::Array(items) if !items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().map(value_text).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
