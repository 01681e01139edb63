//! The metadata of an import, in its four forms.

use std::{fs, path::Path};

use koji_bridge::xmlrpc::{Fault, Value};
use serde_json::Value as Json;

use super::{super::python, paths};
use crate::hub::context::fault;

/// The file that is read if no metadata is given.
const DEFAULT_FILE: &str = "metadata.json";

/// Metadata of an import.
#[derive(Debug)]
pub(super) struct Metadata {
    /// What it says.
    pub(super) content: Json,
    /// Its text, which is kept with the build.
    pub(super) raw: String,
}

/// Reads metadata: a struct, the name of an uploaded file, JSON text, or nothing,
/// which stands for `metadata.json`.
///
/// # Errors
/// There is no such file, or it is no JSON (1000), or of another type (1019).
pub(super) fn read(top: &Path, directory: &str, given: Option<&Value>) -> Result<Metadata, Fault> {
    let text = match given {
        Some(value @ Value::Struct(_)) => {
            let content = python::from_wire(value);
            let raw = serde_json::to_string_pretty(&content).unwrap_or_default();
            return Ok(Metadata { content, raw });
        }
        None => DEFAULT_FILE,
        Some(Value::String(text)) => text.as_str(),
        Some(other) => return Err(super::super::arguments::wrong_type(other, "str")),
    };
    let raw = if text.ends_with(".json") { uploaded(top, directory, text)? } else { text.to_owned() };
    let content = serde_json::from_str(&raw)
        .map_err(|_| fault::generic(format!("Invalid json data: {}", python::quoted(&raw))))?;
    Ok(Metadata { content, raw })
}

fn uploaded(top: &Path, directory: &str, name: &str) -> Result<String, Fault> {
    let path = paths::join(&paths::work(top), &[directory, name])?;
    if !Path::new(&path).exists() {
        return Err(fault::generic(format!("No such file: {name}")));
    }
    let bytes = fs::read(&path).map_err(|error| paths::os_error(&error, &path))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = format!("'utf-8' codec can't decode byte in position {at}: invalid start byte");
        fault::uncaught("UnicodeDecodeError", &text)
    })
}
