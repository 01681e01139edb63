//! `orchestrator serve`: the service, until SIGTERM or Ctrl-C.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use common::service::{KUBERNETES_TERMINATION_LOG, Shutdown, leave_failure_note, telemetry};

use crate::{
    app::{App, AppOptions},
    cli::{
        CommandLine,
        arguments::{Format, ServeArguments},
        error::CliError,
        exit::Exit,
    },
    config::{ConfigError, FlagSetting, Problem, Site},
};

/// Runs the command.
pub(crate) async fn run(arguments: ServeArguments, here: &mut CommandLine) -> Result<Exit, CliError> {
    let served = print_or_serve(&arguments, here).await;
    if let Err(error) = &served {
        leave_failure_note(Path::new(KUBERNETES_TERMINATION_LOG), error);
    }
    served
}

async fn print_or_serve(arguments: &ServeArguments, here: &mut CommandLine) -> Result<Exit, CliError> {
    let mut site = Site::load(&arguments.site.files, here.environment(), &flags(arguments))?;
    let default = default_state_directory(rustix::process::geteuid().is_root(), here.environment());
    if let Some(default) = &default {
        site = site.or_state_directory(default);
    }
    if arguments.print_config {
        match arguments.format.output {
            Format::Text => here.output.bytes(site.to_yaml().as_bytes()),
            Format::Json => here.output.line(&site.to_json().to_string()),
        }
        return Ok(Exit::Ok);
    }
    let state_directory = state_directory(&site, &here.directory)?;
    telemetry::init(arguments.log_format, &arguments.log_filter)
        .map_err(|error| CliError::Usage(error.to_string()))?;
    for retired in site.retired() {
        tracing::warn!(key = retired.key, "{retired}");
    }
    for notice in site.notices() {
        tracing::warn!("{notice}");
    }
    tracing::info!(digest = %site.digest(), "site configuration");
    tracing::info!(directory = %state_directory.display(), set_by = %site.origins().of(STATE), "state directory");
    let shutdown = Shutdown::on_signals()
        .map_err(|source| CliError::System { what: "listening for signals".to_owned(), source })?;
    let running = App::start(AppOptions {
        listen: site.service.listen.clone(),
        site,
        state_directory,
        foreground: false,
        shutdown: shutdown.clone(),
    })
    .await?;
    // Whoever starts the service with port 0 reads the real one here.
    here.output.line(&running.address.to_string());
    shutdown.token.cancelled().await;
    // A service that ended by itself is no success.
    running.stop().await?;
    Ok(Exit::Ok)
}

/// The settings that flags make.
fn flags(arguments: &ServeArguments) -> Vec<FlagSetting> {
    let text = |path: &PathBuf| path.display().to_string();
    let platforms: Vec<&str> = arguments.local_workers.iter().map(|platform| platform.as_str()).collect();
    let said = [
        ("--listen", "service.listen", arguments.listen.as_ref().map(ToString::to_string)),
        ("--state", "state.directory", arguments.state.as_ref().map(text)),
        ("--worker-token-file", "service.worker_token_file", arguments.worker_token_file.as_ref().map(text)),
        ("--local-worker", "workers.local.platforms", (!platforms.is_empty()).then(|| platforms.join(","))),
    ];
    said.into_iter().filter_map(|(flag, key, text)| Some(FlagSetting { flag, key, text: text? })).collect()
}

const STATE: &str = "state.directory";

/// Where the state is when nobody says: the system's place for root, else the
/// user's (XDG base directory specification). `None` for a user without a home.
fn default_state_directory(
    root: bool,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Option<PathBuf> {
    if root {
        return Some(PathBuf::from("/var/lib/reactor"));
    }
    // The specification wants relative paths to be ignored.
    let environment: HashMap<String, String> = environment.into_iter().collect();
    let named = |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let states = named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")))?;
    Some(states.join("reactor"))
}

/// The directory that survives restarts, made if it is missing.
fn state_directory(site: &Site, here: &Path) -> Result<PathBuf, CliError> {
    let invalid = |reason: String| ConfigError::Invalid {
        problem: Problem::File,
        key: STATE.to_owned(),
        origin: site.origins().of(STATE).clone(),
        reason,
    };
    let Some(directory) = &site.state.directory else {
        let reason = "the service keeps its builds there, and there is no home directory to take instead; \
                      name it with --state DIR or in the configuration";
        return Err(invalid(reason.to_owned()).into());
    };
    let directory = here.join(directory);
    std::fs::create_dir_all(&directory)
        .map_err(|error| invalid(format!("cannot make {}: {error}", directory.display())))?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{
        cli::arguments::{Arguments, Command},
        config::Origin,
    };

    fn site(line: &str) -> Site {
        let words = ["orchestrator", "serve"].into_iter().chain(line.split_whitespace());
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Serve(serve) => Site::load(&[], [], &flags(&serve)).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_become_settings() {
        let token = tempfile::NamedTempFile::new().unwrap();
        let token = token.path();
        let site = site(&format!(
            "--listen unix:/run/x --state /s --local-worker x86_64,aarch64 --worker-token-file {}",
            token.display()
        ));
        assert_eq!(site.service.listen.to_string(), "unix:/run/x");
        assert_eq!(site.state.directory.as_deref(), Some(Path::new("/s")));
        assert_eq!(site.service.worker_token_file.as_deref(), Some(token));
        assert_eq!(site.workers.local.platforms.len(), 2);
        assert_eq!(site.origins().of("state.directory"), &Origin::Flag("--state".to_owned()));
    }

    #[test]
    fn a_state_directory_that_nobody_names_is_where_it_belongs() {
        for (root, environment, expected) in [
            (true, vec![("HOME", "/root")], Some("/var/lib/reactor")),
            (false, vec![("HOME", "/home/x"), ("XDG_STATE_HOME", "/s")], Some("/s/reactor")),
            (false, vec![("HOME", "/home/x"), ("XDG_STATE_HOME", "s")], Some("/home/x/.local/state/reactor")),
            (false, vec![("HOME", "")], None),
            (false, vec![], None),
        ] {
            let owned = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let found = default_state_directory(root, owned);
            assert_eq!(found.as_deref(), expected.map(Path::new), "{root} {environment:?}");
        }
        let named = site("--state /s").or_state_directory(Path::new("/d"));
        assert_eq!(named.state.directory.as_deref(), Some(Path::new("/s")), "who names one gets it");
        let unnamed = site("").or_state_directory(Path::new("/d"));
        assert!(unnamed.to_yaml().contains("directory: /d"), "{}", unnamed.to_yaml());
        assert_eq!(unnamed.origins().of("state.directory"), &Origin::BuiltIn);
    }

    #[test]
    fn the_state_directory_is_needed_and_made() {
        let here = tempfile::tempdir().unwrap();
        let error = state_directory(&site(""), here.path()).unwrap_err();
        assert_eq!(error.exit(), Exit::Config);
        assert!(error.to_string().contains("--state DIR"), "{error}");
        let made = state_directory(&site("--state a/b"), here.path()).unwrap();
        assert!(made.is_dir() && made.starts_with(here.path()));
        let error = state_directory(&site("--state /dev/null/x"), here.path()).unwrap_err();
        assert!(error.to_string().contains("flag --state"), "{error}");
    }
}
