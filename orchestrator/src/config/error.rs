//! What can be wrong with a configuration. Every error names the place that
//! says it and the key that it is about, and has a code that stays.

use std::{fmt, path::PathBuf};

use crate::config::{Origin, Retired, userinfo};

/// Everything that is wrong with a configuration, in the order of its layers.
#[derive(Debug)]
pub struct ConfigErrors {
    /// What is wrong, in the order of the layers.
    pub problems: Vec<ConfigError>,
    /// Keys that nothing reads any more; they are no errors.
    pub retired: Vec<Retired>,
    /// What else is worth knowing, as sentences.
    pub notices: Vec<String>,
}

impl fmt::Display for ConfigErrors {
    /// One problem per line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.problems.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self { problems: vec![error], retired: Vec::new(), notices: Vec::new() }
    }
}

/// A configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or directory that was named cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file is not YAML.
    #[error("{}: {reason}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where there is one.
        reason: String,
    },
    /// A file of the former form has a version that nobody knows.
    #[error("{origin}: there is no version '{version}' of the configuration, only 1")]
    Version {
        /// Who says it.
        origin: Origin,
        /// What it says.
        version: String,
    },
    /// A layer names a key that does not exist.
    #[error("{origin}: there is no setting '{key}'{}", hint(.nearest.as_deref(), *.dotted))]
    UnknownKey {
        /// Who names it.
        origin: Origin,
        /// The key.
        key: String,
        /// The known key that it resembles.
        nearest: Option<String>,
        /// Whether it is a name with dots that should be keys below one another.
        dotted: bool,
    },
    /// An environment variable that is a setting is no text.
    #[error("environment variable {variable}: it is not UTF-8")]
    NotUtf8 {
        /// The variable.
        variable: String,
    },
    /// A layer gives a value that the key cannot take.
    #[error("{origin}: '{key}' cannot be set to this: {reason}")]
    Value {
        /// Who gives it.
        origin: Origin,
        /// The key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The value is well formed, but cannot be used.
    #[error("'{key}' ({origin}): {reason}")]
    Invalid {
        /// Which problem it is.
        problem: Problem,
        /// The key.
        key: String,
        /// Who set it.
        origin: Origin,
        /// What is wrong with it.
        reason: String,
    },
}

/// What can be wrong with a well-formed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// A number, time or size is too small.
    OutOfRange,
    /// A platform is in no table, or half described.
    UnknownPlatform,
    /// A platform is needed that is switched off.
    DisabledPlatform,
    /// A value is missing that another one needs.
    Missing,
    /// Two values exclude each other.
    Contradiction,
    /// Something is named twice.
    Duplicate,
    /// An address is none.
    BadUrl,
    /// An address holds a user name or a password.
    SecretInUrl,
    /// A host or the beginning of a path is none.
    BadDomain,
    /// A label's name is none.
    BadLabelName,
    /// A group of equal labels has fewer than two names.
    EqualLabels,
    /// The default signing intent is not one of the list.
    UnknownSigningIntent,
    /// A pattern is none.
    BadPattern,
    /// A mail address is none.
    BadMailAddress,
    /// A registry's name is none.
    BadRegistry,
    /// A list or map has more entries than any site needs.
    TooMany,
    /// A file or directory that is named cannot be opened.
    File,
}

impl Problem {
    /// Every problem there is.
    pub const ALL: &'static [Self] = &[
        Self::OutOfRange,
        Self::UnknownPlatform,
        Self::DisabledPlatform,
        Self::Missing,
        Self::Contradiction,
        Self::Duplicate,
        Self::BadUrl,
        Self::SecretInUrl,
        Self::BadDomain,
        Self::BadLabelName,
        Self::EqualLabels,
        Self::UnknownSigningIntent,
        Self::BadPattern,
        Self::BadMailAddress,
        Self::BadRegistry,
        Self::TooMany,
        Self::File,
    ];

    /// Its code, which stays.
    pub fn code(self) -> &'static str {
        match self {
            Self::OutOfRange => "config.out_of_range",
            Self::UnknownPlatform => "config.unknown_platform",
            Self::DisabledPlatform => "config.disabled_platform",
            Self::Missing => "config.missing",
            Self::Contradiction => "config.contradiction",
            Self::Duplicate => "config.duplicate",
            Self::BadUrl => "config.bad_url",
            Self::SecretInUrl => "config.secret_in_url",
            Self::BadDomain => "config.bad_domain",
            Self::BadLabelName => "config.bad_label_name",
            Self::EqualLabels => "config.equal_labels",
            Self::UnknownSigningIntent => "config.unknown_signing_intent",
            Self::BadPattern => "config.bad_pattern",
            Self::BadMailAddress => "config.bad_mail_address",
            Self::BadRegistry => "config.bad_registry",
            Self::TooMany => "config.too_many",
            Self::File => "config.file",
        }
    }

    /// What a person can do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::OutOfRange => "use a value in the range that the message names, or leave the key out",
            Self::UnknownPlatform => "name a platform by Koji's name, or describe it under 'platforms'",
            Self::DisabledPlatform => "enable the platform under 'platforms', or take it off this list",
            Self::Missing => "set the key that is missing, or take away the one that needs it",
            Self::Contradiction => "keep one of the two",
            Self::Duplicate => "merge the two entries",
            Self::BadUrl => "write a whole address, such as https://host.example.org/path",
            Self::SecretInUrl => {
                "take user name and password out of the address; secrets are files that a key names"
            }
            Self::BadDomain => "write a host, or a host and the beginning of a path: example.org/files",
            Self::BadLabelName => "use letters, digits, '_', '.' and '-' only",
            Self::EqualLabels => "name at least two different labels in the group, or remove it",
            Self::UnknownSigningIntent => "name one of composes.signing_intents",
            Self::BadPattern => "use '*' for any characters and '?' for one; close brackets",
            Self::BadMailAddress => "write NAME@DOMAIN in plain letters, without a display name",
            Self::BadRegistry => "write host[:port] without a scheme",
            Self::TooMany => "take away what is not needed; a program may have written this",
            Self::File => {
                "create the file where the service runs, or correct its path; `config check --no-files` leaves files out"
            }
        }
    }
}

