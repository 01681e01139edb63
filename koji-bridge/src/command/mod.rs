//! What koji-bridge does when it is called from a shell: it serves, or carries out
//! one command for a person and ends.
//!
//! Exit codes are those of all programs of reactor: 0 done, 1 failed, 2 the
//! command line is wrong or names what does not exist, 3 settings that cannot be
//! used or give too few rights, 4 the hub cannot be reached, 75 try again, 130 and
//! 143 ended by a signal.

mod check;
mod error;
mod import;
mod output;
mod refund;
mod reservations;
mod tag;

use std::{path::Path, time::Duration};

use common::service::{
    KUBERNETES_TERMINATION_LOG, Shutdown, leave_failure_note, settings::process_environment,
};

use crate::{
    arguments::{Command, CommandArguments, ServeArguments},
    hub::Hub,
    serve::{self, layer_name, restart_for_kerberos},
    session::HubSettings,
    settings::{ENVIRONMENT_PREFIX, KojiSettings, Settings, UploadSettings},
};
use error::{CommandFailure, Exit};

/// How long a change that is under way may go on after a signal.
const GRACE: Duration = Duration::from_secs(10);

/// Carries out a command and answers with the exit code of the process.
pub async fn run(command: &Command) -> u8 {
    let shutdown = match command {
        Command::Serve(arguments) => return serve(arguments).await,
        _ => Shutdown::on_signals(),
    };
    let shutdown = match shutdown {
        Ok(shutdown) => shutdown,
        Err(error) => {
            output::remark(&format!("koji-bridge: cannot wait for signals: {error}"));
            return Exit::Failed.code();
        }
    };
    let ended = tokio::select! {
        biased;
        () = shutdown.token.cancelled() => {
            output::remark("koji-bridge: stopped; the same command finds out what has become of it");
            shutdown.wait(GRACE).await;
            return shutdown.signal_exit_code().unwrap_or(Exit::Failed.code());
        }
        ended = Box::pin(carry_out(command, &shutdown)) => ended,
    };
    match ended {
        Ok(exit) => exit.code(),
        Err(failure) => {
            failure.print();
            failure.exit.code()
        }
    }
}

async fn carry_out(command: &Command, shutdown: &Shutdown) -> Result<Exit, CommandFailure> {
    match command {
        // It has signals of its own, see above.
        Command::Serve(_) => Ok(Exit::Ok),
        Command::Check(arguments) => check::run(arguments, shutdown).await,
        Command::Import(arguments) => import::run(arguments, shutdown).await,
        Command::Tag(arguments) => tag::run(arguments, shutdown).await,
        Command::Refund(arguments) => refund::run(arguments, shutdown).await,
        Command::Reservations(arguments) => reservations::run(arguments, shutdown).await,
    }
}

/// Serves, and leaves a note of why it had to stop.
async fn serve(arguments: &ServeArguments) -> u8 {
    let Err(error) = serve::run(arguments).await else { return Exit::Ok.code() };
    tracing::error!(error = &error as &dyn std::error::Error, "koji-bridge failed");
    leave_failure_note(Path::new(KUBERNETES_TERMINATION_LOG), &error);
    error.exit_code()
}

/// The settings of a command: those of the service, of which it needs the hub.
struct CommandSettings {
    koji: KojiSettings,
    uploads: UploadSettings,
    /// Where they come from.
    layer: String,
}

impl CommandSettings {
    fn read(common: &CommandArguments) -> Result<Self, CommandFailure> {
        let settings = Settings::read(&common.config, &process_environment(ENVIRONMENT_PREFIX))?;
        let layer = layer_name(&common.config);
        let koji = settings.koji.ok_or_else(|| CommandFailure::no_hub(&layer))?;
        Ok(Self { koji, uploads: settings.uploads, layer })
    }

    /// What a session needs. The process is started again with what Kerberos
    /// needs, unless it has that.
    fn hub(&self) -> Result<HubSettings, CommandFailure> {
        let hub = self.koji.hub(&self.layer)?;
        restart_for_kerberos(&hub)?;
        Ok(hub)
    }
}

/// A command's hub.
fn open(common: &CommandArguments, shutdown: &Shutdown) -> Result<Hub, CommandFailure> {
    let settings = CommandSettings::read(common)?;
    Ok(Hub::new(settings.hub()?, settings.koji.options(), shutdown.clone())?)
}
