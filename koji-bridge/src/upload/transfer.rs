//! One upload: blocks from the client to the hub, each confirmed before the next
//! is sent. While the hub has one, the next is already being read.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{
    FileHeader, Place, UploadError, Uploaded,
    beginnings::Beginnings,
    blocks::{Blocks, Piece, Then},
    sessions::Taken,
    turns::Turn,
};
use crate::{
    metrics::Metrics,
    session::{Chunk, Session},
    xmlrpc::{Arguments, Value},
};

/// How long a request to the hub may go on when nobody wants the upload any more.
/// One that is cut short may be carried out at any time after, so it is worth a
/// wait.
const LAST_REQUEST: Duration = Duration::from_secs(60);
/// What Adler-32 counts modulo.
const ADLER_BASE: u64 = 65_521;

/// What `checkUpload` answers. Sizes are read leniently: some hubs send large
/// ones as text.
#[derive(Debug, Deserialize)]
pub(super) struct Check {
    #[serde(deserialize_with = "crate::hub::answers::size")]
    pub(super) size: u64,
    #[serde(default)]
    hexdigest: Option<String>,
}

/// What the hub has of a file; `None` for nothing.
pub(super) async fn check(
    session: &Session,
    place: &Place,
    verify: Option<&str>,
) -> Result<Option<Check>, UploadError> {
    let mut arguments = Arguments::none().with(place.directory()).with(place.name());
    if let Some(verify) = verify {
        arguments = arguments.named("verify", Value::from(verify));
    }
    Ok(session.read("checkUpload", arguments).await?)
}

/// An upload that has its session.
pub(super) struct Transfer {
    pub(super) header: FileHeader,
    pub(super) session: Taken,
    pub(super) metrics: Metrics,
    /// Directories that the first block of a file is on its way to.
    pub(super) beginning: Arc<Beginnings>,
    /// Cancelled when nobody wants the upload any more.
    pub(super) end: CancellationToken,
    /// Cancelled when the bridge stops.
    pub(super) stopping: CancellationToken,
    /// Whether the hub may have got a block more than once. A copy of one that comes
    /// late cuts the file.
    pub(super) repeated: AtomicBool,
    /// Given up after the session.
    pub(super) _turn: Turn,
}

impl Transfer {
    /// Takes the data to the hub. What came before a break goes there, too, so
    /// that every try brings the file further.
    pub(super) async fn run(self, mut blocks: Blocks<UploadError>) -> Result<Uploaded, UploadError> {
        let (place, size) = (&self.header.place, self.header.size);
        if self.header.offset > 0 {
            let found = self.wanted(check(&self.session, place, None)).await?.map_or(0, |check| check.size);
            if found < self.header.offset {
                let offset = self.header.offset;
                return Err(UploadError::Gap { place: place.clone(), offset, found });
            }
        }
        let (mut at, mut sum) = (self.header.offset, Adler::default());
        let mut piece = blocks.next().await;
        loop {
            let Piece { bytes, then } = piece;
            let end = at + bytes.len() as u64;
            if end > size {
                return Err(self.header.wrong_length(end));
            }
            let is_empty = bytes.is_empty();
            let sending = self.send(at, bytes);
            let error = match then {
                Then::More => {
                    // The read ends with a failure of the hub, the request never
                    // with the end of the data.
                    let reading = async { Ok(blocks.next().await) };
                    let (sent, next) = tokio::try_join!(sending, reading)?;
                    sum.append(sent);
                    (at, piece) = (end, next);
                    continue;
                }
                Then::End if end < size => return Err(self.header.wrong_length(end)),
                Then::End => {
                    // A file without bytes is a file, and what the hub has beyond
                    // the end has to go.
                    if !is_empty || at == self.header.offset {
                        sum.append(sending.await?);
                    }
                    break;
                }
                Then::Broken(error) => error.at(end),
                Then::Silence => self.broken(end, "the client has sent too little for too long"),
                Then::Ended => self.ended(end),
            };
            if !is_empty {
                sending.await?;
            }
            return Err(error);
        }
        let verified = self.confirm().await?;
        Ok(Uploaded { size, adler32: sum.digits(), verified })
    }

