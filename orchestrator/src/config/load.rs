//! Reads the layers of a configuration in their order: built-in values, files,
//! environment, flags. The later one wins. What is wrong is collected over all of
//! them.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use common::yaml::{self, MAX_BYTES};

use crate::config::{
    ConfigError, ConfigErrors, Origin, Retired, Site, check,
    layers::{AssignError, Document, Section as _},
    legacy,
    nearest::nearest,
    origin::Layer,
    schema::unknown_keys,
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
    /// The configuration made of all layers, checked, with the files that it names.
    ///
    /// `files` are read in their order; a directory means its `*.yaml` files by
    /// name. Of `environment` only variables with [`ENVIRONMENT_PREFIX`] count.
    ///
    /// # Errors
    /// A layer cannot be read or names an unknown key, or the settings together
    /// make no sense, or a file that they name does not exist. All that is wrong
    /// is reported.
    pub fn load(
        files: &[PathBuf],
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[FlagSetting],
    ) -> Result<Self, ConfigErrors> {
        Self::assemble(files, environment, flags, true)
    }

    /// As [`load`](Self::load), but the files that the settings name are not
    /// looked for: they may be on another machine.
    ///
    /// # Errors
    /// As of [`load`](Self::load), without those about named files.
    pub fn read(
        files: &[PathBuf],
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[FlagSetting],
    ) -> Result<Self, ConfigErrors> {
        Self::assemble(files, environment, flags, false)
    }

    fn assemble(
        files: &[PathBuf],
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[FlagSetting],
        check_files: bool,
    ) -> Result<Self, ConfigErrors> {
        let (mut site, mut errors) = (Self::default(), Vec::new());
        for path in files {
            match expand(path) {
                Ok(files) => files.iter().for_each(|file| site.take_file(file, &mut errors)),
                Err(error) => errors.push(error),
            }
        }
        let mut variables: Vec<_> = environment
            .into_iter()
            .filter_map(|(name, text)| Some((name.strip_prefix(ENVIRONMENT_PREFIX)?.to_owned(), name, text)))
            .collect();
        variables.sort();
        for (name, variable, text) in variables {
            let key = name.to_lowercase().replace("__", ".");
            errors.extend(site.assign(&key, &text, Origin::Environment(variable)).err());
        }
        for setting in flags {
            let flag = Origin::Flag(setting.flag.to_owned());
            errors.extend(site.assign(setting.key, &setting.text, flag).err());
        }
        let unread = !errors.is_empty();
        errors.extend(check::check(&site, check_files, unread));
        if errors.is_empty() {
            Ok(site)
        } else {
            Err(ConfigErrors { problems: errors, retired: site.retired })
        }
    }

    fn take_file(&mut self, path: &Path, errors: &mut Vec<ConfigError>) {
        match read_bounded(path) {
            Ok(text) => {
                let layer = read(path, &text, errors);
                self.retired.extend(layer.retired);
                self.settings.apply(layer.patch, "", &layer.layer, &mut self.origins);
            }
            Err(source) => errors.push(ConfigError::Read { path: path.to_owned(), source }),
        }
    }

    fn assign(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), ConfigError> {
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
        self.settings.apply(patch, "", &Layer::Other(origin), &mut self.origins);
        Ok(())
    }
}

/// What one file says.
pub(crate) struct FileLayer {
    pub(crate) patch: SettingsPatch,
    pub(crate) layer: Layer,
    pub(crate) retired: Vec<Retired>,
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

/// A file's content; no more than is ever read of a YAML file, and a byte that
/// shows that there is more.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Reads a file of either form. What can be read is taken, what cannot is said.
fn read(path: &Path, text: &[u8], errors: &mut Vec<ConfigError>) -> FileLayer {
    let places = yaml::places(text);
    if places.line("version").is_some() {
        return legacy::read(path, text, places, errors);
    }
    let file = path.display().to_string();
    let layer = Layer::File { path: path.to_owned(), places: places.clone(), former: Default::default() };
    let places = &places;
    let patch = match yaml::read_at::<SettingsPatch>(&file, text, &[]) {
        Ok(patch) => patch.unwrap_or_default(),
        Err(error) => {
            let document = Document { file: &file, text, places };
            let (patch, found) = read_what_can_be(document, &layer);
            if found.is_empty() {
                errors.push(ConfigError::Yaml { path: path.to_owned(), reason: error.reason });
            }
            errors.extend(found);
            patch
        }
    };
    FileLayer { patch, layer, retired: Vec::new() }
}

/// Every setting that can be read from a text that cannot be read as a whole,
/// and what is wrong with the others.
fn read_what_can_be(document: Document<'_>, layer: &Layer) -> (SettingsPatch, Vec<ConfigError>) {
    // A text that is no YAML at all has one error, not one for each key.
    let mut patch = SettingsPatch::default();
    if yaml::read_at::<serde::de::IgnoredAny>(document.file, document.text, &[]).is_err() {
        return (patch, Vec::new());
    }
    let mut found: Vec<ConfigError> = unknown_keys(&Site::schema(), document.places.paths())
        .into_iter()
        .map(|unknown| {
            let successor = legacy::successor(&unknown.path).map(str::to_owned);
            let known = unknown.known.iter().map(String::as_str);
            let nearest = successor.or_else(|| nearest(&unknown.name, known).map(str::to_owned));
            ConfigError::UnknownKey { origin: layer.place(&unknown.path), key: unknown.path, nearest }
        })
        .collect();
    let mut bad = Vec::new();
    Settings::read_each(&mut patch, document, &[], &mut bad);
    for (key, reason) in bad {
        let below = |path: &str| path.strip_prefix(&key).is_some_and(|rest| rest.starts_with(['.', '[']));
        // An entry's unknown key was named already.
        let named = found.iter().any(|error| match error {
            ConfigError::UnknownKey { key, .. } => below(key),
            ConfigError::Value { reason: said, .. } => *said == reason,
            _ => false,
        });
        if !named {
            found.push(ConfigError::Value { origin: layer.place(&key), key, reason });
        }
    }
    (patch, found)
}

fn nearest_key(key: &str) -> Option<String> {
    let keys = Site::keys();
    nearest(key, keys.iter().map(|key| key.name.as_str())).map(str::to_owned)
}

#[cfg(test)]
mod tests;
