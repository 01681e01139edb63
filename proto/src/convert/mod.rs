//! Each message to and from its domain type, one file per `.proto`.
//!
//! Domain to message is `From` and cannot fail; message to domain is `TryFrom`
//! and fails with [`BadField`], which names the field by its path. An empty
//! string is "not said", an enum without a value takes the domain's default
//! where there is one and is refused otherwise.

mod build;
mod common;
mod event;
mod field;
mod koji;
mod koji_failure;
pub mod plan;
mod status;
mod time;
mod worker;

pub use build::build_state;
pub use field::BadField;
pub use koji::{image_build_request, koji_target};
pub use koji_failure::{KojiFailure, KojiFailureKind, koji_failure, koji_status, koji_status_as};
pub use status::failure_status;
pub use time::{from_duration, from_timestamp, to_duration, to_timestamp};
pub use worker::packages::{PACKAGE_INVENTORY, read_inventory, write_inventory};
