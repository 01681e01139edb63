//! What can go wrong with a registry or a layout, and what follows from it.
//!
//! URLs in errors have no query: upload states and signed addresses are secrets.

use std::{error::Error, fmt, io, path::PathBuf, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    image::{Digest, Tag},
    retry::Transient,
};

/// One entry of a registry's error body (OCI distribution specification, error codes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Code. Example: `BLOB_UNKNOWN`.
    pub code: String,
    /// Text for people; may be empty.
    pub message: String,
}

/// An answer that is not what was asked for.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Method of the request.
    pub method: String,
    /// Address without its query.
    pub url: String,
    /// HTTP status.
    pub status: u16,
    /// What the registry says about it.
    pub diagnostics: Vec<Diagnostic>,
    /// The shortest wait that the registry asks for.
    pub retry_after: Option<Duration>,
    /// Tries that were made.
    pub attempts: u32,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} was answered with status {}", self.method, self.url, self.status)?;
        for (position, Diagnostic { code, message }) in self.diagnostics.iter().enumerate() {
            f.write_str(if position == 0 { ": " } else { "; " })?;
            match (code.as_str(), message.as_str()) {
                (code, "") => f.write_str(code)?,
                ("", message) => f.write_str(message)?,
                (code, message) => write!(f, "{code} ({message})")?,
            }
        }
        f.write_str(&tries(self.attempts))
    }
}

fn tries(attempts: u32) -> String {
    if attempts > 1 { format!(", {attempts} times") } else { String::new() }
}

