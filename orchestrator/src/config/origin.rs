//! Who said what: the origin of every value, and whom it beat.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use common::yaml::Places;
use serde::Serialize;
use serde_json::Value;

use crate::config::userinfo;

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Nobody: the default of this version.
    BuiltIn,
    /// A configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<usize>,
        /// The key as the file writes it, where it is another one than ours.
        /// Example: `odcs.api_url`.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
    /// Nobody: the directory that the command was called in.
    CurrentDirectory,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File { path, line, key } => {
                path.display().fmt(f)?;
                if let Some(line) = line {
                    write!(f, ":{line}")?;
                }
                key.iter().try_for_each(|key| write!(f, " ({key})"))
            }
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::CurrentDirectory => f.write_str("the current directory"),
        }
    }
}

/// A value, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Who.
    pub origin: Origin,
    /// What.
    pub value: Value,
}

/// Everything that the layers said about every key, the oldest first. Built-in
/// values are not kept here. The entries of a map have origins of their own, and
/// so have the registries, by their hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    said: BTreeMap<String, Vec<Said>>,
    /// Keys whose values had a user name or password in an address, and who gave
    /// them. What they had is not kept.
    exposed: Vec<(String, Origin)>,
}

impl Origins {
    /// Who set `key`. Example of a key: `builds.max_running`.
    pub fn of(&self, key: &str) -> &Origin {
        self.chain(key).last().map_or(&Origin::BuiltIn, |said| &said.origin)
    }

    /// What was said about `key`, the oldest first; the last one won.
    pub fn chain(&self, key: &str) -> &[Said] {
        self.said.get(key).map_or(&[], Vec::as_slice)
    }

    /// Notes that `layer` gave `value` to `key`.
    pub(crate) fn note(&mut self, key: &str, value: &impl Serialize, layer: &Layer) {
        self.note_as(key, value, layer.origin(key));
    }

    /// Notes that `origin` gave `value` to `key`.
    pub(crate) fn note_as(&mut self, key: &str, value: &impl Serialize, origin: Origin) {
        // Settings are plain values with text keys; making JSON of them cannot fail.
        let mut value = serde_json::to_value(value).unwrap_or_default();
        if userinfo::is_in(key, &value) {
            // A registry stands in its list too, which is told once.
            if !key.starts_with("registries.") {
                self.exposed.push((key.to_owned(), origin.clone()));
            }
            value = Value::Null;
        }
        self.said.entry(key.to_owned()).or_default().push(Said { origin, value });
    }

    /// The keys that had a user name or password in an address, and who gave them.
    pub(crate) fn take_exposed(&mut self) -> Vec<(String, Origin)> {
        std::mem::take(&mut self.exposed)
    }
}

/// One layer of the configuration, which can tell the origin of its keys.
#[derive(Debug)]
pub(crate) enum Layer {
    /// A file.
    File {
        path: PathBuf,
        places: Places,
        /// Our keys by the file's own, where the file has another form.
        former: BTreeMap<String, String>,
    },
    /// A variable or a flag, which is its own place.
    Other(Origin),
}

impl Layer {
    /// The origin of what this layer says about `key`, one of our keys.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        match self {
            Self::Other(origin) => origin.clone(),
            Self::File { path, places, former } => {
                let written = former.get(key).map_or(key, String::as_str);
                let line = places.closest(written);
                Origin::File { path: path.clone(), line, key: former.get(key).cloned() }
            }
        }
    }

    /// The origin of an entry of the list `key` that has a name of its own.
    pub(crate) fn origin_of_entry(&self, key: &str, position: usize, name: &str) -> Origin {
        let ours = format!("{key}.{name}");
        match self {
            Self::File { former, .. } if !former.contains_key(&ours) => {
                self.place(&format!("{key}[{position}]"))
            }
            _ => self.origin(&ours),
        }
    }

    /// The origin of a key as the layer itself writes it.
    pub(crate) fn place(&self, written: &str) -> Origin {
        match self {
            Self::Other(origin) => origin.clone(),
            Self::File { path, places, .. } => origin_in(path, places, written),
        }
    }
}

/// The place of a key in a file.
pub(crate) fn origin_in(path: &Path, places: &Places, key: &str) -> Origin {
    Origin::File { path: path.to_owned(), line: places.closest(key), key: None }
}
