//! Reads a YAML file of a repository into a type, and tells every unknown key of
//! it at once.
//!
//! A type that refuses unknown keys stops at the first one. So the keys that the
//! text has are held against the schema of the type beforehand: whatever the
//! schema does not have is a problem of its own, with its line and the nearest
//! key that would have been right there. Then the text is read, and if that
//! fails for another reason, this is one problem more.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    failure::{Failure, FailureClass},
    yaml::{self, Places},
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::near::near;

/// Most problems of one file that are reported.
pub(super) const MAX_PROBLEMS: usize = 50;

/// A file of a repository, its limit and its codes.
pub(super) struct InputFile {
    /// Its name.
    pub(super) name: &'static str,
    /// Largest size in bytes.
    pub(super) limit: usize,
    /// It is no YAML, or a value is of the wrong kind.
    pub(super) code: &'static str,
    /// A key is not known.
    pub(super) code_unknown_key: &'static str,
    /// It is too large.
    pub(super) code_too_large: &'static str,
}

/// The content of a file.
pub(super) struct Read<T> {
    /// What it says.
    pub(super) value: T,
    /// The line of each key and entry.
    pub(super) places: Places,
}

/// Reads `text` as a `T`.
///
/// # Errors
/// The file is too large; or else every unknown key, and the first other problem.
pub(super) fn read<T: DeserializeOwned + JsonSchema>(
    file: &InputFile,
    text: &[u8],
) -> Result<Read<T>, Failure> {
    let fail = |code: &str, message: String, advice: String| {
        Failure::new(FailureClass::Source, code, message).with_advice(advice)
    };
    let name = file.name;
    if text.len() > file.limit {
        let message = format!("{name}: it has {} bytes; at most {} are read", text.len(), file.limit);
        return Err(fail(file.code_too_large, message, format!("shorten {name}")));
    }
    let places = yaml::places(text);
    let mut problems: Vec<Failure> = unknown_keys::<T>(&places)
        .into_iter()
        .map(|unknown| {
            let message =
                format!("{name}:{} unknown key '{}'; {}", at_line(unknown.line), unknown.path, unknown.hint);
            fail(file.code_unknown_key, message, format!("correct or remove the key in {name}"))
        })
        .collect();
    match yaml::read::<T>(name, text) {
        Ok(value) if problems.is_empty() => return Ok(Read { value, places }),
        // The reader stops at the first unknown key: that one was told already.
        Err(error) if problems.is_empty() || !error.reason.contains("unknown field") => {
            problems.push(
                Failure::from_error(FailureClass::Source, file.code, &error)
                    .with_advice(format!("correct {name} and commit it")),
            );
        }
        _ => {}
    }
    let empty = || Failure::new(FailureClass::Internal, "internal.no_problem", format!("{name}: no problem"));
    Err(Failure::all(problems).unwrap_or_else(empty))
}

/// ` line 3:` where a line is known; nothing otherwise.
pub(super) fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!(" line {line}:")).unwrap_or_default()
}

struct UnknownKey {
    path: String,
    line: Option<usize>,
    hint: String,
}

fn unknown_keys<T: JsonSchema>(places: &Places) -> Vec<UnknownKey> {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut found = BTreeMap::new();
    for path in places.paths() {
        if let Some((end, known)) = first_unknown(schema.as_value(), path) {
            let path = &path[..end];
            let key = path.rsplit('.').next().unwrap_or(path);
            let nearest = near(key, known.iter().copied(), 1);
            let hint = match nearest.first() {
                Some(name) => format!("did you mean '{name}'?"),
                None => format!("known are {}", known.into_iter().collect::<Vec<_>>().join(", ")),
            };
            let line = places.line(path);
            found.insert((line, path.to_owned()), hint);
        }
        if found.len() >= MAX_PROBLEMS {
            break;
        }
    }
    found.into_iter().map(|((line, path), hint)| UnknownKey { path, line, hint }).collect()
}

/// Follows a path through a schema: where the first key ends that it does not
/// have, and which ones it has there. `None` when it has all of them, or when
/// the kinds of values do not fit, which the reader says better.
fn first_unknown<'s>(schema: &'s Value, path: &str) -> Option<(usize, BTreeSet<&'s str>)> {
    let mut here = vec![schema];
    for (segment, end) in segments(path) {
        let mut next = Vec::new();
        let mut known = BTreeSet::new();
        for schema in here.into_iter().flat_map(alternatives) {
            match segment {
                Segment::Entry => next.extend(schema.get("items")),
                Segment::Key(key) => {
                    // What a merge brings in is the reader's affair.
                    let properties = schema.get("properties").and_then(Value::as_object);
                    if key == "<<" {
                        return None;
                    }
                    if let Some(properties) = properties {
                        next.extend(properties.get(key));
                        known.extend(properties.keys().map(String::as_str));
                    } else if let Some(values) = schema.get("additionalProperties") {
                        next.push(values);
                    }
                }
            }
        }
        if next.is_empty() {
            return (!known.is_empty()).then_some((end, known));
        }
        here = next;
    }
    None
}

fn alternatives(schema: &Value) -> Vec<&Value> {
    let choices = ["anyOf", "oneOf", "allOf"].iter().find_map(|word| schema.get(word)?.as_array());
    match choices {
        Some(choices) => choices.iter().flat_map(alternatives).collect(),
        None => vec![schema],
    }
}

#[derive(Clone, Copy)]
enum Segment<'p> {
    Key(&'p str),
    Entry,
}

/// The parts of a path as [`Places`] writes it, each with where it ends.
fn segments(path: &str) -> Vec<(Segment<'_>, usize)> {
    let mut segments = Vec::new();
    let mut start = 0;
    for part in path.split('.') {
        let key_end = part.find('[').filter(|_| part.ends_with(']')).unwrap_or(part.len());
        if key_end > 0 {
            segments.push((Segment::Key(&part[..key_end]), start + key_end));
        }
        let mut at = start + key_end;
        for entry in part[key_end..].split_inclusive(']') {
            at += entry.len();
            segments.push((Segment::Entry, at));
        }
        start += part.len() + 1;
    }
    segments
}
