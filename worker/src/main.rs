//! The binary `worker`.

use std::process::ExitCode;

use clap::Parser as _;
use common::service::{Shutdown, install_crypto_provider, telemetry};
use worker::cli::Arguments;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    install_crypto_provider();
    telemetry::init(arguments.log_format, &arguments.log_filter)?;
    let shutdown = Shutdown::on_signals()?;
    let result = worker::run(arguments.into_settings(), shutdown.token.clone()).await;
    Ok(match (result, shutdown.signal_exit_code()) {
        (Err(error), _) => {
            let code = error.exit_code();
            tracing::error!("{:#}", anyhow::Error::from(error));
            code.into()
        }
        (Ok(()), Some(signalled)) => signalled.into(),
        (Ok(()), None) => ExitCode::SUCCESS,
    })
}
