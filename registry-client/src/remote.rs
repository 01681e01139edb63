//! A repository in a registry, over HTTP (OCI distribution specification 1.1,
//! which Docker's registry protocol version 2 is a subset of).

mod answers;
mod auth;
mod blob;
mod limits;
mod manifest;
mod tags;
mod tls;
mod transport;
mod upload;

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    image::{Digest, Host, Repository, Tag},
    work::Descriptor,
};
use url::Url;

pub use self::limits::Limits;
use self::{auth::Scope, tls::HttpClients, transport::Access};
use crate::{
    BlobSource, BlobStat, BlobStream, Manifest, Place, Registry, RegistryError, RegistrySettings, Selector,
};

/// Access to registries: connections, tokens and limits, shared by all that is cloned from it.
#[derive(Debug, Clone)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: RegistrySettings,
    limits: Limits,
    clients: Arc<HttpClients>,
    hosts: Mutex<HashMap<Host, Arc<Access>>>,
}

impl Client {
    /// Access under the usual limits.
    pub fn new(settings: RegistrySettings) -> Self {
        Self::with_limits(settings, Limits::default())
    }

    /// Access under other limits.
    pub fn with_limits(settings: RegistrySettings, limits: Limits) -> Self {
        tls::install_provider();
        let clients = Arc::new(HttpClients::default());
        Self(Arc::new(Shared { settings, limits, clients, hosts: Mutex::default() }))
    }

    /// A repository in a registry. Nothing is sent. On `docker.io` a name of one component is below `library/`.
    pub fn repository(&self, host: &Host, repository: &Repository) -> Remote {
        let shared = &self.0;
        let mut hosts = shared.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let access = hosts.entry(host.clone()).or_insert_with(|| {
            let settings = shared.settings.of(host).clone();
            Arc::new(Access::new(host.clone(), settings, shared.limits, Arc::clone(&shared.clients)))
        });
        let official = host.as_str() == "docker.io" && !repository.as_str().contains('/');
        let below_library = official.then(|| format!("library/{repository}").parse().ok()).flatten();
        Remote { access: Arc::clone(access), repository: below_library.unwrap_or_else(|| repository.clone()) }
    }
}

/// A repository in a registry.
#[derive(Clone)]
pub struct Remote {
    access: Arc<Access>,
    repository: Repository,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.describe()).finish()
    }
}

impl Remote {
    /// An address below the repository.
    fn url(&self, path: &str) -> Result<Url, RegistryError> {
        self.access.url(&format!("{}/{path}", self.repository))
    }

    fn pull(&self) -> Scope {
        Scope { repository: self.repository.clone(), push: false, pull_from: None }
    }

    fn push(&self) -> Scope {
        Scope { push: true, ..self.pull() }
    }
}

#[async_trait]
impl Registry for Remote {
    fn describe(&self) -> String {
        format!("{}/{}", self.access.host, self.repository)
    }

    fn place(&self) -> Place {
        Place::Remote(self.access.host.clone(), self.repository.clone())
    }

    async fn head_manifest(&self, selector: &Selector) -> Result<Option<Descriptor>, RegistryError> {
        self.ask_head(selector).await
    }

    async fn manifest(&self, selector: &Selector) -> Result<Option<Manifest>, RegistryError> {
        self.ask_manifest(selector).await
    }

    async fn put_manifest(
        &self,
        selector: &Selector,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest, RegistryError> {
        self.send_manifest(selector, media_type, bytes).await
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<Option<BlobStat>, RegistryError> {
        self.ask_blob(digest).await
    }

    async fn read_blob(&self, blob: &Descriptor) -> Result<BlobStream, RegistryError> {
        self.download(blob).await
    }

    async fn write_blob(&self, blob: &Descriptor, source: &BlobSource<'_>) -> Result<(), RegistryError> {
        if self.has_blob(blob).await? {
            return Ok(());
        }
        self.upload(blob, source).await
    }

    async fn mount_blob(&self, digest: &Digest, from: &Repository) -> Result<bool, RegistryError> {
        self.mount(digest, from).await
    }

    fn local_blob(&self, _digest: &Digest) -> Option<PathBuf> {
        None
    }

    async fn tags(&self) -> Result<Vec<Tag>, RegistryError> {
        self.list_tags().await
    }

    async fn delete_tag(&self, tag: &Tag) -> Result<bool, RegistryError> {
        self.remove_tag(tag).await
    }

    async fn delete_manifest(&self, digest: &Digest) -> Result<bool, RegistryError> {
        self.delete(&Selector::Digest(digest.clone())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, repository: &str, plain_http: bool) -> String {
        let mut settings = RegistrySettings::default();
        settings.defaults.plain_http = plain_http;
        let remote = Client::new(settings).repository(&host.parse().unwrap(), &repository.parse().unwrap());
        remote.url("manifests/latest").unwrap().to_string()
    }

    #[test]
    fn addresses_follow_the_settings() {
        for (host, repository, plain_http, expected) in [
            ("r.example.org", "a/b", false, "https://r.example.org/v2/a/b/manifests/latest"),
            ("localhost:5000", "a", true, "http://localhost:5000/v2/a/manifests/latest"),
            ("docker.io", "fedora", false, "https://registry-1.docker.io/v2/library/fedora/manifests/latest"),
            ("docker.io", "me/fedora", false, "https://registry-1.docker.io/v2/me/fedora/manifests/latest"),
            ("[::1]:5000", "a", true, "http://[::1]:5000/v2/a/manifests/latest"),
        ] {
            assert_eq!(address(host, repository, plain_http), expected);
        }
    }
}
