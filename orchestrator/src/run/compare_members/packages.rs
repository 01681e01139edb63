//! Packages of the platforms against each other.
//!
//! A package that is installed in several versions at once, as kernels are, is
//! the same when all platforms have the same versions of it. Architecture, epoch
//! and checksum say nothing about that: they differ between platforms, or do not
//! without the version.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    failure::{Failure, FailureClass},
    packages::{Package, PackageInventory, PackageKind},
    platform::Platform,
};
use globset::{Glob, GlobSet, GlobSetBuilder};
use proto::convert::read_inventory;
use registry_client::Layout;

use super::{
    super::{BuiltMember, members},
    table::Table,
};

/// What was compared.
#[derive(Debug, Default)]
pub(super) struct ComparedPackages {
    /// How many packages every platform has alike.
    pub(super) equal: usize,
    /// Those that differ, and may.
    pub(super) excepted: Table,
}

/// Inventories of the members that have one.
///
/// # Errors
/// The staging layout fails, or a worker sent something else.
pub(super) async fn read_all(
    all: &[BuiltMember],
    staging: &Layout,
) -> Result<Vec<(Platform, PackageInventory)>, Failure> {
    let mut inventories = Vec::with_capacity(all.len());
    for member in all {
        if let Some(inventory) = inventory(member, staging).await? {
            inventories.push((member.platform.clone(), inventory));
        }
    }
    Ok(inventories)
}

/// The inventory of a member's packages, if it has one.
///
/// # Errors
/// The staging layout fails, or the worker sent something else.
pub(in crate::run) async fn inventory(
    member: &BuiltMember,
    staging: &Layout,
) -> Result<Option<PackageInventory>, Failure> {
    let Some(blob) = &member.packages else { return Ok(None) };
    let bytes = members::read_inventory_blob(staging, blob).await?;
    read_inventory(&bytes).map(Some).map_err(|error| {
        let message =
            format!("the packages of {} (built on {}): {error}", member.platform, member.build_host);
        Failure::new(FailureClass::Infrastructure, "member.bad_inventory", message)
            .on_platform(&member.platform)
            .with_advice("the worker sends what no package can be; update it, or take it out of service")
    })
}

/// Compares.
///
/// # Errors
/// Packages differ that must not, or a platform has no package database though
/// another one has.
pub(super) fn compare(
    inventories: &[(Platform, PackageInventory)],
    may_differ: &[String],
) -> Result<ComparedPackages, Failure> {
    let without: Vec<&str> = inventories
        .iter()
        .filter(|(_, inventory)| inventory.databases.is_empty())
        .map(|(platform, _)| platform.as_str())
        .collect();
    if without.len() == inventories.len() {
        return Ok(ComparedPackages::default());
    }
    if !without.is_empty() {
        let message = format!(
            "there is no package database in the image of {}, though others have one",
            without.join(", ")
        );
        return Err(Failure::new(FailureClass::Source, "member.no_packages", message)
            .with_advice("look at what the Dockerfile does on these platforms only"));
    }
    let exceptions = exceptions(may_differ)?;
    let column = |excepted: bool| {
        let exceptions = &exceptions;
        move |(platform, inventory): &'_ (Platform, PackageInventory)| {
            let packages = inventory.packages.iter();
            (
                platform.clone(),
                versions(packages.filter(|package| exceptions.is_match(&package.name) == excepted)),
            )
        }
    };
    let table = |excepted| {
        let columns: Vec<(Platform, BTreeMap<String, String>)> =
            inventories.iter().map(column(excepted)).collect();
        let columns: Vec<_> = columns.iter().map(|(platform, values)| (platform, values.clone())).collect();
        let names: BTreeSet<&String> = columns.iter().flat_map(|(_, values)| values.keys()).collect();
        (Table::of(&columns), names.len())
    };
    let (differing, compared) = table(false);
    if !differing.is_empty() {
        return Err(packages_differ(&differing));
    }
    Ok(ComparedPackages { equal: compared, excepted: table(true).0 })
}

/// What a platform has of each package: the versions, and what signed them.
fn versions<'a>(packages: impl Iterator<Item = &'a Package>) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        let name = match package.kind {
            PackageKind::Rpm => package.name.clone(),
            kind => format!("{} ({kind})", package.name),
        };
        let dash = if package.release.is_empty() { "" } else { "-" };
        let signed = package.signature.as_ref().map(|key| format!(" signed {key}")).unwrap_or_default();
        all.entry(name).or_default().insert(format!("{}{dash}{}{signed}", package.version, package.release));
    }
    let joined = |versions: BTreeSet<String>| versions.into_iter().collect::<Vec<_>>().join(" and ");
    all.into_iter().map(|(name, versions)| (name, joined(versions))).collect()
}

