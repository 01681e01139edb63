//! Files of version 1, the form of 2018: read strictly, translated to our own
//! settings, and what became of every key is said.

mod convert;
pub(crate) mod form;
mod registry;
mod retired;

use std::path::Path;

use common::yaml::{self, Places};

pub use retired::Retired;
pub(crate) use retired::successor;

use crate::config::{
    ConfigError, Site,
    layers::Document,
    load::{FileLayer, unknown},
    nearest::nearest,
    origin::{Layer, origin_in},
};
use convert::Conversion;
use form::Version1;

/// Retired keys of one file that are told at most.
const MAX_RETIRED: usize = 100;

/// Reads a file that has a `version`. What can be read is translated, what cannot
/// is said.
pub(crate) fn read(path: &Path, text: &[u8], places: Places, errors: &mut Vec<ConfigError>) -> FileLayer {
    let file = path.display().to_string();
    let document = Document { file: &file, text, places: &places };
    let mut found = Vec::new();
    let form = match yaml::read_at::<Version1>(&file, text, &[]) {
        Ok(form) => form.unwrap_or_default(),
        Err(error) => {
            let form = read_what_can_be(path, document, &mut found);
            if found.is_empty() {
                found.push(ConfigError::Yaml { path: path.to_owned(), reason: error.reason });
            }
            form
        }
    };
    let mut retired = retired::retired(path, &places);
    let mut conversion = Conversion::new(path, &places);
    let version = form.version.clone().unwrap_or_default();
    if !matches!(version.as_str(), "" | "1") || (version.is_empty() && found.is_empty()) {
        found.push(ConfigError::Version { origin: origin_in(path, &places, "version"), version });
    } else {
        // A version that could not be read was told; so is what is wrong beside it.
        conversion.take(form);
    }
    let Conversion { patch, former, errors: bad, retired: also_retired, .. } = conversion;
    retired.extend(also_retired);
    retired.sort_by_key(|retired| retired.line);
    retired.truncate(MAX_RETIRED);
    errors.extend(found);
    errors.extend(bad);
    FileLayer { patch, layer: Layer::File { path: path.to_owned(), places, former }, retired }
}

/// The keys that can be read of a file that cannot be read as a whole.
fn read_what_can_be(path: &Path, document: Document<'_>, found: &mut Vec<ConfigError>) -> Version1 {
    let places = document.places;
    if yaml::read_at::<serde::de::IgnoredAny>(document.file, document.text, &[]).is_err() {
        return Version1::default();
    }
    let unknown = unknown(&Site::schema_of_version_1(), document);
    found.extend(unknown.into_iter().map(|unknown| {
        let known = unknown.known.iter().map(String::as_str);
        ConfigError::UnknownKey {
            origin: origin_in(path, places, &unknown.path),
            nearest: nearest(&unknown.name, known).map(str::to_owned),
            key: unknown.path,
            dotted: unknown.dotted,
        }
    }));
    let mut bad = Vec::new();
    let form = Version1::read_each(document, &mut bad);
    for (key, reason) in bad {
        // A section with an unknown key cannot be read because of that.
        let named = found.iter().any(|error| {
            error
                .key()
                .and_then(|unknown| unknown.strip_prefix(&key))
                .is_some_and(|rest| rest.starts_with(['.', '[']))
        });
        if !named {
            found.push(ConfigError::Value { origin: origin_in(path, places, &key), key, reason });
        }
    }
    form
}

#[cfg(test)]
mod tests;
