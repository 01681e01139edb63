//! JSON Schema of the configuration, made from the types that read it.
//!
//! The schema describes one file. Both forms have one; it is checked in below
//! `deploy/`, and a test holds it to the types. The same schema tells which keys
//! of a file are unknown, so the two cannot differ.

use std::{collections::BTreeMap, path::PathBuf};

use common::{
    image::Host, platform::Platform, request::FailurePolicy, service::ServiceAddress, work::ManifestFormat,
};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::config::{
    Ending, ImageArchive, MailEncryption, ParentCheck, Period, PlatformSetting, Pool, RegistrySetting,
    SigningIntent, Site, Size, UnrecordedBuilds, Webhook, layers::Section as _, legacy, site::Settings,
};

/// A type of a setting, as JSON Schema.
pub(crate) trait Described {
    /// Its schema.
    fn described(generator: &mut SchemaGenerator) -> Value;
}

macro_rules! described {
    ($($type:ty = $schema:tt,)*) => {
        $(impl Described for $type {
            fn described(_: &mut SchemaGenerator) -> Value {
                json!($schema)
            }
        })*
    };
}

described! {
    bool = {"type": "boolean"},
    u32 = {"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32},
    String = {"type": "string"},
    PathBuf = {"type": "string"},
    Host = {"type": "string"},
    Platform = {"type": "string", "pattern": "^[a-z0-9_]{1,32}$"},
    ServiceAddress = {"type": "string"},
    Period = {"type": "string"},
    Size = {"type": ["string", "integer"]},
    ManifestFormat = {"enum": ["oci", "docker"]},
    FailurePolicy = {"enum": ["finish_others", "stop_others"]},
    ImageArchive = {"enum": ["image", "reference"]},
    ParentCheck = {"enum": ["warn", "fail"]},
    UnrecordedBuilds = {"enum": ["refuse", "allow"]},
    MailEncryption = {"enum": ["none", "starttls", "tls"]},
}

macro_rules! described_by_its_derive {
    ($($type:ty),*) => {
        $(impl Described for $type {
            fn described(generator: &mut SchemaGenerator) -> Value {
                generator.subschema_for::<$type>().into()
            }
        })*
    };
}

described_by_its_derive!(Ending, PlatformSetting, Pool, RegistrySetting, SigningIntent, Webhook);

impl<T: Described> Described for Option<T> {
    fn described(generator: &mut SchemaGenerator) -> Value {
        T::described(generator)
    }
}

impl<T: Described> Described for Vec<T> {
    fn described(generator: &mut SchemaGenerator) -> Value {
        json!({"type": "array", "items": T::described(generator)})
    }
}

impl<K, V: Described> Described for BTreeMap<K, V> {
    fn described(generator: &mut SchemaGenerator) -> Value {
        json!({"type": "object", "additionalProperties": V::described(generator)})
    }
}

impl Site {
    /// JSON Schema of a configuration file.
    pub fn schema() -> Value {
        let mut schema = Settings::schema(&mut generator());
        nullable(&mut schema);
        without_null_defaults(&mut schema);
        titled(schema, "Configuration of the orchestrator")
    }

    /// JSON Schema of a configuration file of version 1, as it can be read.
    pub fn schema_of_version_1() -> Value {
        let mut schema: Value = generator().into_root_schema_for::<legacy::form::Version1>().into();
        without_null_defaults(&mut schema);
        titled(schema, "Configuration of version 1")
    }
}

/// A generator that writes every type where it is used.
fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator()
}

fn titled(schema: Value, title: &str) -> Value {
    let Value::Object(schema) = schema else { return schema };
    let mut titled = Map::new();
    titled.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    titled.extend(schema);
    titled.insert("title".to_owned(), title.into());
    Value::Object(titled)
}

/// Takes out defaults that say that there is none.
fn without_null_defaults(schema: &mut Value) {
    match schema {
        Value::Object(entries) => {
            entries.retain(|name, value| name != "default" || !value.is_null());
            entries.values_mut().for_each(without_null_defaults);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null_defaults),
        _ => {}
    }
}

/// A key without a value says nothing, so null is allowed wherever a key is.
fn nullable(schema: &mut Value) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for property in properties.values_mut() {
        nullable(property);
        let Value::Object(property) = property else { continue };
        if let Some(Value::Array(values)) = property.get_mut("enum") {
            values.push(Value::Null);
        }
        match property.get_mut("type") {
            Some(Value::String(one)) => {
                let both = json!([one, "null"]);
                property.insert("type".to_owned(), both);
            }
            Some(Value::Array(types)) if !types.contains(&json!("null")) => types.push("null".into()),
            _ => {}
        }
    }
}

