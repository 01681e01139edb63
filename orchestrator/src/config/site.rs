//! The site's configuration: every key, its type, its default, its meaning.
//!
//! This file is the schema. `deploy/config.yaml` shows the same keys for people,
//! and a test holds the two together. A [`Site`] is read once, checked, and does
//! not change while the process lives.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use common::{
    image::Host,
    platform::{Architecture, Platform, PlatformTable},
    request::{FailurePolicy, Limits},
    service::{Scheme, ServiceAddress},
    work::ManifestFormat,
};
use serde::{Deserialize, Serialize};

use crate::config::{
    Period, Size,
    layers::{Key, Origins, Section as _, section},
};

section! {
    /// All settings, without their origins.
    Settings (SettingsPatch)
    settings {
        /// Platforms by Koji's name: additions to the built-in table, or changes of it. Entries of several files are merged by name.
        platforms: BTreeMap<Platform, PlatformSetting> = BTreeMap::new(),
        /// Platforms to build for when neither the request nor the repository names any.
        default_platforms: Vec<Platform> = default_platforms(),
        /// How to reach registries that need more than public HTTPS. The list of a later file replaces an earlier one.
        registries: Vec<RegistrySetting> = Vec::new(),
        /// Registry of image names that have no host.
        source_registry: String = "docker.io".to_owned(),
    }
    sections {
        /// The gRPC service.
        service: Service,
        /// What survives a restart.
        state: State,
        /// Access to git repositories.
        git: Git,
        /// Where images go.
        publication: Publication,
        /// Bounds and rules of builds.
        builds: Builds,
        /// Workers and their connections.
        workers: Workers,
        /// Labels that every image gets.
        labels: Labels,
        /// Koji, where builds are recorded.
        koji: KojiSetting,
        /// The compose service (ODCS), which makes package repositories for a build.
        composes: Composes,
        /// Package repositories in builds.
        repositories: Repositories,
        /// Files that builds fetch before they begin.
        artifacts: Artifacts,
        /// Mail about builds.
        mail: Mail,
        /// OpenShift, for image streams.
        openshift: OpenShift,
    }
}

section! {
    /// Labels that every image gets.
    Labels (LabelsPatch)
    settings {
        /// Labels by name. They win over the repository's, except distribution-scope. Entries of several files are merged by name.
        set: BTreeMap<String, String> = BTreeMap::new(),
        /// Groups of labels that must have one value: a label that is missing gets that of the first one in its group.
        equal: Vec<Vec<String>> = Vec::new(),
        /// Format of the label `url`, with other labels in braces. Example: `https://example.org/{name}/{version}`.
        info_url: Option<String> = None,
    }
    sections {}
}

section! {
    /// Koji, where builds are recorded.
    KojiSetting (KojiPatch)
    settings {
        /// Address of the hub's XML-RPC. Without it the site has no Koji. Only koji-bridge talks to the hub; here it is for links and records.
        hub_url: Option<String> = None,
        /// Address of the hub's files, for links.
        root_url: Option<String> = None,
        /// Address of koji-bridge: unix:PATH or HOST:PORT.
        bridge: Option<ServiceAddress> = None,
    }
    sections {}
}

section! {
    /// The compose service (ODCS), which makes package repositories for a build.
    Composes (ComposesPatch)
    settings {
        /// Address of ODCS. Without it the site has no composes.
        api_url: Option<String> = None,
        /// Whether the certificate of ODCS need not be valid.
        insecure: bool = false,
        /// Directory with the file `token` for OpenID Connect.
        token_directory: Option<PathBuf> = None,
        /// Directory with the client certificate and key in the file `cert`.
        certificate_directory: Option<PathBuf> = None,
        /// Which keys packages may be signed with, by name of the intent, most restrictive first.
        signing_intents: Vec<SigningIntent> = Vec::new(),
        /// The intent of builds that name none.
        default_signing_intent: Option<String> = None,
    }
    sections {}
}

