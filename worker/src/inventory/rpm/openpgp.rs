//! Who made an OpenPGP signature (RFC 9580, section 5.2; version 3 as in RFC
//! 4880). Only the issuer is read; nothing is verified.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Packet with a signature.
const SIGNATURE: u8 = 2;
/// Subpackets that name the issuer: by key id, by fingerprint.
const ISSUER: u8 = 16;
const ISSUER_FINGERPRINT: u8 = 33;
const KEY_ID: usize = 8;

/// The id of the key that made a signature, in lower-case hexadecimal digits.
/// `None`: it does not say, or its form is not known.
pub(super) fn issuer(packets: &[u8]) -> Option<String> {
    let mut input = Input(packets);
    while !input.0.is_empty() {
        let (kind, body) = input.packet()?;
        if kind == SIGNATURE {
            return signer(body).map(hex::encode);
        }
    }
    None
}

/// The same for a signature in base64.
pub(super) fn issuer_of_base64(text: &[u8]) -> Option<String> {
    issuer(&STANDARD.decode(text.trim_ascii()).ok()?)
}

fn signer(body: &[u8]) -> Option<[u8; KEY_ID]> {
    let mut input = Input(body);
    match input.byte()? {
        // Length of what is hashed, type, time (4), key id.
        2 | 3 => {
            input.take(6)?;
            input.take(KEY_ID)?.first_chunk().copied()
        }
        version @ 4..=6 => {
            // Type and two algorithms.
            input.take(3)?;
            let length = |input: &mut Input<'_>| input.number(if version == 6 { 4 } else { 2 });
            let size = length(&mut input)?;
            let hashed = input.take(size)?;
            let size = length(&mut input)?;
            let unhashed = input.take(size)?;
            issuer_of(hashed).or_else(|| issuer_of(unhashed))
        }
        _ => None,
    }
}

/// The key that an area of subpackets names.
fn issuer_of(area: &[u8]) -> Option<[u8; KEY_ID]> {
    let mut input = Input(area);
    let mut by_fingerprint = None;
    while !input.0.is_empty() {
        let size = input.subpacket_length()?;
        let (kind, body) = input.take(size)?.split_first()?;
        match kind & 0x7f {
            ISSUER if body.len() == KEY_ID => return body.first_chunk().copied(),
            ISSUER_FINGERPRINT => by_fingerprint = by_fingerprint.or_else(|| key_id(body)),
            _ => {}
        }
    }
    by_fingerprint
}

