//! The command line: parses the arguments, runs the command, tells the shell how
//! it ended.
//!
//! `arguments` has every word of it. `build` and `serve` start the service in
//! this process, `plan`, `explain` and `config` need none; `builds` and `workers`
//! talk to one that runs. All of them show a build through the same `view`s, and
//! all of them end with a code of [`Exit`].

mod arguments;
mod build;
mod builds;
mod client;
mod config;
mod error;
mod errors;
mod exit;
mod explain;
mod follow;
mod json;
mod listing;
mod output;
mod plan;
mod request;
mod serve;
mod signals;
mod table;
mod view;
mod watch;
mod workers;

use std::{
    error::Error as _, ffi::OsString, fs::Permissions, os::unix::fs::PermissionsExt as _, path::PathBuf,
    process::ExitCode, time::Duration,
};

use clap::Parser as _;
use futures::FutureExt as _;
use tempfile::TempDir;

use arguments::{Arguments, Command};
use error::CliError;
pub use exit::Exit;
pub use output::Output;

/// How long blocking work may go on after the command has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs a command of this process. `environment` is that of the process.
pub fn main(arguments: impl IntoIterator<Item = OsString>, environment: Vec<(String, String)>) -> ExitCode {
    let no_color = environment.iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty());
    let mut output = Output::standard(!no_color);
    let arguments = match parse(arguments, &mut output) {
        Ok(arguments) => arguments,
        Err(exit) => return exit.into(),
    };
    common::service::install_crypto_provider();
    let started = std::env::current_dir().and_then(|directory| {
        Ok((directory, tokio::runtime::Builder::new_multi_thread().enable_all().build()?))
    });
    let (directory, runtime) = match started {
        Ok(started) => started,
        Err(source) => {
            let error = CliError::System { what: "starting".to_owned(), source };
            return report(&error, &mut output).into();
        }
    };
    let mut here = CommandLine { output, environment, directory };
    let exit = runtime.block_on(run(arguments, &mut here));
    runtime.shutdown_timeout(LAST_WORDS);
    exit.into()
}

/// What a command knows of the place where it was called.
pub(crate) struct CommandLine {
    pub(crate) output: Output,
    environment: Vec<(String, String)>,
    pub(crate) directory: PathBuf,
}

impl CommandLine {
    /// The environment, as settings read it.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (String, String)> {
        self.environment.iter().cloned()
    }

    /// Name of the user who calls; empty if nobody says.
    pub(crate) fn user(&self) -> &str {
        let value = |wanted: &str| self.environment.iter().find(|(name, _)| name == wanted);
        value("USER").or_else(|| value("LOGNAME")).map_or("", |(_, value)| value)
    }
}

/// A temporary directory that nobody else can enter.
fn private_directory(prefix: &str) -> Result<TempDir, CliError> {
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|source| CliError::System { what: "making a temporary directory".to_owned(), source })
}

fn parse(arguments: impl IntoIterator<Item = OsString>, output: &mut Output) -> Result<Arguments, Exit> {
    Arguments::try_parse_from(arguments).map_err(|message| {
        let text = message.render();
        let text = if output.dress.colour { text.ansi().to_string() } else { text.to_string() };
        // Help and version are results; what is wrong with the arguments is not.
        if message.use_stderr() {
            output.remark(text.trim_end());
            Exit::Usage
        } else {
            output.line(text.trim_end());
            Exit::Ok
        }
    })
}

async fn run(arguments: Arguments, here: &mut CommandLine) -> Exit {
    if arguments.no_color {
        here.output.forbid_colour();
    }
    let ended = match arguments.command {
        Command::Build(build) => build::run(build, here).boxed_local().await,
        Command::Plan(plan) => plan::run(plan, here).boxed_local().await,
        Command::Explain(explain) => explain::run(explain, here).boxed_local().await,
        Command::Serve(serve) => serve::run(serve, here).boxed_local().await,
        Command::Config(config) => config::run(config, here),
        Command::Errors(errors) => errors::run(&errors, here),
        Command::Builds(builds) => builds::run(builds, here).boxed_local().await,
        Command::Workers(workers) => workers::run(workers, here).boxed_local().await,
    };
    ended.unwrap_or_else(|error| report(&error, &mut here.output))
}

/// Tells the person what went wrong and what to do about it.
fn report(error: &CliError, output: &mut Output) -> Exit {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(&format!(": {cause_text}"));
        }
        source = cause.source();
    }
    output.remark(&text);
    if let Some(advice) = error.advice() {
        output.remark(&format!("hint: {advice}"));
    }
    error.exit()
}

#[cfg(test)]
mod tests;
