//! `orchestrator workers …`: the commands that talk to a running service about
//! its workers.

use jiff::Timestamp;

use crate::cli::{
    CommandLine,
    arguments::{WorkersCommand, WorkersListArguments},
    error::CliError,
    exit::Exit,
    json, listing,
};

/// Runs one of the commands.
pub(crate) async fn run(command: WorkersCommand, here: &mut CommandLine) -> Result<Exit, CliError> {
    let WorkersCommand::List(WorkersListArguments { server }) = command;
    let list = server.client().await?.workers().await?;
    if server.is_json() {
        here.output.line(&json::of(&list).to_string());
    } else if list.workers.is_empty() {
        here.output.remark("no worker is attached; `worker --orchestrator ADDR --platform P` attaches one");
    } else {
        for line in listing::workers(&list.workers, Timestamp::now(), here.output.dress) {
            here.output.line(&line);
        }
    }
    Ok(Exit::Ok)
}
