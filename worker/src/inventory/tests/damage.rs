//! Damaged databases and layers, and what is too much.

use common::failure::FailureClass;

use super::*;
use crate::inventory::{locations, scan, spool::Spool, watch::Watch};

#[test]
fn a_damaged_database_is_an_error_that_names_it() {
    let cut = |name: &str, length: usize| fixture(name)[..length].to_vec();
    let changed = |name: &str, at: usize| {
        let mut content = fixture(name);
        content[at] ^= 0xff;
        content
    };
    let rows = [
        ("var/lib/rpm/rpmdb.sqlite", vec![], "it has no table Packages as RPM makes it"),
        ("var/lib/rpm/rpmdb.sqlite", b"no database".repeat(100), "SQLite says: file is not a database"),
        (
            "var/lib/rpm/rpmdb.sqlite",
            cut("rpmdb.sqlite", 8192),
            "SQLite says: database disk image is malformed",
        ),
        ("var/lib/rpm/Packages.db", vec![], "the file ends at byte 0, too early"),
        ("var/lib/rpm/Packages.db", vec![0; 4096], "it is no NDB database of RPM"),
        ("var/lib/rpm/Packages.db", changed("Packages.db", 4), "version 255 of the format is not known"),
        ("var/lib/rpm/Packages.db", cut("Packages.db", 4095), "1 pages of slots do not fit into the file"),
        (
            "var/lib/rpm/Packages.db",
            cut("Packages.db", 4096),
            "slot 3 of page 0: the file ends at byte 4096, too early",
        ),
        ("var/lib/rpm/Packages.db", changed("Packages.db", 32), "slot 2 of page 0: it is no slot"),
        (
            "var/lib/rpm/Packages.db",
            changed("Packages.db", 52),
            "slot 3 of page 0: the record of package 254 is not where its slot says",
        ),
        (
            "var/lib/rpm/Packages.db",
            changed("Packages.db", 4200),
            "slot 3 of page 0: the record of package 1 has another checksum than it says",
        ),
        ("var/lib/rpm/Packages", vec![], "the file ends at byte 0, too early"),
        ("var/lib/rpm/Packages", vec![0; 4096], "it is no hash table of Berkeley DB"),
        (
            "var/lib/rpm/Packages",
            changed("Packages.little-endian", 16),
            "version 246 of the hash table is not known",
        ),
        ("var/lib/rpm/Packages", changed("Packages.little-endian", 20), "pages cannot have 767 bytes"),
        (
            "var/lib/rpm/Packages",
            changed("Packages.little-endian", 24),
            "it is encrypted, or has parts or checksums; RPM writes no such table",
        ),
        (
            "var/lib/rpm/Packages",
            changed("Packages.little-endian", 512 + 8),
            "page 1 says that it is page 254",
        ),
        (
            "var/lib/rpm/Packages",
            changed("Packages.little-endian", 512 + 25),
            "page 1 of a bucket has the type 242",
        ),
        ("var/lib/dpkg/status", b"\0\0\0".to_vec(), "line 1 is no field"),
        ("lib/apk/db/installed", b"V:1".to_vec(), "the paragraph at line 1: P (name) is missing"),
    ];
    for (path, content, reason) in rows {
        let error = inventory(&[&[File(path, &content)]]).unwrap_err();
        let expected = format!("the package database {path} of the image cannot be read: {reason}");
        assert_eq!(error.to_string(), expected);
        let failure = error.failure();
        assert_eq!(
            (failure.class, failure.code.as_str()),
            (FailureClass::Source, "inventory.database_unreadable")
        );
    }
}

#[test]
fn a_shortened_database_is_never_a_shorter_list() {
    for (name, path) in [
        ("rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite"),
        ("Packages.db", "var/lib/rpm/Packages.db"),
        ("Packages.little-endian", "var/lib/rpm/Packages"),
        ("Packages.big-endian", "var/lib/rpm/Packages"),
    ] {
        let content = fixture(name);
        for tenths in 0..10 {
            let short = &content[..content.len() * tenths / 10];
            match inventory(&[&[File(path, short)]]) {
                // What was cut off was no record.
                Ok(inventory) => assert_eq!(inventory.packages.len(), 4, "{name} {tenths}"),
                Err(error) => assert_eq!(error.failure().code, "inventory.database_unreadable", "{error}"),
            }
        }
    }
}

