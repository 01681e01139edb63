//! The orchestrator: takes builds, decides everything about them, hands the work
//! to workers and publishes what they made.

pub mod app;
pub mod cli;
pub mod config;
