//! The process: arguments, crypto provider, logs, run. `koji_bridge::command` says
//! which exit codes there are.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use common::service::{install_crypto_provider, telemetry};
use koji_bridge::{arguments::Arguments, command};

const BAD_USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(error) => {
            let printed = error.print().is_ok();
            return if printed && !error.use_stderr() { ExitCode::SUCCESS } else { BAD_USAGE.into() };
        }
    };
    install_crypto_provider();
    let (format, filter) = command.logs();
    if let Err(error) = telemetry::init(format, filter) {
        let _ = writeln!(io::stderr(), "koji-bridge: {error}");
        return BAD_USAGE.into();
    }
    command::run(&command).await.into()
}
