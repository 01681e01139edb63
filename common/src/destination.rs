//! Where an image goes: an OCI layout directory or a repository in a registry.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    ParseError,
    image::{Host, ImageReference, Repository, Tag},
};

/// One place to publish to, as people write it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Destination {
    /// An OCI layout: `oci:DIR`. A relative directory is below the site's root
    /// for layouts, or the current directory of a build in the foreground.
    Layout {
        /// The directory.
        directory: PathBuf,
    },
    /// A repository in a registry: `docker://HOST[:PORT]/REPOSITORY[:TAG]`.
    Registry {
        /// The registry.
        host: Host,
        /// The repository.
        repository: Repository,
        /// One more tag to set besides those of the plan.
        tag: Option<Tag>,
    },
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout { directory } => write!(f, "oci:{}", directory.display()),
            Self::Registry { host, repository, tag: None } => write!(f, "docker://{host}/{repository}"),
            Self::Registry { host, repository, tag: Some(tag) } => {
                write!(f, "docker://{host}/{repository}:{tag}")
            }
        }
    }
}

impl FromStr for Destination {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = |reason: &str| Err(ParseError::new("destination", text, reason));
        if let Some(directory) = text.strip_prefix("oci:") {
            if directory.is_empty() || directory.contains('\0') {
                return bad("expected a directory after 'oci:'");
            }
            return Ok(Self::Layout { directory: PathBuf::from(directory) });
        }
        let Some(reference) = text.strip_prefix("docker://") else {
            return bad("expected 'oci:DIR' or 'docker://HOST[:PORT]/REPOSITORY[:TAG]'");
        };
        match reference.parse::<ImageReference>()? {
            ImageReference { digest: Some(_), .. } => bad("a destination has no digest"),
            ImageReference { host: None, .. } => bad("a destination names its registry's host"),
            ImageReference { host: Some(host), repository, tag, .. } => {
                Ok(Self::Registry { host, repository, tag })
            }
        }
    }
}

impl TryFrom<String> for Destination {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> String {
        destination.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_round_trip() {
        for text in
            ["oci:out", "oci:/srv/layouts/hello", "docker://localhost:5000/a/b", "docker://r.example.org/x:1"]
        {
            assert_eq!(text.parse::<Destination>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn bad_destinations_say_what_is_wrong() {
        for (text, part) in [
            ("oci:", "directory"),
            ("out", "oci:DIR"),
            ("docker://hello", "host"),
            ("docker://r.example.org/UPPER", "repository"),
            ("http://r.example.org/x", "oci:DIR"),
        ] {
            let error = text.parse::<Destination>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
