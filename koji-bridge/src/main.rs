//! The process: arguments, crypto provider, logs, run. Exit codes: 0 done, 1
//! failed, 2 bad usage, 3 settings that cannot be used.

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use clap::Parser as _;
use common::service::{KUBERNETES_TERMINATION_LOG, install_crypto_provider, leave_failure_note, telemetry};
use koji_bridge::arguments::{Arguments, Command};

const BAD_USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Serve(arguments) = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(error) => {
            let printed = error.print().is_ok();
            return if printed && !error.use_stderr() { ExitCode::SUCCESS } else { BAD_USAGE.into() };
        }
    };
    install_crypto_provider();
    if let Err(error) = telemetry::init(arguments.log_format, &arguments.log_filter) {
        let _ = writeln!(io::stderr(), "koji-bridge: {error}");
        return BAD_USAGE.into();
    }
    let Err(error) = koji_bridge::serve::run(&arguments).await else { return ExitCode::SUCCESS };
    tracing::error!(error = &error as &dyn std::error::Error, "koji-bridge failed");
    leave_failure_note(Path::new(KUBERNETES_TERMINATION_LOG), &error);
    error.exit_code().into()
}
