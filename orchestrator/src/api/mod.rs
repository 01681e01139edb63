//! The gRPC edge: protobuf in, domain types inside, protobuf out.

mod access;
mod attach;
mod build_service;
mod streams;
mod uploads;
mod worker_service;

pub use access::Access;
pub use build_service::BuildApi;
pub use worker_service::{ConnectionSettings, WorkerApi};

use common::failure::Failure;
use tonic::Status;

use crate::store::StoreError;

/// The status of an error of the store.
fn store_status(error: StoreError) -> Status {
    match &error {
        StoreError::BuildNotFound { .. } => Status::not_found(error.to_string()),
        StoreError::BuildAmbiguous { .. } => Status::invalid_argument(error.to_string()),
        StoreError::KeyReused { .. } => Status::already_exists(error.to_string()),
        _ => proto::convert::failure_status(&Failure::from(error)),
    }
}