/// What can go wrong with a registry or a layout.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry answered with an error status.
    #[error("{0}")]
    Answer(Box<Answer>),
    /// No answer, or the connection broke.
    #[error("no connection to {url}{}", tries(*attempts))]
    Connection {
        /// Address without its query.
        url: String,
        /// Tries that were made.
        attempts: u32,
        /// What the HTTP client says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The other side's certificate is not trusted.
    #[error("{url} has no certificate that this side trusts")]
    Certificate {
        /// Address without its query.
        url: String,
        /// What the TLS library says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Nothing moved for too long.
    #[error("{url}: nothing came for {} seconds{}", waited.as_secs_f32(), tries(*attempts))]
    Stalled {
        /// Address without its query.
        url: String,
        /// The limit that passed.
        waited: Duration,
        /// Tries that were made.
        attempts: u32,
    },
    /// An upload was broken off and can go on.
    #[error("the upload to {url} was interrupted: {reason}{}", tries(*attempts))]
    Interrupted {
        /// Address without its query.
        url: String,
        /// Why.
        reason: String,
        /// Tries that were made.
        attempts: u32,
    },
    /// The answer breaks the protocol, or asks for something unsafe.
    #[error("{url}: {reason}")]
    Protocol {
        /// Address without its query.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// No token was to be had.
    #[error("cannot log in to {host} at {realm}: {reason}")]
    Login {
        /// The registry.
        host: String,
        /// Address of the token server, without its query.
        realm: String,
        /// What went wrong.
        reason: String,
    },
    /// The settings of a host cannot be used.
    #[error("the settings of {host} cannot be used: {reason}")]
    Settings {
        /// The registry.
        host: String,
        /// What is wrong with them.
        reason: String,
    },
    /// Content is not what its digest says.
    #[error("{what} has digest {found}, expected {expected}")]
    DigestMismatch {
        /// What was read or written, and where.
        what: String,
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of the content, or the one that the registry claims.
        found: String,
    },
    /// Content is longer or shorter than it should be.
    #[error("{what} has {found} bytes, expected {expected}")]
    SizeMismatch {
        /// What was read or written, and where.
        what: String,
        /// Size in bytes that was expected.
        expected: u64,
        /// Size in bytes that was found; for content that is too long, what was read of it.
        found: u64,
    },
    /// A document is larger than is read into memory.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// The document, and where.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// Something that should be there is not.
    #[error("{what} is not there")]
    Missing {
        /// What, and where.
        what: String,
    },
    /// A manifest, index or configuration cannot be understood.
    #[error("{what} cannot be understood: {reason}")]
    Document {
        /// The document, and where.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A manifest of the first schema, which has no digests of its parts.
    #[error("{what} is a Docker schema 1 manifest, which is not supported")]
    SchemaOne {
        /// The manifest, and where.
        what: String,
    },
    /// An image does not exist for an architecture.
    #[error("{what} lacks platform {wanted}; it has: {}", if has.is_empty() { "none".to_owned() } else { has.join(", ") })]
    LacksPlatform {
        /// The image, and where.
        what: String,
        /// What was asked for. Example: `linux/s390x`.
        wanted: String,
        /// What there is.
        has: Vec<String>,
    },
    /// The place cannot do this.
    #[error("{place} cannot {action}")]
    Unsupported {
        /// The registry or layout.
        place: String,
        /// What was asked of it.
        action: String,
    },
    /// The registry lets nobody delete anything, so a tag cannot be taken away. It is as it was.
    #[error("{place} allows no deletion: the tag {tag} stays")]
    DeletionDisabled {
        /// The repository.
        place: String,
        /// The tag.
        tag: Tag,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried. Example: `write`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A directory is not a usable OCI layout.
    #[error("{} is not a usable OCI layout: {reason}", path.display())]
    Layout {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl RegistryError {
    /// The HTTP status, if the registry answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answer(answer) => Some(answer.status),
            _ => None,
        }
    }

    /// Whether the registry gave this error code. Example: `DIGEST_INVALID`.
    pub fn has_code(&self, code: &str) -> bool {
        matches!(self, Self::Answer(answer) if answer.diagnostics.iter().any(|d| d.code == code))
    }

    /// The same error after so many tries.
    pub(crate) fn after(mut self, tries: u32) -> Self {
        match &mut self {
            Self::Answer(answer) => answer.attempts = tries,
            Self::Connection { attempts, .. }
            | Self::Stalled { attempts, .. }
            | Self::Interrupted { attempts, .. } => *attempts = tries,
            _ => {}
        }
        self
    }
}

impl Transient for RegistryError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answer(answer) => matches!(answer.status, 408 | 429 | 500 | 502 | 503 | 504)
                .then(|| answer.retry_after.unwrap_or_default()),
            Self::Connection { .. } | Self::Stalled { .. } | Self::Interrupted { .. } => Some(Duration::ZERO),
            _ => None,
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        use FailureClass::{Infrastructure, Parent, Policy, User};
        let (class, code, advice) = match &error {
            RegistryError::Answer(answer) => match answer.status {
                401 | 403 => (
                    Policy,
                    "registry.unauthorized",
                    "check the credentials file of this registry, and that the repository exists",
                ),
                404 => (User, "registry.not_found", "check the name of the repository"),
                405 | 413 => (Policy, "registry.rejected", "the registry's own settings forbid this"),
                400..=499 if error.retry_after().is_none() => {
                    (Infrastructure, "registry.rejected", "the registry's log says more")
                }
                _ => (Infrastructure, "registry.unavailable", "try again when the registry is well"),
            },
            RegistryError::Connection { .. } | RegistryError::Interrupted { .. } => {
                (Infrastructure, "registry.unavailable", "check the registry's name, port and network")
            }
            RegistryError::Certificate { .. } => (
                Infrastructure,
                "registry.tls",
                "name the authority's certificate under 'ca_file', or say 'plain_http' if the registry has no TLS",
            ),
            RegistryError::Stalled { .. } => (Infrastructure, "registry.timeout", "try again later"),
            RegistryError::Protocol { .. } => (Infrastructure, "registry.protocol", ""),
            RegistryError::Login { .. } => {
                (Policy, "registry.unauthorized", "check the credentials file of this registry")
            }
            RegistryError::Settings { .. } => {
                (Policy, "registry.settings", "correct the site's configuration")
            }
            RegistryError::DigestMismatch { .. } => (Infrastructure, "registry.digest_mismatch", ""),
            RegistryError::SizeMismatch { .. } => (Infrastructure, "registry.size_mismatch", ""),
            RegistryError::TooLarge { .. } => (Policy, "registry.too_large", ""),
            RegistryError::Missing { .. } => (Infrastructure, "registry.not_found", ""),
            RegistryError::Document { .. } => (Parent, "registry.invalid_document", ""),
            RegistryError::SchemaOne { .. } => {
                (Parent, "registry.schema_one", "push the image again with a current tool")
            }
            RegistryError::LacksPlatform { .. } => {
                (Parent, "registry.platform_missing", "use an image that has it, or leave the platform out")
            }
            RegistryError::Unsupported { .. } => (Policy, "registry.unsupported", ""),
            RegistryError::DeletionDisabled { .. } => (
                Policy,
                "registry.deletion_disabled",
                "allow deletion in the registry's own settings (storage.delete.enabled of docker-registry), or take \
                 the tag away by other means",
            ),
            RegistryError::File { .. } => (
                Infrastructure,
                "registry.file",
                "check that the disk has room and the file's owner is right",
            ),
            RegistryError::Layout { .. } => {
                (User, "registry.layout", "name an empty directory or an OCI layout")
            }
        };
        Failure::from_error(class, code, &error).with_advice(advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> RegistryError {
        RegistryError::Answer(Box::new(Answer {
            method: "PUT".into(),
            url: "https://r.example.org/v2/x/manifests/1".into(),
            status,
            diagnostics: vec![Diagnostic { code: "DENIED".into(), message: "no".into() }],
            retry_after: (status == 429).then(|| Duration::from_secs(7)),
            attempts: 1,
        }))
    }

    #[test]
    fn only_passing_troubles_are_tried_again() {
        for status in [408, 500, 502, 503, 504] {
            assert_eq!(answer(status).retry_after(), Some(Duration::ZERO), "{status}");
        }
        assert_eq!(answer(429).retry_after(), Some(Duration::from_secs(7)));
        for status in [400, 401, 403, 404, 405, 409, 413, 416, 501] {
            assert_eq!(answer(status).retry_after(), None, "{status}");
        }
    }

    #[test]
    fn statuses_become_codes() {
        for (status, code, class) in [
            (401, "registry.unauthorized", FailureClass::Policy),
            (403, "registry.unauthorized", FailureClass::Policy),
            (404, "registry.not_found", FailureClass::User),
            (400, "registry.rejected", FailureClass::Infrastructure),
            (429, "registry.unavailable", FailureClass::Infrastructure),
            (503, "registry.unavailable", FailureClass::Infrastructure),
        ] {
            let failure = Failure::from(answer(status));
            assert_eq!((failure.code.as_str(), failure.class), (code, class), "{status}");
        }
    }

    #[test]
    fn a_registry_without_deletion_is_named_with_the_way_out() {
        let place = "r.example.org/x".to_owned();
        let failure = Failure::from(RegistryError::DeletionDisabled { place, tag: "1.0".parse().unwrap() });
        assert_eq!(
            (failure.code.as_str(), failure.class),
            ("registry.deletion_disabled", FailureClass::Policy)
        );
        assert!(failure.message.contains("r.example.org/x") && failure.message.contains("1.0"), "{failure}");
        assert!(failure.advice.contains("storage.delete.enabled"), "{}", failure.advice);
    }

    #[test]
    fn the_registrys_words_are_quoted() {
        let text = answer(403).after(3).to_string();
        assert_eq!(
            text,
            "PUT https://r.example.org/v2/x/manifests/1 was answered with status 403: DENIED (no), 3 times"
        );
    }
}
