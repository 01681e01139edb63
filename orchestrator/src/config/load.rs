//! Reads the layers of a configuration in their order: built-in values, files,
//! environment, flags. The later one wins. What is wrong is collected over all of
//! them.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use common::yaml::{self, MAX_BYTES};
use serde_json::Value;

use crate::config::{
    ConfigError, ConfigErrors, Origin, Problem, Retired, Site, check,
    encoding::is_not_utf8,
    layers::{AssignError, Document, Section as _},
    legacy,
    nearest::nearest,
    origin::Layer,
    schema::{UnknownKey, dotted_keys, unknown_keys},
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

/// One of the texts that the configuration is made of.
#[derive(Clone, PartialEq, Eq)]
pub enum SiteLayer {
    /// A file, or a directory, which means its `*.yaml` files by name.
    Path(PathBuf),
    /// A text that is in no file.
    Text {
        /// What messages and origins call it. Example: `REACTOR_CONFIG`.
        name: String,
        /// The YAML. It can hold passwords where it should not.
        text: String,
    },
}

impl fmt::Debug for SiteLayer {
    /// Without the text, which can hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Text { name, text } => {
                f.debug_struct("Text").field("name", name).field("bytes", &text.len()).finish()
            }
        }
    }
}

/// Problems of one kind that are reported at most.
const MAX_OF_ONE_KIND: usize = 100;

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
        Self::assemble(&paths(files), environment, flags, true)
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
        Self::assemble(&paths(files), environment, flags, false)
    }

    /// As [`load`](Self::load), of texts that need not be files.
    ///
    /// # Errors
    /// As of [`load`](Self::load).
    pub fn load_layers(
        layers: &[SiteLayer],
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[FlagSetting],
    ) -> Result<Self, ConfigErrors> {
        Self::assemble(layers, environment, flags, true)
    }

    /// As [`read`](Self::read), of texts that need not be files.
    ///
    /// # Errors
    /// As of [`read`](Self::read).
    pub fn read_layers(
        layers: &[SiteLayer],
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[FlagSetting],
    ) -> Result<Self, ConfigErrors> {
        Self::assemble(layers, environment, flags, false)
    }

    fn assemble(
        layers: &[SiteLayer],
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[FlagSetting],
        check_files: bool,
    ) -> Result<Self, ConfigErrors> {
        let (mut site, mut errors) = (Self::default(), Vec::new());
        for layer in layers {
            match layer {
                SiteLayer::Path(path) => match expand(path, &mut site.notices, &mut errors) {
                    Ok(files) => files.iter().for_each(|file| site.take_file(file, &mut errors)),
                    Err(error) => errors.push(error),
                },
                SiteLayer::Text { name, text } => {
                    site.take_text(Path::new(name), text.as_bytes(), &mut errors);
                }
            }
        }
        let mut variables: Vec<_> = environment
            .into_iter()
            .filter_map(|(name, text)| Some((name.strip_prefix(ENVIRONMENT_PREFIX)?.to_owned(), name, text)))
            .collect();
        variables.sort();
        for (name, variable, text) in variables {
            if is_not_utf8(&text) {
                errors.push(ConfigError::NotUtf8 { variable });
                continue;
            }
            let key = name.to_lowercase().replace("__", ".");
            errors.extend(site.assign(&key, &text, Origin::Environment(variable)).err());
        }
        for setting in flags {
            let flag = Origin::Flag(setting.flag.to_owned());
            errors.extend(site.assign(setting.key, &setting.text, flag).err());
        }
        let unread = !errors.is_empty();
        let exposed = site.origins.take_exposed();
        let mut checked = check::check(&site, check_files, unread);
        checked.retain(|error| !exposed.iter().any(|(key, _)| says_the_same(error, key)));
        errors.extend(exposed.into_iter().map(|(key, origin)| ConfigError::secret_in_url(key, origin)));
        errors.extend(checked);
        if errors.is_empty() {
            return Ok(site);
        }
        let mut kinds: BTreeMap<&'static str, usize> = BTreeMap::new();
        let problems = errors.into_iter().map(ConfigError::without_userinfo).filter(|error| {
            let number = kinds.entry(error.code()).or_default();
            *number += 1;
            *number <= MAX_OF_ONE_KIND
        });
        Err(ConfigErrors { problems: problems.collect(), retired: site.retired, notices: site.notices })
    }

    fn take_file(&mut self, path: &Path, errors: &mut Vec<ConfigError>) {
        match read_bounded(path) {
            Ok(text) => self.take_text(path, &text, errors),
            Err(source) => errors.push(ConfigError::Read { path: path.to_owned(), source }),
        }
    }

    fn take_text(&mut self, path: &Path, text: &[u8], errors: &mut Vec<ConfigError>) {
        let FileLayer { patch, layer, retired } = read(path, text, errors);
        self.retired.extend(retired);
        for (position, registry) in patch.registries.iter().flatten().enumerate() {
            let origin = layer.origin_of_entry("registries", position, registry.host.as_str());
            self.origins.note_as(&format!("registries.{}", registry.host), registry, origin);
        }
        self.settings.apply(patch, "", &layer, &mut self.origins);
    }

    fn assign(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), ConfigError> {
        let path: Vec<&str> = key.split('.').collect();
        let mut patch = SettingsPatch::default();
        Settings::assign(&mut patch, &path, text).map_err(|error| match error {
            AssignError::NoSuchKey => ConfigError::UnknownKey {
                origin: origin.clone(),
                key: key.to_owned(),
                nearest: nearest_key(key),
                dotted: false,
            },
            AssignError::IsASection => ConfigError::Value {
                origin: origin.clone(),
                key: key.to_owned(),
                reason: "it is a section; name a setting below it".to_owned(),
            },
            AssignError::InAMap => ConfigError::Value {
                origin: origin.clone(),
                key: key.to_owned(),
                reason: "entries of maps are set in a configuration file; names of variables cannot tell \
                         their letters and signs"
                    .to_owned(),
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
fn expand(
    path: &Path,
    notices: &mut Vec<String>,
    errors: &mut Vec<ConfigError>,
) -> Result<Vec<PathBuf>, ConfigError> {
    let fail = |source| ConfigError::Read { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(fail)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(fail)? {
        let file = entry.map_err(fail)?.path();
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("yaml") => match fs::metadata(&file) {
                Ok(metadata) if metadata.is_dir() => {
                    notices.push(format!("{} is a directory and was not read", file.display()));
                }
                Ok(_) => files.push(file),
                Err(source) => errors.push(ConfigError::Read { path: file, source }),
            },
            Some("yml") => {
                notices.push(format!("{} was not read: only names that end in .yaml count", file.display()));
            }
            _ => {}
        }
    }
    if files.is_empty() && errors.is_empty() {
        notices.push(format!("{} has no file that ends in .yaml, so it says nothing", path.display()));
    }
    notices.sort();
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
    let mut found: Vec<ConfigError> = unknown(&Site::schema(), document)
        .into_iter()
        .map(|unknown| {
            let successor = legacy::successor(&unknown.path).map(str::to_owned);
            let known = unknown.known.iter().map(String::as_str);
            let nearest = successor.or_else(|| nearest(&unknown.name, known).map(str::to_owned));
            let dotted = unknown.dotted;
            ConfigError::UnknownKey { origin: layer.place(&unknown.path), key: unknown.path, nearest, dotted }
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

/// Keys of a text that a schema does not know.
pub(crate) fn unknown(schema: &Value, document: Document<'_>) -> Vec<UnknownKey> {
    let mut found = unknown_keys(schema, document.places.paths());
    // A part of a name with dots has no place of its own.
    found.retain(|unknown| document.places.line(&unknown.path).is_some());
    let text = yaml::read_at::<Value>(document.file, document.text, &[]);
    found.extend(text.ok().flatten().map(|text| dotted_keys(schema, &text)).unwrap_or_default());
    found
}

fn paths(files: &[PathBuf]) -> Vec<SiteLayer> {
    files.iter().cloned().map(SiteLayer::Path).collect()
}

/// Whether an error is about the form of an address that was refused already.
fn says_the_same(error: &ConfigError, key: &str) -> bool {
    let form = [Problem::BadUrl, Problem::BadDomain, Problem::BadRegistry];
    matches!(error, ConfigError::Invalid { problem, .. } if form.contains(problem))
        && error.key() == Some(key)
}

fn nearest_key(key: &str) -> Option<String> {
    let keys = Site::keys();
    nearest(key, keys.iter().map(|key| key.name.as_str())).map(str::to_owned)
}

#[cfg(test)]
mod tests;
