//! What can be wrong with a configuration. Every error names the place that
//! says it and the key that it is about.

use std::path::PathBuf;

use common::yaml::YamlError;

use crate::config::layers::Origin;

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
    /// A file is not YAML, or does not say what a configuration can say.
    #[error("{error}{}", hint(.nearest.as_deref()))]
    Yaml {
        /// File and reason.
        error: YamlError,
        /// The known key that an unknown one resembles.
        nearest: Option<String>,
    },
    /// The environment or a flag names a key that does not exist.
    #[error("{origin}: there is no setting '{key}'{}", hint(.nearest.as_deref()))]
    UnknownKey {
        /// Who names it.
        origin: Origin,
        /// The key.
        key: String,
        /// The known key that it resembles.
        nearest: Option<String>,
    },
    /// The environment or a flag gives a value that the key cannot take.
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
        /// The key.
        key: String,
        /// Who set it.
        origin: Origin,
        /// What is wrong with it.
        reason: String,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; did you mean '{key}'?"))
}
