//! How settings from several places become one value, and who said what.
//!
//! [`section!`](crate::config::layers) declares a group of settings once: it makes the typed
//! struct with its defaults, a *patch* with every setting optional (what one
//! file can say), and the list of keys with their documentation. A patch is
//! read straight into types, so no text is guessed to be a number on the way.
//! Applying a patch notes for each key where its value came from.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::config::text::TextError;

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: the default of this version.
    BuiltIn,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File(path) => path.display().fmt(f),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// The origin of every key that is not built in. The entries of a map have
/// origins of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Who set `key`. Example of a key: `builds.max_running`.
    pub fn of(&self, key: &str) -> &Origin {
        self.0.get(key).unwrap_or(&Origin::BuiltIn)
    }

    fn note(&mut self, key: &str, origin: &Origin) {
        self.0.insert(key.to_owned(), origin.clone());
    }
}

/// One setting, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its full name. Example: `builds.max_running`.
    pub name: String,
    /// What it means.
    pub meaning: String,
}

/// A text cannot be assigned to a key.
#[derive(Debug)]
pub(crate) enum AssignError {
    NoSuchKey,
    IsASection,
    Value(TextError),
}

/// A group of settings, each of which any layer may set.
pub(crate) trait Section: Default {
    /// What one layer can say about the group.
    type Patch: DeserializeOwned + Default;

    /// Takes over what the patch says. `prefix` is the group's own name with a
    /// dot at its end, or empty for the whole.
    fn apply(&mut self, patch: Self::Patch, prefix: &str, origin: &Origin, origins: &mut Origins);

    /// Reads `text` into the setting at `path` of a patch.
    fn assign(patch: &mut Self::Patch, path: &[&str], text: &str) -> Result<(), AssignError>;

    /// Adds the keys of the group.
    fn keys(prefix: &str, keys: &mut Vec<Key>);
}

/// What happens when two layers set the same key: the later one wins, except
/// that maps are merged entry by entry.
pub(crate) trait Overlay: Sized {
    fn overlay(&mut self, newer: Self, key: &str, origin: &Origin, origins: &mut Origins) {
        origins.note(key, origin);
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
    common::work::ManifestFormat,
    common::request::FailurePolicy,
    common::service::ServiceAddress,
);

impl<T> Overlay for Option<T> {}

impl<T> Overlay for Vec<T> {}

impl<K: Ord + fmt::Display, V> Overlay for BTreeMap<K, V> {
    fn overlay(&mut self, newer: Self, key: &str, origin: &Origin, origins: &mut Origins) {
        for (name, value) in newer {
            origins.note(&format!("{key}.{name}"), origin);
            self.insert(name, value);
        }
    }
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
            $($key: Option<$type>,)*
            $($sub: Option<<$section as $crate::config::layers::Section>::Patch>,)*
        }

        impl $crate::config::layers::Section for $name {
            type Patch = $patch;

            fn apply(
                &mut self,
                patch: $patch,
                prefix: &str,
                origin: &$crate::config::layers::Origin,
                origins: &mut $crate::config::layers::Origins,
            ) {
                $(if let Some(value) = patch.$key {
                    let key = format!("{prefix}{}", stringify!($key));
                    $crate::config::layers::Overlay::overlay(&mut self.$key, value, &key, origin, origins);
                })*
                $(if let Some(below) = patch.$sub {
                    self.$sub.apply(below, &format!("{prefix}{}.", stringify!($sub)), origin, origins);
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
                    _ => Err(AssignError::NoSuchKey),
                }
            }

            fn keys(prefix: &str, keys: &mut Vec<$crate::config::layers::Key>) {
                $(keys.push($crate::config::layers::Key {
                    name: format!("{prefix}{}", stringify!($key)),
                    meaning: [$($key_doc.trim()),*].join(" "),
                });)*
                $(<$section>::keys(&format!("{prefix}{}.", stringify!($sub)), keys);)*
            }
        }
    };
}

pub(crate) use section;

/// The name of a file's origin.
pub(crate) fn file(path: &Path) -> Origin {
    Origin::File(path.to_owned())
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro makes public structs")]
mod tests {
    use super::*;

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
        let (first, second) = (file(Path::new("1.yaml")), file(Path::new("2.yaml")));
        whole.apply(patch("count: 1\npart:\n  word: a\nnames: {x: 1, y: 1}\n"), "", &first, &mut origins);
        whole.apply(patch("part:\n  word: b\nnames: {y: 2}\n"), "", &second, &mut origins);
        assert_eq!((whole.count, whole.part.word.as_deref()), (1, Some("b")));
        assert_eq!(whole.names, BTreeMap::from([("x".to_owned(), 1), ("y".to_owned(), 2)]));
        for (key, origin) in
            [("count", &first), ("part.word", &second), ("names.x", &first), ("names.y", &second)]
        {
            assert_eq!(origins.of(key), origin, "{key}");
        }
        assert_eq!(origins.of("elsewhere"), &Origin::BuiltIn);
    }

    #[test]
    fn an_empty_section_says_nothing() {
        let mut whole = Whole::default();
        whole.apply(patch("part:\ncount:\n"), "", &Origin::BuiltIn, &mut Origins::default());
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
