//! RPM's own database format, `Packages.db` (RPM source, `rpmpkg.c`).
//!
//! A header of 32 bytes, then pages of slots with 16 bytes each, then records in
//! blocks of 16 bytes. A slot says where the record of a package is; the record
//! repeats its number and its length and has an Adler-32 sum. All numbers are
//! little-endian.

use std::io::{Read, Seek};

use simd_adler32::adler32;

use super::{
    Visit, check_length,
    file::{ByteOrder, DatabaseFile},
};
use crate::inventory::database::DatabaseError;

const MAGIC: &[u8] = b"RpmP";
const SLOT_MAGIC: &[u8] = b"Slot";
const RECORD_BEGIN: &[u8] = b"BlbS";
const RECORD_END: &[u8] = b"BlbE";
const FILE_HEADER: usize = 32;
const PAGE: usize = 4096;
const SLOT: usize = 16;
const BLOCK: u64 = 16;
/// Bytes before and after the header in a record.
const RECORD_HEAD: usize = 16;
const RECORD_TAIL: usize = 12;

/// Calls `visit` for each record.
///
/// # Errors
/// The file is not what it should be, or `visit` fails.
pub(super) fn read<R: Read + Seek>(
    file: &mut DatabaseFile<R>,
    visit: Visit<'_>,
) -> Result<(), DatabaseError> {
    let mut head = [0; FILE_HEADER];
    file.read_at(0, &mut head)?;
    if !head.starts_with(MAGIC) {
        return Err(DatabaseError::damaged("it is no NDB database of RPM"));
    }
    let number = |offset| ByteOrder::Little.u32(&head, offset).unwrap_or_default();
    let (version, pages) = (number(4), u64::from(number(12)));
    if version != 0 {
        return Err(DatabaseError::Damaged(format!("version {version} of the format is not known")));
    }
    if pages == 0 || pages * PAGE as u64 > file.length() {
        return Err(DatabaseError::Damaged(format!("{pages} pages of slots do not fit into the file")));
    }
    let mut page = [0; PAGE];
    for number in 0..pages {
        file.read_at(number * PAGE as u64, &mut page)?;
        let first = if number == 0 { FILE_HEADER } else { 0 };
        for (index, slot) in page[first..].chunks_exact(SLOT).enumerate() {
            let place = || format!("slot {} of page {number}", index + first / SLOT);
            let slot = Slot::parse(slot, pages).map_err(|error| error.within(place))?;
            let Some(slot) = slot else { continue };
            let record = slot.record(file).map_err(|error| error.within(place))?;
            visit(u64::from(slot.package), &record)?;
        }
    }
    Ok(())
}

/// A slot that is in use.
struct Slot {
    package: u32,
    begin: u64,
    length: u64,
}

impl Slot {
    fn parse(slot: &[u8], pages: u64) -> Result<Option<Self>, DatabaseError> {
        let number = |offset| ByteOrder::Little.u32(slot, offset).unwrap_or_default();
        if !slot.starts_with(SLOT_MAGIC) {
            return Err(DatabaseError::damaged("it is no slot"));
        }
        let (package, block, blocks) = (number(4), u64::from(number(8)), u64::from(number(12)));
        if block == 0 {
            return Ok(None);
        }
        let (begin, length) = (block * BLOCK, blocks * BLOCK);
        let smallest = (RECORD_HEAD + RECORD_TAIL) as u64;
        if package == 0 || begin < pages * PAGE as u64 || length < smallest {
            return Err(DatabaseError::damaged("it is no place of a record"));
        }
        Ok(Some(Self { package, begin, length }))
    }

    /// The header in the record.
    fn record<R: Read + Seek>(&self, file: &mut DatabaseFile<R>) -> Result<Vec<u8>, DatabaseError> {
        check_length(self.length)?;
        file.begin_record(self.length)?;
        let size = usize::try_from(self.length).unwrap_or(usize::MAX);
        let mut record = vec![0; size];
        file.read_at(self.begin, &mut record)?;

        let wrong = |what: &str| {
            Err(DatabaseError::Damaged(format!("the record of package {} {what}", self.package)))
        };
        let (body, tail) = record.split_at(size - RECORD_TAIL);
        let number = |offset| ByteOrder::Little.u32(&record, offset).unwrap_or_default();
        let tail_number = |offset| ByteOrder::Little.u32(tail, offset).unwrap_or_default();
        if !body.starts_with(RECORD_BEGIN) || !tail.ends_with(RECORD_END) || number(4) != self.package {
            return wrong("is not where its slot says");
        }
        let used = u64::from(number(12));
        let blocks = (used + (RECORD_HEAD + RECORD_TAIL) as u64).div_ceil(BLOCK);
        if tail_number(4) != number(12) || blocks * BLOCK != self.length {
            return wrong("has another length than its slot says");
        }
        if adler32(&body) != tail_number(0) {
            return wrong("has another checksum than it says");
        }
        record.drain(..RECORD_HEAD);
        record.truncate(usize::try_from(used).unwrap_or(usize::MAX));
        Ok(record)
    }
}
