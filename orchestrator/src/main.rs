//! The process: arguments and environment go in, an exit code comes out.

use std::process::ExitCode;

use orchestrator::cli;

fn main() -> ExitCode {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    cli::main(std::env::args_os(), environment)
}
