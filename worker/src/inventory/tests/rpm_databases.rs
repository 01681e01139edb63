//! RPM databases as RPM itself lists them.

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use super::*;

/// What `rpm -qa` said when the fixtures were made, without the public key.
fn said_by_rpm() -> Vec<String> {
    let lines = include_str!("../fixtures/rpm-qa.txt").lines();
    lines.filter(|line| !line.starts_with("gpg-pubkey|")).map(in_short).collect()
}

/// A line of `rpm -qa` with nothing of its signatures but the key.
fn in_short(line: &str) -> String {
    let fields: Vec<&str> = line.split('|').collect();
    let keys = fields[6..].iter().find_map(|signature| Some(signature.split_once("Key ID ")?.1));
    format!("{}|{}", fields[..6].join("|"), keys.unwrap_or("(none)"))
}

fn listed(inventory: &PackageInventory) -> Vec<String> {
    let packages = inventory.packages.iter().map(|package| {
        let none = "(none)".to_owned();
        let epoch = package.epoch.map_or(none.clone(), |epoch| epoch.to_string());
        let (md5, key) = (package.md5.clone(), package.signature.clone());
        let (md5, key) = (md5.unwrap_or(none.clone()), key.unwrap_or(none));
        format!(
            "{}|{epoch}|{}|{}|{}|{md5}|{key}",
            package.name, package.version, package.release, package.architecture
        )
    });
    packages.collect()
}

#[test]
fn every_format_is_read_as_rpm_reads_it() {
    let rows = [
        ("rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite"),
        ("rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite"),
        ("rpmdb.sqlite", "usr/share/rpm/rpmdb.sqlite"),
        ("Packages.db", "usr/lib/sysimage/rpm/Packages.db"),
        ("Packages.little-endian", "var/lib/rpm/Packages"),
        ("Packages.big-endian", "var/lib/rpm/Packages"),
    ];
    assert_eq!(said_by_rpm().len(), 4);
    for (name, path) in rows {
        let inventory = inventory(&[&[File(path, &fixture(name))]]).unwrap();
        assert_eq!(listed(&inventory), said_by_rpm(), "{name}");
        assert_eq!(inventory.databases.len(), 1);
        assert_eq!((inventory.databases[0].path.as_str(), inventory.databases[0].packages), (path, 4));
    }
}

#[test]
fn a_database_behind_a_link_is_listed_once_at_its_real_place() {
    let image: &[&[Entry<'_>]] = &[
        &[Symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm"), Directory("usr/lib/sysimage/rpm")],
        &[File("usr/lib/sysimage/rpm/rpmdb.sqlite", &fixture("rpmdb.sqlite"))],
    ];
    let expected = "usr/lib/sysimage/rpm/rpmdb.sqlite=4: alpha beta delta gamma-libs";
    assert_eq!(summary(&inventory(image).unwrap()), expected);
}

/// The fixture and a write-ahead log in which `alpha` is removed.
fn with_log() -> (Vec<u8>, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rpmdb.sqlite");
    let log = directory.path().join("rpmdb.sqlite-wal");
    std::fs::write(&path, fixture("rpmdb.sqlite")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let options =
            SqliteConnectOptions::new().filename(&path).foreign_keys(false).pragma("wal_autocheckpoint", "0");
        let mut database = options.connect().await.unwrap();
        let statement = "DELETE FROM Packages WHERE hnum = (SELECT hnum FROM Name WHERE key = 'alpha')";
        let deleted = sqlx::raw_sql(statement).execute(&mut database).await.unwrap();
        assert_eq!(deleted.rows_affected(), 1);
        let copies = (std::fs::read(&path).unwrap(), std::fs::read(&log).unwrap());
        database.close().await.unwrap();
        copies
    })
}

#[test]
fn a_write_ahead_log_counts_as_far_as_the_image_has_it() {
    let (database, log) = with_log();
    let path = "var/lib/rpm/rpmdb.sqlite";
    let both = [File(path, &database), File("var/lib/rpm/rpmdb.sqlite-wal", &log)];
    let removed = [Gone("var/lib/rpm/.wh.rpmdb.sqlite-wal")];
    let elsewhere = [
        File("opt/rpm/rpmdb.sqlite", &database),
        File("opt/rpm/rpmdb.sqlite-wal", &log),
        Symlink(path, "/opt/rpm/rpmdb.sqlite"),
    ];
    let rows: [(&[&[Entry<'_>]], &str); 4] = [
        (&[&both], "var/lib/rpm/rpmdb.sqlite=3: beta delta gamma-libs"),
        (&[&both, &removed], "var/lib/rpm/rpmdb.sqlite=4: alpha beta delta gamma-libs"),
        (
            &[&both, &[File("var/lib/rpm/rpmdb.sqlite-wal", b"")]],
            "var/lib/rpm/rpmdb.sqlite=4: alpha beta delta gamma-libs",
        ),
        (&[&elsewhere], "opt/rpm/rpmdb.sqlite=3: beta delta gamma-libs"),
    ];
    for (layers, expected) in rows {
        assert_eq!(summary(&inventory(layers).unwrap()), expected);
    }
}

/// A SQLite database made by these statements.
fn made_by(statements: &'static str) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut database = options.connect().await.unwrap();
        sqlx::raw_sql(statements).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
    });
    std::fs::read(&path).unwrap()
}

#[test]
fn a_database_that_rpm_did_not_make_is_refused() {
    let no_table = "it has no table Packages as RPM makes it";
    let rows = [
        ("CREATE TABLE Name (hnum INTEGER)", no_table),
        ("CREATE TABLE Packages (hnum INTEGER)", no_table),
        (
            "CREATE TABLE other (n); CREATE VIEW Packages AS WITH RECURSIVE x(hnum) AS \
             (SELECT 1 UNION ALL SELECT hnum + 1 FROM x) SELECT hnum, randomblob(9) AS blob FROM x",
            no_table,
        ),
        (
            "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob AS (zeroblob(1000000000)));
             INSERT INTO Packages (hnum) VALUES (1)",
            no_table,
        ),
        (
            "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB); INSERT INTO Packages VALUES (7, 'text')",
            "record 7 is no header, or one of more than 33554432 bytes",
        ),
        (
            "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB); INSERT INTO Packages VALUES (8, zeroblob(33554433))",
            "record 8 is no header, or one of more than 33554432 bytes",
        ),
        (
            "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB); INSERT INTO Packages VALUES (9, x'00')",
            "record 9: it is too short for a header",
        ),
    ];
    for (statements, reason) in rows {
        let database = made_by(statements);
        let error = inventory(&[&[File("var/lib/rpm/rpmdb.sqlite", &database)]]).unwrap_err();
        let expected =
            format!("the package database var/lib/rpm/rpmdb.sqlite of the image cannot be read: {reason}");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn an_empty_database_lists_nothing() {
    let database =
        made_by("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)");
    let inventory = inventory(&[&[File("var/lib/rpm/rpmdb.sqlite", &database)]]).unwrap();
    assert_eq!(summary(&inventory), "var/lib/rpm/rpmdb.sqlite=0: ");
}