section! {
    /// Package repositories in builds.
    Repositories (RepositoriesPatch)
    settings {
        /// Proxy that package managers of builds use. Example: `http://proxy.example.org:3128`.
        proxy: Option<String> = None,
        /// Hosts or host/path beginnings that repository files may come from; empty means any.
        allowed_domains: Vec<String> = Vec::new(),
    }
    sections {}
}

section! {
    /// Files that builds fetch before they begin.
    Artifacts (ArtifactsPatch)
    settings {
        /// Hosts or host/path beginnings that artifacts may come from; empty means any.
        allowed_domains: Vec<String> = Vec::new(),
        /// Program and arguments that fetch what the file `sources` names, run in the checked-out repository. Without it nothing is fetched.
        sources_command: Vec<String> = Vec::new(),
        /// Largest artifact.
        max_size: Size = Size::from_bytes(2 << 30),
    }
    sections {}
}

section! {
    /// Mail about builds.
    Mail (MailPatch)
    settings {
        /// Mail server. Without it no mail is sent.
        host: Option<String> = None,
        /// Sender.
        from: Option<String> = None,
        /// Who is told of every build that fails for reasons of its own.
        error_addresses: Vec<String> = Vec::new(),
        /// Who is told beside submitter and owner.
        additional_addresses: Vec<String> = Vec::new(),
        /// Domain of users without an address.
        domain: Option<String> = None,
        /// Tell who submitted the build.
        to_submitter: bool = false,
        /// Tell the package's owner.
        to_package_owner: bool = false,
    }
    sections {}
}

section! {
    /// OpenShift, for image streams.
    OpenShift (OpenShiftPatch)
    settings {
        /// Address of the cluster's API. Without it image streams are left alone.
        url: Option<String> = None,
        /// Whether the API's certificate need not be valid.
        insecure: bool = false,
        /// Project that holds the image streams.
        namespace: String = "default".to_owned(),
        /// File with the bearer token.
        token_file: Option<PathBuf> = None,
    }
    sections {}
}

section! {
    /// The gRPC service.
    Service (ServicePatch)
    settings {
        /// Address to listen on: HOST:PORT or unix:PATH; https://HOST:PORT insists on TLS.
        listen: ServiceAddress = default_address(),
        /// Serve gRPC reflection, which grpcurl needs.
        reflection: bool = true,
        /// How long open calls and running steps may take to end after SIGTERM.
        shutdown_grace: Period = Period::from_secs(30),
        /// File with the token that workers must show. Without it any worker may attach.
        worker_token_file: Option<PathBuf> = None,
        /// File with the token that clients must show. Without it anybody who reaches the address may submit builds.
        client_token_file: Option<PathBuf> = None,
    }
    sections {
        /// TLS of the service; both files or neither.
        tls: Tls,
    }
}

section! {
    /// TLS of the service; both files or neither.
    Tls (TlsPatch)
    settings {
        /// PEM file with the certificate and its chain.
        certificate_file: Option<PathBuf> = None,
        /// PEM file with the private key.
        key_file: Option<PathBuf> = None,
    }
    sections {}
}

section! {
    /// What survives a restart.
    State (StatePatch)
    settings {
        /// Directory of the journal, logs and blobs. Without it `serve` uses /var/lib/reactor as root, else reactor in the user's state directory; `build` uses a temporary one.
        directory: Option<PathBuf> = None,
    }
    sections {}
}

section! {
    /// Access to git repositories.
    Git (GitPatch)
    settings {
        /// File with one URL per line that holds user name and password (the format of git-credential-store).
        credentials_file: Option<PathBuf> = None,
        /// Private key for ssh remotes.
        ssh_key_file: Option<PathBuf> = None,
        /// Host keys that ssh remotes may have.
        ssh_known_hosts_file: Option<PathBuf> = None,
        /// Longest time of one clone.
        timeout: Period = Period::from_secs(600),
        /// Whether a request may name a repository on this host (a path or file:// address).
        allow_local: bool = true,
    }
    sections {}
}

