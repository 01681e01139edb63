//! Reads the layers of a configuration in their order: built-in values, files,
//! environment, flags. The later one wins.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::config::{
    ConfigError, Origin, Site,
    layers::{self, AssignError, Section as _},
    nearest::nearest,
    site::{Settings, SettingsPatch},
};

/// Variables that begin with this are settings: `REACTOR__BUILDS__MAX_RUNNING`
/// is `builds.max_running`.
pub const ENVIRONMENT_PREFIX: &str = "REACTOR__";

/// A setting that a flag of the command line gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagSetting {
    /// The flag, for messages. Example: `--listen`.
    pub flag: &'static str,
    /// The key that it sets. Example: `service.listen`.
    pub key: &'static str,
    /// The value as text.
    pub text: String,
}

impl Site {
    /// The configuration made of all layers, checked.
    ///
    /// `files` are read in their order; a directory means its `*.yaml` files by
    /// name. Of `environment` only variables with [`ENVIRONMENT_PREFIX`] count.
    ///
    /// # Errors
    /// A layer cannot be read or names an unknown key, or the settings together
    /// make no sense, or a file that they name does not exist.
    pub fn load(
        files: &[PathBuf],
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[FlagSetting],
    ) -> Result<Self, ConfigError> {
        let mut site = Self::default();
        for path in files {
            for file in expand(path)? {
                site.apply(read(&file)?, &layers::file(&file));
            }
        }
        let mut variables: Vec<_> = environment
            .into_iter()
            .filter_map(|(name, text)| Some((name.strip_prefix(ENVIRONMENT_PREFIX)?.to_owned(), name, text)))
            .collect();
        variables.sort();
        for (name, variable, text) in variables {
            let key = name.to_lowercase().replace("__", ".");
            site.assign(&key, &text, &Origin::Environment(variable))?;
        }
        for setting in flags {
            site.assign(setting.key, &setting.text, &Origin::Flag(setting.flag.to_owned()))?;
        }
        site.check()?;
        Ok(site)
    }

    fn apply(&mut self, patch: SettingsPatch, origin: &Origin) {
        self.settings.apply(patch, "", origin, &mut self.origins);
    }

    fn assign(&mut self, key: &str, text: &str, origin: &Origin) -> Result<(), ConfigError> {
        let path: Vec<&str> = key.split('.').collect();
        let mut patch = SettingsPatch::default();
        Settings::assign(&mut patch, &path, text).map_err(|error| match error {
            AssignError::NoSuchKey => ConfigError::UnknownKey {
                origin: origin.clone(),
                key: key.to_owned(),
                nearest: nearest_key(key),
            },
            AssignError::IsASection => ConfigError::Value {
                origin: origin.clone(),
                key: key.to_owned(),
                reason: "it is a section; name a setting below it".to_owned(),
            },
            AssignError::Value(error) => {
                ConfigError::Value { origin: origin.clone(), key: key.to_owned(), reason: error.to_string() }
            }
        })?;
        self.apply(patch, origin);
        Ok(())
    }
}

/// The files that a `--config` argument means.
fn expand(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let fail = |source| ConfigError::Read { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(fail)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(fail)? {
        let file = entry.map_err(fail)?.path();
        if file.extension().is_some_and(|extension| extension == "yaml") && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<SettingsPatch, ConfigError> {
    let text = fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let says_something = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .any(|line| !line.is_empty() && line[0] != b'#');
    if !says_something {
        return Ok(SettingsPatch::default());
    }
    common::yaml::read(&path.display().to_string(), &text).map_err(|error| {
        let nearest = unknown_field(&error.reason).and_then(nearest_word);
        ConfigError::Yaml { error, nearest }
    })
}

/// The key that serde's message complains about.
fn unknown_field(reason: &str) -> Option<&str> {
    reason.split_once("unknown field `")?.1.split_once('`').map(|(field, _)| field)
}

fn nearest_key(key: &str) -> Option<String> {
    let keys = Site::keys();
    nearest(key, keys.iter().map(|key| key.name.as_str())).map(str::to_owned)
}

/// The full key whose last word, or the section whose name, resembles `word`.
fn nearest_word(word: &str) -> Option<String> {
    const PARTS: &[&str] =
        &["architecture", "variant", "enabled", "host", "plain_http", "ca_file", "credentials_file"];
    let keys = Site::keys();
    let words = keys.iter().flat_map(|key| key.name.split('.')).chain(PARTS.iter().copied());
    nearest(word, words).map(str::to_owned)
}

#[cfg(test)]
mod tests;
