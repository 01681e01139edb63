//! What no single type can see: settings that contradict one another, platforms
//! that nobody knows, addresses that are none, files that are not there.

mod files;
mod notices;
mod outside;

use std::collections::BTreeSet;

use common::platform::Platform;
use serde_json::Value;

use crate::config::{ConfigError, Origin, Period, Problem, Site};

/// Checks the settings as a whole, and the files that they name if `files` says
/// so. Everything that is wrong is found.
///
/// Keys in `unread` were set to something that could not be read. Their defaults
/// stand for them, so what is wrong only because of that is not said.
pub(crate) fn check(site: &Site, files: bool, unread: bool) -> Vec<ConfigError> {
    let mut checks = Checks { site, found: Vec::new() };
    checks.lengths();
    if !checks.found.is_empty() {
        // Looking at so many entries is what the bounds spare.
        return checks.found;
    }
    checks.numbers();
    checks.platforms();
    checks.tls();
    checks.koji_tls();
    checks.outside();
    if files {
        checks.files();
    }
    if unread {
        checks.found.retain(|error| {
            !matches!(error, ConfigError::Invalid { origin: Origin::BuiltIn, .. })
                && !matches!(error, ConfigError::Invalid { problem: Problem::Missing, .. })
        });
    }
    checks.found
}

/// The problems found so far.
struct Checks<'a> {
    site: &'a Site,
    found: Vec<ConfigError>,
}

/// Most entries of a list or map.
const MAX_ENTRIES: usize = 1_000;

