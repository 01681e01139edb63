//! Inventories of images that are put together layer by layer.

mod damage;
mod layers;
mod rpm_databases;

use std::{
    io::{Read as _, Write as _},
    path::Path,
};

use common::{image::Digest, packages::PackageInventory};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use super::{InventoryError, take_inventory};
use crate::publish::{SpooledBlob, SpooledLayer};

/// One entry of a layer.
enum Entry<'a> {
    Directory(&'a str),
    File(&'a str, &'a [u8]),
    Symlink(&'a str, &'a str),
    Hardlink(&'a str, &'a str),
    Gone(&'a str),
}

use Entry::{Directory, File, Gone, Hardlink, Symlink};

/// The uncompressed archive of a layer.
fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(0);
        match entry {
            Directory(path) => {
                header.set_entry_type(tar::EntryType::Directory);
                archive.append_data(&mut header, path, &[][..]).unwrap();
            }
            File(path, content) => {
                header.set_size(content.len() as u64);
                archive.append_data(&mut header, path, *content).unwrap();
            }
            Symlink(path, target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, path, target).unwrap();
            }
            Hardlink(path, target) => {
                header.set_entry_type(tar::EntryType::Link);
                archive.append_link(&mut header, path, target).unwrap();
            }
            Gone(path) => archive.append_data(&mut header, path, &[][..]).unwrap(),
        }
    }
    archive.into_inner().unwrap()
}

fn compressed(content: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(content).unwrap();
    gzip.finish().unwrap()
}

/// A layer on disk with these bytes.
fn layer(directory: &Path, number: usize, bytes: &[u8]) -> SpooledLayer {
    let path = directory.join(format!("layer-{number}"));
    std::fs::write(&path, bytes).unwrap();
    let digest = Digest::of(bytes);
    SpooledLayer {
        blob: SpooledBlob { path, digest: digest.clone(), size: bytes.len() as u64 },
        diff_id: digest,
        uncompressed_size: 0,
    }
}

/// The inventory of an image with these layers; nothing may stay in the scratch
/// directory.
fn inventory(layers: &[&[Entry<'_>]]) -> Result<PackageInventory, InventoryError> {
    let directory = tempfile::tempdir().unwrap();
    let layers: Vec<SpooledLayer> = (layers.iter().enumerate())
        .map(|(number, entries)| layer(directory.path(), number, &compressed(&archive(entries))))
        .collect();
    let scratch = directory.path().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let inventory = take_inventory(&layers, &scratch);
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "the scratch directory is left clean");
    inventory
}

/// The paths of the databases and the names of the packages.
fn summary(inventory: &PackageInventory) -> String {
    let databases: Vec<String> = inventory
        .databases
        .iter()
        .map(|database| format!("{}={}", database.path, database.packages))
        .collect();
    let packages: Vec<&str> = inventory.packages.iter().map(|package| package.name.as_str()).collect();
    format!("{}: {}", databases.join(" "), packages.join(" "))
}

fn fixture(name: &str) -> Vec<u8> {
    let compressed: &[u8] = match name {
        "rpmdb.sqlite" => include_bytes!("../fixtures/rpmdb.sqlite.gz"),
        "Packages.db" => include_bytes!("../fixtures/Packages.db.gz"),
        "Packages.little-endian" => include_bytes!("../fixtures/Packages.little-endian.gz"),
        "Packages.big-endian" => include_bytes!("../fixtures/Packages.big-endian.gz"),
        other => panic!("no fixture {other}"),
    };
    let mut content = Vec::new();
    GzDecoder::new(compressed).read_to_end(&mut content).unwrap();
    content
}
