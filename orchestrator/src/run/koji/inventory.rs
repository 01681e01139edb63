//! The list of an image's packages, as its worker sent it.

use common::{
    failure::{Failure, FailureClass},
    packages::PackageInventory,
};
use futures::TryStreamExt as _;
use proto::convert::read_inventory;
use registry_client::{Layout, Registry as _};

use crate::run::BuiltMember;

/// Largest list that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Reads the list of a member; an empty one for a member without.
pub(super) async fn of(member: &BuiltMember, staging: &Layout) -> Result<PackageInventory, Failure> {
    let Some(blob) = &member.packages else { return Ok(PackageInventory::default()) };
    if blob.size > MAX_BYTES {
        let message = format!("the list of packages has {} bytes; at most {MAX_BYTES} are read", blob.size);
        return Err(unreadable(member, message));
    }
    let mut bytes = Vec::new();
    let mut stream = staging.read_blob(blob).await?;
    while let Some(chunk) = stream.try_next().await? {
        bytes.extend_from_slice(&chunk);
    }
    read_inventory(&bytes)
        .map_err(|error| unreadable(member, format!("the list of packages cannot be read: {error}")))
}

fn unreadable(member: &BuiltMember, message: String) -> Failure {
    Failure::new(FailureClass::Infrastructure, "koji.unreadable_packages", message)
        .with_advice("the worker and the orchestrator must be of the same release")
        .on_platform(&member.platform)
}
