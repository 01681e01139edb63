//! `container.yaml`: what a repository says about its own builds.
//!
//! Read once, straight into types. A key that nobody knows is an error that
//! names the nearest known one; a key of OSBS on which reactor does not act yet
//! is accepted and reported, so that a caller can say so. The names of the keys
//! are those of OSBS's schema (`atomic_reactor/schemas/container.json`).

use std::fmt;

use common::{
    failure::{Failure, FailureClass},
    yaml::{self, YamlError},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::near::near;

/// Name of the file, beside the Dockerfile.
pub const FILE: &str = "container.yaml";

/// Keys that OSBS knows and reactor does not act on yet.
const KNOWN: &[&str] = &[
    "autorebuild",
    "compose",
    "flatpak",
    "go",
    "image_build_method",
    "operator_manifests",
    "pnc",
    "remote_source",
    "remote_sources",
    "set_release_env",
    "tags",
    "version",
];

/// The content of `container.yaml`. An absent or empty file is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerYaml {
    /// Which platforms the repository builds on.
    pub platforms: PlatformLimits,
    /// Keys that are known but on which nothing is done, as written.
    pub not_acted_on: Vec<&'static str>,
}

/// `platforms`: names as written, for a name that no site has is harmless.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformLimits {
    /// If not empty, only these. Written as one name or a list.
    #[serde(default, deserialize_with = "one_or_many")]
    pub only: Vec<String>,
    /// None of these. Written as one name or a list.
    #[serde(default, deserialize_with = "one_or_many")]
    pub not: Vec<String>,
}

/// `container.yaml` is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ContainerYamlError(#[from] YamlError);

impl From<ContainerYamlError> for Failure {
    fn from(error: ContainerYamlError) -> Self {
        Failure::from_error(FailureClass::Source, "source.container_yaml", &error)
            .with_advice("correct container.yaml and commit it")
    }
}

impl ContainerYaml {
    /// Reads the file's text.
    ///
    /// # Errors
    /// Not YAML, an unknown or repeated key, or a value of the wrong kind.
    pub fn read(text: &[u8]) -> Result<Self, ContainerYamlError> {
        let read: Option<Self> = yaml::read(FILE, text)?;
        Ok(read.unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for ContainerYaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = ContainerYaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ContainerYaml, A::Error> {
        let mut read = ContainerYaml::default();
        let mut seen = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(A::Error::custom(format!("the key '{key}' is there twice")));
            }
            if key == "platforms" {
                read.platforms = map.next_value::<Option<PlatformLimits>>()?.unwrap_or_default();
            } else if let Some(known) = KNOWN.iter().find(|known| **known == key) {
                map.next_value::<IgnoredAny>()?;
                read.not_acted_on.push(known);
            } else {
                let all = KNOWN.iter().copied().chain(["platforms"]);
                let hint = match near(&key, all, 1).first() {
                    Some(name) => format!("did you mean '{name}'?"),
                    None => format!("known are platforms, {}", KNOWN.join(", ")),
                };
                return Err(A::Error::custom(format!("unknown key '{key}'; {hint}")));
            }
            seen.push(key);
        }
        Ok(read)
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(NamesVisitor)
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a platform or a list of them")
    }

    fn visit_unit<E>(self) -> Result<Vec<String>, E> {
        Ok(Vec::new())
    }

    fn visit_none<E>(self) -> Result<Vec<String>, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<String>, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_str<E>(self, name: &str) -> Result<Vec<String>, E> {
        Ok(vec![name.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Vec<String>, A::Error> {
        let mut all = Vec::new();
        while let Some(name) = names.next_element()? {
            all.push(name);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ContainerYaml {
        ContainerYaml::read(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn limits_are_one_name_or_many() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("", &[], &[]),
            ("# nothing\n", &[], &[]),
            ("---\n", &[], &[]),
            ("{}", &[], &[]),
            ("platforms:\n", &[], &[]),
            ("platforms: {only: x86_64}", &["x86_64"], &[]),
            ("platforms:\n  only: [x86_64, spam]\n  not:\n  - s390x\n", &["x86_64", "spam"], &["s390x"]),
            ("platforms: {only: null, not: }", &[], &[]),
            ("platforms: {only: []}", &[], &[]),
        ];
        for (text, only, not) in cases {
            let read = read(text);
            assert_eq!(read.platforms.only, *only, "{text}");
            assert_eq!(read.platforms.not, *not, "{text}");
        }
    }

    #[test]
    fn known_keys_are_accepted_and_reported() {
        let read =
            read("compose:\n  packages: [a]\n  x: {y: [1, 2]}\ngo: {modules: []}\nplatforms: {not: s390x}\n");
        assert_eq!(read.not_acted_on, ["compose", "go"]);
        assert_eq!(read.platforms.not, ["s390x"]);
    }

    #[test]
    fn mistakes_are_named_with_the_file() {
        let cases = [
            ("\nplatform: {only: x}\n", "did you mean 'platforms'?"),
            ("remote_sorces: []\n", "did you mean 'remote_sources'?"),
            ("something: 1\n", "known are platforms, autorebuild"),
            ("platforms: x86_64\n", "container.yaml"),
            ("platforms: {onyl: x86_64}\n", "onyl"),
            ("platforms: {only: {a: b}}\n", "the name of a platform or a list of them"),
            ("tags: a\ntags: b\n", "tags"),
            ("- a\n", "container.yaml"),
            ("a: [", "container.yaml"),
        ];
        for (text, expected) in cases {
            let error = ContainerYaml::read(text.as_bytes()).unwrap_err();
            let failure = Failure::from(error);
            assert_eq!(failure.code, "source.container_yaml");
            assert!(failure.message.starts_with("container.yaml: "), "{failure}");
            assert!(failure.message.contains(expected), "{text}: {failure}");
        }
    }
}
