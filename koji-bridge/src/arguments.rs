//! The command line of koji-bridge.

use std::{path::PathBuf, sync::LazyLock};

use clap::{Args, Parser, Subcommand};
use common::service::{ServiceAddress, telemetry::LogFormat, version};

static VERSION: LazyLock<String> = LazyLock::new(|| version(proto::CONTRACT_DIGEST));

/// The bridge between reactor and a Koji hub.
#[derive(Debug, Clone, Parser)]
#[command(name = "koji-bridge", version = VERSION.as_str())]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What koji-bridge can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Serve KojiBridgeService over gRPC until SIGTERM or SIGINT.
    Serve(ServeArguments),
}

/// Arguments of `koji-bridge serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArguments {
    /// Where to listen: HOST:PORT or unix:PATH. With port 0 the system chooses
    /// one; the first line on standard output says which. [default: 127.0.0.1:7071]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<ServiceAddress>,
    /// Read settings from a YAML file, or from the *.yaml files of a directory.
    #[arg(long, value_name = "PATH")]
    pub config: Vec<PathBuf>,
    /// How log lines on standard error look: auto, text or json.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub log_format: LogFormat,
    /// Which log lines are written: levels by target.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log_filter: String,
    /// Do not offer gRPC reflection.
    #[arg(long)]
    pub no_reflection: bool,
    /// How long open calls may go on after the first signal. [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub grace: Option<u64>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn serve_needs_no_arguments() {
        let Command::Serve(serve) = Arguments::parse_from(["koji-bridge", "serve"]).command;
        assert_eq!((serve.log_format, serve.no_reflection, serve.listen), (LogFormat::Auto, false, None));
    }
}
