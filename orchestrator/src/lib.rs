//! The orchestrator.

pub mod repository;
