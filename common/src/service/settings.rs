//! Process settings: files, then the environment.
//!
//! Each later layer beats the ones before it: the type's own defaults
//! (`#[serde(default)]`), each file in the order given, then variables such as
//! `REACTOR__STORE__PATH` for `store: { path: … }`. Lists are for files: the
//! environment has no form for them. What users write about builds does not pass
//! through here, since a release `1.10` would become a number.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt, io,
    path::{Path, PathBuf},
};

use config::{Config, ConfigError, Map, Source, Value, ValueKind};
use serde::de::DeserializeOwned;

use crate::yaml;

/// Between the parts of a variable's name.
const SEPARATOR: &str = "__";

/// Settings cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file or directory cannot be read.
    #[error("cannot read settings from {}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A layer says something that the settings cannot be.
    #[error("{layer}: {reason}")]
    Invalid {
        /// The file, or "the environment".
        layer: String,
        /// What is wrong.
        reason: String,
    },
}

/// The variables of this process whose names begin with `prefix` and `__`.
/// Text that is not Unicode is left out.
pub fn process_environment(prefix: &str) -> BTreeMap<String, String> {
    with_prefix(prefix, std::env::vars_os())
}

fn with_prefix(
    prefix: &str,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> BTreeMap<String, String> {
    let prefix = format!("{prefix}{SEPARATOR}");
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(&prefix))
        .collect()
}

/// Reads settings. A path that is a directory stands for its `*.yaml` files in
/// the order of their names. `environment` usually comes from
/// [`process_environment`]; only names that begin with `prefix` and `__` count.
///
/// # Errors
/// A file cannot be read, is not YAML, or says what a `T` cannot be; the error
/// names the layer.
pub fn layered<T: DeserializeOwned>(
    files: &[PathBuf],
    prefix: &str,
    environment: &BTreeMap<String, String>,
) -> Result<T, SettingsError> {
    let mut layers = Vec::new();
    for file in expand(files)? {
        layers.push(Layer::of_file(&file)?);
    }
    layers.push(Layer::of_environment(prefix, environment));
    let error = match merged(&layers) {
        Ok(settings) => return Ok(settings),
        Err(error) => error.to_string(),
    };
    // Serde knows the key but not the file: it is the layer with which this
    // very error begins.
    let first = (1..=layers.len())
        .find(|count| merged::<T>(&layers[..*count]).is_err_and(|early| early.to_string() == error));
    let layer = first.map_or_else(|| "settings".to_owned(), |count| layers[count - 1].name.clone());
    Err(SettingsError::Invalid { layer, reason: error })
}

fn merged<T: DeserializeOwned>(layers: &[Layer]) -> Result<T, ConfigError> {
    let add = |builder: config::ConfigBuilder<config::builder::DefaultState>, layer: &Layer| {
        builder.add_source(layer.clone())
    };
    layers.iter().fold(Config::builder(), add).build()?.try_deserialize()
}

/// Files as they are, directories as their YAML files.
fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, SettingsError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let fail = |source| SettingsError::Unreadable { path: path.clone(), source };
        let mut inside = Vec::new();
        for entry in path.read_dir().map_err(fail)? {
            let file = entry.map_err(fail)?.path();
            if file.extension().is_some_and(|extension| extension == "yaml") && file.is_file() {
                inside.push(file);
            }
        }
        inside.sort();
        files.append(&mut inside);
    }
    Ok(files)
}

/// One source of settings, read.
#[derive(Clone)]
struct Layer {
    name: String,
    values: Map<String, Value>,
}

impl Layer {
    fn of_file(path: &Path) -> Result<Self, SettingsError> {
        let name = path.display().to_string();
        let text = std::fs::read(path)
            .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
        let invalid = |reason| SettingsError::Invalid { layer: name.clone(), reason };
        let values: Option<Map<String, Value>> =
            yaml::read(&name, &text).map_err(|error| invalid(error.reason))?;
        let mut values = values.unwrap_or_default();
        values.values_mut().for_each(|value| *value = with_origin(&name, value.clone()));
        Ok(Self { name, values })
    }

    fn of_environment(prefix: &str, environment: &BTreeMap<String, String>) -> Self {
        let name = "the environment".to_owned();
        let prefix = format!("{prefix}{SEPARATOR}");
        let mut values = Map::new();
        for (variable, text) in environment {
            if let Some(key) = variable.strip_prefix(&prefix) {
                let value = Value::new(Some(variable), ValueKind::String(text.clone()));
                values.insert(key.to_lowercase().replace(SEPARATOR, "."), value);
            }
        }
        Self { name, values }
    }
}

/// The same value, which now knows where it was written.
fn with_origin(name: &str, value: Value) -> Value {
    let kind = match value.kind {
        ValueKind::Table(table) => {
            ValueKind::Table(table.into_iter().map(|(key, value)| (key, with_origin(name, value))).collect())
        }
        ValueKind::Array(array) => {
            ValueKind::Array(array.into_iter().map(|value| with_origin(name, value)).collect())
        }
        kind => kind,
    };
    Value::new(Some(&name.to_owned()), kind)
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.values.clone())
    }
}

#[cfg(test)]
mod tests;