fn exceptions(patterns: &[String]) -> Result<GlobSet, Failure> {
    let mut set = GlobSetBuilder::new();
    let wrong = |error: globset::Error| {
        let message = format!("publication.packages_may_differ cannot be used: {error}");
        Failure::new(FailureClass::Policy, "member.bad_exception", message)
            .with_advice("write names of packages, with * and ? where parts may be anything")
    };
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(wrong)?);
    }
    set.build().map_err(wrong)
}

fn packages_differ(packages: &Table) -> Failure {
    let count = packages.len();
    let names = packages.names().join(", ");
    let message = format!("{count} packages are not the same on all platforms: {names}");
    let mut failure = Failure::new(FailureClass::Source, "member.packages_differ", message).with_advice(
        "build again when all platforms see the same packages; or let the site except those that may differ \
         (publication.packages_may_differ)",
    );
    failure.causes = packages.rows();
    failure
}

#[cfg(test)]
mod tests {
    use common::packages::PackageDatabase;

    use super::*;

    fn package(text: &str) -> Package {
        let mut parts = text.split(' ');
        let nvr: common::nvr::Nvr = parts.next().unwrap().parse().unwrap();
        Package {
            kind: PackageKind::Rpm,
            name: nvr.name().to_owned(),
            epoch: None,
            version: nvr.version().to_owned(),
            release: nvr.release().to_owned(),
            architecture: "noarch".to_owned(),
            md5: Some("0".repeat(32)),
            signature: parts.next().map(str::to_owned),
        }
    }

    fn inventory(platform: &str, packages: &[&str]) -> (Platform, PackageInventory) {
        let database = PackageDatabase {
            kind: PackageKind::Rpm,
            path: "var/lib/rpm".to_owned(),
            packages: packages.len(),
        };
        let packages = packages.iter().map(|text| package(text)).collect();
        (platform.parse().unwrap(), PackageInventory { databases: vec![database], packages })
    }

    #[test]
    fn packages_are_the_same_or_all_that_differ_are_named() {
        let rows: &[(&str, &[&str], &[&str], &[&str], Result<usize, &str>)] = &[
            ("C01 equal", &["a-1-1 k", "b-2-1"], &["b-2-1", "a-1-1 k"], &[], Ok(2)),
            ("C02 version", &["a-1-1"], &["a-2-1"], &[], Err("a: x86_64 \"1-1\", s390x \"2-1\"")),
            ("C03 release", &["a-1-1"], &["a-1-2"], &[], Err("a: x86_64 \"1-1\", s390x \"1-2\"")),
            (
                "C04 signature",
                &["a-1-1 k"],
                &["a-1-1"],
                &[],
                Err("a: x86_64 \"1-1 signed k\", s390x \"1-1\""),
            ),
            (
                "absence counts",
                &["a-1-1", "b-1-1"],
                &["a-1-1"],
                &[],
                Err("b: x86_64 \"1-1\", s390x has none"),
            ),
            ("absence on the first counts", &["a-1-1"], &["a-1-1", "b-1-1"], &[], Err("b: x86_64 has none")),
            ("several versions alike", &["k-1-1", "k-2-1"], &["k-2-1", "k-1-1"], &[], Ok(1)),
            ("one of several", &["k-1-1", "k-2-1"], &["k-2-1"], &[], Err("\"1-1 and 2-1\"")),
            ("C07 excepted", &["a-1-1", "b-1-1"], &["a-2-1", "b-1-1"], &["a"], Ok(1)),
            ("excepted by pattern", &["grub2-x-1-1"], &[], &["grub2-*"], Ok(0)),
        ];
        for (case, one, other, may_differ, expected) in rows {
            let inventories = [inventory("x86_64", one), inventory("s390x", other)];
            let may_differ: Vec<String> = may_differ.iter().map(|text| (*text).to_owned()).collect();
            match (compare(&inventories, &may_differ), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.equal, *expected, "{case}"),
                (Err(failure), Err(text)) => {
                    assert_eq!(failure.code, "member.packages_differ", "{case}");
                    assert!(failure.causes.join("\n").contains(text), "{case}: {:?}", failure.causes);
                }
                (found, _) => panic!("{case}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_platform_without_a_database_is_told_from_one_without_packages() {
        let none = (inventory("s390x", &[]).0, PackageInventory::default());
        let failure = compare(&[inventory("x86_64", &["a-1-1"]), none.clone()], &[]).unwrap_err();
        assert_eq!(failure.code, "member.no_packages");
        assert!(failure.message.contains("s390x") && !failure.message.contains("x86_64"), "{failure}");
        assert_eq!(compare(&[none.clone(), none], &[]).unwrap().equal, 0);
        assert!(compare(&[inventory("x86_64", &[])], &["[".to_owned()]).is_err());
    }
}