section! {
    /// Where images go.
    Publication (PublicationPatch)
    settings {
        /// Directory below which relative OCI layouts (oci:NAME) are made. `build` uses the current directory.
        layout_root: Option<PathBuf> = None,
        /// Kind of manifests to make: oci or docker (version 2, schema 2).
        manifest_format: ManifestFormat = ManifestFormat::Oci,
    }
    sections {}
}

section! {
    /// Bounds and rules of builds.
    Builds (BuildsPatch)
    settings {
        /// Builds that run at a time; more wait in the queue.
        max_running: u32 = 8,
        /// Memory of each build container. Without it there is no limit.
        memory: Option<Size> = None,
        /// Wall-clock time of one platform's build on its worker.
        time: Period = Period::from_secs(4 * 3600),
        /// What a failed platform does to the others: finish_others or stop_others.
        failure_policy: FailurePolicy = FailurePolicy::FinishOthers,
        /// How often one platform is tried when machines fail, the first time included.
        attempts: u32 = 2,
        /// Longest wait of a platform for a free worker.
        queue_deadline: Period = Period::from_secs(3600),
        /// Largest build context.
        max_context: Size = Size::from_bytes(4 << 30),
        /// Most bytes that the images of one build may have, all platforms together.
        max_image: Size = Size::from_bytes(64 << 30),
        /// Largest log of one build; text beyond it is dropped, and the log says so.
        log_limit: Size = Size::from_bytes(1 << 30),
    }
    sections {}
}

section! {
    /// Workers and their connections.
    Workers (WorkersPatch)
    settings {
        /// How often a worker says that it is alive.
        heartbeat_interval: Period = Period::from_secs(5),
        /// Silence after which a worker's connection counts as lost.
        heartbeat_timeout: Period = Period::from_secs(15),
        /// How long a lost worker may come back and keep its work.
        reattach_window: Period = Period::from_secs(30),
        /// Log text of one work order that may be under way unacknowledged.
        log_window: Size = Size::from_bytes(1 << 20),
    }
    sections {
        /// Workers that the orchestrator starts on its own host.
        local: LocalWorkers,
    }
}

section! {
    /// Workers that the orchestrator starts on its own host.
    LocalWorkers (LocalWorkersPatch)
    settings {
        /// Platforms to start a local worker for. `build` starts one for every platform it needs.
        platforms: Vec<Platform> = Vec::new(),
        /// Work orders that each local worker takes at a time.
        slots: u32 = 1,
        /// The worker's program. Without it: `worker` beside the orchestrator's own program, then on PATH.
        program: Option<PathBuf> = None,
        /// Address of the engine that they build with (unix:///PATH or http://HOST:PORT). Without it the worker's own default.
        engine: Option<String> = None,
        /// File with logins for pulling parent images, a config.json as Docker writes it.
        registry_config: Option<PathBuf> = None,
    }
    sections {}
}

fn default_address() -> ServiceAddress {
    ServiceAddress::Tcp { scheme: Scheme::Unsaid, host: "127.0.0.1".to_owned(), port: 7070 }
}

fn default_platforms() -> Vec<Platform> {
    "x86_64".parse().into_iter().collect()
}

/// What a site says about one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformSetting {
    /// OCI's name of the architecture; needed for platforms that are not built
    /// in. Example: `riscv64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Variant of the CPU. Example: `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Whether builds may ask for it.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// How to reach one registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrySetting {
    /// The registry. Example: `registry.example.org:5000`.
    pub host: Host,
    /// Speak HTTP without TLS.
    #[serde(default)]
    pub plain_http: bool,
    /// PEM file with the certificate authority that signed the registry's
    /// certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Credentials: a `config.json` or `.dockercfg` as Docker writes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
}

/// Which keys packages may be signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningIntent {
    /// Its name. Example: `release`.
    pub name: String,
    /// Identities of keys; none allows unsigned packages.
    pub keys: Vec<String>,
}

fn yes() -> bool {
    true
}

/// The site's configuration: the settings, and who set each of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    pub(crate) settings: Settings,
    pub(crate) origins: Origins,
}

