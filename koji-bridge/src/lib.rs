//! The bridge to Koji: the only part of reactor that may hold Koji credentials.
//!
//! It publishes the contract `reactor.v1.KojiBridgeService` with health and
//! reflection. It has no connection to a hub yet, and says so: the service's
//! health is `NOT_SERVING` and its calls, but for `Describe`, answer
//! `UNIMPLEMENTED`.

pub mod arguments;
pub mod login;
pub mod metadata;
pub mod serve;
pub mod service;
pub mod session;
pub mod settings;
mod transport;
pub mod xmlrpc;
