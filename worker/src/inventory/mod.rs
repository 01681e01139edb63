//! What is installed in a built image, read from its layers.
//!
//! Nothing of the image is run. [`scan`] goes through the layers from the bottom
//! up and keeps the few paths that matter as the final file system has them
//! ([`tree`]); the package databases among them are copied to the scratch
//! directory and read by [`rpm`], [`dpkg`] and [`apk`]. The image may come from a
//! stranger: everything is bounded, and a database that cannot be read is an
//! error, because an empty list would be taken for the truth.

mod apk;
mod database;
mod dpkg;
mod error;
mod lines;
mod locations;
mod rpm;
mod scan;
mod spool;
#[cfg(test)]
mod tests;
mod tree;
mod watch;

use std::{collections::BTreeMap, path::Path};

use common::packages::{MAX_PACKAGES, Package, PackageDatabase, PackageInventory};

use self::{
    locations::{Contents, FoundDatabase},
    spool::Spool,
    watch::Watch,
};
use crate::publish::SpooledLayer;

pub(crate) use error::InventoryError;

/// Most times that the layers are read. One is enough unless a database is
/// reached by a link to an unusual place, which is known only after a scan.
const MAX_SCANS: usize = 8;

/// Lists what is installed in the image that `layers` (from the bottom up) make.
/// Copies of its databases are put below `scratch` and removed again.
///
/// Blocks; needs a thread of its own, not one of a runtime's.
///
/// # Errors
/// A layer or the disk fails, a database is damaged, or a bound is exceeded.
pub(crate) fn take_inventory(
    layers: &[SpooledLayer],
    scratch: &Path,
) -> Result<PackageInventory, InventoryError> {
    let spool = Spool::below(scratch)?;
    let mut watch = Watch::default();
    locations::watch_all(&mut watch);
    for _ in 0..MAX_SCANS {
        let tree = scan::scan(layers, &watch, &spool)?;
        let (found, unknown) = locations::find(&tree);
        if unknown.is_empty() {
            return read_all(&found);
        }
        watch.extend(unknown);
    }
    Err(InventoryError::TooManyLinks { scans: MAX_SCANS })
}

/// Reads every database, and tells of all that cannot be read.
fn read_all(found: &BTreeMap<String, FoundDatabase>) -> Result<PackageInventory, InventoryError> {
    let mut inventory = PackageInventory::default();
    let mut problems = Vec::new();
    for (path, database) in found {
        match read(path, database) {
            Ok(packages) => {
                let (kind, path) = (database.kind(), path.clone());
                inventory.databases.push(PackageDatabase { kind, path, packages: packages.len() });
                inventory.packages.extend(packages);
            }
            Err(error) => problems.push(error),
        }
    }
    if let Some(error) = InventoryError::all(problems) {
        return Err(error);
    }
    inventory.packages.sort_unstable();
    inventory.packages.dedup();
    if inventory.packages.len() > MAX_PACKAGES {
        return Err(InventoryError::TooManyPackages { place: "in all its databases together".to_owned() });
    }
    Ok(inventory)
}

fn read(path: &str, database: &FoundDatabase) -> Result<Vec<Package>, InventoryError> {
    match &database.contents {
        Contents::Rpm { format, file, log } => {
            let log = log.as_ref().map(|log| log.path());
            rpm::read(*format, file.path(), log).map_err(|error| error.at(path, file.path()))
        }
        Contents::Dpkg(file) => dpkg::read(file.path()).map_err(|error| error.at(path, file.path())),
        Contents::DpkgDirectory(files) => {
            let mut packages = Vec::new();
            for (name, file) in files {
                let place = format!("{path}/{name}");
                packages.extend(dpkg::read(file.path()).map_err(|error| error.at(&place, file.path()))?);
                if packages.len() > MAX_PACKAGES {
                    return Err(InventoryError::TooManyPackages { place: format!("in {path}") });
                }
            }
            Ok(packages)
        }
        Contents::Apk(file) => apk::read(file.path()).map_err(|error| error.at(path, file.path())),
    }
}
