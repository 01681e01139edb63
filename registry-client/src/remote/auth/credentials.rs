//! Credentials from the files that container tools keep: `config.json` (also
//! under its Kubernetes name `.dockerconfigjson`) and the older `.dockercfg`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{image::Host, secret::Secret};
use serde::Deserialize;

use crate::RegistryError;

const MAX_BYTES: u64 = 1024 * 1024;
const NAMES: [&str; 3] = [".dockerconfigjson", "config.json", ".dockercfg"];

/// How to prove who we are.
#[derive(Debug, Clone)]
pub(crate) enum Credentials {
    /// User and password.
    Password { user: String, password: Secret },
    /// An identity token, to be exchanged for access tokens.
    Identity { token: Secret },
}

impl Credentials {
    /// The value of an `Authorization` header, for a password.
    pub(crate) fn basic(&self) -> Option<Secret> {
        match self {
            Self::Password { user, password } => Some(Secret::new(format!(
                "Basic {}",
                STANDARD.encode(format!("{user}:{}", password.expose()))
            ))),
            Self::Identity { .. } => None,
        }
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

impl Entry {
    fn credentials(self) -> Result<Option<Credentials>, String> {
        if let Some(token) = self.identitytoken.filter(|token| !token.is_empty()) {
            return Ok(Some(Credentials::Identity { token: Secret::new(token) }));
        }
        let (user, password) = match self.auth.filter(|auth| !auth.is_empty()) {
            Some(auth) => {
                let plain = STANDARD.decode(auth.trim()).ok().and_then(|raw| String::from_utf8(raw).ok());
                let plain = plain.ok_or("'auth' is not base64 text")?;
                let (user, password) = plain.split_once(':').ok_or("'auth' has no colon")?;
                (user.to_owned(), password.trim_end_matches('\0').to_owned())
            }
            None => (self.username.unwrap_or_default(), self.password.unwrap_or_default()),
        };
        // Half a pair is no credentials.
        if user.is_empty() || password.is_empty() {
            return Ok(None);
        }
        Ok(Some(Credentials::Password { user, password: Secret::new(password) }))
    }
}

/// The credentials for `host` in a file, or in the file that a directory has; `None` if it has none for it.
///
/// # Errors
/// The file cannot be read or understood. Its content is never quoted.
pub(crate) async fn read(host: &Host, path: &Path) -> Result<Option<Credentials>, RegistryError> {
    let path = in_directory(path).await;
    let fail = |source| RegistryError::File { action: "read the credentials in", path: path.clone(), source };
    if tokio::fs::metadata(&path).await.map_err(fail)?.len() > MAX_BYTES {
        return Err(fail(std::io::Error::other("it is larger than 1 MiB")));
    }
    let text = tokio::fs::read(&path).await.map_err(fail)?;
    find(host, &text).map_err(|reason| RegistryError::Settings {
        host: host.to_string(),
        reason: format!("credentials file {}: {reason}", path.display()),
    })
}

async fn in_directory(path: &Path) -> PathBuf {
    for name in NAMES {
        let file = path.join(name);
        if tokio::fs::try_exists(&file).await.unwrap_or(false) {
            return file;
        }
    }
    path.to_owned()
}

fn find(host: &Host, text: &[u8]) -> Result<Option<Credentials>, String> {
    // serde_json's own message may quote the file.
    let place = |error: serde_json::Error| format!("line {}: it is not a credentials file", error.line());
    let file: BTreeMap<String, serde_json::Value> = serde_json::from_slice(text).map_err(place)?;
    let entries = match file.get("auths") {
        Some(auths) => serde_json::from_value(auths.clone()).map_err(place)?,
        // Beside `auths`, config.json has settings of other kinds.
        None if NOT_ENTRIES.iter().any(|key| file.contains_key(*key)) => return Ok(None),
        None => file,
    };
    let exact = entries.iter().find(|(key, _)| *key == host.as_str());
    let found = exact.or_else(|| entries.iter().find(|(key, _)| is_for(key, host)));
    match found {
        Some((_, entry)) => serde_json::from_value::<Entry>(entry.clone()).map_err(place)?.credentials(),
        None => Ok(None),
    }
}

const NOT_ENTRIES: [&str; 4] = ["credsStore", "credHelpers", "HttpHeaders", "proxies"];

/// Whether a key of the file is for `host`: `host[:port]`, also with a scheme and a path.
fn is_for(key: &str, host: &Host) -> bool {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let name = bare.split('/').next().unwrap_or(bare);
    canonical(name) == canonical(host.as_str())
}

fn canonical(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(host: &str, text: &str) -> Option<String> {
        match find(&host.parse().unwrap(), text.as_bytes()).unwrap() {
            Some(Credentials::Password { user, password }) => Some(format!("{user}/{}", password.expose())),
            Some(Credentials::Identity { token }) => Some(format!("token {}", token.expose())),
            None => None,
        }
    }

    #[test]
    fn all_forms_are_read() {
        let pair = r#"{"username":"u","password":"p"}"#;
        for (host, text, expected) in [
            ("example.com", r#"{"auths":{"example.com":{"auth":"dTpwOnE="}}}"#.to_owned(), Some("u/p:q")),
            ("example.com", format!(r#"{{"auths":{{"https://example.com/v2/":{pair}}}}}"#), Some("u/p")),
            ("example.com", format!(r#"{{"https://example.com/v2":{pair}}}"#), Some("u/p")),
            ("example.com", format!(r#"{{"example.com":{pair}}}"#), Some("u/p")),
            ("example.com:5000", format!(r#"{{"example.com":{pair}}}"#), None),
            ("notexample.com", format!(r#"{{"example.com":{pair}}}"#), None),
            ("docker.io", format!(r#"{{"auths":{{"https://index.docker.io/v1/":{pair}}}}}"#), Some("u/p")),
            ("r.io", r#"{"auths":{"r.io":{"identitytoken":"t","auth":"dTpw"}}}"#.to_owned(), Some("token t")),
            ("r.io", r#"{"auths":{"r.io":{"username":"u"}}}"#.to_owned(), None),
            ("r.io", r#"{"credsStore":"desktop"}"#.to_owned(), None),
            ("r.io", r#"{"auths":{"r.io":{}}}"#.to_owned(), None),
        ] {
            assert_eq!(user(host, &text).as_deref(), expected, "{host} in {text}");
        }
    }

    #[test]
    fn errors_do_not_quote_the_file() {
        for text in ["hunter2", r#"{"auths":{"r.io":{"auth":"hunter2!"}}}"#, r#"{"r.io":"hunter2"}"#] {
            let error = find(&"r.io".parse().unwrap(), text.as_bytes()).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
