//! What every part of reactor means by its words: names, digests, image
//! references, requests, work orders, failures, events.
//!
//! The types here are parsed once, at the edge, and cannot be wrong afterwards.
//! They know nothing of protobuf (the crate `proto` converts them) and do no
//! I/O of their own, except for [`secret`] and [`credentials`], which read files,
//! and [`service`], the shell that every long-running binary shares.

pub mod credentials;
pub mod destination;
pub mod failure;
pub mod flow;
pub mod image;
pub mod koji;
pub mod log;
pub mod names;
pub mod nvr;
pub mod packages;
pub mod platform;
pub mod request;
pub mod retry;
pub mod secret;
pub mod service;
pub mod ticket;
pub mod work;
pub mod yaml;

/// Why a piece of text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{value}' is not a valid {what}: {reason}")]
pub struct ParseError {
    /// What was expected. Example: "platform".
    pub what: &'static str,
    /// The text, cut to a printable length.
    pub value: String,
    /// What is wrong with it and what would be right.
    pub reason: String,
}

impl ParseError {
    /// An error about `value`, of which at most 200 characters are kept.
    pub fn new(what: &'static str, value: &str, reason: impl Into<String>) -> Self {
        let value = value.chars().take(200).collect();
        Self { what, value, reason: reason.into() }
    }
}