    /// Puts a block into the hub's file; what the file has from there on goes.
    /// Answers with the block's Adler-32 and its length.
    async fn send(&self, offset: u64, data: Bytes) -> Result<(u32, u64), UploadError> {
        let place = &self.header.place;
        let length = data.len() as u64;
        let chunk = Chunk { directory: place.directory(), name: place.name(), offset, overwrite: true, data };
        // A hub notes whose a directory is when the first file comes, in a file that
        // another call may find empty: it then says "not owner". So files begin one
        // after the other.
        let _alone = if offset == 0 { Some(self.beginning.take(place.directory()).await) } else { None };
        let sending = async { Ok(self.session.upload_chunk(&chunk).await?) };
        let answer = self.wanted(sending).await?;
        self.metrics.count_uploaded(length);
        self.repeated.fetch_or(answer.repeated, Ordering::Relaxed);
        // The hub's digits are those of the block, which the session has seen to.
        Ok((u32::from_str_radix(&answer.hexdigest, 16).unwrap_or_default(), length))
    }

    /// Holds what the hub has against what was sent. The blocks of an upload from
    /// the beginning are confirmed one by one; after one in several parts, or with a
    /// block that was sent twice, the hub reads the whole file again, if the client
    /// has said what it adds up to; one that does not is emptied.
    async fn confirm(&self) -> Result<bool, UploadError> {
        let header = &self.header;
        let in_parts = header.offset > 0 || self.repeated.load(Ordering::Relaxed);
        let md5 = header.md5.as_ref().filter(|_| in_parts);
        let place = || header.place.clone();
        let asked = check(&self.session, &header.place, md5.map(|_| "md5"));
        let Some(found) = self.wanted(asked).await? else {
            return Err(UploadError::Gone { place: place() });
        };
        if found.size != header.size {
            return Err(UploadError::WrongSize { place: place(), expected: header.size, found: found.size });
        }
        match (md5, found.hexdigest) {
            (Some(expected), Some(found)) if *expected != found => {
                // Whoever goes on where the hub's file ends begins anew then.
                self.send(0, Bytes::new()).await?;
                Err(UploadError::WrongSum { place: place(), expected: expected.clone(), found })
            }
            (Some(_), Some(_)) => Ok(true),
            _ => Ok(false),
        }
    }

    /// A request to the hub, also when nobody wants its answer any more, but then
    /// not for ever.
    async fn wanted<T>(
        &self,
        request: impl Future<Output = Result<T, UploadError>>,
    ) -> Result<T, UploadError> {
        let too_late = async {
            self.end.cancelled().await;
            tokio::time::sleep(LAST_REQUEST).await;
        };
        tokio::select! {
            biased;
            answer = request => answer,
            () = too_late => Err(self.ended(self.header.offset)),
        }
    }

    fn broken(&self, received: u64, reason: &str) -> UploadError {
        UploadError::BrokenOff { place: self.header.place.clone(), received, reason: reason.to_owned() }
    }

    fn ended(&self, received: u64) -> UploadError {
        ended(&self.header, received, &self.stopping)
    }
}

/// Why an upload was ended that its client may still want.
pub(super) fn ended(header: &FileHeader, received: u64, stopping: &CancellationToken) -> UploadError {
    let reason =
        if stopping.is_cancelled() { "the bridge is stopping" } else { "a later upload has taken its place" };
    UploadError::BrokenOff { place: header.place.clone(), received, reason: reason.to_owned() }
}

/// Adler-32 of blocks in a row, from those of the blocks (RFC 1950, section 8.2):
/// no byte is read twice for it.
struct Adler {
    low: u64,
    high: u64,
}

impl Default for Adler {
    /// That of nothing.
    fn default() -> Self {
        Self { low: 1, high: 0 }
    }
}

impl Adler {
    fn append(&mut self, (sum, length): (u32, u64)) {
        let (low, high) = (u64::from(sum & 0xffff), u64::from(sum >> 16));
        // Every byte before adds to the high half once for every byte behind it.
        let before = (self.low + ADLER_BASE - 1) % ADLER_BASE;
        self.high = (self.high + high + length % ADLER_BASE * before) % ADLER_BASE;
        self.low = (self.low + low + ADLER_BASE - 1) % ADLER_BASE;
    }

    fn digits(&self) -> String {
        format!("{:04x}{:04x}", self.high, self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_blocks_make_the_sum_of_all() {
        let data: Vec<u8> = (0..200_000_u32).map(|at| ((at % 251) ^ (at / 997)) as u8).collect();
        for size in [1, 7, 65_521, 70_000, 200_000] {
            let mut sum = Adler::default();
            for block in data.chunks(size) {
                sum.append((simd_adler32::adler32(&block), block.len() as u64));
            }
            assert_eq!(sum.digits(), format!("{:08x}", simd_adler32::adler32(&&*data)), "{size}");
        }
        assert_eq!(Adler::default().digits(), "00000001");
    }
}