impl ConfigError {
    /// Codes of problems that are found while reading, before any value is
    /// looked at.
    pub const READING_CODES: &'static [&'static str] = &[
        "config.unreadable",
        "config.not_yaml",
        "config.unknown_version",
        "config.unknown_key",
        "config.bad_value",
        "config.not_utf8",
    ];

    /// Which problem it is, by a code that stays.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config.unreadable",
            Self::Yaml { .. } => "config.not_yaml",
            Self::Version { .. } => "config.unknown_version",
            Self::UnknownKey { .. } => "config.unknown_key",
            Self::Value { .. } => "config.bad_value",
            Self::NotUtf8 { .. } => "config.not_utf8",
            Self::Invalid { problem, .. } => problem.code(),
        }
    }

    /// What a person can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check the path after --config and the permissions",
            Self::Yaml { .. } => "correct the YAML at that place",
            Self::Version { .. } => {
                "write 'version: 1', or leave it out and use the keys of deploy/config.yaml"
            }
            Self::UnknownKey { .. } => {
                "`orchestrator config print` shows every key; docs/operating.md explains them"
            }
            Self::Value { .. } => {
                "docs/operating.md and `orchestrator config schema` show what the key can have"
            }
            Self::NotUtf8 { .. } => "correct the variable, or unset it",
            Self::Invalid { problem, .. } => problem.advice(),
        }
    }

    /// The same error without user names and passwords. One that quotes an address
    /// with them is about that above all.
    pub(crate) fn without_userinfo(self) -> Self {
        let masked = |text: &str| userinfo::masked(text);
        match self {
            Self::Value { origin, key, reason } if userinfo::is_quoted(&key, &reason) => {
                Self::secret_in_url(masked(&key), origin)
            }
            Self::Value { origin, key, reason } => {
                Self::Value { origin, key: masked(&key), reason: masked(&reason) }
            }
            Self::Yaml { path, reason } => Self::Yaml { path, reason: masked(&reason) },
            Self::UnknownKey { origin, key, nearest, dotted } => {
                Self::UnknownKey { origin, key: masked(&key), nearest, dotted }
            }
            Self::Version { origin, version } => Self::Version { origin, version: masked(&version) },
            // Paths of files may have any sign.
            Self::Invalid { problem, key, origin, reason } if problem != Problem::File => {
                Self::Invalid { problem, key: masked(&key), origin, reason: masked(&reason) }
            }
            other @ (Self::Invalid { .. } | Self::Read { .. } | Self::NotUtf8 { .. }) => other,
        }
    }

    /// The error that says that `key` has an address with a user name or password.
    pub(crate) fn secret_in_url(key: String, origin: Origin) -> Self {
        let reason = "the address holds a user name or a password".to_owned();
        Self::Invalid { problem: Problem::SecretInUrl, key, origin, reason }
    }

    /// The key that it is about, if there is one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Read { .. } | Self::Yaml { .. } | Self::NotUtf8 { .. } => None,
            Self::Version { .. } => Some("version"),
            Self::UnknownKey { key, .. } | Self::Value { key, .. } | Self::Invalid { key, .. } => Some(key),
        }
    }
}

fn hint(nearest: Option<&str>, dotted: bool) -> String {
    if dotted {
        return " in one word; write it as nested keys, one for each part".to_owned();
    }
    nearest.map_or_else(String::new, |key| format!("; did you mean '{key}'?"))
}
