//! Platforms, by Koji's names, and what OCI calls them.
//!
//! A release engineer says `x86_64`, an image index says `amd64`. The table of
//! well-known pairs is built in; a site adds others in its configuration, and
//! then no code has to change for a new architecture.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ParseError;

/// A platform by Koji's name. Example: `x86_64`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform(String);

impl Platform {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Platform {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let allowed = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if allowed && (1..=32).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::new(
                "platform",
                text,
                "expected Koji's name, such as x86_64, aarch64, ppc64le or s390x",
            ))
        }
    }
}

impl TryFrom<String> for Platform {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> String {
        platform.0
    }
}

/// What an image index says about a platform (OCI image index, `platform`
/// property). The operating system is always `linux`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Architecture {
    /// Go's name of the architecture. Example: `arm64`.
    pub architecture: String,
    /// Variant of the CPU, where the architecture has them. Example: `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Architecture {
    /// An architecture without a variant.
    pub fn plain(architecture: &str) -> Self {
        Self { architecture: architecture.to_owned(), variant: None }
    }

    /// What a Docker-compatible engine calls it. Example: `linux/arm/v7`.
    pub fn engine_platform(&self) -> String {
        match &self.variant {
            Some(variant) => format!("linux/{}/{variant}", self.architecture),
            None => format!("linux/{}", self.architecture),
        }
    }

    /// Whether an image made for `other` runs here. A missing variant on either
    /// side matches, and `arm64` without one is `v8`.
    pub fn accepts(&self, other: &Architecture) -> bool {
        self.architecture == other.architecture
            && match (self.known_variant(), other.known_variant()) {
                (Some(mine), Some(theirs)) => mine == theirs,
                _ => true,
            }
    }

    fn known_variant(&self) -> Option<&str> {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            ("arm64", None | Some("8")) => Some("v8"),
            (_, variant) => variant,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.engine_platform())
    }
}

/// The platforms that a site knows, each with its architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformTable(BTreeMap<Platform, Architecture>);

const BUILT_IN: &[(&str, &str, Option<&str>)] = &[
    ("x86_64", "amd64", None),
    ("i686", "386", None),
    ("aarch64", "arm64", None),
    ("armhfp", "arm", Some("v7")),
    ("ppc64le", "ppc64le", None),
    ("s390x", "s390x", None),
    ("riscv64", "riscv64", None),
    ("loongarch64", "loong64", None),
];

impl Default for PlatformTable {
    fn default() -> Self {
        let entry = |(name, architecture, variant): &(&str, &str, Option<&str>)| {
            let variant = variant.map(str::to_owned);
            (Platform((*name).to_owned()), Architecture { architecture: (*architecture).to_owned(), variant })
        };
        Self(BUILT_IN.iter().map(entry).collect())
    }
}

impl PlatformTable {
    /// Adds a platform, or changes what a known one means.
    pub fn insert(&mut self, platform: Platform, architecture: Architecture) {
        self.0.insert(platform, architecture);
    }

    /// The architecture of a platform.
    ///
    /// # Errors
    /// A platform that is neither built in nor configured.
    pub fn architecture(&self, platform: &Platform) -> Result<&Architecture, ParseError> {
        self.0.get(platform).ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(Platform::as_str).collect();
            ParseError::new(
                "platform",
                platform.as_str(),
                format!("known are {}; others can be configured under 'platforms'", known.join(", ")),
            )
        })
    }

    /// All platforms by name.
    pub fn platforms(&self) -> impl Iterator<Item = &Platform> {
        self.0.keys()
    }

    /// The platform that an architecture belongs to, if any.
    pub fn platform(&self, architecture: &str) -> Option<&Platform> {
        self.0.iter().find(|(_, a)| a.architecture == architecture).map(|(p, _)| p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_covers_kojis_platforms() {
        let table = PlatformTable::default();
        for (name, engine) in [
            ("x86_64", "linux/amd64"),
            ("aarch64", "linux/arm64"),
            ("armhfp", "linux/arm/v7"),
            ("s390x", "linux/s390x"),
        ] {
            let architecture = table.architecture(&name.parse().unwrap()).unwrap();
            assert_eq!(architecture.engine_platform(), engine);
        }
        assert!(table.architecture(&"vax".parse().unwrap()).unwrap_err().to_string().contains("x86_64"));
    }

    #[test]
    fn a_site_can_add_a_platform() {
        let mut table = PlatformTable::default();
        let platform: Platform = "mips64".parse().unwrap();
        table.insert(platform.clone(), Architecture::plain("mips64le"));
        assert_eq!(table.architecture(&platform).unwrap().engine_platform(), "linux/mips64le");
        assert_eq!(table.platform("mips64le"), Some(&platform));
    }

    #[test]
    fn oci_names_are_not_platforms_by_accident() {
        for bad in ["", "X86_64", "linux/amd64", "x86-64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn variants_match_when_they_are_not_in_conflict() {
        let v =
            |a: &str, v: Option<&str>| Architecture { architecture: a.into(), variant: v.map(str::to_owned) };
        assert!(v("arm64", None).accepts(&v("arm64", Some("v8"))));
        assert!(v("arm", Some("v7")).accepts(&v("arm", None)));
        assert!(!v("arm", Some("v7")).accepts(&v("arm", Some("v6"))));
        assert!(!v("amd64", None).accepts(&v("arm64", None)));
    }
}
