//! Translates the form of version 1 to our own settings. Every setting that is
//! made remembers the key that it comes from.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use common::{platform::Platform, yaml::Places};

use crate::config::{
    ConfigError, ParentCheck, PlatformSetting, Pool, Problem, RegistrySetting, Retired,
    legacy::{
        form::{Cluster, Descriptor, Koji, Odcs, OpenShift, Registry, Smtp, SourceRegistry, Version1},
        registry::Address,
    },
    origin::origin_in,
    site::SettingsPatch,
};

/// Where the pod of 2018 found the token of its account when `auth.enable` was
/// all that was said.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// A translation under way.
pub(crate) struct Conversion<'a> {
    path: &'a Path,
    places: &'a Places,
    pub(crate) patch: SettingsPatch,
    /// Our keys by those that they come from.
    pub(crate) former: BTreeMap<String, String>,
    pub(crate) retired: Vec<Retired>,
    pub(crate) errors: Vec<ConfigError>,
}

impl<'a> Conversion<'a> {
    pub(crate) fn new(path: &'a Path, places: &'a Places) -> Self {
        let patch = SettingsPatch::default();
        Self { path, places, patch, former: BTreeMap::new(), retired: Vec::new(), errors: Vec::new() }
    }

    /// Translates everything that the form says.
    pub(crate) fn take(&mut self, form: Version1) {
        form.clusters.into_iter().for_each(|clusters| self.clusters(clusters));
        form.koji.into_iter().for_each(|koji| self.koji(koji));
        form.odcs.into_iter().for_each(|odcs| self.odcs(odcs));
        form.smtp.into_iter().for_each(|smtp| self.smtp(smtp));
        form.openshift.into_iter().for_each(|openshift| self.openshift(openshift));
        form.platform_descriptors.into_iter().for_each(|descriptors| self.descriptors(descriptors));
        self.registries(form.registries, form.source_registry);
        self.patch.publication.get_or_insert_default().packages_may_differ =
            form.package_comparison_exceptions;
        self.comes_from("publication.packages_may_differ", "package_comparison_exceptions");

        self.parents(form.skip_koji_check_for_base_image, form.fail_on_digest_mismatch);

        let labels = self.patch.labels.get_or_insert_default();
        for name in form.image_labels.iter().flat_map(BTreeMap::keys) {
            self.former.insert(format!("labels.set.{name}"), format!("image_labels.{name}"));
        }
        labels.set = form.image_labels;
        labels.info_url = form.image_label_info_url_format.map(Some);
        labels.equal = form.image_equal_labels;
        self.comes_from("labels.info_url", "image_label_info_url_format");
        self.comes_from("labels.equal", "image_equal_labels");

        self.patch.repositories.get_or_insert_default().proxy = form.yum_proxy.map(Some);
        self.comes_from("repositories.proxy", "yum_proxy");
        let artifacts = self.patch.artifacts.get_or_insert_default();
        artifacts.allowed_domains = form.artifacts_allowed_domains;
        artifacts.sources_command =
            form.sources_command.map(|command| command.split_whitespace().map(str::to_owned).collect());
        self.comes_from("artifacts.allowed_domains", "artifacts_allowed_domains");
        self.comes_from("artifacts.sources_command", "sources_command");
    }

    fn comes_from(&mut self, key: &str, former: &str) {
        self.former.insert(key.to_owned(), former.to_owned());
    }

    fn bad(&mut self, key: &str, reason: impl ToString) {
        let origin = origin_in(self.path, self.places, key);
        self.errors.push(ConfigError::Value { origin, key: key.to_owned(), reason: reason.to_string() });
    }

    fn gone(&mut self, key: &str, replacement: &str) {
        self.retired.push(Retired {
            path: self.path.to_owned(),
            line: self.places.closest(key),
            key: key.to_owned(),
            replacement: replacement.to_owned(),
        });
    }

    fn platform(&mut self, key: &str, name: &str) -> Option<Platform> {
        name.parse().map_err(|error| self.bad(key, error)).ok()
    }

    fn clusters(&mut self, clusters: BTreeMap<String, Vec<Cluster>>) {
        for (name, clusters) in clusters {
            let former = format!("clusters.{name}");
            let Some(platform) = self.platform(&former, &name) else { continue };
            let pools = clusters.into_iter().map(|cluster| Pool {
                name: cluster.name,
                max_builds: cluster.max_concurrent_builds,
                enabled: cluster.enabled,
            });
            self.comes_from(&format!("pools.{name}"), &former);
            self.patch.pools.get_or_insert_default().insert(platform, pools.collect());
        }
    }

