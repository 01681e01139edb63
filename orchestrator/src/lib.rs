//! The orchestrator: the brain of reactor.

pub mod pool;
