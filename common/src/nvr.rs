//! Name, version and release: how Koji calls a build.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ParseError;

/// A build's name, version and release. Version and release hold no dash, so the
/// text form can be taken apart again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nvr {
    name: String,
    version: String,
    release: String,
}

impl Nvr {
    /// Puts the parts together.
    ///
    /// # Errors
    /// A part is empty, or has a character that Koji does not take there.
    pub fn new(name: &str, version: &str, release: &str) -> Result<Self, ParseError> {
        let whole = || format!("{name}-{version}-{release}");
        for (what, text, dash) in
            [("name", name, true), ("version", version, false), ("release", release, false)]
        {
            let fits = |c: char| c.is_ascii_alphanumeric() || "._+~^".contains(c) || (dash && c == '-');
            if text.is_empty() || !text.chars().all(fits) {
                let dashes = if dash { ", '-'" } else { "" };
                let reason =
                    format!("the {what} '{text}' must be letters, digits, '.', '_', '+', '~', '^'{dashes}");
                return Err(ParseError::new("NVR", &whole(), reason));
            }
        }
        Ok(Self { name: name.to_owned(), version: version.to_owned(), release: release.to_owned() })
    }

    /// The package's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The release.
    pub fn release(&self) -> &str {
        &self.release
    }
}

impl fmt::Display for Nvr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.name, self.version, self.release)
    }
}

impl FromStr for Nvr {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut parts = text.rsplitn(3, '-');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(release), Some(version), Some(name)) => Self::new(name, version, release),
            _ => Err(ParseError::new("NVR", text, "expected NAME-VERSION-RELEASE")),
        }
    }
}

impl TryFrom<String> for Nvr {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Nvr> for String {
    fn from(nvr: Nvr) -> Self {
        nvr.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_dashes_part_it() {
        let nvr: Nvr = "docker-hello-world-1.0~rc1-20.fc25".parse().unwrap();
        assert_eq!((nvr.name(), nvr.version(), nvr.release()), ("docker-hello-world", "1.0~rc1", "20.fc25"));
        assert_eq!(nvr.to_string(), "docker-hello-world-1.0~rc1-20.fc25");
    }

    #[test]
    fn what_koji_would_refuse_is_refused() {
        for bad in ["", "a", "a-1", "a--1", "a-1-", "-1-1", "a b-1-1", "a-1/2-1", "a-1-1:2"] {
            assert!(bad.parse::<Nvr>().is_err(), "{bad}");
        }
        assert!(Nvr::new("a", "1-2", "3").is_err());
    }
}
