//! Settings about other systems and about images.

use std::collections::BTreeSet;

use globset::Glob;
use url::Url;

use crate::config::{Problem, check::Checks};

impl Checks<'_> {
    pub(super) fn outside(&mut self) {
        self.registries();
        self.addresses();
        self.domains();
        self.labels();
        self.composes();
        self.mail();
        self.webhooks();
        let site = self.site;
        for target in &site.policy.allowed_targets {
            if let Err(error) = Glob::new(target) {
                self.invalid(Problem::BadPattern, "policy.allowed_targets", error.to_string());
            }
        }
        let without = site.openshift.url.is_none();
        for (key, set) in [
            ("openshift.token_file", site.openshift.token_file.is_some()),
            ("openshift.certificate_directory", site.openshift.certificate_directory.is_some()),
        ] {
            self.require(!(set && without), Problem::Missing, key, "openshift.url is missing");
        }
    }

    fn registries(&mut self) {
        let site = self.site;
        if let Err(error) = site.source_registry.parse::<common::image::Host>() {
            self.invalid(Problem::BadRegistry, "source_registry", error.to_string());
        }
        self.no_doubles("registries", site.registries.iter().map(|registry| registry.host.as_str()));
        for registry in &site.registries {
            let host = &registry.host;
            self.require(
                !(registry.plain_http && registry.ca_file.is_some()),
                Problem::Contradiction,
                "registries",
                &format!("{host}: a 'ca_file' is of no use with 'plain_http'"),
            );
        }
        let hosts = site.publication.registries.iter().map(|host| host.as_str());
        self.no_doubles("publication.registries", hosts);
    }

    fn addresses(&mut self) {
        let site = self.site;
        for (key, address) in [
            ("koji.hub_url", &site.koji.hub_url),
            ("koji.root_url", &site.koji.root_url),
            ("composes.api_url", &site.composes.api_url),
            ("repositories.proxy", &site.repositories.proxy),
            ("openshift.url", &site.openshift.url),
        ] {
            if let Some(address) = address {
                self.address(key, address);
            }
        }
    }

    /// User names and passwords were looked for when the layers were read.
    pub(super) fn address(&mut self, key: &str, address: &str) {
        match Url::parse(address) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
                self.invalid(Problem::BadUrl, key, "expected http://HOST or https://HOST");
            }
            Ok(_) => {}
            Err(error) => self.invalid(Problem::BadUrl, key, format!("it is no address: {error}")),
        }
    }

    /// Entries are a host, and for two of them the beginning of a path after it.
    fn domains(&mut self) {
        let site = self.site;
        for (key, entries, with_path) in [
            ("artifacts.allowed_domains", &site.artifacts.allowed_domains, true),
            ("repositories.allowed_domains", &site.repositories.allowed_domains, true),
            ("policy.allowed_sources", &site.policy.allowed_sources, false),
        ] {
            for entry in entries {
                let host = entry.split('/').next().unwrap_or_default();
                let sane = host.parse::<common::image::Host>().is_ok()
                    && !entry.contains([' ', '?', '#', '@'])
                    && (with_path || !entry.contains('/'));
                let expected = if with_path { "a host or host/path, without a scheme" } else { "a host" };
                let reason = format!("'{entry}' is not {expected}");
                self.require(sane, Problem::BadDomain, key, &reason);
            }
        }
    }

    fn labels(&mut self) {
        let labels = &self.site.labels;
        for name in labels.set.keys() {
            let reason = format!("'{name}' is no name of a label");
            self.require(is_label(name), Problem::BadLabelName, &format!("labels.set.{name}"), &reason);
        }
        for group in &labels.equal {
            for name in group.iter().filter(|name| !is_label(name)) {
                self.invalid(
                    Problem::BadLabelName,
                    "labels.equal",
                    format!("'{name}' is no name of a label"),
                );
            }
            let names: BTreeSet<&String> = group.iter().collect();
            let reason = format!("the group [{}] has fewer than two names", group.join(", "));
            self.require(names.len() >= 2, Problem::EqualLabels, "labels.equal", &reason);
        }
    }

    fn composes(&mut self) {
        let composes = &self.site.composes;
        let intents = composes.signing_intents.iter().map(|intent| intent.name.as_str());
        self.no_doubles("composes.signing_intents", intents);
        if let Some(default) = &composes.default_signing_intent {
            self.require(
                composes.intent(default).is_some(),
                Problem::UnknownSigningIntent,
                "composes.default_signing_intent",
                &format!("there is no signing intent '{default}' in composes.signing_intents"),
            );
        }
        self.require(
            composes.token_directory.is_none() || composes.certificate_directory.is_none(),
            Problem::Contradiction,
            "composes.token_directory",
            "composes.certificate_directory is set too; ODCS takes one of them",
        );
    }
}

/// The names that labels may have in a configuration: `^[\w.-]+$`.
fn is_label(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c))
}