/// The key id in a fingerprint, which has its version in front.
fn key_id(fingerprint: &[u8]) -> Option<[u8; KEY_ID]> {
    match fingerprint {
        [4, fingerprint @ ..] if fingerprint.len() == 20 => fingerprint.last_chunk().copied(),
        [5 | 6, fingerprint @ ..] if fingerprint.len() == 32 => fingerprint.first_chunk().copied(),
        _ => None,
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A number of that many bytes, at most four.
    fn number(&mut self, bytes: usize) -> Option<usize> {
        let number = self.take(bytes)?.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        usize::try_from(number).ok()
    }

    /// Kind and body of a packet, in the old or the new form.
    fn packet(&mut self) -> Option<(u8, &'a [u8])> {
        let head = self.byte()?;
        let (kind, length) = match head {
            0xc0.. => (head & 0x3f, self.packet_length()?),
            0x80..0xc0 => {
                let length = match head & 3 {
                    3 => self.0.len(),
                    form => self.number(1 << form)?,
                };
                ((head & 0x3f) >> 2, length)
            }
            _ => return None,
        };
        Some((kind, self.take(length)?))
    }

    fn packet_length(&mut self) -> Option<usize> {
        match self.0.first()? {
            // A body in parts; no signature is so long.
            224..=254 => None,
            _ => self.subpacket_length(),
        }
    }

    fn subpacket_length(&mut self) -> Option<usize> {
        match self.byte()? {
            first @ ..192 => Some(usize::from(first)),
            255 => self.number(4),
            first => Some((usize::from(first - 192) << 8) + self.number(1)? + 192),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: [u8; 8] = [0x19, 0x9e, 0x2f, 0x91, 0xfd, 0x43, 0x1d, 0x51];

    fn v4(hashed: &[u8], unhashed: &[u8]) -> Vec<u8> {
        let length = |area: &[u8]| (area.len() as u16).to_be_bytes();
        [&[4, 0, 1, 8][..], &length(hashed), hashed, &length(unhashed), unhashed, &[1, 2]].concat()
    }

    fn v6(hashed: &[u8]) -> Vec<u8> {
        let length = (hashed.len() as u32).to_be_bytes();
        [&[6, 0, 27, 8][..], &length, hashed, &[0; 4], &[1, 2]].concat()
    }

    fn new_form(body: &[u8]) -> Vec<u8> {
        [&[0xc2, body.len() as u8][..], body].concat()
    }

    #[test]
    fn every_form_of_signature_names_its_key() {
        let issuer_packet = [&[9, ISSUER][..], &ID].concat();
        let critical = [&[9, ISSUER | 0x80][..], &ID].concat();
        let created = [5, 2, 1, 2, 3, 4];
        let fingerprint = [&[22, ISSUER_FINGERPRINT, 4][..], &[0xff; 12], &ID].concat();
        let fingerprint6 = [&[34, ISSUER_FINGERPRINT, 6][..], &ID, &[0xff; 24]].concat();
        let other = [&[9, ISSUER][..], &[0xee; 8]].concat();
        let v3 = [&[3, 5, 0, 1, 2, 3, 4][..], &ID, &[1, 8]].concat();
        let old = |kind: u8, length: &[u8], body: &[u8]| [&[kind][..], length, body].concat();
        let v4_plain = v4(&created, &issuer_packet);
        let long = [&[255, 0, 0, 0, v3.len() as u8][..], &v3].concat();
        let padded = v4(&[&[192, 8, 100][..], &[0; 199], &issuer_packet].concat(), &[]);
        let two_bytes =
            [&[0xc2, 192 + ((padded.len() - 192) >> 8) as u8, (padded.len() - 192) as u8][..], &padded];
        let rows = [
            ("version 3", new_form(&v3)),
            ("version 3, old form, one byte", old(0x88, &[v3.len() as u8], &v3)),
            ("version 4, old form, two bytes", old(0x89, &[0, v4_plain.len() as u8], &v4_plain)),
            ("version 4, old form, four bytes", old(0x8a, &[0, 0, 0, v4_plain.len() as u8], &v4_plain)),
            ("version 4, old form, to the end", old(0x8b, &[], &v4_plain)),
            ("new form, five bytes", [&[0xc2][..], &long].concat()),
            ("new form and subpacket with two bytes", two_bytes.concat()),
            ("hashed", new_form(&v4(&critical, &other))),
            ("fingerprint", new_form(&v4(&[&created[..], &fingerprint].concat(), &[]))),
            ("fingerprint of version 6", new_form(&v6(&fingerprint6))),
            ("after another packet", [&[0xca, 1, 0][..], &new_form(&v3)].concat()),
        ];
        for (what, packets) in rows {
            assert_eq!(issuer(&packets).as_deref(), Some("199e2f91fd431d51"), "{what}");
        }
    }

    #[test]
    fn what_names_no_key_has_none() {
        let rows = [
            vec![],
            vec![0x42],
            vec![0xc2, 224],
            new_form(&[7; 30]),
            new_form(&v4(&[], &[])),
            vec![0xc2, 5, 4],
        ];
        for packets in rows {
            assert_eq!(issuer(&packets), None, "{packets:?}");
        }
        assert_eq!(issuer_of_base64(b"not base64"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(packets in proptest::collection::vec(any::<u8>(), 0..120)) {
            drop(issuer(&packets));
            drop(issuer(&new_form(&packets)));
            drop(issuer_of_base64(&packets));
        }

        #[test]
        fn any_areas_are_read_or_not(hashed in proptest::collection::vec(any::<u8>(), 0..60)) {
            drop(issuer(&new_form(&v4(&hashed, &[]))));
            drop(issuer(&new_form(&v6(&hashed))));
        }
    }
}
