//! The hash tables of Berkeley DB, as RPM up to 4.16 wrote them: `Packages`
//! (Berkeley DB source, `db_page.h`).
//!
//! The file consists of pages. The first describes the table; each bucket is a
//! chain of pages with keys and values by turns, and a value that is too long for
//! them is a chain of overflow pages. Numbers are in the order of the machine
//! that wrote them. Keys are record numbers; record 0 is RPM's own.

use std::io::{Read, Seek};

use common::packages::MAX_PACKAGES;

use super::{
    Visit, check_length,
    file::{ByteOrder, DatabaseFile},
};
use crate::inventory::database::DatabaseError;

const HASH_MAGIC: u32 = 0x0006_1561;
/// Versions 8 to 10 have the same pages.
const VERSIONS: std::ops::RangeInclusive<u32> = 8..=10;
const DESCRIPTION: usize = 512;
const SPARES: usize = 32;
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65_536;
/// Where the items of a page begin.
const PAGE_HEADER: usize = 26;
/// Kinds of pages: one that was never used, items in any order, overflow, items
/// in the order of their keys.
const PAGE_UNUSED: u8 = 0;
const PAGE_HASH_UNSORTED: u8 = 2;
const PAGE_OVERFLOW: u8 = 7;
const PAGE_HASH: u8 = 13;
/// Kinds of items: on the page, on overflow pages.
const ITEM_HERE: u8 = 1;
const ITEM_ELSEWHERE: u8 = 3;
const ITEM_ELSEWHERE_SIZE: usize = 12;

/// Calls `visit` for each record.
///
/// # Errors
/// The file is not what it should be, or `visit` fails.
pub(super) fn read<R: Read + Seek>(
    file: &mut DatabaseFile<R>,
    visit: Visit<'_>,
) -> Result<(), DatabaseError> {
    let mut table = Table::open(file)?;
    let mut entries = 0_usize;
    for bucket in 0..=table.last_bucket {
        let mut number = table.first_page(bucket)?;
        while number != 0 {
            let page = table.page(number)?;
            for (key, value) in table.entries(&page, number)? {
                entries += 1;
                if entries > MAX_PACKAGES.saturating_mul(2) {
                    return Err(DatabaseError::TooManyPackages);
                }
                let place = || format!("page {number}");
                let key = table.record_number(&page, key).map_err(|error| error.within(place))?;
                if key != 0 {
                    let value = table.item(&page, value).map_err(|error| error.within(place))?;
                    visit(u64::from(key), &value)?;
                }
            }
            number = table.number(&page, 16);
        }
    }
    Ok(())
}

struct Table<'a, R> {
    file: &'a mut DatabaseFile<R>,
    order: ByteOrder,
    page_size: usize,
    last_page: u32,
    last_bucket: u32,
    spares: Vec<u32>,
    /// How many pages may still be read: each belongs to one chain.
    pages_left: u64,
}

/// A place on a page.
type Span = (usize, usize);

impl<'a, R: Read + Seek> Table<'a, R> {
    fn open(file: &'a mut DatabaseFile<R>) -> Result<Self, DatabaseError> {
        let mut description = [0; DESCRIPTION];
        file.read_at(0, &mut description)?;
        let orders = [ByteOrder::Little, ByteOrder::Big];
        let order = orders.into_iter().find(|order| order.u32(&description, 12) == Some(HASH_MAGIC));
        let order = order.ok_or_else(|| DatabaseError::damaged("it is no hash table of Berkeley DB"))?;
        let number = |offset| order.u32(&description, offset).unwrap_or_default();
        let (version, page_size, last_page, last_bucket) = (number(16), number(20), number(32), number(72));
        if !VERSIONS.contains(&version) {
            return Err(DatabaseError::Damaged(format!("version {version} of the hash table is not known")));
        }
        let (encryption, flags) = (description[24], description[26]);
        if encryption != 0 || flags != 0 {
            return Err(DatabaseError::damaged(
                "it is encrypted, or has parts or checksums; RPM writes no such table",
            ));
        }
        if !page_size.is_power_of_two() || !PAGE_SIZES.contains(&page_size) {
            return Err(DatabaseError::Damaged(format!("pages cannot have {page_size} bytes")));
        }
        if (u64::from(last_page) + 1) * u64::from(page_size) > file.length() || last_bucket >= last_page {
            return Err(DatabaseError::Damaged(format!(
                "{last_page} pages with {last_bucket} buckets do not fit into the file"
            )));
        }
        let spares = (0..SPARES).map(|index| number(96 + 4 * index)).collect();
        let page_size = usize::try_from(page_size).unwrap_or(usize::MAX);
        let pages_left = u64::from(last_page) + 1;
        Ok(Self { file, order, page_size, last_page, last_bucket, spares, pages_left })
    }

