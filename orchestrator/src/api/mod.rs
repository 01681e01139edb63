//! The gRPC edge: protobuf in, domain types inside, protobuf out.

mod access;
mod attach;
mod build_service;
mod check;
mod koji_relay;
mod plans;
mod streams;
mod uploads;
mod worker_service;

pub use access::Access;
pub use build_service::BuildApi;
pub use koji_relay::KojiRelay;
pub use worker_service::{ConnectionSettings, WorkerApi};

use proto::convert::failure_status;
use tonic::Status;

use crate::store::{StoreError, logs::LogError};

/// The status of an error of the store.
fn store_status(error: StoreError) -> Status {
    match &error {
        StoreError::BuildNotFound(_) => Status::not_found(error.to_string()),
        StoreError::BuildAmbiguous { .. } | StoreError::BadPageToken(_) => {
            Status::invalid_argument(error.to_string())
        }
        StoreError::KeyReused { .. } => Status::already_exists(error.to_string()),
        _ => failure_status(&error.into()),
    }
}

/// The status of an error of the logs.
fn log_status(error: LogError) -> Status {
    failure_status(&error.into())
}
