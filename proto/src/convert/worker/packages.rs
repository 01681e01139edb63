//! worker.proto: the packages of an image, as the content of a blob.

use common::packages::{MAX_PACKAGES, Package, PackageDatabase, PackageInventory, PackageKind};
use prost::Message as _;

use super::super::{
    BadField,
    field::{MAX_TEXT, enumeration, line, line_if_any, messages},
};
use crate::v1;

/// Media type of a blob with an inventory.
pub const PACKAGE_INVENTORY: &str = "application/vnd.reactor.package-inventory.v1+protobuf";
/// Most databases of an image.
const MAX_DATABASES: usize = 64;

/// The bytes of a blob with this inventory; the same inventory gives the same bytes.
pub fn write_inventory(inventory: PackageInventory) -> Vec<u8> {
    v1::PackageInventory {
        databases: inventory.databases.into_iter().map(Into::into).collect(),
        packages: inventory.packages.into_iter().map(Into::into).collect(),
    }
    .encode_to_vec()
}

/// The inventory in a blob.
///
/// # Errors
/// The bytes are no inventory, or hold what no package can have.
pub fn read_inventory(blob: &[u8]) -> Result<PackageInventory, BadField> {
    let inventory =
        v1::PackageInventory::decode(blob).map_err(|error| BadField::new("packages", error.to_string()))?;
    for (field, count, most) in [
        ("databases", inventory.databases.len(), MAX_DATABASES),
        ("packages", inventory.packages.len(), MAX_PACKAGES),
    ] {
        if count > most {
            let reason = format!("it has {count} elements; at most {most} are accepted");
            return Err(BadField::new(field, reason));
        }
    }
    let packages = inventory.packages.into_iter().enumerate();
    let package = |(index, package)| {
        Package::try_from(package).map_err(|error: BadField| error.within(&format!("packages[{index}]")))
    };
    Ok(PackageInventory {
        databases: messages("databases", inventory.databases)?,
        packages: packages.map(package).collect::<Result<_, _>>()?,
    })
}

impl From<PackageKind> for v1::PackageKind {
    fn from(kind: PackageKind) -> Self {
        match kind {
            PackageKind::Rpm => Self::Rpm,
            PackageKind::Deb => Self::Deb,
            PackageKind::Apk => Self::Apk,
        }
    }
}

fn kind(number: i32) -> Result<PackageKind, BadField> {
    match enumeration("kind", number)? {
        v1::PackageKind::Unspecified => Err(BadField::missing("kind")),
        v1::PackageKind::Rpm => Ok(PackageKind::Rpm),
        v1::PackageKind::Deb => Ok(PackageKind::Deb),
        v1::PackageKind::Apk => Ok(PackageKind::Apk),
    }
}

impl From<PackageDatabase> for v1::PackageDatabase {
    fn from(database: PackageDatabase) -> Self {
        Self {
            kind: v1::PackageKind::from(database.kind).into(),
            path: database.path,
            packages: database.packages as u64,
        }
    }
}

impl TryFrom<v1::PackageDatabase> for PackageDatabase {
    type Error = BadField;

    fn try_from(database: v1::PackageDatabase) -> Result<Self, BadField> {
        Ok(Self {
            kind: kind(database.kind)?,
            path: line("path", database.path, MAX_TEXT)?,
            packages: usize::try_from(database.packages).unwrap_or(usize::MAX),
        })
    }
}

impl From<Package> for v1::Package {
    fn from(package: Package) -> Self {
        Self {
            kind: v1::PackageKind::from(package.kind).into(),
            name: package.name,
            epoch: package.epoch,
            version: package.version,
            release: package.release,
            architecture: package.architecture,
            md5: package.md5.unwrap_or_default(),
            signature: package.signature.unwrap_or_default(),
        }
    }
}

impl TryFrom<v1::Package> for Package {
    type Error = BadField;

    fn try_from(package: v1::Package) -> Result<Self, BadField> {
        if package.name.is_empty() {
            return Err(BadField::missing("name"));
        }
        Ok(Self {
            kind: kind(package.kind)?,
            name: line("name", package.name, MAX_TEXT)?,
            epoch: package.epoch,
            version: line("version", package.version, MAX_TEXT)?,
            release: line("release", package.release, MAX_TEXT)?,
            architecture: line("architecture", package.architecture, MAX_TEXT)?,
            md5: line_if_any("md5", package.md5, MAX_TEXT)?,
            signature: line_if_any("signature", package.signature, MAX_TEXT)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inventory_survives() {
        let package = Package {
            kind: PackageKind::Rpm,
            name: "bash".to_owned(),
            epoch: Some(0),
            version: "5.2".to_owned(),
            release: "3.fc44".to_owned(),
            architecture: "x86_64".to_owned(),
            md5: Some("9e107d9d372bb6826bd81d3542a419d6".to_owned()),
            signature: None,
        };
        let database =
            PackageDatabase { kind: PackageKind::Rpm, path: "var/lib/rpm".to_owned(), packages: 1 };
        let inventory = PackageInventory { databases: vec![database], packages: vec![package.clone()] };
        assert_eq!(read_inventory(&write_inventory(inventory.clone())).unwrap(), inventory);
        let nameless = Package { name: String::new(), ..package };
        let bad = write_inventory(PackageInventory { packages: vec![nameless], ..inventory });
        assert!(read_inventory(&bad).unwrap_err().to_string().contains("packages[0]"));
    }
}
