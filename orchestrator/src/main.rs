//! The process: arguments and environment go in, an exit code comes out.

use std::process::ExitCode;

use orchestrator::{cli, config};

fn main() -> ExitCode {
    cli::main(std::env::args_os(), config::text_of_environment(std::env::vars_os()))
}
