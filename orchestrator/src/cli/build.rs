//! `orchestrator build`: one build in the foreground. The service runs inside
//! this process, behind a socket that only this user can reach; the command
//! submits the build to it and watches it as anybody else would.

use std::{
    io,
    path::{Path, PathBuf},
};

use common::service::{Scheme, ServiceAddress, Shutdown, telemetry};
use futures::{Stream, StreamExt as _};
use tempfile::TempDir;

use crate::{
    app::{App, AppOptions, RunningApp},
    cli::{
        CommandLine,
        arguments::BuildArguments,
        client::Client,
        error::CliError,
        exit::Exit,
        follow::Start,
        json, private_directory, request,
        signals::{self, Signal},
        view,
        watch::{OnSignal, Watched, watch},
    },
    config::Site,
};

/// Runs the command.
pub(crate) async fn run(arguments: BuildArguments, here: &mut CommandLine) -> Result<Exit, CliError> {
    let asked = request::read(&arguments.request, here, Some(&here.directory))?;
    let submission = request::submission(asked.request, "");
    if arguments.request.dump_request {
        here.output.line(&json::of(&submission).to_string());
        return Ok(Exit::Ok);
    }
    let layers = request::site_layers(asked.replay.as_ref(), &arguments.site.files)?;
    if let Some(replay) = &asked.replay {
        request::tell_notes(replay, &mut here.output);
        request::tell_own_tag(replay, &mut here.output);
    }
    let site = Site::load_layers(&layers, here.environment(), &[]);
    let site = request::told(site, &mut here.output)?.or_layout_root(&here.directory);
    telemetry::init(telemetry::LogFormat::Text, &arguments.log_filter)
        .map_err(|error| CliError::Usage(error.to_string()))?;

    // From here on a signal cancels; before, there is nothing to cancel.
    let mut signals = signals::listen().map_err(system("listening for signals"))?;
    let state = StateDirectory::make(&arguments, &here.directory)?;
    let socket = private_directory("reactor-")?;
    let token_file = site.service.client_token_file.clone();
    let running = App::start(AppOptions {
        state_directory: state.path().to_owned(),
        listen: address(&socket),
        foreground: true,
        shutdown: Shutdown::new(),
        site,
    })
    .await?;

    let client = Client::new(&running.address, token_file.as_deref(), None).await?;
    let build = match client.submit(submission).await {
        Ok(build) => build,
        Err(error) => return Err(end(running, error).await),
    };
    here.output.remark(&format!("build {}", build.id));
    let mut view = view::choose(&mut here.output, arguments.format.output);
    let watched =
        watch(&client, &build.id, Start::default(), view.as_mut(), &mut signals, OnSignal::Cancel).await;
    drop(view);
    // Who leaves at once does not wait for the service either.
    if !matches!(watched, Ok(Watched { left: true, .. })) {
        match stop_unless(running.stop(), &mut signals).await {
            Some(Ok(())) => {}
            Some(Err(error)) => here.output.remark(&format!("the service had failed: {error}")),
            None => here.output.remark("leaving at once; workers may still be stopping"),
        }
    }
    if let StateDirectory::Kept(path) = &state {
        here.output.remark(&format!("the state of the build is in {}", path.display()));
    }
    Ok(watched?.exit)
}

/// Ends the service after an error and hands the error on.
async fn end(running: RunningApp, error: CliError) -> CliError {
    // What had ended the service explains more than the call that it broke.
    match running.stop().await {
        Ok(()) => error,
        Err(broken) => broken.into(),
    }
}

/// Waits for the end of the service; a signal ends the wait, with `None`.
async fn stop_unless<T>(
    stopping: impl Future<Output = T>,
    signals: &mut (impl Stream<Item = Signal> + Unpin),
) -> Option<T> {
    tokio::select! {
        ended = stopping => Some(ended),
        Some(_signal) = signals.next() => None,
    }
}

/// A socket in a directory that only this user can enter. Where its path would
/// be too long for a socket, a port of the loopback interface.
fn address(directory: &TempDir) -> ServiceAddress {
    let socket = format!("unix:{}", directory.path().join("orchestrator.sock").display());
    socket.parse().unwrap_or_else(|_| ServiceAddress::Tcp {
        scheme: Scheme::Unsaid,
        host: "127.0.0.1".to_owned(),
        port: 0,
    })
}

fn system(what: &'static str) -> impl Fn(io::Error) -> CliError {
    move |source| CliError::System { what: what.to_owned(), source }
}

/// Where journal, logs and blobs of the build are.
enum StateDirectory {
    /// The user's; stays.
    Named(PathBuf),
    /// Removed with this value.
    Temporary(TempDir),
    /// A temporary one that stays.
    Kept(PathBuf),
}

impl StateDirectory {
    fn make(arguments: &BuildArguments, directory: &Path) -> Result<Self, CliError> {
        if let Some(named) = &arguments.state {
            let named = directory.join(named);
            let fail = |source| CliError::System { what: format!("making {}", named.display()), source };
            std::fs::create_dir_all(&named).map_err(fail)?;
            return Ok(Self::Named(named));
        }
        let temporary = private_directory("reactor-build-")?;
        Ok(if arguments.keep_state { Self::Kept(temporary.keep()) } else { Self::Temporary(temporary) })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Named(path) | Self::Kept(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, os::unix::fs::PermissionsExt as _};

    use clap::Parser as _;
    use futures::stream;

    use super::*;
    use crate::cli::arguments::{Arguments, Command};

    fn arguments(line: &str) -> BuildArguments {
        let words = ["orchestrator", "build", "uri"].into_iter().chain(line.split_whitespace());
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Build(build) => build,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_temporary_state_goes_away() {
        let here = tempfile::tempdir().unwrap();
        for (line, stays) in [("--state a/b", true), ("--keep-state", true), ("", false)] {
            let state = StateDirectory::make(&arguments(line), here.path()).unwrap();
            let path = state.path().to_owned();
            assert!(path.is_dir(), "{line}");
            drop(state);
            assert_eq!(path.is_dir(), stays, "{line}");
            if line == "--keep-state" {
                std::fs::remove_dir(&path).unwrap();
            }
        }
        assert!(here.path().join("a/b").is_dir());
    }

    #[tokio::test]
    async fn a_signal_ends_the_wait_for_the_service() {
        let mut signals = stream::iter([Signal::Interrupt]).chain(stream::pending());
        assert_eq!(stop_unless(pending::<()>(), &mut signals).await, None);
        assert_eq!(stop_unless(async { 7 }, &mut signals).await, Some(7));
        assert_eq!(stop_unless(async { 7 }, &mut stream::empty()).await, Some(7));
    }

    #[test]
    fn the_socket_is_where_only_this_user_can_go() {
        let directory = private_directory("reactor-").unwrap();
        assert!(address(&directory).to_string().starts_with("unix:/"));
        let mode = std::fs::metadata(directory.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}
