//! Reading pieces of a database file, never past its end.

use std::io::{Read, Seek, SeekFrom};

use crate::inventory::database::DatabaseError;

/// Bytes in the order that a database was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// Least significant first.
    Little,
    /// Most significant first.
    Big,
}

impl ByteOrder {
    /// A 32-bit number at an offset; `None` past the end.
    pub(super) fn u32(self, bytes: &[u8], offset: usize) -> Option<u32> {
        let bytes = *bytes.get(offset..)?.first_chunk()?;
        Some(if self == Self::Little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    /// A 16-bit number at an offset; `None` past the end.
    pub(super) fn u16(self, bytes: &[u8], offset: usize) -> Option<u16> {
        let bytes = *bytes.get(offset..)?.first_chunk()?;
        Some(if self == Self::Little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }
}

/// A database file.
#[derive(Debug)]
pub(super) struct DatabaseFile<R> {
    from: R,
    length: u64,
    /// How much of the records may still be read. Those of a sound database do
    /// not overlap, so they have no more bytes than the file.
    records_left: u64,
}

impl<R: Read + Seek> DatabaseFile<R> {
    /// A file from its beginning to its end.
    pub(super) fn new(mut from: R) -> Result<Self, DatabaseError> {
        let length = from.seek(SeekFrom::End(0)).map_err(DatabaseError::Disk)?;
        Ok(Self { from, length, records_left: length })
    }

    /// Its length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Fills the buffer from an offset on.
    pub(super) fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), DatabaseError> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(DatabaseError::Damaged(format!("the file ends at byte {}, too early", self.length)));
        }
        self.from.seek(SeekFrom::Start(offset)).map_err(DatabaseError::Disk)?;
        self.from.read_exact(buffer).map_err(DatabaseError::Disk)
    }

    /// Notes that a record of so many bytes is about to be read.
    pub(super) fn begin_record(&mut self, length: u64) -> Result<(), DatabaseError> {
        self.records_left = self
            .records_left
            .checked_sub(length)
            .ok_or_else(|| DatabaseError::damaged("its records overlap or are longer than the file"))?;
        Ok(())
    }
}
