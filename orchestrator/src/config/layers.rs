//! How settings from several places become one value.
//!
//! [`section!`](crate::config::layers) declares a group of settings once: it makes the typed
//! struct with its defaults, a *patch* with every setting optional (what one
//! file can say), the list of keys with their documentation, and their JSON
//! Schema. A patch is read straight into types, so no text is guessed to be a
//! number on the way. Applying a patch notes for each key where its value came
//! from.

use std::{collections::BTreeMap, fmt};

use common::yaml::{self, Places};
use schemars::SchemaGenerator;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::config::{
    origin::{Layer, Origins},
    schema::Described,
    text::TextError,
};

/// One setting, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its full name. Example: `builds.max_running`.
    pub name: String,
    /// What it means.
    pub meaning: String,
    /// Whether it is a map, whose entries are set one by one.
    pub is_map: bool,
}

/// A text cannot be assigned to a key.
#[derive(Debug)]
pub(crate) enum AssignError {
    NoSuchKey,
    IsASection,
    InAMap,
    Value(TextError),
}

/// A YAML text from which single settings are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'a> {
    /// Its file, for errors.
    pub(crate) file: &'a str,
    /// The text.
    pub(crate) text: &'a [u8],
    /// Where its keys stand.
    pub(crate) places: &'a Places,
}

impl Document<'_> {
    /// Whether a key without dots stands at the top.
    pub(crate) fn has_top_level(self, key: &str) -> bool {
        self.places.line(key).is_some()
    }

    /// What stands at a path. Looks only if the text says anything about it.
    pub(crate) fn read<T: DeserializeOwned>(self, path: &[&str]) -> Result<Option<T>, String> {
        if self.places.closest(&path.join(".")).is_none() {
            return Ok(None);
        }
        yaml::read_at(self.file, self.text, path).map_err(|error| error.reason)
    }
}

/// A group of settings, each of which any layer may set.
pub(crate) trait Section: Default {
    /// What one layer can say about the group.
    type Patch: DeserializeOwned + Default;

    /// Takes over what the patch says. `prefix` is the group's own name with a
    /// dot at its end, or empty for the whole.
    fn apply(&mut self, patch: Self::Patch, prefix: &str, layer: &Layer, origins: &mut Origins);

    /// Reads `text` into the setting at `path` of a patch.
    fn assign(patch: &mut Self::Patch, path: &[&str], text: &str) -> Result<(), AssignError>;

    /// Reads every setting for itself, so that one bad value hides no other.
    /// Bad ones go to `bad` with their keys.
    fn read_each(
        patch: &mut Self::Patch,
        document: Document<'_>,
        path: &[&'static str],
        bad: &mut Vec<(String, String)>,
    );

    /// Adds the keys of the group.
    fn keys(prefix: &str, keys: &mut Vec<Key>);

    /// JSON Schema of the patch.
    fn schema(generator: &mut SchemaGenerator) -> Value;
}

/// What happens when two layers set the same key: the later one wins, except
/// that maps are merged entry by entry.
pub(crate) trait Overlay: Sized + Serialize {
    /// Whether entries are merged.
    const IS_MAP: bool = false;

    fn overlay(&mut self, newer: Self, key: &str, layer: &Layer, origins: &mut Origins) {
        origins.note(key, &newer, layer);
        *self = newer;
    }
}

macro_rules! replaced_as_a_whole {
    ($($type:ty),* $(,)?) => { $(impl Overlay for $type {})* };
}

replaced_as_a_whole!(
    bool,
    u32,
    String,
    crate::config::Period,
    crate::config::Size,
    crate::config::ImageArchive,
    crate::config::ParentCheck,
    crate::config::UnrecordedBuilds,
    crate::config::MailEncryption,
    common::work::ManifestFormat,
    common::request::FailurePolicy,
    common::service::ServiceAddress,
);

impl<T: Serialize> Overlay for Option<T> {}

impl<T: Serialize> Overlay for Vec<T> {}

impl<K: Ord + fmt::Display + Serialize, V: Serialize> Overlay for BTreeMap<K, V> {
    const IS_MAP: bool = true;

