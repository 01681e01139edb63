//! `orchestrator builds …`: the commands that talk to a running service.

use futures::StreamExt as _;
use jiff::Timestamp;
use proto::v1;
use serde_json::json;

use crate::cli::{
    CommandLine,
    arguments::{
        BuildsCommand, CancelArguments, Format, ListArguments, LogsArguments, OneBuild, ServerArguments,
        SubmitArguments, WatchArguments,
    },
    client::Client,
    error::CliError,
    exit::Exit,
    explain,
    follow::{self, Start, Update},
    json, listing, plan, request, signals,
    view::{self, Ending, Tails, lines::Lines, summary, text::harmless},
    watch::{OnSignal, watch},
};

/// Builds in one page of a list; the service allows 500.
const PAGE: u32 = 100;

/// Runs one of the commands.
pub(crate) async fn run(command: BuildsCommand, here: &mut CommandLine) -> Result<Exit, CliError> {
    match command {
        BuildsCommand::Submit(arguments) => submit(&arguments, here).await,
        BuildsCommand::List(arguments) => list(&arguments, here).await,
        BuildsCommand::Show(arguments) => show(&arguments, here).await,
        BuildsCommand::Plan(arguments) => plan::of_build(&arguments, here).await,
        BuildsCommand::Explain(arguments) => explain::of_build(&arguments, here).await,
        BuildsCommand::Watch(arguments) => watch_one(&arguments, here).await,
        BuildsCommand::Logs(arguments) => logs(&arguments, here).await,
        BuildsCommand::Cancel(arguments) => cancel(&arguments, here).await,
    }
}

impl ServerArguments {
    /// A client of the service that the flags name.
    pub(crate) async fn client(&self) -> Result<Client, CliError> {
        Client::new(&self.server, self.token_file.as_deref(), self.ca_file.as_deref()).await
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format.output == Format::Json
    }
}

async fn submit(arguments: &SubmitArguments, here: &mut CommandLine) -> Result<Exit, CliError> {
    let asked = request::read(&arguments.request, here, None)?;
    let submission = request::submission(asked.request, &arguments.idempotency_key);
    if arguments.request.dump_request {
        here.output.line(&json::of(&submission).to_string());
        return Ok(Exit::Ok);
    }
    if let Some(replay) = &asked.replay {
        request::tell_notes(replay, &mut here.output);
        request::tell_own_tag(replay, &mut here.output);
        here.output.remark("note: the service has its own site configuration; REACTOR_CONFIG is not used.");
    }
    let client = arguments.server.client().await?;
    let build = client.submit(submission).await?;
    if !arguments.watch {
        match arguments.server.format.output {
            Format::Json => here.output.line(&json!({ "build": json::of(&build) }).to_string()),
            Format::Text => {
                here.output.line(&build.id);
                here.output.remark(&format!("`orchestrator builds watch {}` follows it", build.id));
            }
        }
        return Ok(Exit::Ok);
    }
    here.output.remark(&format!("build {}", build.id));
    follow_build(&client, &build.id, Start::default(), arguments.server.format.output, here).await
}

async fn watch_one(arguments: &WatchArguments, here: &mut CommandLine) -> Result<Exit, CliError> {
    let client = arguments.build.server.client().await?;
    // The beginning of an id may stop being unique; the whole one does not.
    let build = client.get(&arguments.build.build).await?;
    let start = Start { after_sequence: arguments.after, offset: 0 };
    follow_build(&client, &build.id, start, arguments.build.server.format.output, here).await
}

async fn follow_build(
    client: &Client,
    build: &str,
    start: Start,
    format: Format,
    here: &mut CommandLine,
) -> Result<Exit, CliError> {
    let signals = signals::listen()
        .map_err(|source| CliError::System { what: "listening for signals".to_owned(), source })?;
    let mut view = view::choose(&mut here.output, format);
    Ok(watch(client, build, start, view.as_mut(), signals, OnSignal::Leave).await?.exit)
}

async fn list(arguments: &ListArguments, here: &mut CommandLine) -> Result<Exit, CliError> {
    let client = arguments.server.client().await?;
    let mut builds = Vec::new();
    let mut page_token = String::new();
    loop {
        let missing = arguments.limit - u32::try_from(builds.len()).unwrap_or(arguments.limit);
        let states = arguments.states.iter().map(|state| v1::BuildState::from(*state).into()).collect();
        let request = v1::ListBuildsRequest { page_size: missing.min(PAGE), page_token, states };
        let page = client.list(request).await?;
        builds.extend(page.builds);
        page_token = page.next_page_token;
        if page_token.is_empty() || builds.len() >= arguments.limit as usize {
            break;
        }
    }
    builds.truncate(arguments.limit as usize);
    if arguments.server.is_json() {
        let list = v1::ListBuildsResponse { builds, next_page_token: page_token };
        here.output.line(&json::of(&list).to_string());
    } else if builds.is_empty() {
        here.output.remark("there are no such builds");
    } else {
        for line in listing::builds(&builds, Timestamp::now(), here.output.dress) {
            here.output.line(&line);
        }
    }
    Ok(Exit::Ok)
}

async fn show(arguments: &OneBuild, here: &mut CommandLine) -> Result<Exit, CliError> {
    let build = arguments.server.client().await?.get(&arguments.build).await?;
    if arguments.server.is_json() {
        here.output.line(&json!({ "build": json::of(&build) }).to_string());
        return Ok(Exit::Ok);
    }
    let ending = Ending { build, later_failures: Vec::new(), tails: Tails::default() };
    for line in summary::lines(&ending, here.output.dress) {
        here.output.line(&line);
    }
    Ok(Exit::Ok)
}

async fn cancel(arguments: &CancelArguments, here: &mut CommandLine) -> Result<Exit, CliError> {
    let OneBuild { build, server } = &arguments.build;
    let build = server.client().await?.cancel(build, &arguments.reason).await?;
    if server.is_json() {
        here.output.line(&json!({ "build": json::of(&build) }).to_string());
    } else {
        here.output.line(&summary::headline(&build, here.output.dress));
    }
    Ok(Exit::Ok)
}

async fn logs(arguments: &LogsArguments, here: &mut CommandLine) -> Result<Exit, CliError> {
    let OneBuild { build, server } = &arguments.build;
    let client = server.client().await?;
    let platform = arguments.platform.as_ref().map(ToString::to_string).unwrap_or_default();
    let build = client.get(build).await?;
    let exact = !platform.is_empty() && !here.output.is_terminal();
    let request = v1::ReadLogsRequest {
        build_id: build.id,
        platform,
        offset: arguments.offset,
        follow: arguments.follow,
    };
    let mut updates = follow::logs(client, request).boxed();
    let mut lines = Lines::default();
    while let Some(update) = updates.next().await {
        match update? {
            Update::Log(record) if server.is_json() => {
                here.output.line(&json!({ "log": json::of(&record) }).to_string());
            }
            Update::Log(record) if exact => here.output.bytes(&record.text),
            Update::Log(record) => {
                for line in lines.push(&record) {
                    here.output.line(&listing::log_line(&record.platform, &harmless(&line)));
                }
            }
            Update::Interrupted(error) => {
                here.output.remark(&format!("connection lost, trying again: {error}"));
            }
            Update::Event(_) => {}
        }
        if !here.output.is_read() {
            break;
        }
    }
    for (platform, line) in lines.rest() {
        here.output.line(&listing::log_line(&platform, &harmless(&line)));
    }
    Ok(Exit::Ok)
}
