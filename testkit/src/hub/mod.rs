//! A Koji hub on loopback: the calls of a container build as a real hub answers
//! them, with a small durable store and faults on demand.
//!
//! Folders say what is where: `state` is the database, `context` what a method
//! works with, `methods` what they are, `tasks` how tasks end, `raw` answers that
//! cannot be read, `examples` builds to import, `settings` how the hub is set up.

pub mod context;
pub mod examples;
pub mod methods;
pub mod raw;
pub mod settings;
pub mod state;
pub mod tasks;

pub use context::{Connection, Context, Method, fault};
pub use settings::HubSettings;
pub use state::State;
