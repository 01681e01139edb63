//! The command line of koji-bridge.

use std::{path::PathBuf, sync::LazyLock};

use clap::{ArgGroup, Args, Parser, Subcommand};
use common::{
    ParseError,
    nvr::Nvr,
    service::{ServiceAddress, telemetry::LogFormat, version},
};

use crate::hub::BuildName;

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
    /// Look for everything that would make a build fail at Koji later. Changes
    /// nothing, but for --upload.
    Check(CheckArguments),
    /// Import a build from its metadata and the files beside it. A repeated import
    /// finds the build that is there.
    Import(ImportArguments),
    /// Tag a build, and wait until Koji has done it.
    Tag(TagArguments),
    /// Give back the reservation of a build.
    Refund(RefundArguments),
    /// List the reservations of the bridge's user that nobody has imported or
    /// given back.
    Reservations(ReservationsArguments),
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

/// What all commands for people have.
#[derive(Debug, Clone, Args)]
pub struct CommandArguments {
    /// Read settings from a YAML file, or from the *.yaml files of a directory.
    #[arg(long, value_name = "PATH")]
    pub config: Vec<PathBuf>,
    /// Which log lines are written to standard error: levels by target.
    #[arg(long, value_name = "FILTER", default_value = "error")]
    pub log_filter: String,
}

/// Arguments of `koji-bridge check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArguments {
    /// Look at a build target as well: its tags and its repository.
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Look whether a package may go into the target's destination tag.
    #[arg(long, value_name = "NAME")]
    pub package: Option<String>,
    /// Look whether a name, version and release are free. Its name is the package
    /// unless --package says another.
    #[arg(long, value_name = "N-V-R")]
    pub nvr: Option<Nvr>,
    /// Upload a file of a few bytes into a new directory of the hub.
    #[arg(long)]
    pub upload: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    /// What all commands have.
    #[command(flatten)]
    pub common: CommandArguments,
}

/// Arguments of `koji-bridge import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArguments {
    /// The metadata of a content generator, as JSON.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where the files are that the metadata names. [default: where FILE is]
    #[arg(long, value_name = "DIRECTORY")]
    pub directory: Option<PathBuf>,
    /// Import into the build that was reserved with the token in this file.
    #[arg(long, value_name = "FILE", conflicts_with = "reserve")]
    pub token_file: Option<PathBuf>,
    /// Reserve the build first, and give it back if the import is refused.
    #[arg(long)]
    pub reserve: bool,
    /// Check the metadata and the files, and ask the hub nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// What all commands have.
    #[command(flatten)]
    pub common: CommandArguments,
}

/// Arguments of `koji-bridge tag`.
#[derive(Debug, Clone, Args)]
pub struct TagArguments {
    /// The build: NAME-VERSION-RELEASE or its number.
    #[arg(value_name = "BUILD", value_parser = build_name)]
    pub build: BuildName,
    /// The tag that it gets.
    #[arg(value_name = "TAG")]
    pub tag: String,
    /// Do not wait for the task that tags the build.
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait for the task.
    #[arg(long, value_name = "SECONDS", default_value_t = 900, conflicts_with = "no_wait")]
    pub timeout: u64,
    /// What all commands have.
    #[command(flatten)]
    pub common: CommandArguments,
}

/// Arguments of `koji-bridge refund`.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("proof").required(true).args(["token_file", "key", "mine"]))]
pub struct RefundArguments {
    /// The build: NAME-VERSION-RELEASE or its number.
    #[arg(value_name = "BUILD", value_parser = build_name)]
    pub build: BuildName,
    /// The file with the token of the reservation.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The key that the reservation was made with: the id of the build in reactor.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Any reservation of the bridge's user and content generator.
    #[arg(long)]
    pub mine: bool,
    /// The build ends as cancelled and not as failed. Without a token it always
    /// does.
    #[arg(long)]
    pub cancelled: bool,
    /// What all commands have.
    #[command(flatten)]
    pub common: CommandArguments,
}

/// Arguments of `koji-bridge reservations`.
#[derive(Debug, Clone, Args)]
pub struct ReservationsArguments {
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    /// What all commands have.
    #[command(flatten)]
    pub common: CommandArguments,
}

impl Command {
    /// How log lines look, and which are written.
    pub fn logs(&self) -> (LogFormat, &str) {
        let common = match self {
            Self::Serve(serve) => return (serve.log_format, &serve.log_filter),
            Self::Check(arguments) => &arguments.common,
            Self::Import(arguments) => &arguments.common,
            Self::Tag(arguments) => &arguments.common,
            Self::Refund(arguments) => &arguments.common,
            Self::Reservations(arguments) => &arguments.common,
        };
        (LogFormat::Auto, &common.log_filter)
    }
}

/// A build by its number or by name, version and release.
fn build_name(text: &str) -> Result<BuildName, ParseError> {
    match text.parse() {
        Ok(number) => Ok(BuildName::Number(number)),
        Err(_) => text.parse().map(BuildName::Nvr),
    }
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
        let Command::Serve(serve) = Arguments::parse_from(["koji-bridge", "serve"]).command else {
            panic!("another command");
        };
        assert_eq!((serve.log_format, serve.no_reflection, serve.listen), (LogFormat::Auto, false, None));
    }

    #[test]
    fn a_build_has_a_number_or_a_name() {
        assert_eq!(build_name("35").unwrap(), BuildName::Number(35));
        assert_eq!(build_name("a-b-1.0-3").unwrap(), BuildName::Nvr(Nvr::new("a-b", "1.0", "3").unwrap()));
        assert!(build_name("hello").is_err());
    }

    #[test]
    fn a_refund_says_whose_the_reservation_is() {
        for (line, fits) in [
            ("refund 5", false),
            ("refund 5 --mine", true),
            ("refund a-1-1 --key bld_1 --cancelled", true),
            ("refund 5 --key k --mine", false),
            ("import x.json --reserve --token-file t", false),
        ] {
            let words = std::iter::once("koji-bridge").chain(line.split(' '));
            assert_eq!(Arguments::try_parse_from(words).is_ok(), fits, "{line}");
        }
    }
}
