//! Logins for registries, from the files that container tools keep: Docker's
//! `config.json` with `auths`, the same under its Kubernetes name
//! `.dockerconfigjson`, and the older `.dockercfg`, which is the inner object of
//! `auths` alone (documentation of the Docker command line, "Configuration
//! files", and of Kubernetes, "Docker config Secrets"). Credential helpers are
//! not asked. What a file holds is never part of an error.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;

use crate::{image::Host, secret::Secret};

const MAX_BYTES: u64 = 1024 * 1024;
/// What a directory is searched for, in this order.
const NAMES: [&str; 3] = [".dockerconfigjson", "config.json", ".dockercfg"];
/// Settings by which a `config.json` without `auths` is told from a `.dockercfg`.
const SETTINGS: [&str; 4] = ["credsStore", "credHelpers", "HttpHeaders", "proxies"];

/// How to prove to a registry who we are.
#[derive(Debug, Clone)]
pub enum Login {
    /// User and password; neither is empty.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// An OAuth2 refresh token, to be exchanged for access tokens.
    IdentityToken(Secret),
}

impl Login {
    /// The value of an `Authorization` header (RFC 7617), for a password.
    pub fn basic(&self) -> Option<Secret> {
        match self {
            Self::Password { user, password } => Some(Secret::new(format!(
                "Basic {}",
                STANDARD.encode(format!("{user}:{}", password.expose()))
            ))),
            Self::IdentityToken(_) => None,
        }
    }
}

/// A file with logins cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoginsError {
    /// It cannot be read, or is too large.
    #[error("cannot read the credentials in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It cannot be understood.
    #[error("credentials file {}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, without a word of its content.
        reason: String,
    },
}

/// The logins of a file, by its keys: `host[:port]`, also with a scheme and a path.
#[derive(Debug, Clone, Default)]
pub struct RegistryLogins(BTreeMap<String, Login>);

type Entries = BTreeMap<String, Value>;

impl RegistryLogins {
    /// Reads a file, or the one of a known name that a directory has. Blocks.
    ///
    /// # Errors
    /// The file cannot be read, is larger than 1 MiB or not of a known form, or
    /// any of its entries does not decode.
    pub fn from_file(path: &Path) -> Result<Self, LoginsError> {
        load(path, Self::all)
    }

    /// Like [`from_file`](Self::from_file), for one host: entries of others are
    /// left out, and may be broken.
    ///
    /// # Errors
    /// The file cannot be read, is larger than 1 MiB or not of a known form, or
    /// the entry of `host` does not decode.
    pub fn from_file_for(path: &Path, host: &Host) -> Result<Self, LoginsError> {
        load(path, |entries| Self::only(entries, host))
    }

    /// The login for a host, if there is one: that of the very same key before
    /// that of a key that means the host.
    pub fn for_host(&self, host: &Host) -> Option<Login> {
        by_preference(&self.0, host).next().map(|(_, login)| login.clone())
    }

    fn all(entries: Entries) -> Result<Self, String> {
        let mut logins = BTreeMap::new();
        for (number, (key, entry)) in (1_usize..).zip(entries) {
            // A key is content as well, and may even have a password in it.
            let login =
                decode(&entry).map_err(|reason| format!("entry {number} in order of names: {reason}"))?;
            logins.extend(login.map(|login| (key, login)));
        }
        Ok(Self(logins))
    }

    fn only(entries: Entries, host: &Host) -> Result<Self, String> {
        for (key, entry) in by_preference(&entries, host) {
            if let Some(login) = decode(entry)? {
                return Ok(Self(BTreeMap::from([(key.clone(), login)])));
            }
        }
        Ok(Self::default())
    }
}

fn load(
    path: &Path,
    choose: impl FnOnce(Entries) -> Result<RegistryLogins, String>,
) -> Result<RegistryLogins, LoginsError> {
    let path = in_directory(path);
    match read(&path) {
        Ok(text) => entries(&text).and_then(choose).map_err(|reason| LoginsError::Content { path, reason }),
        Err(source) => Err(LoginsError::Read { path, source }),
    }
}

fn in_directory(path: &Path) -> PathBuf {
    let mut files = NAMES.iter().map(|name| path.join(name));
    files.find(|file| file.exists()).unwrap_or_else(|| path.to_owned())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= MAX_BYTES) {
        Ok(text)
    } else {
        Err(io::Error::other("it is larger than 1 MiB"))
    }
}

fn entries(text: &[u8]) -> Result<Entries, String> {
    // serde_json's own message may quote the file.
    let mut file: Entries = serde_json::from_slice(text)
        .map_err(|error| format!("line {}: it is not a credentials file", error.line()))?;
    match file.remove("auths") {
        Some(auths) => serde_json::from_value(auths).map_err(|_| "'auths' is not an object".to_owned()),
        None if SETTINGS.iter().any(|key| file.contains_key(*key)) => Ok(Entries::new()),
        None => Ok(file),
    }
}

/// The entries for `host`, the best first.
fn by_preference<'a, T>(
    entries: &'a BTreeMap<String, T>,
    host: &'a Host,
) -> impl Iterator<Item = (&'a String, &'a T)> {
    let exact = entries.get_key_value(host.as_str());
    let others = entries.iter().filter(|(key, _)| *key != host.as_str() && is_for(key, host));
    exact.into_iter().chain(others)
}

/// Whether a key of a file means `host`.
fn is_for(key: &str, host: &Host) -> bool {
    let url = key.split_once("://").filter(|(scheme, _)| !scheme.contains('/'));
    let bare = url.map_or(key, |(_, rest)| rest);
    let name = bare.split('/').next().unwrap_or(bare);
    canonical(name) == canonical(host.as_str())
}

/// Docker Hub has several names.
fn canonical(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    #[serde(alias = "identityToken")]
    identitytoken: Option<String>,
}

/// The login of an entry. One that a credential helper left behind has none.
fn decode(entry: &Value) -> Result<Option<Login>, String> {
    let entry = Entry::deserialize(entry).map_err(|_| "it is not an object of texts")?;
    if let Some(token) = entry.identitytoken.filter(|token| !token.is_empty()) {
        return Ok(Some(Login::IdentityToken(Secret::new(token))));
    }
    let (user, password) = match entry.auth.filter(|auth| !auth.is_empty()) {
        Some(auth) => {
            let plain = STANDARD.decode(auth.trim()).ok().and_then(|raw| String::from_utf8(raw).ok());
            let plain = plain.ok_or("'auth' is not base64 text")?;
            let (user, password) = plain.split_once(':').ok_or("'auth' has no colon")?;
            // Older versions of Docker padded with NUL.
            (user.to_owned(), password.trim_matches('\0').to_owned())
        }
        None => (entry.username.unwrap_or_default(), entry.password.unwrap_or_default()),
    };
    // Half a pair is no login.
    let whole = !user.is_empty() && !password.is_empty();
    Ok(whole.then(|| Login::Password { user, password: Secret::new(password) }))
}

#[cfg(test)]
mod tests;