    fn descriptors(&mut self, descriptors: Vec<Descriptor>) {
        for (position, descriptor) in descriptors.into_iter().enumerate() {
            let former = format!("platform_descriptors[{position}]");
            let Some(platform) = self.platform(&format!("{former}.platform"), &descriptor.platform) else {
                continue;
            };
            let setting =
                PlatformSetting { architecture: Some(descriptor.architecture), variant: None, enabled: true };
            let platforms = self.patch.platforms.get_or_insert_default();
            if platforms.get(&platform).is_some_and(|other| *other != setting) {
                self.errors.push(ConfigError::Invalid {
                    problem: Problem::Duplicate,
                    origin: origin_in(self.path, self.places, &former),
                    key: former,
                    reason: format!("platform {platform} was described before, and otherwise"),
                });
                continue;
            }
            self.former.entry(format!("platforms.{platform}")).or_insert(former);
            platforms.insert(platform, setting);
        }
    }

    fn koji(&mut self, form: Koji) {
        let auth = &form.auth;
        match (&auth.krb_principal, &auth.krb_keytab_path) {
            (Some(_), None) | (None, Some(_)) => {
                self.bad("koji.auth", "krb_principal and krb_keytab_path need each other");
            }
            (Some(_), Some(_)) if auth.ssl_certs_dir.is_some() => {
                self.bad("koji.auth", "ssl_certs_dir and Kerberos exclude each other");
            }
            _ => {}
        }
        let koji = self.patch.koji.get_or_insert_default();
        koji.hub_url = Some(Some(form.hub_url));
        koji.root_url = Some(Some(form.root_url));
        koji.reserve = form.reserve_build;
        if form.reserve_build.is_some() {
            self.comes_from("koji.reserve", "koji.reserve_build");
        }
    }

    /// What comes of parents that Koji does not vouch for.
    fn parents(&mut self, skip_missing: Option<bool>, fail_on_mismatch: Option<bool>) {
        let check = |fails| if fails { ParentCheck::Fail } else { ParentCheck::Warn };
        if let Some(skip) = skip_missing {
            self.patch.koji.get_or_insert_default().missing_parent = Some(check(!skip));
            self.comes_from("koji.missing_parent", "skip_koji_check_for_base_image");
        }
        if let Some(fails) = fail_on_mismatch {
            self.patch.koji.get_or_insert_default().parent_digest = Some(check(fails));
            self.comes_from("koji.parent_digest", "fail_on_digest_mismatch");
        }
    }

    fn odcs(&mut self, form: Odcs) {
        if form.auth.ssl_certs_dir.is_some() == form.auth.openidc_dir.is_some() {
            self.bad("odcs.auth", "expected either ssl_certs_dir or openidc_dir");
        }
        let composes = self.patch.composes.get_or_insert_default();
        composes.api_url = Some(Some(form.api_url));
        composes.insecure = form.insecure;
        // Of two, which was said to be wrong already, one is kept.
        let token = form.auth.openidc_dir.filter(|_| form.auth.ssl_certs_dir.is_none());
        composes.token_directory = token.map(Some);
        composes.certificate_directory = form.auth.ssl_certs_dir.map(Some);
        composes.signing_intents = Some(form.signing_intents);
        composes.default_signing_intent = Some(Some(form.default_signing_intent));
        self.section(
            "composes",
            "odcs",
            &[
                ("api_url", "api_url"),
                ("insecure", "insecure"),
                ("certificate_directory", "auth.ssl_certs_dir"),
                ("token_directory", "auth.openidc_dir"),
                ("signing_intents", "signing_intents"),
                ("default_signing_intent", "default_signing_intent"),
            ],
        );
    }

    fn smtp(&mut self, form: Smtp) {
        let mail = self.patch.mail.get_or_insert_default();
        mail.host = Some(Some(form.host));
        mail.from = Some(Some(form.from_address));
        mail.error_addresses = form.error_addresses;
        mail.additional_addresses = form.additional_addresses;
        mail.domain = form.domain.map(Some);
        mail.to_submitter = form.send_to_submitter;
        mail.to_package_owner = form.send_to_pkg_owner;
        self.section(
            "mail",
            "smtp",
            &[
                ("host", "host"),
                ("from", "from_address"),
                ("error_addresses", "error_addresses"),
                ("additional_addresses", "additional_addresses"),
                ("domain", "domain"),
                ("to_submitter", "send_to_submitter"),
                ("to_package_owner", "send_to_pkg_owner"),
            ],
        );
    }

