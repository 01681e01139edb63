//! A Koji hub for tests and demonstrations, as a process of its own.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use testkit::hub::cli::{Arguments, run};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "koji-hub-sim: {error}");
            ExitCode::FAILURE
        }
    }
}
