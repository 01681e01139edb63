//! The section `uploads`: how files reach the hub, and whether workers bring them
//! here themselves.

use std::{io, path::PathBuf, time::Duration};

use common::{service::ServiceAddress, ticket::TicketMaker};
use serde::Deserialize;

use crate::upload::UploadOptions;

/// Uploads.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UploadSettings {
    /// Where workers bring their files; without it they bring them to the
    /// orchestrator. Nothing but uploads with a ticket is served there. Example:
    /// `0.0.0.0:7072`.
    pub listen: Option<ServiceAddress>,
    /// How workers reach that address, if not by the name that it listens on.
    /// Example: `https://koji-bridge.example.org:7072`.
    pub worker_address: Option<ServiceAddress>,
    /// File with the key that tickets are made with; written on first use. `serve`
    /// has /var/lib/reactor/koji-bridge/ticket.key where nothing is said: with
    /// another key, uploads that are under way would end.
    pub ticket_key_file: Option<PathBuf>,
    /// Bytes in one request to the hub.
    pub block_bytes: usize,
    /// Uploads at a time.
    pub parallel: usize,
    /// Seconds that a client may be silent within a file before it loses its place.
    pub silence_seconds: u64,
}

impl Default for UploadSettings {
    fn default() -> Self {
        let UploadOptions { block_bytes, parallel, silence, .. } = UploadOptions::default();
        Self {
            listen: None,
            worker_address: None,
            ticket_key_file: None,
            block_bytes,
            parallel,
            silence_seconds: silence.as_secs(),
        }
    }
}

/// Where the key of tickets is when nobody says.
const TICKET_KEY: &str = "/var/lib/reactor/koji-bridge/ticket.key";

impl UploadSettings {
    /// The same with a place for the key of tickets.
    #[must_use]
    pub fn with_ticket_key(mut self) -> Self {
        self.ticket_key_file.get_or_insert_with(|| TICKET_KEY.into());
        self
    }

    /// The maker of tickets; without a file for its key they end with it.
    ///
    /// # Errors
    /// The file can be neither read nor written.
    pub fn tickets(&self) -> Result<TicketMaker, (PathBuf, io::Error)> {
        let Some(path) = &self.ticket_key_file else {
            return TicketMaker::for_now().map_err(|error| (PathBuf::new(), error));
        };
        let open = || {
            path.parent().map(std::fs::create_dir_all).transpose()?;
            TicketMaker::open(path)
        };
        open().map_err(|error| (path.clone(), error))
    }

    /// How uploads are made. Bounds keep memory and sessions small.
    pub fn options(&self) -> UploadOptions {
        UploadOptions {
            block_bytes: self.block_bytes.clamp(64 << 10, 64 << 20),
            parallel: self.parallel.clamp(1, 32),
            silence: Duration::from_secs(self.silence_seconds.clamp(1, 3600)),
            worker_address: self.worker_address.clone().or_else(|| self.listen.clone()),
        }
    }
}
