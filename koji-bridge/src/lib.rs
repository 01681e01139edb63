//! The bridge to Koji: the only part of reactor that may hold Koji credentials.
//!
//! It publishes the contract `reactor.v1.KojiBridgeService` with health and
//! reflection, and speaks to one hub. Without a hub it says so: the service's
//! health is `NOT_SERVING` and its calls, but for `Describe`, answer
//! `UNIMPLEMENTED`.

pub mod arguments;
pub mod command;
pub mod hub;
pub mod login;
pub mod metadata;
pub mod metrics;
pub mod monitor;
pub mod serve;
pub mod service;
pub mod session;
pub mod settings;
mod transport;
pub mod upload;
pub mod xmlrpc;
