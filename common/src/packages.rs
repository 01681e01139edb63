//! What is installed in an image: the packages of its package databases.
//!
//! A worker reads them from the layers that it has built, the orchestrator
//! compares platforms by them and records them in Koji.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most packages that an inventory may list. The largest distribution images
/// have a few thousand.
pub const MAX_PACKAGES: usize = 100_000;

/// The kinds of package databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageKind {
    /// RPM: Fedora and its family, openSUSE.
    Rpm,
    /// dpkg: Debian and its family.
    Deb,
    /// apk: Alpine, Wolfi.
    Apk,
}

impl PackageKind {
    /// Its name in records. Example: `rpm`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rpm => "rpm",
            Self::Deb => "deb",
            Self::Apk => "apk",
        }
    }
}

impl fmt::Display for PackageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Package {
    /// Which database has it.
    pub kind: PackageKind,
    /// Its name. Example: `bash`.
    pub name: String,
    /// Epoch; `None` where the package has none.
    pub epoch: Option<u32>,
    /// Version. Example: `5.2.26`.
    pub version: String,
    /// Release (RPM), Debian revision, or `r` number (apk); empty where the
    /// version has none. Example: `3.fc40`.
    pub release: String,
    /// Architecture as the package says it. Example: `x86_64`, `noarch`, `all`.
    pub architecture: String,
    /// MD5 of the package file's header and payload (RPM's SIGMD5), 32
    /// hexadecimal digits.
    pub md5: Option<String>,
    /// Id of the key it is signed with, in lower-case hexadecimal digits (RPM).
    /// Example: `199e2f91fd431d51`.
    pub signature: Option<String>,
}

impl Package {
    /// Epoch, version and release in the notation of the package's kind, without
    /// what is not there. Example: `1:2.30-4.fc40`.
    pub fn full_version(&self) -> String {
        let epoch = self.epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
        let dash = if self.release.is_empty() { "" } else { "-" };
        format!("{epoch}{}{dash}{}", self.version, self.release)
    }
}

/// A package database that was found in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageDatabase {
    /// Its kind.
    pub kind: PackageKind,
    /// Where it is in the image, without a slash at the beginning. Example:
    /// `usr/lib/sysimage/rpm/rpmdb.sqlite`.
    pub path: String,
    /// How many packages it lists.
    pub packages: usize,
}

/// Everything that is installed in one image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageInventory {
    /// The databases. None: the image has no package database that is known.
    pub databases: Vec<PackageDatabase>,
    /// Their packages, sorted, without duplicates.
    pub packages: Vec<Package>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_written_as_their_kind_writes_them() {
        let package = |epoch, version: &str, release: &str| Package {
            kind: PackageKind::Rpm,
            name: "x".to_owned(),
            epoch,
            version: version.to_owned(),
            release: release.to_owned(),
            architecture: "noarch".to_owned(),
            md5: None,
            signature: None,
        };
        assert_eq!(package(None, "5.2", "3.fc40").full_version(), "5.2-3.fc40");
        assert_eq!(package(Some(0), "5.2", "3").full_version(), "0:5.2-3");
        assert_eq!(package(None, "20240101", "").full_version(), "20240101");
    }
}
