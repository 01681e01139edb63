//! The orchestrator: the brain of reactor.
//!
//! Data flows through the folders from left to right: `config` and a request
//! and the `repository` make a `plan`; `run` carries it out with workers from
//! the `pool`, which `launch` may start; `store` remembers every step; `api`
//! and `cli` show it.

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod errors;
pub mod launch;
pub mod outside;
pub mod plan;
pub mod pool;
pub mod repository;
pub mod request;
pub mod run;
pub mod services;
pub mod store;
pub mod supervisor;
