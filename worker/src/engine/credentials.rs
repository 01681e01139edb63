//! Credentials for pulling parents, from a Docker `config.json` or the older
//! `.dockercfg` (the file formats of the Docker command line).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bollard::auth::DockerCredentials;
use common::{
    image::{Host, ImageReference},
    secret::Secret,
};
use serde::Deserialize;

/// What a registry asks for.
#[derive(Debug, Clone)]
enum Login {
    Password { user: String, password: Secret },
    IdentityToken(Secret),
}

/// Credentials by registry.
#[derive(Debug, Clone, Default)]
pub struct RegistryCredentials(BTreeMap<String, Login>);

/// A file with credentials cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read registry credentials from {}: {reason}", path.display())]
pub struct CredentialsError {
    path: PathBuf,
    reason: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
}

#[derive(Deserialize)]
struct ConfigFile {
    auths: BTreeMap<String, Entry>,
}

impl RegistryCredentials {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, is neither of the two formats, or an entry does
    /// not decode. Its content is never part of the message.
    pub fn from_file(path: &Path) -> Result<Self, CredentialsError> {
        let fail = |reason: String| CredentialsError { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        Self::from_text(&text).map_err(fail)
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let entries = match serde_json::from_str::<ConfigFile>(text) {
            Ok(config) => config.auths,
            Err(_) => serde_json::from_str::<BTreeMap<String, Entry>>(text)
                .map_err(|_| "it is neither a Docker config.json with 'auths' nor a .dockercfg".to_owned())?,
        };
        let mut logins = BTreeMap::new();
        for (server, entry) in entries {
            if let Some(login) = entry.login().map_err(|reason| format!("entry '{server}': {reason}"))? {
                logins.insert(registry_of(&server), login);
            }
        }
        Ok(Self(logins))
    }

    /// What the engine needs to pull an image, if anything is known.
    pub(crate) fn for_image(&self, image: &ImageReference) -> Option<DockerCredentials> {
        let registry = image.host.as_ref().map_or("docker.io", Host::as_str);
        let login = self.0.get(registry)?;
        let mut credentials =
            DockerCredentials { serveraddress: Some(registry.to_owned()), ..Default::default() };
        match login {
            Login::Password { user, password } => {
                credentials.username = Some(user.clone());
                credentials.password = Some(password.expose().to_owned());
            }
            Login::IdentityToken(token) => credentials.identitytoken = Some(token.expose().to_owned()),
        }
        Some(credentials)
    }
}

impl Entry {
    fn login(self) -> Result<Option<Login>, &'static str> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Login::IdentityToken(Secret::new(self.identitytoken))));
        }
        if !self.username.is_empty() {
            return Ok(Some(Login::Password { user: self.username, password: Secret::new(self.password) }));
        }
        if self.auth.is_empty() {
            // A credential helper's entry: the file itself has nothing.
            return Ok(None);
        }
        let decoded = BASE64_STANDARD.decode(self.auth.trim()).map_err(|_| "'auth' is not base64")?;
        let decoded = String::from_utf8(decoded).map_err(|_| "'auth' does not hold text")?;
        let (user, password) = decoded.split_once(':').ok_or("'auth' is not USER:PASSWORD")?;
        // Older Docker versions padded with NUL.
        let password = password.trim_matches('\0');
        Ok(Some(Login::Password { user: user.to_owned(), password: Secret::new(password) }))
    }
}

/// The registry that a key means: keys may be URLs, and Docker Hub has an old
/// name.
fn registry_of(key: &str) -> String {
    let bare = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = bare.split('/').next().unwrap_or_default().to_ascii_lowercase();
    if host == "index.docker.io" || host == "registry-1.docker.io" { "docker.io".to_owned() } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_of(credentials: &RegistryCredentials, image: &str) -> Option<String> {
        credentials.for_image(&image.parse().unwrap()).and_then(|found| found.username)
    }

    #[test]
    fn both_formats_are_read_and_matched_by_registry() {
        let auth = BASE64_STANDARD.encode("mara:a:b");
        let new = format!(
            r#"{{"auths": {{"https://r.example.org:5000/v2/": {{"auth": "{auth}"}},
                "https://index.docker.io/v1/": {{"username": "hub", "password": "x"}}, "helped.example.org": {{}}}},
                "credHelpers": {{"helped.example.org": "pass"}}}}"#
        );
        let credentials = RegistryCredentials::from_text(&new).unwrap();
        let found = credentials.for_image(&"r.example.org:5000/a/b:1".parse().unwrap()).unwrap();
        assert_eq!((found.username.as_deref(), found.password.as_deref()), (Some("mara"), Some("a:b")));
        assert_eq!(user_of(&credentials, "fedora:44").as_deref(), Some("hub"));
        assert_eq!(user_of(&credentials, "helped.example.org/a"), None);
        assert_eq!(user_of(&credentials, "r.example.org/a"), None);

        let old = format!(r#"{{"r.example.org": {{"auth": "{auth}", "email": "m@example.org"}}}}"#);
        let credentials = RegistryCredentials::from_text(&old).unwrap();
        assert_eq!(user_of(&credentials, "r.example.org/a").as_deref(), Some("mara"));
    }

    #[test]
    fn a_bad_file_is_refused_without_showing_its_content() {
        for (text, reason) in [
            ("{", "neither"),
            (r#"{"auths": {"r": {"auth": "hunter2!"}}}"#, "not base64"),
            (r#"{"auths": {"r": {"auth": "aHVudGVyMg=="}}}"#, "USER:PASSWORD"),
        ] {
            let error = RegistryCredentials::from_text(text).unwrap_err();
            assert!(error.contains(reason) && !error.contains("hunter2"), "{error}");
        }
    }
}
