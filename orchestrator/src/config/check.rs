//! What no single type can see: settings that contradict one another, platforms
//! that nobody knows, files that are not there.

use std::path::Path;

use common::platform::Platform;

use crate::config::{ConfigError, Period, Site};

impl Site {
    /// Checks the settings as a whole.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.check_numbers()?;
        self.check_platforms()?;
        self.check_tls()?;
        self.check_registries()?;
        self.check_files()
    }

    fn check_numbers(&self) -> Result<(), ConfigError> {
        for (key, number) in [
            ("builds.max_running", self.builds.max_running),
            ("builds.attempts", self.builds.attempts),
            ("workers.local.slots", self.workers.local.slots),
        ] {
            self.require(number > 0, key, "it must be at least 1")?;
        }
        for (key, period) in [
            ("service.shutdown_grace", self.service.shutdown_grace),
            ("git.timeout", self.git.timeout),
            ("builds.time", self.builds.time),
            ("builds.queue_deadline", self.builds.queue_deadline),
            ("workers.reattach_window", self.workers.reattach_window),
            ("workers.heartbeat_interval", self.workers.heartbeat_interval),
        ] {
            self.require(period > Period::from_secs(0), key, "it must be longer than nothing")?;
        }
        for (key, size) in [
            ("builds.memory", self.builds.memory),
            ("builds.max_context", Some(self.builds.max_context)),
            ("builds.max_image", Some(self.builds.max_image)),
            ("builds.log_limit", Some(self.builds.log_limit)),
        ] {
            self.require(size.is_none_or(|size| size.bytes() > 0), key, "it must be larger than nothing")?;
        }
        // A record can have 64 KiB; a smaller window could never let one pass.
        self.require(
            self.workers.log_window.bytes() >= common::log::MAX_RECORD_BYTES as u64,
            "workers.log_window",
            "it must be at least 64KiB, the size of the largest log record",
        )?;
        let (interval, timeout) =
            (self.workers.heartbeat_interval.duration(), self.workers.heartbeat_timeout.duration());
        self.require(
            timeout >= interval * 2,
            "workers.heartbeat_timeout",
            "it must be at least twice workers.heartbeat_interval, so that one late heartbeat is no loss",
        )
    }

    fn check_platforms(&self) -> Result<(), ConfigError> {
        let table = self.platform_table();
        for (platform, setting) in &self.platforms {
            let key = format!("platforms.{platform}");
            if let Err(error) = table.architecture(platform) {
                return self.invalid(&key, format!("{error}; name its 'architecture'"));
            }
            self.require(
                setting.variant.is_none() || setting.architecture.is_some(),
                &key,
                "a 'variant' needs its 'architecture' beside it",
            )?;
        }
        self.require(
            !self.default_platforms.is_empty(),
            "default_platforms",
            "a build that names no platform needs at least one",
        )?;
        self.check_known("default_platforms", &self.default_platforms)?;
        self.check_known("workers.local.platforms", &self.workers.local.platforms)
    }

    fn check_known(&self, key: &str, platforms: &[Platform]) -> Result<(), ConfigError> {
        let table = self.platform_table();
        for platform in platforms {
            if let Err(error) = table.architecture(platform) {
                return self.invalid(key, error.to_string());
            }
            self.require(
                self.is_enabled(platform),
                key,
                &format!("platform {platform} is disabled under 'platforms'"),
            )?;
        }
        Ok(())
    }

    fn check_tls(&self) -> Result<(), ConfigError> {
        let tls = &self.service.tls;
        match (&tls.certificate_file, &tls.key_file) {
            (Some(_), None) => {
                self.invalid("service.tls.certificate_file", "service.tls.key_file is missing")
            }
            (None, Some(_)) => {
                self.invalid("service.tls.key_file", "service.tls.certificate_file is missing")
            }
            (None, None) if self.service.listen.is_https() => self.invalid(
                "service.listen",
                "https needs service.tls.certificate_file and service.tls.key_file",
            ),
            // Local workers dial the service's own address, without TLS.
            (Some(_), Some(_)) => self.require(
                self.workers.local.platforms.is_empty(),
                "workers.local.platforms",
                "local workers cannot be used together with service.tls; \
                 start workers of their own, with https:// and --ca-file",
            ),
            (None, None) => Ok(()),
        }
    }

    fn check_registries(&self) -> Result<(), ConfigError> {
        if let Err(error) = self.source_registry.parse::<common::image::Host>() {
            return self.invalid("source_registry", error.to_string());
        }
        for (position, registry) in self.registries.iter().enumerate() {
            let earlier = &self.registries[..position];
            self.require(
                earlier.iter().all(|other| other.host != registry.host),
                "registries",
                &format!("{} is listed twice", registry.host),
            )?;
            self.require(
                !(registry.plain_http && registry.ca_file.is_some()),
                "registries",
                &format!("{}: a 'ca_file' is of no use with 'plain_http'", registry.host),
            )?;
        }
        Ok(())
    }

    /// Files that are named must be there, so that a typo shows at start and
    /// not in the middle of the first build.
    fn check_files(&self) -> Result<(), ConfigError> {
        let named = [
            ("service.worker_token_file", &self.service.worker_token_file),
            ("service.client_token_file", &self.service.client_token_file),
            ("service.tls.certificate_file", &self.service.tls.certificate_file),
            ("service.tls.key_file", &self.service.tls.key_file),
            ("git.credentials_file", &self.git.credentials_file),
            ("git.ssh_key_file", &self.git.ssh_key_file),
            ("git.ssh_known_hosts_file", &self.git.ssh_known_hosts_file),
            ("workers.local.program", &self.workers.local.program),
            ("workers.local.registry_config", &self.workers.local.registry_config),
        ];
        let of_registries = self
            .registries
            .iter()
            .flat_map(|registry| [&registry.ca_file, &registry.credentials_file])
            .map(|file| ("registries", file));
        for (key, file) in named.into_iter().chain(of_registries) {
            if let Some(file) = file {
                self.check_file(key, file)?;
            }
        }
        Ok(())
    }

    fn check_file(&self, key: &str, file: &Path) -> Result<(), ConfigError> {
        match std::fs::File::open(file).and_then(|opened| opened.metadata()) {
            Ok(metadata) if metadata.is_file() => Ok(()),
            Ok(_) => self.invalid(key, format!("{} is not a file", file.display())),
            Err(error) => self.invalid(key, format!("cannot open {}: {error}", file.display())),
        }
    }

    fn require(&self, holds: bool, key: &str, reason: &str) -> Result<(), ConfigError> {
        if holds { Ok(()) } else { self.invalid(key, reason) }
    }

    fn invalid(&self, key: &str, reason: impl Into<String>) -> Result<(), ConfigError> {
        let origin = self.origins().of(key).clone();
        Err(ConfigError::Invalid { key: key.to_owned(), origin, reason: reason.into() })
    }
}
