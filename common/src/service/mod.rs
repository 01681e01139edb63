//! The shell that every long-running binary shares.
//!
//! Arguments → [`install_crypto_provider`] → [`telemetry`] → [`Listener::bind`]
//! → work → [`Server::serve`] → drain. A port that is taken shows before any
//! work is done; the first signal ends everything in order, the second at once.

mod address;
mod connect;
mod drain;
mod failure_note;
mod listener;
mod run;
pub mod settings;
mod shutdown;
pub mod telemetry;
mod tls;
mod version;

pub use address::{Scheme, ServiceAddress};
pub use connect::{Bearer, ClientIdentity, ConnectError, ConnectOptions, Connection, connect};
pub use failure_note::{KUBERNETES_TERMINATION_LOG, leave_failure_note};
pub use listener::{ListenError, Listener};
pub use run::{MAX_MESSAGE_BYTES, ServeError, Server};
pub use shutdown::Shutdown;
pub use tls::{TlsError, TlsFiles, install_crypto_provider};
pub use version::{version, version_line};
