//! The site's configuration: the keys that are in no section, and the whole.
//!
//! These types are the schema. `deploy/config.yaml` shows the same keys for people,
//! and a test holds the two together. A [`Site`] is read once, checked, and does
//! not change while the process lives.

use std::{collections::BTreeMap, path::Path};

use common::{
    image::{Digest, Host},
    platform::{Architecture, Platform, PlatformTable},
    request::Limits,
};
use serde_json::Value;

use crate::config::{
    Artifacts, Builds, Composes, Git, KojiSetting, Labels, Mail, OpenShift, Origin, PlatformSetting, Policy,
    Pool, Publication, RegistrySetting, Repositories, Retired, Service, Size, State, Webhook, Workers,
    layers::{Key, Section as _, section},
    origin::Origins,
};

section! {
    /// All settings, without their origins.
    Settings (SettingsPatch)
    settings {
        /// Platforms by Koji's name: additions to the built-in table, or changes of it. Entries of several files are merged by name.
        platforms: BTreeMap<Platform, PlatformSetting> = BTreeMap::new(),
        /// Places where builds of a platform run, the preferred one first. Entries of several files are merged by platform.
        pools: BTreeMap<Platform, Vec<Pool>> = BTreeMap::new(),
        /// Platforms to build for when neither the request nor the repository names any.
        default_platforms: Vec<Platform> = default_platforms(),
        /// How to reach registries that need more than public HTTPS. The list of a later file replaces an earlier one.
        registries: Vec<RegistrySetting> = Vec::new(),
        /// Registry of image names that have no host.
        source_registry: String = "docker.io".to_owned(),
        /// Programs that are told how builds end, by HTTP. The list of a later file replaces an earlier one.
        webhooks: Vec<Webhook> = Vec::new(),
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
        /// What builds may use.
        policy: Policy,
    }
}

const LAYOUT_ROOT: &str = "publication.layout_root";
const STATE_DIRECTORY: &str = "state.directory";

fn default_platforms() -> Vec<Platform> {
    "x86_64".parse().into_iter().collect()
}

/// The site's configuration: the settings, and who set each of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    pub(crate) settings: Settings,
    pub(crate) origins: Origins,
    pub(crate) retired: Vec<Retired>,
    pub(crate) notices: Vec<String>,
}

impl std::ops::Deref for Site {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Site {
    /// The same site, with relative OCI layouts below `directory`, the current one,
    /// unless the site says where they go.
    #[must_use]
    pub fn or_layout_root(mut self, directory: &Path) -> Self {
        if self.settings.publication.layout_root.is_none() {
            self.settings.publication.layout_root = Some(directory.to_owned());
            self.origins.note_as(LAYOUT_ROOT, &directory, Origin::CurrentDirectory);
        }
        self
    }

    /// The same site, with its state in `directory` unless the site says where.
    #[must_use]
    pub fn or_state_directory(mut self, directory: &Path) -> Self {
        self.settings.state.directory.get_or_insert_with(|| directory.to_owned());
        self
    }

    /// The same site with other settings, and the origins of these.
    #[must_use]
    pub fn with_settings(&self, settings: Settings) -> Self {
        Self { settings, ..self.clone() }
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

    /// Keys of files of version 1 that nothing reads any more.
    pub fn retired(&self) -> &[Retired] {
        &self.retired
    }

    /// What is worth knowing about the files, as sentences. Example: one that was
    /// not read because of its name.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Digest of the settings, whoever set them: the SHA-256 of their JSON with
    /// sorted keys and without blanks. Directories that nobody named do not count,
    /// so it is the same for everybody and everywhere.
    pub fn digest(&self) -> Digest {
        let mut settings = self.to_json();
        for key in [LAYOUT_ROOT, STATE_DIRECTORY] {
            if matches!(self.origins.of(key), Origin::BuiltIn | Origin::CurrentDirectory)
                && let Some(value) = settings.pointer_mut(&format!("/{}", key.replace('.', "/")))
            {
                *value = Value::Null;
            }
        }
        Digest::of(settings.to_string().as_bytes())
    }

    /// The pools of a platform that take builds, the preferred one first. None
    /// if the site names no pools for it.
    pub fn enabled_pools(&self, platform: &Platform) -> Vec<&Pool> {
        self.pools.get(platform).into_iter().flatten().filter(|pool| pool.enabled).collect()
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
