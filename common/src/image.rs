//! Image references, taken apart once: host, repository, tag, digest.
//!
//! The grammar is that of the OCI distribution specification and of Docker's
//! reference package: the first component is a host only if it has a dot or a
//! colon or is `localhost`; tag and digest are separate and may both be there.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ParseError;

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseError;

            fn try_from(text: String) -> Result<Self, ParseError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }
    };
}

/// A SHA-256 content digest: `sha256:` and 64 lower-case hexadecimal digits
/// (OCI image specification, descriptor).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

text_newtype!(Digest);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_sha256(&Sha256::digest(bytes).into())
    }

    /// The digest whose 32 raw bytes are known.
    pub fn from_sha256(raw: &[u8; 32]) -> Self {
        Self(format!("sha256:{}", hex::encode(raw)))
    }

    /// The hexadecimal part, 64 characters.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// The first twelve hexadecimal digits, as people quote them.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }
}

impl FromStr for Digest {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let well_formed = text.strip_prefix("sha256:").is_some_and(|hex| {
            hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        });
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::new("digest", text, "expected 'sha256:' and 64 lower-case hexadecimal digits"))
        }
    }
}

/// A registry's `host[:port]`, lower-case. Example: `registry.example.org:5000`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host(String);

text_newtype!(Host);

impl FromStr for Host {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = |reason: &str| Err(ParseError::new("registry host", text, reason));
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(port)),
            _ => (text, None),
        };
        if let Some(port) = port
            && port.parse::<u16>().map_or(true, |number| number == 0)
        {
            return bad("the part after the colon is not a port");
        }
        let bracketed = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let well_formed = match bracketed {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !name.is_empty()
                    && name.split('.').all(|label| {
                        !label.is_empty()
                            && !label.starts_with('-')
                            && !label.ends_with('-')
                            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                    })
            }
        };
        if well_formed {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            bad("expected a host name or address and an optional port, without a scheme")
        }
    }
}

/// A repository inside a registry: lower-case components joined by `/`, at most
/// 255 characters. Example: `containers/hello`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository(String);

text_newtype!(Repository);

impl FromStr for Repository {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let component = |part: &str| {
            let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            let bytes = part.as_bytes();
            let edges = bytes.first().copied().is_some_and(alphanumeric)
                && bytes.last().copied().is_some_and(alphanumeric);
            let inside = bytes.iter().all(|&b| alphanumeric(b) || b"._-".contains(&b));
            edges && inside && !part.contains("..") && !part.contains("___") && !part.contains("._")
        };
        if text.len() <= 255 && text.split('/').all(component) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::new(
                "repository",
                text,
                "expected lower-case letters, digits and separators in components joined by '/'",
            ))
        }
    }
}

/// A tag: up to 128 letters, digits, `_`, `.` and `-`, not beginning with a
/// separator. Example: `1.0-3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

text_newtype!(Tag);

impl FromStr for Tag {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        if first && rest && text.len() <= 128 {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::new(
                "tag",
                text,
                "expected up to 128 letters, digits, '_', '.' or '-', not beginning with '.' or '-'",
            ))
        }
    }
}

/// A reference to an image, as written in a FROM instruction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference {
    /// The registry, if the reference names one.
    pub host: Option<Host>,
    /// The repository.
    pub repository: Repository,
    /// The tag, if there is one.
    pub tag: Option<Tag>,
    /// The digest, if there is one; it wins over the tag.
    pub digest: Option<Digest>,
}

impl ImageReference {
    /// The same repository by digest, without a tag.
    pub fn by_digest(&self, digest: Digest) -> Self {
        Self { host: self.host.clone(), repository: self.repository.clone(), tag: None, digest: Some(digest) }
    }

    /// What to ask a registry for: the digest, else the tag, else `latest`.
    pub fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.to_string(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for ImageReference {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let (host, path) = match rest.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => {
                (Some(first.parse()?), path)
            }
            _ => (None, rest),
        };
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag.parse()?)),
            None => (path, None),
        };
        Ok(Self { host, repository: repository.parse()?, tag, digest })
    }
}

impl TryFrom<String> for ImageReference {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<ImageReference> for String {
    fn from(reference: ImageReference) -> String {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn references_are_taken_apart() {
        type Case = (&'static str, Option<&'static str>, &'static str, Option<&'static str>, bool);
        let cases: &[Case] = &[
            ("fedora", None, "fedora", None, false),
            ("fedora:44", None, "fedora", Some("44"), false),
            ("library/fedora", None, "library/fedora", None, false),
            ("localhost/foo", Some("localhost"), "foo", None, false),
            ("host:5000/a/b/c:1.0-3", Some("host:5000"), "a/b/c", Some("1.0-3"), false),
            ("r.example.org/ns/sub/repo", Some("r.example.org"), "ns/sub/repo", None, false),
            ("[::1]:5000/x", Some("[::1]:5000"), "x", None, false),
            ("r.example.org/x:1@sha256:HEX", Some("r.example.org"), "x", Some("1"), true),
        ];
        for (text, host, repository, tag, digest) in cases {
            let text = text.replace("HEX", HEX);
            let parsed: ImageReference = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(parsed.host.as_ref().map(Host::as_str), *host, "{text}");
            assert_eq!(parsed.repository.as_str(), *repository, "{text}");
            assert_eq!(parsed.tag.as_ref().map(Tag::as_str), *tag, "{text}");
            assert_eq!(parsed.digest.is_some(), *digest, "{text}");
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn bad_references_are_refused() {
        for bad in [
            "",
            ":tag",
            "UPPER",
            "a//b",
            "a/",
            "/a",
            "x:",
            "x:-tag",
            "x@sha256:12",
            "host:port/x",
            "a b",
            "https://r.example.org/x",
            "x:tag:tag",
        ] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_digest_of_nothing_is_well_known() {
        assert_eq!(Digest::of(b"").hex(), HEX);
        assert!(format!("sha256:{}", HEX.to_uppercase()).parse::<Digest>().is_err());
    }

    #[test]
    fn over_long_tags_are_refused() {
        assert!("a".repeat(128).parse::<Tag>().is_ok());
        assert!("a".repeat(129).parse::<Tag>().is_err());
    }
}