    /// The first page of a bucket: the table doubles in size, and says for each
    /// doubling how many other pages came before.
    fn first_page(&self, bucket: u32) -> Result<u32, DatabaseError> {
        let doublings = u32::BITS - bucket.leading_zeros();
        let spare = usize::try_from(doublings).ok().and_then(|index| self.spares.get(index));
        spare
            .and_then(|spare| spare.checked_add(bucket))
            .filter(|page| *page != 0)
            .ok_or_else(|| DatabaseError::Damaged(format!("bucket {bucket} has no page")))
    }

    fn page(&mut self, number: u32) -> Result<Vec<u8>, DatabaseError> {
        if number == 0 || number > self.last_page {
            return Err(DatabaseError::Damaged(format!("there is no page {number}")));
        }
        self.pages_left = self
            .pages_left
            .checked_sub(1)
            .ok_or_else(|| DatabaseError::damaged("its pages lead in a circle"))?;
        let mut page = vec![0; self.page_size];
        self.file.read_at(u64::from(number) * self.page_size as u64, &mut page)?;
        let said = self.number(&page, 8);
        // A page of a bucket that nothing was ever put in is all zeros.
        if said != number && !(said == 0 && page[25] == PAGE_UNUSED) {
            return Err(DatabaseError::Damaged(format!("page {number} says that it is page {said}")));
        }
        Ok(page)
    }

    /// The places of keys and values on a page of a bucket.
    fn entries(&self, page: &[u8], number: u32) -> Result<Vec<(Span, Span)>, DatabaseError> {
        let kind = page[25];
        if kind == PAGE_UNUSED && page.iter().all(|byte| *byte == 0) {
            return Ok(Vec::new());
        }
        if kind != PAGE_HASH && kind != PAGE_HASH_UNSORTED {
            return Err(DatabaseError::Damaged(format!("page {number} of a bucket has the type {kind}")));
        }
        let items = usize::from(self.short(page, 20));
        let mut spans = Vec::with_capacity(items);
        let (first, mut end) = (PAGE_HEADER + 2 * items, self.page_size);
        for index in 0..items {
            let begin = usize::from(self.short(page, PAGE_HEADER + 2 * index));
            if begin < first || begin >= end {
                return Err(DatabaseError::Damaged(format!("item {index} of page {number} has no place")));
            }
            spans.push((begin, end));
            end = begin;
        }
        let (pairs, rest) = spans.as_chunks();
        if !rest.is_empty() {
            return Err(DatabaseError::Damaged(format!("page {number} has a key without a value")));
        }
        Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
    }

    fn record_number(&self, page: &[u8], (begin, end): Span) -> Result<u32, DatabaseError> {
        match &page[begin..end] {
            [ITEM_HERE, key @ ..] if key.len() == 4 => Ok(self.number(key, 0)),
            _ => Err(DatabaseError::damaged("a key is no record number")),
        }
    }

    fn item(&mut self, page: &[u8], (begin, end): Span) -> Result<Vec<u8>, DatabaseError> {
        let item = &page[begin..end];
        match item.first() {
            Some(&ITEM_HERE) => Ok(item[1..].to_vec()),
            Some(&ITEM_ELSEWHERE) if item.len() == ITEM_ELSEWHERE_SIZE => {
                self.overflow(self.number(item, 4), u64::from(self.number(item, 8)))
            }
            _ => Err(DatabaseError::damaged("a value has a form that RPM does not write")),
        }
    }

    /// A value of `length` bytes from a chain of overflow pages.
    fn overflow(&mut self, first: u32, length: u64) -> Result<Vec<u8>, DatabaseError> {
        check_length(length)?;
        self.file.begin_record(length)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut value = Vec::with_capacity(length);
        let mut number = first;
        while value.len() < length {
            let page = self.page(number)?;
            let piece = usize::from(self.short(&page, 22));
            let bytes = page.get(PAGE_HEADER..PAGE_HEADER + piece);
            match bytes {
                Some(bytes) if page[25] == PAGE_OVERFLOW && piece > 0 && piece <= length - value.len() => {
                    value.extend_from_slice(bytes);
                }
                _ => return Err(DatabaseError::Damaged(format!("page {number} is no part of a value"))),
            }
            number = self.number(&page, 16);
        }
        Ok(value)
    }

    /// Pages are longer than what is read here; past an end there is nothing.
    fn number(&self, bytes: &[u8], offset: usize) -> u32 {
        self.order.u32(bytes, offset).unwrap_or_default()
    }

    fn short(&self, bytes: &[u8], offset: usize) -> u16 {
        self.order.u16(bytes, offset).unwrap_or_default()
    }
}
