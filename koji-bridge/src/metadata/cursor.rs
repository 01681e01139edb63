//! A place in a JSON document that knows its path, and the list of what is wrong
//! at such places.

use std::fmt;

use serde_json::Value;

use super::{
    MAX_PROBLEMS, Problem, Severity,
    kinds::{self, Kind},
};

/// Most characters of a value that a message shows.
const SHOWN: usize = 100;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Report {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Report {
    /// Notes a problem at a place.
    pub(super) fn add(&mut self, kind: &Kind, at: &Cursor<'_>, message: String) {
        self.add_at(kind, &at.path, message);
    }

    /// Notes a problem with a key below a place that may not be there.
    pub(super) fn add_missing(&mut self, kind: &Kind, at: &Cursor<'_>, key: &str, message: String) {
        self.add_at(kind, &at.path_of(key), message);
    }

    fn add_at(&mut self, kind: &Kind, path: &str, message: String) {
        let list = match kind.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if list.len() < MAX_PROBLEMS {
            list.push(Problem::new(kind, path, message));
        }
    }

    /// Errors, then warnings.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.errors.append(&mut self.warnings);
        self.errors
    }
}

/// A place in a document. Its text form says the place and the value there.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Cursor<'a> {
    /// The whole document.
    pub(super) fn root(value: &'a Value) -> Self {
        Self { path: String::new(), value }
    }

    /// What is there.
    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// Path of a key below this place.
    fn path_of(&self, key: &str) -> String {
        let key = key.escape_debug();
        if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) }
    }

    /// A key of the map that is here, be it null; `None` when there is no such key
    /// or no map.
    pub(super) fn key(&self, key: &str) -> Option<Self> {
        Some(Self { path: self.path_of(key), value: self.value.get(key)? })
    }

    /// A key of the map that is here, unless it is null.
    pub(super) fn some(&self, key: &str) -> Option<Self> {
        self.key(key).filter(|cursor| !cursor.value.is_null())
    }

    /// A key that the map here must have; notes it when it is missing.
    pub(super) fn field(&self, key: &str, report: &mut Report) -> Option<Self> {
        let found = self.key(key);
        if found.is_none() {
            let path = self.path_of(key);
            report.add_at(&kinds::KEY_MISSING, &path, format!("{path} is missing"));
        }
        found
    }

    /// The elements of the list that is here; none when it is no list.
    pub(super) fn elements(&self) -> impl Iterator<Item = Self> + use<'a> {
        let path = self.path.clone();
        let elements = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        elements
            .iter()
            .enumerate()
            .map(move |(index, value)| Self { path: format!("{path}[{index}]"), value })
    }

    /// The maps of a list that a key must hold; notes what is not so.
    pub(super) fn list_of_maps(&self, key: &str, report: &mut Report) -> Option<Vec<Self>> {
        let list = self.field(key, report)?;
        if !list.value.is_array() {
            list.is_not("a list", report);
            return None;
        }
        Some(list.elements().filter(|element| element.is_map(report)).collect())
    }

    /// Whether a map is here; notes it when not.
    pub(super) fn is_map(&self, report: &mut Report) -> bool {
        if !self.value.is_object() {
            self.is_not("a map", report);
        }
        self.value.is_object()
    }

    /// The text that is here; notes it when there is none.
    pub(super) fn text(&self, report: &mut Report) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.is_not("text", report);
        }
        text
    }

    /// The whole number that is here; notes it when there is none.
    pub(super) fn integer(&self, report: &mut Report) -> Option<i128> {
        let value = self.value;
        let integer = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
        if integer.is_none() {
            self.is_not("a whole number", report);
        }
        integer
    }

    /// Notes that something else should be here.
    pub(super) fn is_not(&self, what: &str, report: &mut Report) {
        report.add(&kinds::WRONG_TYPE, self, format!("{self}, and must be {what}"));
    }
}

impl fmt::Display for Cursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.path.is_empty() { "the metadata" } else { &self.path })?;
        match self.value {
            Value::Array(_) => f.write_str(" is a list"),
            Value::Object(_) => f.write_str(" is a map"),
            Value::String(text) if text.chars().nth(SHOWN).is_some() => {
                let shown: String = text.chars().take(SHOWN).collect();
                write!(f, " is {shown:?}…")
            }
            value => write!(f, " is {value}"),
        }
    }
}
