//! Servers that live in a test: real sockets, contents in memory, faults by
//! order. They need nothing but the domain crate and the contract, so that the
//! test of one client does not compile the whole reactor.

pub mod git;
pub mod hub;
pub mod koji;
pub mod mail;
pub mod odcs;
pub mod registry;
pub mod web;