    fn overlay(&mut self, newer: Self, key: &str, layer: &Layer, origins: &mut Origins) {
        for (name, value) in newer {
            origins.note(&format!("{key}.{name}"), &value, layer);
            self.insert(name, value);
        }
    }
}

/// JSON Schema of one key: its type's, with its meaning and its default.
pub(crate) fn key_schema<T: Described + Serialize>(
    generator: &mut SchemaGenerator,
    meaning: String,
    default: &T,
) -> Value {
    let mut schema = T::described(generator);
    if let Value::Object(schema) = &mut schema {
        schema.insert("description".to_owned(), meaning.into());
        match serde_json::to_value(default) {
            Ok(Value::Null) | Err(_) => None,
            Ok(default) => schema.insert("default".to_owned(), default),
        };
    }
    schema
}

/// Declares a section: `settings` with type and default, then `sections` below
/// it.
macro_rules! section {
    (
        $(#[doc = $doc:literal])*
        $name:ident ($patch:ident)
        settings { $($(#[doc = $key_doc:literal])* $key:ident: $type:ty = $default:expr,)* }
        sections { $($(#[doc = $sub_doc:literal])* $sub:ident: $section:ty,)* }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[doc = $key_doc])* pub $key: $type,)*
            $($(#[doc = $sub_doc])* pub $sub: $section,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($key: $default,)*
                    $($sub: Default::default(),)*
                }
            }
        }

        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[allow(clippy::option_option, reason = "an explicit null says as little as a missing key")]
        pub(crate) struct $patch {
            $(pub(crate) $key: Option<$type>,)*
            $(pub(crate) $sub: Option<<$section as $crate::config::layers::Section>::Patch>,)*
        }

        impl $crate::config::layers::Section for $name {
            type Patch = $patch;

            fn apply(
                &mut self,
                patch: $patch,
                prefix: &str,
                layer: &$crate::config::origin::Layer,
                origins: &mut $crate::config::origin::Origins,
            ) {
                $(if let Some(value) = patch.$key {
                    let key = format!("{prefix}{}", stringify!($key));
                    $crate::config::layers::Overlay::overlay(&mut self.$key, value, &key, layer, origins);
                })*
                $(if let Some(below) = patch.$sub {
                    self.$sub.apply(below, &format!("{prefix}{}.", stringify!($sub)), layer, origins);
                })*
            }

            fn assign(
                patch: &mut $patch,
                path: &[&str],
                text: &str,
            ) -> Result<(), $crate::config::layers::AssignError> {
                use $crate::config::layers::AssignError;
                match path {
                    [] => Err(AssignError::IsASection),
                    $([stringify!($key)] => {
                        patch.$key = Some($crate::config::text::read(text).map_err(AssignError::Value)?);
                        Ok(())
                    })*
                    $([stringify!($sub), below @ ..] => {
                        <$section>::assign(patch.$sub.get_or_insert_default(), below, text)
                    })*
                    $([stringify!($key), ..] if <$type as $crate::config::layers::Overlay>::IS_MAP => {
                        Err(AssignError::InAMap)
                    })*
                    _ => Err(AssignError::NoSuchKey),
                }
            }

            fn read_each(
                patch: &mut $patch,
                document: $crate::config::layers::Document<'_>,
                path: &[&'static str],
                bad: &mut Vec<(String, String)>,
            ) {
                $({
                    let path = [path, &[stringify!($key)]].concat();
                    match document.read::<$type>(&path) {
                        Ok(value) => patch.$key = value,
                        Err(reason) => bad.push((path.join("."), reason)),
                    }
                })*
                $({
                    let path = [path, &[stringify!($sub)]].concat();
                    let below = patch.$sub.get_or_insert_default();
                    <$section as $crate::config::layers::Section>::read_each(below, document, &path, bad);
                })*
            }

            fn keys(prefix: &str, keys: &mut Vec<$crate::config::layers::Key>) {
                $(keys.push($crate::config::layers::Key {
                    name: format!("{prefix}{}", stringify!($key)),
                    meaning: [$($key_doc.trim()),*].join(" "),
                    is_map: <$type as $crate::config::layers::Overlay>::IS_MAP,
                });)*
                $(<$section>::keys(&format!("{prefix}{}.", stringify!($sub)), keys);)*
            }

            #[allow(unused_variables, unused_mut, reason = "not every group has both kinds")]
            fn schema(generator: &mut schemars::SchemaGenerator) -> serde_json::Value {
                let default = Self::default();
                let mut properties = serde_json::Map::new();
                $(properties.insert(
                    stringify!($key).to_owned(),
                    $crate::config::layers::key_schema::<$type>(
                        generator,
                        [$($key_doc.trim()),*].join(" "),
                        &default.$key,
                    ),
                );)*
                $(properties.insert(stringify!($sub).to_owned(), <$section>::schema(generator));)*
                let description = [$($doc.trim()),*].join(" ");
                serde_json::json!({
                    "description": description,
                    "type": ["object", "null"],
                    "properties": properties,
                    "additionalProperties": false,
                })
            }
        }
    };
}

pub(crate) use section;

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro makes public structs")]
mod tests {
    use super::*;
    use crate::config::Origin;

    section! {
        /// A whole.
        Whole (WholePatch)
        settings {
            /// How many.
            count: u32 = 3,
            /// By name.
            names: BTreeMap<String, u32> = BTreeMap::new(),
        }
        sections {
            /// A part.
            part: Part,
        }
    }

    section! {
        /// A part.
        Part (PartPatch)
        settings {
            /// Which word.
            word: Option<String> = None,
        }
        sections {}
    }

    fn patch(text: &str) -> WholePatch {
        common::yaml::read("x.yaml", text.as_bytes()).unwrap()
    }

    #[test]
    fn the_later_layer_wins_key_by_key_and_is_remembered() {
        let (mut whole, mut origins) = (Whole::default(), Origins::default());
        let flag = |name: &str| Origin::Flag(name.to_owned());
        let (first, second) = (Layer::Other(flag("first")), Layer::Other(flag("second")));
        whole.apply(patch("count: 1\npart:\n  word: a\nnames: {x: 1, y: 1}\n"), "", &first, &mut origins);
        whole.apply(patch("part:\n  word: b\nnames: {y: 2}\n"), "", &second, &mut origins);
        assert_eq!((whole.count, whole.part.word.as_deref()), (1, Some("b")));
        assert_eq!(whole.names, BTreeMap::from([("x".to_owned(), 1), ("y".to_owned(), 2)]));
        for (key, origin) in
            [("count", "first"), ("part.word", "second"), ("names.x", "first"), ("names.y", "second")]
        {
            assert_eq!(origins.of(key), &flag(origin), "{key}");
        }
        assert_eq!(origins.of("elsewhere"), &Origin::BuiltIn);
        let said: Vec<_> = origins.chain("names.y").iter().map(|said| said.value.clone()).collect();
        assert_eq!(said, [1, 2], "who lost is remembered");
    }

    #[test]
    fn an_empty_section_says_nothing() {
        let mut whole = Whole::default();
        whole.apply(patch("part:\ncount:\n"), "", &Layer::Other(Origin::BuiltIn), &mut Origins::default());
        assert_eq!(whole, Whole::default());
    }

    #[test]
    fn keys_have_full_names_and_their_meaning() {
        let mut keys = Vec::new();
        Whole::keys("", &mut keys);
        let shown: Vec<_> = keys.iter().map(|key| format!("{}: {}", key.name, key.meaning)).collect();
        assert_eq!(shown, ["count: How many.", "names: By name.", "part.word: Which word."]);
    }
}
