//! The service in one value: settings go in, a running service comes out.

use std::path::PathBuf;

use common::service::{ServiceAddress, Shutdown};

use crate::config::Site;

/// What the service needs to know before it starts.
#[derive(Debug)]
pub struct AppOptions {
    /// The site's configuration.
    pub site: Site,
    /// Directory of the journal, logs and blobs; it exists.
    pub state_directory: PathBuf,
    /// Where to listen.
    pub listen: ServiceAddress,
    /// One build and its own local workers, then the end.
    pub foreground: bool,
    /// How the service is told to end.
    pub shutdown: Shutdown,
}

/// The service cannot start.
#[derive(Debug, thiserror::Error)]
#[error("this binary was built without the service")]
pub struct AppError;

/// The service.
#[derive(Debug)]
pub struct App;

/// A service that runs.
#[derive(Debug)]
pub struct RunningApp {
    /// Where it listens, with the port that was really bound.
    pub address: ServiceAddress,
}

impl App {
    /// Starts the service.
    ///
    /// # Errors
    /// The service cannot start.
    pub async fn start(options: AppOptions) -> Result<RunningApp, AppError> {
        drop(options);
        Err(AppError)
    }
}

impl RunningApp {
    /// Ends the service in order.
    pub async fn stop(self) {}
}