#[test]
fn all_damaged_databases_are_told_at_once() {
    let image: &[&[Entry<'_>]] = &[&[
        File("lib/apk/db/installed", b"nonsense"),
        File("var/lib/dpkg/status.d/base", b"nonsense"),
        File("var/lib/dpkg/status", b"Package: good\nVersion: 1\n"),
        File("var/lib/rpm/Packages", b""),
    ]];
    let failure = inventory(image).unwrap_err().failure();
    let messages: Vec<String> = failure.each().into_iter().map(|failure| failure.message).collect();
    let expected = [
        "the package database lib/apk/db/installed of the image cannot be read: line 1 is no field",
        "the package database var/lib/dpkg/status.d/base of the image cannot be read: line 1 is no field",
        "the package database var/lib/rpm/Packages of the image cannot be read: the file ends at byte 0, too early",
    ];
    assert_eq!(messages, expected);
}

#[test]
fn a_layer_that_is_none_is_an_error() {
    let good = compressed(&archive(&[File("lib/apk/db/installed", b"P:a\nV:1\n")]));
    let long_name = "x".repeat(5 * 1024 * 1024);
    let mut cut = archive(&[File("lib/apk/db/installed", &[b'x'; 5000])]);
    cut.truncate(3000);
    let rows = [
        ("no gzip", b"not compressed".to_vec()),
        ("gzip ends early", good[..good.len() / 2].to_vec()),
        ("no archive", compressed(&[b'x'; 1024])),
        ("archive ends early", compressed(&cut)),
        ("a name without end", compressed(&archive(&[File(&long_name, b"")]))),
        (
            "a hard link to nothing",
            compressed(&archive(&[Hardlink("lib/apk/db/installed", "var/lib/dpkg/status")])),
        ),
    ];
    for (what, bytes) in rows {
        let directory = tempfile::tempdir().unwrap();
        let layers = [layer(directory.path(), 0, &good), layer(directory.path(), 1, &bytes)];
        let error = take_inventory(&layers, directory.path()).unwrap_err();
        assert!(matches!(error, InventoryError::Layer { number: 2, .. }), "{what}: {error}");
        let failure = error.failure();
        assert_eq!(
            (failure.class, failure.code.as_str()),
            (FailureClass::Infrastructure, "inventory.layer_unreadable")
        );
    }
}

#[test]
fn a_layer_and_a_scratch_directory_that_are_gone_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let there = layer(directory.path(), 0, &compressed(&archive(&[])));
    std::fs::remove_file(&there.blob.path).unwrap();
    let error = take_inventory(std::slice::from_ref(&there), directory.path()).unwrap_err();
    assert_eq!(error.failure().code, "inventory.layer_unreadable");
    let error = take_inventory(&[there], &directory.path().join("gone")).unwrap_err();
    assert_eq!(error.failure().code, "worker.scratch_failed");
}

/// Scans one image with a bound of one MiB.
fn scan_bounded(layers: &[&[Entry<'_>]]) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let layers: Vec<SpooledLayer> = (layers.iter().enumerate())
        .map(|(number, entries)| layer(directory.path(), number, &compressed(&archive(entries))))
        .collect();
    let spool = Spool::with_limit(directory.path(), 1024 * 1024).unwrap();
    let mut watch = Watch::default();
    locations::watch_all(&mut watch);
    scan::scan(&layers, &watch, &spool).map(drop).map_err(|error| {
        assert_eq!(error.failure().code, "inventory.too_large");
        error.to_string()
    })
}

#[test]
fn copies_have_a_bound_together() {
    let large = vec![b'x'; 700 * 1024];
    let (first, second) = ("lib/apk/db/installed", "usr/lib/apk/db/installed");
    let too_large =
        "the package databases of the image are too large: with usr/lib/apk/db/installed they exceed 1 MiB";
    let rows: [(&str, &[&[Entry<'_>]], Result<(), String>); 5] = [
        ("fits", &[&[File(first, &large)]], Ok(())),
        ("what is not watched", &[&[File(first, &large), File("srv/large", &large)]], Ok(())),
        ("replaced", &[&[File(first, &large)], &[File(first, &large)]], Ok(())),
        ("removed", &[&[File(first, &large)], &[Gone(".wh.lib"), File(second, &large)]], Ok(())),
        ("two", &[&[File(first, &large)], &[File(second, &large)]], Err(too_large.to_owned())),
    ];
    for (what, layers, expected) in rows {
        assert_eq!(scan_bounded(layers), expected, "{what}");
    }
}

#[test]
fn a_directory_of_status_files_has_a_bound() {
    let names: Vec<String> = (0..20_001).map(|n| format!("var/lib/dpkg/status.d/{n}")).collect();
    let entries: Vec<Entry<'_>> = names.iter().map(|name| Directory(name)).collect();
    let error = scan_bounded(&[&entries]).unwrap_err();
    assert!(error.ends_with("they exceed 20000 files"), "{error}");
}
