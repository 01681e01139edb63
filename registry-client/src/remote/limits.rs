//! How long to wait, how much to read, how much at once.

use std::time::Duration;

use common::retry::Patience;
use tokio::sync::Semaphore;

/// Bounds on the traffic with one registry.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How often and how long to try.
    pub patience: Patience,
    /// Longest time to make a connection.
    pub connect: Duration,
    /// Longest time until a request without much content is answered.
    pub answer: Duration,
    /// Longest time in which no byte of a blob moves.
    pub stall: Duration,
    /// Longest time that a registry may take to store a blob after its last byte.
    pub commit: Duration,
    /// Largest manifest, index or list of tags that is read, in bytes. The OCI distribution specification
    /// asks registries to take 4 MiB.
    pub document_bytes: u64,
    /// Length of the pieces in which a blob is sent to a registry that refuses it as a whole, in bytes.
    pub small_chunk_bytes: u64,
    /// Requests without much content at once to one host.
    pub requests: usize,
    /// Blobs at once from one host, and as many to it.
    pub transfers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            patience: Patience::default(),
            connect: Duration::from_secs(15),
            answer: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            commit: Duration::from_secs(600),
            document_bytes: 4 * 1024 * 1024,
            small_chunk_bytes: 16 * 1024 * 1024,
            requests: 16,
            transfers: 8,
        }
    }
}

/// What may run at once on one host. Small requests have room of their own, so that they are not held up by blobs;
/// reads never wait for writes, so that a copy within one host cannot block itself.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) requests: Semaphore,
    pub(crate) reads: std::sync::Arc<Semaphore>,
    pub(crate) writes: Semaphore,
}

impl Lanes {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            requests: Semaphore::new(limits.requests.max(1)),
            reads: std::sync::Arc::new(Semaphore::new(limits.transfers.max(1))),
            writes: Semaphore::new(limits.transfers.max(1)),
        }
    }
}
