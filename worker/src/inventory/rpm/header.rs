//! The header of a package as a record of the database has it.
//!
//! The format is that of RPM package files (LSB Core, "Header Structure") without
//! its magic: two counts, an index of tags, and the values. The tags of the
//! package's signature are in the same index. All numbers are big-endian.

use common::packages::{Package, PackageKind};

use super::{MAX_HEADER, check_length, file::ByteOrder, openpgp};
use crate::inventory::database::{DatabaseError, required_text, text};

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const ARCH: u32 = 1022;
const SIGMD5: u32 = 261;
/// The header's signature, then that of header and payload, by kind of key.
const SIGNATURES: [u32; 4] = [RSAHEADER, DSAHEADER, SIGPGP, SIGGPG];
const SIGPGP: u32 = 259;
const SIGGPG: u32 = 262;
const DSAHEADER: u32 = 267;
const RSAHEADER: u32 = 268;
/// Signatures in base64, since RPM 6.
const OPENPGP: u32 = 278;

const TYPE_INT32: u32 = 4;
const TYPE_STRING: u32 = 6;
const TYPE_BINARY: u32 = 7;
const TYPE_STRING_ARRAY: u32 = 8;

/// Bytes of the two counts, and of a tag in the index.
const COUNTS: usize = 8;
const TAG: usize = 16;
/// Most tags in an index; RPM has the same.
const MAX_TAGS: usize = 65_535;
/// Bytes of an MD5 sum.
const MD5: usize = 16;

/// Index and values.
struct Header<'a> {
    index: &'a [u8],
    values: &'a [u8],
}

/// One tag's place and form.
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u32,
    form: u32,
    offset: usize,
    count: usize,
}

/// The package that a record describes.
pub(super) fn package(record: &[u8]) -> Result<Package, DatabaseError> {
    let header = Header::parse(record)?;
    Ok(Package {
        kind: PackageKind::Rpm,
        name: required_text(header.string(NAME, "its name")?, "its name")?,
        epoch: header.number(EPOCH, "its epoch")?,
        version: required_text(header.string(VERSION, "its version")?, "its version")?,
        release: required_text(header.string(RELEASE, "its release")?, "its release")?,
        architecture: text(header.string(ARCH, "its architecture")?.unwrap_or_default(), "its architecture")?,
        md5: header.md5()?,
        signature: header.signing_key()?,
    })
}

impl<'a> Header<'a> {
    fn parse(record: &'a [u8]) -> Result<Self, DatabaseError> {
        check_length(record.len() as u64)?;
        let short = || DatabaseError::damaged("it is too short for a header");
        let count = |offset| ByteOrder::Big.u32(record, offset).and_then(|count| usize::try_from(count).ok());
        let (tags, bytes) = count(0).zip(count(4)).ok_or_else(short)?;
        if tags == 0 || tags > MAX_TAGS || bytes as u64 > MAX_HEADER {
            return Err(DatabaseError::Damaged(format!("{tags} tags with {bytes} bytes are no header")));
        }
        let (index, values) = record[COUNTS..].split_at_checked(tags * TAG).ok_or_else(short)?;
        if values.len() != bytes {
            let found = values.len();
            return Err(DatabaseError::Damaged(format!("{found} bytes follow its index, not {bytes}")));
        }
        Ok(Self { index, values })
    }

    /// A tag's entry. A later one replaces an earlier one: that is how RPM
    /// changes the header of an installed package.
    fn entry(&self, tag: u32) -> Option<Entry> {
        let number = |entry: &[u8], offset| ByteOrder::Big.u32(entry, offset);
        let found = self.index.chunks_exact(TAG).rev().find(|entry| number(entry, 0) == Some(tag))?;
        let size = |offset| number(found, offset).and_then(|size| usize::try_from(size).ok());
        Some(Entry { tag, form: number(found, 4)?, offset: size(8)?, count: size(12)? })
    }

