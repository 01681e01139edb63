//! Which settings name secrets. A secret is a file; what is shown of it is its
//! path, whether it is there, and the beginning of a digest that tells two
//! contents apart.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use common::image::Digest;
use serde::Serialize;

use crate::config::Site;

/// Largest secret that gets a fingerprint.
const MAX_SECRET_BYTES: u64 = 1 << 20;

/// The path that a setting holds, if it holds one.
type PathOf = fn(&Site) -> Option<&Path>;

/// Keys that name a file with a secret.
const FILES: &[(&str, PathOf)] = &[
    ("service.worker_token_file", |site| site.service.worker_token_file.as_deref()),
    ("service.client_token_file", |site| site.service.client_token_file.as_deref()),
    ("service.tls.key_file", |site| site.service.tls.key_file.as_deref()),
    ("git.credentials_file", |site| site.git.credentials_file.as_deref()),
    ("git.ssh_key_file", |site| site.git.ssh_key_file.as_deref()),
    ("workers.local.registry_config", |site| site.workers.local.registry_config.as_deref()),
    ("koji.tls.key_file", |site| site.koji.tls.key_file.as_deref()),
    ("mail.password_file", |site| site.mail.password_file.as_deref()),
    ("openshift.token_file", |site| site.openshift.token_file.as_deref()),
];

/// Keys that name a directory with secrets, and the files in it.
pub(crate) const DIRECTORIES: &[(&str, PathOf, &[&str])] = &[
    ("composes.token_directory", |site| site.composes.token_directory.as_deref(), &["token"]),
    ("composes.certificate_directory", |site| site.composes.certificate_directory.as_deref(), &["cert"]),
    (
        "openshift.certificate_directory",
        |site| site.openshift.certificate_directory.as_deref(),
        &["cert", "key"],
    ),
];

/// The key whose entries may name a file with credentials.
pub(crate) const REGISTRIES: &str = "registries";

/// The key whose entries may name a file with a secret to sign with.
const WEBHOOKS: &str = "webhooks";

/// A file with a secret, as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it can be read here.
    pub present: bool,
    /// The first eight digits of the SHA-256 of its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl SecretFile {
    fn look_at(path: PathBuf) -> Self {
        // A directory and a file that is too large are there, but have no fingerprint.
        let content = File::open(&path).and_then(|file| {
            let mut content = Vec::new();
            if file.metadata()?.is_file() {
                file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut content)?;
            }
            Ok(content)
        });
        let fingerprint = content
            .as_ref()
            .ok()
            .filter(|content| !content.is_empty() && content.len() as u64 <= MAX_SECRET_BYTES)
            .map(|content| Digest::of(content).hex().chars().take(8).collect());
        Self { path, present: content.is_ok(), fingerprint }
    }
}

impl Site {
    /// Whether `key` names files with secrets.
    pub fn names_secrets(key: &str) -> bool {
        key == REGISTRIES
            || key == WEBHOOKS
            || key.strip_prefix(REGISTRIES).is_some_and(|entry| entry.starts_with('.'))
            || FILES.iter().any(|(name, _)| *name == key)
            || DIRECTORIES.iter().any(|(name, ..)| *name == key)
    }

    /// The files with secrets that `key` names. Reads them, for their fingerprints.
    pub fn secret_files(&self, key: &str) -> Vec<SecretFile> {
        let files = FILES
            .iter()
            .filter(|(name, _)| *name == key)
            .filter_map(|(_, path)| path(self).map(Path::to_owned));
        let in_directories = DIRECTORIES
            .iter()
            .filter(|(name, ..)| *name == key)
            .filter_map(|(_, directory, names)| directory(self).map(|directory| (directory, names)))
            .flat_map(|(directory, names)| names.iter().map(|name| directory.join(name)));
        let of_registries = self
            .registries
            .iter()
            .filter(|registry| {
                key == REGISTRIES
                    || key.strip_prefix("registries.").is_some_and(|host| host == registry.host.as_str())
            })
            .filter_map(|registry| registry.credentials_file.clone());
        let of_webhooks = self.webhooks.iter().filter(|_| key == WEBHOOKS);
        let of_webhooks = of_webhooks.filter_map(|webhook| webhook.secret_file.clone());
        files.chain(in_directories).chain(of_registries).chain(of_webhooks).map(SecretFile::look_at).collect()
    }
}
