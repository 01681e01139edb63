//! `.osbs-repo-config`: whether the repository wants to be built again when its
//! parent changes. It is told to the user; a site decides about rebuilds itself.

use common::failure::{Failure, FailureClass};
use serde::{Deserialize, Serialize};

use super::ini;

/// Name of the file, at the top of the repository.
pub const FILE: &str = ".osbs-repo-config";
/// Largest file in bytes.
pub const MAX_BYTES: usize = 16 * 1024;

/// What the file says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryConfig {
    /// `enabled` of the section `autorebuild`; not said means no.
    pub autorebuild: bool,
}

impl RepositoryConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// It is too large, not an INI file, or the value is neither true nor false.
    pub fn read(text: &[u8]) -> Result<Self, Failure> {
        let fail = |reason: String| {
            Failure::new(FailureClass::Source, "source.osbs_repo_config", format!("{FILE}: {reason}"))
                .with_advice("write 'enabled = true' or 'enabled = false' in the section [autorebuild]")
        };
        if text.len() > MAX_BYTES {
            let message = format!("{FILE}: it has {} bytes; at most {MAX_BYTES} are read", text.len());
            return Err(Failure::new(FailureClass::Source, "source.osbs_repo_config_too_large", message)
                .with_advice("shorten the file"));
        }
        let sections = ini::read(text).map_err(|error| fail(error.to_string()))?;
        let enabled = sections.iter().find(|section| section.name == "autorebuild");
        let enabled = enabled.and_then(|section| section.get("enabled"));
        match enabled.unwrap_or("false").trim().to_lowercase().as_str() {
            "1" | "yes" | "true" | "on" => Ok(Self { autorebuild: true }),
            "0" | "no" | "false" | "off" => Ok(Self { autorebuild: false }),
            other => Err(fail(format!("autorebuild.enabled is '{other}', which is neither true nor false"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enabled_is_a_truth_value() {
        for (text, expected) in [
            ("", Some(false)),
            ("[autorebuild]\n", Some(false)),
            ("[autorebuild]\nenabled = True\n", Some(true)),
            ("[autorebuild]\nenabled=0\n", Some(false)),
            ("[other]\nenabled=yes\n", Some(false)),
            ("[autorebuild]\nenabled = maybe\n", None),
            ("[autorebuild\n", None),
        ] {
            let read = RepositoryConfig::read(text.as_bytes());
            assert_eq!(read.as_ref().ok().map(|config| config.autorebuild), expected, "{text}");
            if let Err(failure) = read {
                assert_eq!(failure.code, "source.osbs_repo_config");
            }
        }
        let large = vec![b'#'; MAX_BYTES + 1];
        assert_eq!(RepositoryConfig::read(&large).unwrap_err().code, "source.osbs_repo_config_too_large");
    }
}
