//! Every effective value, who set it, and whom that one beat.

use serde::Serialize;
use serde_json::Value;

use crate::config::{Key, Origin, Said, SecretFile, Site, secrets::REGISTRIES};

/// One effective value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Its key. The entries of maps have keys of their own. Example:
    /// `labels.set.vendor`.
    pub key: String,
    /// The value that counts.
    pub value: Value,
    /// Who set it.
    pub origin: Origin,
    /// What others said, the newest first; the last one is the built-in value,
    /// where there is one.
    pub beaten: Vec<Said>,
    /// What the key means.
    pub meaning: String,
    /// The files with secrets that the value names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secret_files: Vec<SecretFile>,
}

impl Site {
    /// Every effective value, sorted by key. Reads the files with secrets, for
    /// their fingerprints; their contents are never kept.
    pub fn explain(&self) -> Vec<Explained> {
        let mut explained = self.explain_values();
        for value in &mut explained {
            value.secret_files = self.secret_files(&value.key);
        }
        explained
    }

    /// The same without the files: nothing is read.
    pub fn explain_values(&self) -> Vec<Explained> {
        let (settings, built_in) = (self.to_json(), Self::default().to_json());
        let mut explained = Vec::new();
        for key in Self::keys() {
            let pointer = format!("/{}", key.name.replace('.', "/"));
            let value = settings.pointer(&pointer).unwrap_or(&Value::Null);
            let default = built_in.pointer(&pointer).unwrap_or(&Value::Null);
            match value {
                Value::Object(entries) if key.is_map && !entries.is_empty() => {
                    for (name, value) in entries {
                        let entry = format!("{}.{name}", key.name);
                        explained.push(self.explained(entry, value, default.get(name), &key));
                    }
                }
                // Every registry has an origin of its own.
                Value::Array(entries) if key.name == REGISTRIES && !entries.is_empty() => {
                    for value in entries {
                        let host = value.get("host").and_then(Value::as_str).unwrap_or_default();
                        explained.push(self.explained(format!("{REGISTRIES}.{host}"), value, None, &key));
                    }
                }
                value => explained.push(self.explained(key.name.clone(), value, Some(default), &key)),
            }
        }
        explained.sort_by(|one, other| one.key.cmp(&other.key));
        explained
    }

    fn explained(&self, name: String, value: &Value, default: Option<&Value>, key: &Key) -> Explained {
        let mut beaten = self.origins().chain(&name).to_vec();
        let origin = beaten.pop().map_or(Origin::BuiltIn, |winner| winner.origin);
        beaten.reverse();
        if origin != Origin::BuiltIn {
            let built_in = default.map(|value| Said { origin: Origin::BuiltIn, value: value.clone() });
            beaten.extend(built_in);
        }
        Explained {
            value: value.clone(),
            origin,
            beaten,
            meaning: key.meaning.clone(),
            secret_files: Vec::new(),
            key: name,
        }
    }
}

#[cfg(test)]
mod tests;