impl std::ops::Deref for Site {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Site {
    /// The same site, with relative OCI layouts below `directory` unless the site
    /// says where they go.
    #[must_use]
    pub fn or_layout_root(mut self, directory: &Path) -> Self {
        self.settings.publication.layout_root.get_or_insert_with(|| directory.to_owned());
        self
    }

    /// The same site, with its state in `directory` unless the site says where.
    #[must_use]
    pub fn or_state_directory(mut self, directory: &Path) -> Self {
        self.settings.state.directory.get_or_insert_with(|| directory.to_owned());
        self
    }

    /// Every key there is, with its meaning.
    pub fn keys() -> Vec<Key> {
        let mut keys = Vec::new();
        Settings::keys("", &mut keys);
        keys
    }

    /// Who set what.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// All platforms by name: the built-in table with the site's changes,
    /// disabled ones included.
    pub fn platform_table(&self) -> PlatformTable {
        let mut table = PlatformTable::default();
        for (platform, setting) in &self.platforms {
            if let Some(architecture) = &setting.architecture {
                let variant = setting.variant.clone();
                table.insert(platform.clone(), Architecture { architecture: architecture.clone(), variant });
            }
        }
        table
    }

    /// Whether builds may ask for a platform. A platform that the site does not
    /// mention is enabled if it is in the table.
    pub fn is_enabled(&self, platform: &Platform) -> bool {
        match self.platforms.get(platform) {
            Some(setting) => setting.enabled,
            None => self.platform_table().architecture(platform).is_ok(),
        }
    }

    /// Platforms for builds that name none.
    pub fn default_platforms(&self) -> &[Platform] {
        &self.default_platforms
    }

    /// Bounds for builds that name none.
    pub fn limits(&self) -> Limits {
        Limits { memory_bytes: self.builds.memory.map(Size::bytes), time: Some(self.builds.time.duration()) }
    }

    /// What the site says about a registry, if anything.
    pub fn registry(&self, host: &Host) -> Option<&RegistrySetting> {
        self.registries.iter().find(|registry| registry.host == *host)
    }
}

impl Tls {
    /// Certificate and key, if TLS is on.
    pub fn files(&self) -> Option<(&Path, &Path)> {
        self.certificate_file.as_deref().zip(self.key_file.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_without_any_file_is_usable() {
        let site = Site::default();
        assert_eq!(site.service.listen.to_string(), "127.0.0.1:7070");
        assert_eq!(site.default_platforms()[0].as_str(), "x86_64");
        assert_eq!(site.limits().memory_bytes, None);
        assert_eq!(site.limits().time, Some(std::time::Duration::from_secs(14_400)));
        assert!(site.is_enabled(&"s390x".parse().unwrap()));
        assert!(!site.is_enabled(&"vax".parse().unwrap()));
    }

    #[test]
    fn every_key_says_what_it_means() {
        let keys = Site::keys();
        assert!(keys.iter().any(|key| key.name == "workers.local.slots"));
        for key in keys {
            assert!(key.meaning.len() > 10 && key.meaning.ends_with('.'), "{}: {}", key.name, key.meaning);
        }
    }

    #[test]
    fn a_platform_can_be_added_and_disabled() {
        let mut site = Site::default();
        let setting = |architecture: Option<&str>, enabled| PlatformSetting {
            architecture: architecture.map(str::to_owned),
            variant: None,
            enabled,
        };
        let (mips, s390x): (Platform, Platform) = ("mips64".parse().unwrap(), "s390x".parse().unwrap());
        site.settings.platforms.insert(mips.clone(), setting(Some("mips64le"), true));
        site.settings.platforms.insert(s390x.clone(), setting(None, false));
        let table = site.platform_table();
        assert_eq!(table.architecture(&mips).unwrap().architecture, "mips64le");
        assert_eq!(table.architecture(&s390x).unwrap().architecture, "s390x");
        assert!(site.is_enabled(&mips) && !site.is_enabled(&s390x));
    }
}