/// A key that a schema does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownKey {
    /// Its path.
    pub(crate) path: String,
    /// Its own name.
    pub(crate) name: String,
    /// The names that could stand there.
    pub(crate) known: Vec<String>,
    /// Whether it is a name with dots, and would be known if it were written as
    /// keys below one another.
    pub(crate) dotted: bool,
}

/// Unknown keys that are named at most.
const MAX_UNKNOWN: usize = 100;

/// The paths that `schema` does not know, up to a hundred; what is below such a
/// path is left out.
pub(crate) fn unknown_keys<'a>(schema: &Value, paths: impl Iterator<Item = &'a str>) -> Vec<UnknownKey> {
    let mut unknown: BTreeMap<String, UnknownKey> = BTreeMap::new();
    for path in paths {
        if unknown.len() >= MAX_UNKNOWN {
            break;
        }
        let mut outer = path.match_indices(['.', '[']).map(|(end, _)| &path[..end]);
        if outer.any(|outer| unknown.contains_key(outer)) {
            continue;
        }
        if let Some(found) = unknown_key(schema, path) {
            unknown.insert(found.path.clone(), found);
        }
    }
    unknown.into_values().collect()
}

/// Keys whose own names have dots, up to a hundred. Their paths look like those of
/// keys below one another, so [`unknown_keys`] cannot tell them. Names of entries
/// may have dots.
pub(crate) fn dotted_keys(schema: &Value, document: &Value) -> Vec<UnknownKey> {
    let mut found = Vec::new();
    gather_dotted(schema, document, "", &mut found);
    found
}

fn gather_dotted(schema: &Value, value: &Value, path: &str, found: &mut Vec<UnknownKey>) {
    let Value::Object(entries) = value else { return };
    for (name, value) in entries {
        let properties = branches(schema).find_map(|schema| schema.get("properties")?.as_object());
        let Some(properties) = properties else { return };
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match properties.get(name) {
            Some(below) => gather_dotted(below, value, &path, found),
            None if name.contains('.') && found.len() < MAX_UNKNOWN => {
                // What is known as a path is unknown as a name only.
                let unknown = unknown_key(schema, name);
                let dotted = unknown.is_none();
                let known = unknown.map(|unknown| unknown.known).unwrap_or_default();
                found.push(UnknownKey { path, name: name.clone(), known, dotted });
            }
            None => {}
        }
    }
}

fn unknown_key(schema: &Value, path: &str) -> Option<UnknownKey> {
    let (mut schema, mut rest) = (schema, path);
    while !rest.is_empty() {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if rest.starts_with('[') {
            let end = rest.find(']')?;
            rest = &rest[end + 1..];
            // A list where none belongs is a bad value, not an unknown key.
            schema = branches(schema).find_map(|schema| schema.get("items"))?;
            continue;
        }
        let length = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(length);
        // What YAML merges from elsewhere has its own place.
        if name == "<<" {
            return None;
        }
        let property = branches(schema).find_map(|schema| schema.get("properties")?.get(name));
        let entry = || branches(schema).find_map(|schema| schema.get("additionalProperties"));
        match property.or_else(|| entry().filter(|entry| entry.is_object())) {
            Some(below) => (schema, rest) = (below, after),
            None => {
                let properties = branches(schema).filter_map(|schema| schema.get("properties")?.as_object());
                let known: Vec<String> = properties.flat_map(|known| known.keys().cloned()).collect();
                // Without properties it is no map, and its value is what is wrong.
                let path = path[..path.len() - after.len()].to_owned();
                return (!known.is_empty()).then(|| UnknownKey {
                    path,
                    name: name.to_owned(),
                    known,
                    dotted: false,
                });
            }
        }
    }
    None
}

/// A schema and what it may be instead.
fn branches(schema: &Value) -> impl Iterator<Item = &Value> {
    let other = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    std::iter::once(schema).chain(other)
}

/// The path with `[]` for every entry of a list.
pub(crate) fn without_numbers(path: &str) -> String {
    let mut parts = path.split('[');
    let mut without = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        without.push_str("[]");
        without.push_str(part.split_once(']').map_or("", |(_, rest)| rest));
    }
    without
}

/// The schema of a type that is read from a text.
pub(crate) fn text_schema(_: &mut SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string"})
}
