//! A look at content-generator metadata before the hub is asked, and at what the
//! hub says when it refuses.
//!
//! A hub names one problem at a time, often as an exception of its own code, and
//! some of its refusals cost the files that were uploaded. So a document is
//! checked here first: whatever the hub would refuse that can be known
//! beforehand is said at once, with the place, the value and what to do. What
//! only the hub knows is explained when it has spoken.
//!
//! A wrong document has to get a whole list, so this reads plain JSON and not
//! the types of [`common::koji::metadata`].

mod build;
mod buildroots;
mod components;
mod cursor;
mod fault;
mod kinds;
mod output;
mod wordings;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use common::{
    failure::{Failure, FailureClass},
    koji::metadata::has_control_characters,
    nvr::Nvr,
};
use serde_json::Value;

use cursor::{Cursor, Report};
pub use fault::{Doing, Explained, explain_fault};
use kinds::Kind;

/// Most errors that a check tells, and most warnings. A document with more is
/// wrong altogether.
pub const MAX_PROBLEMS: usize = 1000;

/// Whether a problem stops an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The hub would refuse it.
    Error,
    /// The hub takes it, but not as it may be meant.
    Warning,
}

/// Something that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable code. Example: `koji.metadata_key_missing`.
    pub code: &'static str,
    /// Whose fault it is.
    pub class: FailureClass,
    /// Whether it stops an import.
    pub severity: Severity,
    /// Where it is; empty for the whole document. Example: `output[2].checksum`.
    pub path: String,
    /// What is wrong, with place and value.
    pub message: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl Problem {
    fn new(kind: &Kind, path: &str, message: String) -> Self {
        let Kind { code, class, severity, advice } = *kind;
        Self { code, class, severity, path: path.to_owned(), message, advice }
    }

    /// The problem in the form that leaves the bridge.
    pub fn failure(&self) -> Failure {
        Failure::new(self.class, self.code, self.message.as_str()).with_advice(self.advice)
    }
}

/// What is known when a document is checked. What is not known is not checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The files in the upload directory, by their path below it.
    pub files: Option<BTreeMap<String, UploadedFile>>,
    /// The reservation whose token goes with the import; `None` when there is no
    /// token.
    pub reservation: Option<Reservation>,
    /// Name of the content generator that the bridge may import as.
    pub generator: Option<String>,
    /// Names of the hub's build types. Example: `image`.
    pub build_types: Option<BTreeSet<String>>,
    /// Extensions of the hub's archive types, without a dot in front. Example:
    /// `tar.gz`.
    pub extensions: Option<BTreeSet<String>>,
}

/// A file in the upload directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedFile {
    /// Its size in bytes.
    pub size: u64,
    /// Its MD5 in lower-case hexadecimal digits, if known.
    pub md5: Option<String>,
    /// Its SHA-256 in lower-case hexadecimal digits, if known.
    pub sha256: Option<String>,
}

/// What is known of a reservation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reservation {
    /// Number of the reserved build.
    pub build_id: Option<u64>,
    /// Its name, version and release.
    pub nvr: Option<Nvr>,
    /// The task that it was reserved for.
    pub task_id: Option<u64>,
}

/// Reads a document's text.
///
/// # Errors
/// It is no JSON, or JSON that cannot be text (a lone surrogate).
pub fn read(text: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(text)
        .map_err(|error| Problem::new(&kinds::NOT_JSON, "", format!("the metadata is no JSON: {error}")))
}

/// Looks for everything in a document that a hub would refuse or leave out, as
/// far as it can be known before the hub is asked: errors first, then warnings,
/// each in the order of the document.
///
/// Characters that a hub cannot answer with are warnings, since the bridge
/// escapes them; the escaped document is the one to check.
pub fn check(document: &Value, context: &Context) -> Vec<Problem> {
    let mut report = Report::default();
    let root = Cursor::root(document);
    if root.is_map(&mut report) {
        let version = root.field("metadata_version", &mut report);
        if let Some(version) = version.filter(|version| version.value().as_f64() != Some(0.0)) {
            report.add(&kinds::VERSION_UNKNOWN, &version, format!("{version}, and hubs take version 0 only"));
        }
        let build = build::check(&root, context, &mut report);
        let buildroots = buildroots::check(&root, context, &mut report);
        output::check(&root, context, &build, &buildroots, &mut report);
        characters(&root, &mut report);
    }
    report.into_problems()
}

/// Looks for characters that a hub stores but cannot answer with.
fn characters(cursor: &Cursor<'_>, report: &mut Report) {
    match cursor.value() {
        Value::String(text) if has_control_characters(text) => {
            report.add(&kinds::CONTROL_CHARACTER, cursor, format!("{cursor}: it has control characters"));
        }
        Value::Array(_) => cursor.elements().for_each(|element| characters(&element, report)),
        Value::Object(map) => {
            for key in map.keys() {
                let Some(below) = cursor.key(key) else { continue };
                if has_control_characters(key) {
                    let message = format!("the key {key:?} has control characters");
                    report.add(&kinds::CONTROL_CHARACTER, &below, message);
                }
                characters(&below, report);
            }
        }
        _ => {}
    }
}
