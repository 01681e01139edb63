//! A Koji hub on loopback: the calls of a container build as a real hub answers
//! them, with a small durable store and faults on demand.
//!
//! A request comes in through `connection` and `http`; `engine` finds out whose it
//! is (`credentials`), carries it out (`methods`, on a copy of `state`) and keeps
//! what it changed (`store`). `tasks` says how tasks end.
//! Uploads go past the methods (`raw_upload`), files go
//! out through `files`. `faults` are what tests order, over `admin` from outside
//! the process. `server` is the hub as tests start it, `cli` as people do;
//! `examples` are builds to import.

mod admin;
pub mod authority;
pub mod cli;
mod connection;
pub mod context;
mod credentials;
mod engine;
pub mod examples;
pub mod faults;
mod files;
mod furnish;
mod http;
mod login_session;
pub mod methods;
mod populate;
pub mod raw;
mod raw_upload;
pub mod seed;
mod server;
pub mod settings;
pub mod state;
mod store;
pub mod tasks;
mod upload_files;
mod wire;

pub use authority::{Authority, ClientCertificates};
pub use context::{Connection, Context, Method, fault};
pub use engine::RecordedCall;
pub use faults::{Effect, FaultOrder};
pub use seed::Seed;
pub use server::KojiHub;
pub use settings::HubSettings;
pub use state::State;