    fn openshift(&mut self, form: OpenShift) {
        let openshift = self.patch.openshift.get_or_insert_default();
        openshift.url = Some(Some(form.url));
        openshift.insecure = form.insecure;
        let Some(auth) = form.auth else { return };
        if auth.krb_principal.is_some() != auth.krb_keytab_path.is_some() {
            self.bad("openshift.auth", "krb_principal and krb_keytab_path need each other");
        } else if auth.krb_principal.is_some() && auth.ssl_certs_dir.is_some() {
            self.bad("openshift.auth", "ssl_certs_dir and Kerberos exclude each other");
        }
        let openshift = self.patch.openshift.get_or_insert_default();
        if let Some(directory) = auth.ssl_certs_dir {
            openshift.certificate_directory = Some(Some(directory));
            self.comes_from("openshift.certificate_directory", "openshift.auth.ssl_certs_dir");
        } else if auth.krb_principal.is_some() {
            self.gone(
                "openshift.auth",
                "the account was one of Kerberos, which is not spoken here, so no token is set; name \
                 openshift.token_file or openshift.certificate_directory",
            );
        } else if auth.enable == Some(true) {
            openshift.token_file = Some(Some(PathBuf::from(SERVICE_ACCOUNT_TOKEN)));
            self.comes_from("openshift.token_file", "openshift.auth.enable");
        }
    }

    fn section(&mut self, section: &str, former: &str, keys: &[(&str, &str)]) {
        for (ours, theirs) in keys {
            self.comes_from(&format!("{section}.{ours}"), &format!("{former}.{theirs}"));
        }
    }

    fn registries(&mut self, registries: Option<Vec<Registry>>, source: Option<SourceRegistry>) {
        let mut reach: Vec<RegistrySetting> = Vec::new();
        let (mut destinations, mut known) = (Vec::new(), HashSet::new());
        let from = if registries.is_some() { "registries" } else { "source_registry" };
        for (position, registry) in registries.into_iter().flatten().enumerate() {
            let key = format!("registries[{position}]");
            let Some(address) = self.address(&key, &registry.url, registry.insecure) else { continue };
            if address.version != 2 {
                self.gone(&key, "registries of version 1 are no more; images go to those of version 2");
                continue;
            }
            let credentials = registry.auth.map(|auth| auth.cfg_path);
            if !known.insert(address.host.clone()) {
                self.bad(&format!("{key}.url"), format!("{} is listed twice", address.host));
                continue;
            }
            self.comes_from(&format!("registries.{}", address.host), &key);
            reach.push(setting(&address, registry.insecure, credentials));
            destinations.push(address.host);
        }
        if !destinations.is_empty() {
            self.patch.publication.get_or_insert_default().registries = Some(destinations);
            self.comes_from("publication.registries", "registries");
        }
        if let Some(source) = source
            && let Some(address) = self.address("source_registry", &source.url, source.insecure)
        {
            self.patch.source_registry = Some(address.host.to_string());
            self.comes_from("source_registry", "source_registry.url");
            if !known.contains(&address.host) {
                self.comes_from(&format!("registries.{}", address.host), "source_registry");
                reach.push(setting(&address, source.insecure, None));
            }
        }
        reach.retain(|setting| setting.plain_http || setting.credentials_file.is_some());
        if !reach.is_empty() {
            self.patch.registries = Some(reach);
            self.comes_from("registries", from);
        }
    }

    fn address(&mut self, key: &str, url: &str, insecure: bool) -> Option<Address> {
        let address = Address::read(url).map_err(|error| self.bad(&format!("{key}.url"), error)).ok()?;
        if insecure && address.plain_http == Some(false) {
            self.gone(
                &format!("{key}.insecure"),
                "https is always checked; name the registry's authority as 'ca_file' in registries, or use http://",
            );
        }
        Some(address)
    }
}

fn setting(address: &Address, insecure: bool, credentials_file: Option<PathBuf>) -> RegistrySetting {
    RegistrySetting {
        host: address.host.clone(),
        plain_http: address.speaks_http(insecure),
        ca_file: None,
        credentials_file,
    }
}
