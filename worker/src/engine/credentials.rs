//! Credentials for pulling parents, in the form that the engine takes them.

use std::path::Path;

use bollard::auth::DockerCredentials;
use common::{
    credentials::{Login, LoginsError, RegistryLogins},
    image::ImageReference,
};

/// Credentials by registry.
#[derive(Debug, Clone, Default)]
pub struct RegistryCredentials(RegistryLogins);

impl RegistryCredentials {
    /// Reads a file, or the one of a known name that a directory has.
    ///
    /// # Errors
    /// The file cannot be read or is not of a known form, or an entry does not
    /// decode. Its content is never part of the message.
    pub fn from_file(path: &Path) -> Result<Self, LoginsError> {
        RegistryLogins::from_file(path).map(Self)
    }

    /// What the engine needs to pull an image, if anything is known.
    pub(crate) fn for_image(&self, image: &ImageReference) -> Option<DockerCredentials> {
        let registry = match &image.host {
            Some(host) => host.clone(),
            None => "docker.io".parse().ok()?,
        };
        let login = self.0.for_host(&registry)?;
        let mut credentials =
            DockerCredentials { serveraddress: Some(registry.to_string()), ..Default::default() };
        match login {
            Login::Password { user, password } => {
                credentials.username = Some(user);
                credentials.password = Some(password.expose().to_owned());
            }
            Login::IdentityToken(token) => credentials.identitytoken = Some(token.expose().to_owned()),
        }
        Some(credentials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_told_the_login_of_the_images_registry() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = r#"{"auths": {"https://index.docker.io/v1/": {"username": "hub", "password": "x"},
            "r.example.org:5000": {"auth": "bWFyYTphOmI="}, "t.example.org": {"identitytoken": "t"}}}"#;
        std::fs::write(file.path(), text).unwrap();
        let credentials = RegistryCredentials::from_file(file.path()).unwrap();
        for (image, expected) in [
            ("fedora:44", Some(("docker.io", Some("hub"), Some("x"), None))),
            ("r.example.org:5000/a/b:1", Some(("r.example.org:5000", Some("mara"), Some("a:b"), None))),
            ("t.example.org/a", Some(("t.example.org", None, None, Some("t")))),
            ("r.example.org/a", None),
        ] {
            let found = credentials.for_image(&image.parse().unwrap());
            let expected = expected.map(|(registry, user, password, token)| DockerCredentials {
                serveraddress: Some(registry.to_owned()),
                username: user.map(str::to_owned),
                password: password.map(str::to_owned),
                identitytoken: token.map(str::to_owned),
                ..Default::default()
            });
            assert_eq!(found, expected, "{image}");
        }
    }
}