    /// Everything from a tag's value to the end.
    fn value(&self, entry: Entry, form: u32, what: &str) -> Result<&'a [u8], DatabaseError> {
        let Entry { tag, form: found, offset, count } = entry;
        if found != form || count == 0 {
            return Err(DatabaseError::Damaged(format!(
                "{what} (tag {tag}) has {count} values of type {found}; type {form} is expected"
            )));
        }
        self.values
            .get(offset..)
            .ok_or_else(|| DatabaseError::Damaged(format!("{what} (tag {tag}) lies behind its end")))
    }

    fn string(&self, tag: u32, what: &str) -> Result<Option<&'a [u8]>, DatabaseError> {
        let Some(entry) = self.entry(tag) else { return Ok(None) };
        let value = self.value(entry, TYPE_STRING, what)?;
        let mut strings = value.split(|byte| *byte == 0);
        match (strings.next(), strings.next()) {
            (Some(string), Some(_)) => Ok(Some(string)),
            _ => Err(DatabaseError::Damaged(format!("{what} (tag {tag}) has no end"))),
        }
    }

    fn number(&self, tag: u32, what: &str) -> Result<Option<u32>, DatabaseError> {
        let Some(entry) = self.entry(tag) else { return Ok(None) };
        let value = self.value(entry, TYPE_INT32, what)?;
        let number = ByteOrder::Big.u32(value, 0);
        number.map(Some).ok_or_else(|| DatabaseError::Damaged(format!("{what} (tag {tag}) has no end")))
    }

    fn binary(&self, tag: u32, what: &str) -> Result<Option<&'a [u8]>, DatabaseError> {
        let Some(entry) = self.entry(tag) else { return Ok(None) };
        let value = self.value(entry, TYPE_BINARY, what)?;
        let bytes = value.get(..entry.count);
        bytes.map(Some).ok_or_else(|| DatabaseError::Damaged(format!("{what} (tag {tag}) has no end")))
    }

    fn md5(&self) -> Result<Option<String>, DatabaseError> {
        match self.binary(SIGMD5, "its MD5 sum")? {
            None => Ok(None),
            Some(sum) if sum.len() == MD5 => Ok(Some(hex::encode(sum))),
            Some(sum) => Err(DatabaseError::Damaged(format!("its MD5 sum has {} bytes", sum.len()))),
        }
    }

    /// The key of the first signature whose form is known. A signature of
    /// another form is none: the package is installed all the same.
    fn signing_key(&self) -> Result<Option<String>, DatabaseError> {
        for tag in SIGNATURES {
            let signature = self.binary(tag, "its signature")?;
            if let Some(key) = signature.and_then(openpgp::issuer) {
                return Ok(Some(key));
            }
        }
        let Some(entry) = self.entry(OPENPGP) else { return Ok(None) };
        let value = self.value(entry, TYPE_STRING_ARRAY, "its signatures")?;
        let texts = value.split(|byte| *byte == 0).take(entry.count);
        Ok(texts.into_iter().find_map(openpgp::issuer_of_base64))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header with these tags, types, counts and values.
    pub(in super::super) fn header(tags: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
        let (mut index, mut values) = (Vec::new(), Vec::new());
        for (tag, form, count, value) in tags {
            for number in [*tag, *form, values.len() as u32, *count] {
                index.extend(number.to_be_bytes());
            }
            values.extend_from_slice(value);
        }
        let counts = [tags.len() as u32, values.len() as u32].map(u32::to_be_bytes).concat();
        [counts, index, values].concat()
    }

    const NEVRA: [(u32, u32, u32, &[u8]); 3] =
        [(NAME, 6, 1, b"bash\0"), (VERSION, 6, 1, b"5.2\0"), (RELEASE, 6, 1, b"3.fc40\0")];
    /// A signature packet of version 3.
    const V3: [u8; 18] = [0x88, 16, 3, 5, 0, 1, 2, 3, 4, 0x19, 0x9e, 0x2f, 0x91, 0xfd, 0x43, 0x1d, 0x51, 1];

    fn with(more: &[(u32, u32, u32, &[u8])]) -> Result<Package, String> {
        package(&header(&[&NEVRA, more].concat())).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_package_may_lack_is_not_there() {
        let bare = with(&[]).unwrap();
        assert_eq!((bare.name.as_str(), bare.full_version().as_str()), ("bash", "5.2-3.fc40"));
        assert_eq!(
            (bare.epoch, bare.architecture.as_str(), bare.md5, bare.signature),
            (None, "", None, None)
        );
        let full =
            with(&[(EPOCH, 4, 1, &[0, 0, 0, 7]), (ARCH, 6, 1, b"noarch\0"), (SIGMD5, 7, 16, &[0xab; 16])]);
        let full = full.unwrap();
        assert_eq!((full.epoch, full.architecture.as_str()), (Some(7), "noarch"));
        assert_eq!(full.md5.as_deref(), Some("ab".repeat(16).as_str()));
    }

    #[test]
    fn a_later_tag_replaces_an_earlier_one() {
        assert_eq!(with(&[(NAME, 6, 1, b"zsh\0")]).unwrap().name, "zsh");
    }

    #[test]
    fn the_key_is_that_of_the_first_known_signature() {
        let mut other = V3;
        other[16] = 0x52;
        let (first, second) = (Some("199e2f91fd431d51".to_owned()), Some("199e2f91fd431d52".to_owned()));
        let base64 = b"bm9uZQ==\0iBADBQABAgMEGZ4vkf1DHVEB\0";
        let rows: [(&[(u32, u32, u32, &[u8])], _); 6] = [
            (&[(SIGPGP, 7, 18, &other), (RSAHEADER, 7, 18, &V3)], first.clone()),
            (&[(SIGGPG, 7, 18, &other), (DSAHEADER, 7, 18, &V3)], first.clone()),
            (&[(SIGPGP, 7, 18, &other)], second.clone()),
            (&[(SIGGPG, 7, 18, &other), (RSAHEADER, 7, 3, b"???")], second),
            (&[(OPENPGP, 8, 2, base64)], first),
            (&[(RSAHEADER, 7, 3, b"???")], None),
        ];
        for (tags, expected) in rows {
            assert_eq!(with(tags).unwrap().signature, expected, "{tags:?}");
        }
    }

    #[test]
    fn damage_is_an_error() {
        let rows = [
            (vec![0; 7], "it is too short for a header"),
            (vec![0; 8], "0 tags with 0 bytes are no header"),
            (vec![0xff; 64], "4294967295 tags with 4294967295 bytes are no header"),
            ([&[0, 0, 0, 2, 0, 0, 0, 0][..], &[0; 16]].concat(), "it is too short for a header"),
            (header(&NEVRA[..1])[..28].to_vec(), "4 bytes follow its index, not 5"),
            (header(&NEVRA[..1]), "its version is missing"),
            (header(&[(NAME, 6, 1, b"\0")]), "its name is missing"),
            (header(&[(NAME, 6, 1, b"bash")]), "its name (tag 1000) has no end"),
            (
                header(&[(NAME, 8, 1, b"a\0")]),
                "its name (tag 1000) has 1 values of type 8; type 6 is expected",
            ),
            (header(&[(NAME, 6, 1, b"a\nb\0")]), "its name has a control character"),
            (header(&[(NAME, 6, 1, b"\xff\0")]), "its name is not UTF-8"),
        ];
        for (record, reason) in rows {
            assert_eq!(package(&record).unwrap_err().to_string(), reason, "{record:?}");
        }
        let rows: [((u32, u32, u32, &[u8]), _); 3] = [
            ((EPOCH, 4, 1, b"abc"), "its epoch (tag 1003) has no end"),
            ((SIGMD5, 7, 16, b"abc"), "its MD5 sum (tag 261) has no end"),
            ((SIGMD5, 7, 3, b"abc"), "its MD5 sum has 3 bytes"),
        ];
        for (tag, reason) in rows {
            assert_eq!(with(&[tag]).unwrap_err(), reason);
        }
        let mut behind = header(&NEVRA[..1]);
        behind[16..20].copy_from_slice(&[0, 0, 0, 6]);
        assert_eq!(package(&behind).unwrap_err().to_string(), "its name (tag 1000) lies behind its end");
    }

    proptest! {
        #[test]
        fn any_record_is_read_or_refused(record in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(package(&record));
        }

        #[test]
        fn a_record_with_any_byte_changed_is_read_or_refused(at in any::<proptest::sample::Index>(), byte: u8) {
            let tags: [(u32, u32, u32, &[u8]); 3] =
                [(EPOCH, 4, 1, &[0, 0, 0, 7]), (RSAHEADER, 7, 18, &V3), (OPENPGP, 8, 1, b"iBADBQ==\0")];
            let mut record = header(&[&NEVRA[..], &tags].concat());
            let at = at.index(record.len());
            record[at] = byte;
            drop(package(&record));
        }
    }
}
