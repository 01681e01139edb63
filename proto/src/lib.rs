//! The protobuf contract `reactor.v1`, and its one door to the domain types.
//!
//! [`v1`] holds what the compiler made of `proto/reactor/v1/*.proto`. Nothing
//! outside the gRPC edge should use it: [`convert`] turns each message into its
//! domain type (in `common`) and back, and is the only place that decides what
//! a bad field means.

pub mod convert;
mod redacted;

/// Messages, clients and servers of the package `reactor.v1`.
#[allow(missing_docs, unreachable_pub, clippy::large_enum_variant, clippy::doc_markdown)]
pub mod v1 {
    tonic::include_proto!("reactor.v1");
}

/// The encoded `google.protobuf.FileDescriptorSet` of the whole contract, for
/// gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Digest of the worker's part of the contract, comments left out. A worker
/// says it in `Hello`; the orchestrator refuses another one by name.
pub const CONTRACT_DIGEST: &str = include_str!(concat!(env!("OUT_DIR"), "/contract_digest"));
