//! Changed databases: whatever was done to them, they are read or refused.

use std::io::{Cursor, Read as _};

use flate2::read::GzDecoder;
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{DatabaseFile, berkeley, ndb, *};

type Reader = fn(&mut DatabaseFile<Cursor<Vec<u8>>>, Visit<'_>) -> Result<(), DatabaseError>;

fn records(read: Reader, content: Vec<u8>) -> Result<usize, DatabaseError> {
    let mut records = 0;
    let mut bytes = 0;
    let length = content.len();
    let mut file = DatabaseFile::new(Cursor::new(content))?;
    read(&mut file, &mut |_, record| {
        records += 1;
        bytes += record.len();
        drop(header::package(record));
        Ok(())
    })?;
    assert!(bytes <= length, "no more than the file has");
    Ok(records)
}

fn unpacked(compressed: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    GzDecoder::new(compressed).read_to_end(&mut content).unwrap();
    content
}

fn databases() -> [(Reader, Vec<u8>); 3] {
    [
        (ndb::read, unpacked(include_bytes!("../fixtures/Packages.db.gz"))),
        (berkeley::read, unpacked(include_bytes!("../fixtures/Packages.little-endian.gz"))),
        (berkeley::read, unpacked(include_bytes!("../fixtures/Packages.big-endian.gz"))),
    ]
}

#[test]
fn the_records_are_found() {
    for (read, content) in databases() {
        assert_eq!(records(read, content).unwrap(), 5);
    }
}

fn set(content: &mut [u8], offset: usize, number: u32) {
    content[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
}

#[test]
fn a_bucket_that_was_never_used_is_empty() {
    // One page more, all zeros, as the first page of a third bucket.
    let [_, (read, mut content), _] = databases();
    let pages = u32::try_from(content.len() / 512).unwrap();
    content.resize(content.len() + 512, 0);
    set(&mut content, 32, pages);
    set(&mut content, 72, 2);
    set(&mut content, 96 + 4 * 2, pages - 2);
    assert_eq!(records(read, content).unwrap(), 5);
}

#[test]
fn pages_in_a_circle_are_refused() {
    let [_, (read, mut content), _] = databases();
    set(&mut content, 512 + 16, 2);
    set(&mut content, 2 * 512 + 16, 1);
    let error = records(read, content).unwrap_err().to_string();
    assert!(error.contains("circle") || error.contains("overlap"), "{error}");
}

#[test]
fn slots_that_share_a_record_are_refused() {
    let [(read, mut content), ..] = databases();
    let slot = content[48..64].to_vec();
    for index in 4..200 {
        content[index * 16..][..16].copy_from_slice(&slot);
    }
    let error = records(read, content).unwrap_err().to_string();
    assert!(error.ends_with("its records overlap or are longer than the file"), "{error}");
}

#[test]
fn a_record_may_not_be_too_long() {
    let [(read, mut content), ..] = databases();
    set(&mut content, 48 + 12, 32 * 1024 * 1024 / 16 + 1);
    let error = records(read, content).unwrap_err().to_string();
    assert!(error.ends_with("33554448 bytes; 33554432 are allowed"), "{error}");
}

proptest! {
    #[test]
    fn a_database_with_changed_bytes_is_read_or_refused(
        changes in vec((any::<Index>(), any::<u8>()), 1..8),
        in_front: bool,
    ) {
        for (read, mut content) in databases() {
            // Most of what steers the readers is at the beginning of pages.
            let range = if in_front { 600 } else { content.len() };
            for (at, byte) in &changes {
                content[at.index(range)] = *byte;
            }
            drop(records(read, content));
        }
    }

    #[test]
    fn a_database_that_ends_early_is_read_or_refused(end in any::<Index>()) {
        for (read, mut content) in databases() {
            content.truncate(end.index(content.len()));
            drop(records(read, content));
        }
    }

    #[test]
    fn any_bytes_after_the_magic_are_read_or_refused(bytes in vec(any::<u8>(), 0..1200)) {
        drop(records(ndb::read, [&b"RpmP\0\0\0\0"[..], &bytes].concat()));
        drop(records(berkeley::read, [&[0; 12], &0x0006_1561_u32.to_le_bytes()[..], &[9, 0, 0, 0], &bytes].concat()));
    }
}