impl Checks<'_> {
    fn lengths(&mut self) {
        let settings = self.site.to_json();
        for key in Site::keys() {
            let Some(value) = settings.pointer(&format!("/{}", key.name.replace('.', "/"))) else { continue };
            self.length(&key.name, value);
            // Pools and groups of labels are lists in a map and in a list.
            match value {
                Value::Array(below) if below.len() <= MAX_ENTRIES => {
                    below.iter().for_each(|below| self.length(&key.name, below));
                }
                Value::Object(below) if below.len() <= MAX_ENTRIES => {
                    for (name, below) in below {
                        self.length(&format!("{}.{name}", key.name), below);
                    }
                }
                _ => {}
            }
        }
    }

    fn length(&mut self, key: &str, value: &Value) {
        let length = match value {
            Value::Array(entries) => entries.len(),
            Value::Object(entries) => entries.len(),
            _ => 0,
        };
        if length > MAX_ENTRIES {
            let reason = format!("it has {length} entries; {MAX_ENTRIES} are the most");
            self.invalid(Problem::TooMany, key, reason);
        }
    }

    /// Says of every name that stands twice in a list that it does, once.
    fn no_doubles<'n>(&mut self, key: &str, names: impl Iterator<Item = &'n str>) {
        let (mut seen, mut said) = (BTreeSet::new(), BTreeSet::new());
        for name in names {
            if !seen.insert(name) && said.insert(name) {
                self.invalid(Problem::Duplicate, key, format!("'{name}' is listed twice"));
            }
        }
    }

    fn numbers(&mut self) {
        let site = self.site;
        for (key, number) in [
            ("builds.max_running", site.builds.max_running),
            ("builds.attempts", site.builds.attempts),
            ("workers.local.slots", site.workers.local.slots),
        ] {
            self.require(number > 0, Problem::OutOfRange, key, "it must be at least 1");
        }
        for (key, period) in [
            ("service.shutdown_grace", site.service.shutdown_grace),
            ("git.timeout", site.git.timeout),
            ("builds.time", site.builds.time),
            ("builds.queue_deadline", site.builds.queue_deadline),
            ("workers.reattach_window", site.workers.reattach_window),
            ("workers.heartbeat_interval", site.workers.heartbeat_interval),
        ] {
            let holds = period > Period::from_secs(0);
            self.require(holds, Problem::OutOfRange, key, "it must be longer than nothing");
        }
        for (key, size) in [
            ("builds.memory", site.builds.memory),
            ("builds.max_context", Some(site.builds.max_context)),
            ("builds.max_image", Some(site.builds.max_image)),
            ("builds.log_limit", Some(site.builds.log_limit)),
            ("artifacts.max_size", Some(site.artifacts.max_size)),
        ] {
            let holds = size.is_none_or(|size| size.bytes() > 0);
            self.require(holds, Problem::OutOfRange, key, "it must be larger than nothing");
        }
        // A record can have 64 KiB; a smaller window could never let one pass.
        self.require(
            site.workers.log_window.bytes() >= common::log::MAX_RECORD_BYTES as u64,
            Problem::OutOfRange,
            "workers.log_window",
            "it must be at least 64KiB, the size of the largest log record",
        );
        let (interval, timeout) =
            (site.workers.heartbeat_interval.duration(), site.workers.heartbeat_timeout.duration());
        self.require(
            timeout >= interval.saturating_mul(2),
            Problem::OutOfRange,
            "workers.heartbeat_timeout",
            "it must be at least twice workers.heartbeat_interval, so that one late heartbeat is no loss",
        );
    }

    fn platforms(&mut self) {
        let site = self.site;
        let table = site.platform_table();
        for (platform, setting) in &site.platforms {
            let key = format!("platforms.{platform}");
            if let Err(error) = table.architecture(platform) {
                self.invalid(Problem::UnknownPlatform, &key, format!("{error}; name its 'architecture'"));
            }
            self.require(
                setting.variant.is_none() || setting.architecture.is_some(),
                Problem::Missing,
                &key,
                "a 'variant' needs its 'architecture' beside it",
            );
        }
        for (platform, pools) in &site.pools {
            let key = format!("pools.{platform}");
            if let Err(error) = table.architecture(platform) {
                self.invalid(Problem::UnknownPlatform, &key, error.to_string());
            }
            self.no_doubles(&key, pools.iter().map(|pool| pool.name.as_str()));
        }
        self.require(
            !site.default_platforms.is_empty(),
            Problem::Missing,
            "default_platforms",
            "a build that names no platform needs at least one",
        );
        self.known("default_platforms", &site.default_platforms);
        self.known("workers.local.platforms", &site.workers.local.platforms);
    }

    fn known(&mut self, key: &str, platforms: &[Platform]) {
        let table = self.site.platform_table();
        for platform in platforms {
            if let Err(error) = table.architecture(platform) {
                self.invalid(Problem::UnknownPlatform, key, error.to_string());
            } else if !self.site.is_enabled(platform) {
                let reason = format!("platform {platform} is disabled under 'platforms'");
                self.invalid(Problem::DisabledPlatform, key, reason);
            }
        }
    }

    fn tls(&mut self) {
        let tls = &self.site.service.tls;
        match (&tls.certificate_file, &tls.key_file) {
            (Some(_), None) => self.invalid(
                Problem::Missing,
                "service.tls.certificate_file",
                "service.tls.key_file is missing",
            ),
            (None, Some(_)) => self.invalid(
                Problem::Missing,
                "service.tls.key_file",
                "service.tls.certificate_file is missing",
            ),
            (None, None) if self.site.service.listen.is_https() => self.invalid(
                Problem::Missing,
                "service.listen",
                "https needs service.tls.certificate_file and service.tls.key_file",
            ),
            // Local workers dial the service's own address, without TLS.
            (Some(_), Some(_)) => self.require(
                self.site.workers.local.platforms.is_empty(),
                Problem::Contradiction,
                "workers.local.platforms",
                "local workers cannot be used together with service.tls; \
                 start workers of their own, with https:// and --ca-file",
            ),
            (None, None) => {}
        }
    }

    fn koji_tls(&mut self) {
        let tls = &self.site.koji.tls;
        match (&tls.certificate_file, &tls.key_file) {
            (Some(_), None) => {
                let reason = "koji.tls.key_file is missing";
                self.invalid(Problem::Missing, "koji.tls.certificate_file", reason);
            }
            (None, Some(_)) => {
                let reason = "koji.tls.certificate_file is missing";
                self.invalid(Problem::Missing, "koji.tls.key_file", reason);
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
        let bridge = self.site.koji.bridge();
        self.require(
            !tls.is_set() || bridge.is_some_and(|bridge| bridge.is_https()),
            Problem::Contradiction,
            "koji.bridge",
            "the files under koji.tls are for a bridge at https://HOST:PORT",
        );
    }

    fn require(&mut self, holds: bool, problem: Problem, key: &str, reason: &str) {
        if !holds {
            self.invalid(problem, key, reason);
        }
    }

    fn invalid(&mut self, problem: Problem, key: &str, reason: impl Into<String>) {
        let origin = self.site.origins().of(key).clone();
        self.found.push(ConfigError::Invalid { problem, key: key.to_owned(), origin, reason: reason.into() });
    }
}
