//! The command line of the worker.

use std::{path::PathBuf, sync::LazyLock};

use clap::Parser;
use common::{
    names::WorkerId,
    platform::Platform,
    service::{ServiceAddress, telemetry::LogFormat},
};

use crate::{WorkerSettings, engine::Endpoint, host_name};

static VERSION: LazyLock<String> = LazyLock::new(|| common::service::version(proto::CONTRACT_DIGEST));

/// Builds container images for an orchestrator, one platform at a time.
///
/// Exit codes: 0 ended as asked, 1 cannot run, 2 wrong usage or settings, 4 the
/// orchestrator refuses this worker, 130 and 143 ended by a signal.
#[derive(Debug, Clone, Parser)]
#[command(name = "worker", version = VERSION.as_str())]
pub struct Arguments {
    /// Where the orchestrator listens: HOST:PORT, http(s)://HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDR")]
    pub orchestrator: ServiceAddress,
    /// A platform to build for, by Koji's name; may be given more than once
    #[arg(long = "platform", value_name = "P", required = true)]
    pub platforms: Vec<Platform>,
    /// Work orders at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub slots: u32,
    /// File with the token for the orchestrator
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Name of this worker, beginning with wrk_ [default: made from the host's name]
    #[arg(long, value_name = "ID")]
    pub id: Option<WorkerId>,
    /// Certificate authorities (PEM) to trust in place of the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Docker config.json with credentials for pulling parent images
    #[arg(long, value_name = "FILE")]
    pub registry_config: Option<PathBuf>,
    /// Directory for build contexts and layers; several workers may share it
    #[arg(long, value_name = "DIR", default_value = "/var/tmp/reactor-worker")]
    pub scratch_dir: PathBuf,
    /// Where the container engine listens: unix:///PATH or http://HOST:PORT
    #[arg(long, value_name = "ADDR", default_value_t)]
    pub engine: Endpoint,
    /// End when the process that started the worker ends; PID tells which it is
    #[arg(long, value_name = "PID", num_args = 0..=1)]
    pub exit_with_parent: Option<Option<u32>>,
    /// How the worker's own log looks: auto, text or json
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub log_format: LogFormat,
    /// Which of its own log lines to show
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log_filter: String,
}

impl Arguments {
    /// The settings that the arguments ask for.
    pub fn into_settings(self) -> WorkerSettings {
        let mut platforms = self.platforms;
        platforms.sort();
        platforms.dedup();
        WorkerSettings {
            orchestrator: self.orchestrator,
            platforms,
            slots: self.slots,
            id: self.id.unwrap_or_else(|| WorkerId::generate(&host_name())),
            token_file: self.token_file,
            ca_file: self.ca_file,
            registry_config: self.registry_config,
            scratch_dir: self.scratch_dir,
            engine: self.engine,
            exit_with_parent: self
                .exit_with_parent
                .map(|pid| pid.unwrap_or_else(std::os::unix::process::parent_id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<WorkerSettings, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace()).map(Arguments::into_settings)
    }

    #[test]
    fn the_shortest_line_has_sensible_settings() {
        let settings = parse("worker --orchestrator localhost:7070 --platform x86_64").unwrap();
        assert_eq!((settings.slots, settings.platforms.len()), (1, 1));
        assert_eq!(settings.engine, Endpoint::default());
        assert!(settings.id.as_str().starts_with(WorkerId::PREFIX));
        assert_eq!(settings.exit_with_parent, None);
    }

    #[test]
    fn platforms_may_be_repeated_and_the_parent_named() {
        let line = "worker --orchestrator unix:/run/r.sock --platform x86_64 --platform aarch64 \
                    --platform x86_64 --slots 2 --id wrk_a --engine http://e:2375 --exit-with-parent 7";
        let settings = parse(line).unwrap();
        assert_eq!(settings.platforms.len(), 2);
        assert_eq!((settings.id.as_str(), settings.exit_with_parent), ("wrk_a", Some(7)));
        let settings = parse("worker --orchestrator h:1 --platform x86_64 --exit-with-parent").unwrap();
        assert_eq!(settings.exit_with_parent, Some(std::os::unix::process::parent_id()));
    }

    #[test]
    fn wrong_usage_is_refused() {
        for bad in [
            "worker --platform x86_64",
            "worker --orchestrator localhost:7070",
            "worker --orchestrator localhost:7070 --platform X",
            "worker --orchestrator localhost:7070 --platform x86_64 --slots 0",
            "worker --orchestrator localhost:7070 --platform x86_64 --id build07",
            "worker --orchestrator localhost:7070 --platform x86_64 --engine ssh://x",
        ] {
            let error = parse(bad).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{bad}");
        }
    }
}
