//! Parts of files, as bytes in a request of their own.

use bytes::Bytes;
use serde::Deserialize;

use super::{
    CallError, Session,
    live::{Purpose, Work},
};
use crate::xmlrpc::from_value;

/// The method, as the hub calls such requests.
const METHOD: &str = "rawUpload";
/// How often a part is sent that does not arrive whole.
const MOST_TRIES: u32 = 3;

/// A part of a file below the hub's upload directory.
#[derive(Debug, Clone)]
pub struct Chunk<'a> {
    /// The directory. Example: `koji-upload/1524681021.170606.JTroFLPr`.
    pub directory: &'a str,
    /// The file's name in it.
    pub name: &'a str,
    /// Where the part begins in the file, in bytes.
    pub offset: u64,
    /// Whether the file is cut off at the offset first, which makes the part
    /// repeatable. Without it the file must not exist yet, or end with the part.
    pub overwrite: bool,
    /// The bytes.
    pub data: Bytes,
}

/// What the hub wrote.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChunkAnswer {
    /// How many bytes.
    pub size: u64,
    /// Where, from the file's beginning.
    pub offset: u64,
    /// Their adler32, in eight hexadecimal digits.
    pub hexdigest: String,
    /// Whether the part was sent more than once. An earlier copy that the hub's
    /// web server still holds can then cut the file off after later parts were
    /// written, so the whole file must be verified in the end.
    #[serde(skip)]
    pub repeated: bool,
}

impl Session {
    /// Sends a part of a file, and again if it does not arrive whole. The size,
    /// the place and the checksum that the hub answers are those of the part.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::Damaged`] if it never arrived whole.
    pub async fn upload_chunk(&self, chunk: &Chunk<'_>) -> Result<ChunkAnswer, CallError> {
        let mut query = vec![
            ("filename", chunk.name.to_owned()),
            ("filepath", chunk.directory.to_owned()),
            ("fileverify", "adler32".to_owned()),
            ("offset", chunk.offset.to_string()),
        ];
        if chunk.overwrite {
            query.push(("overwrite", "1".to_owned()));
        }
        let body = chunk.data.clone();
        let content_type = "application/octet-stream";
        let work = Work { method: METHOD, purpose: Purpose::Upload, query, content_type, body };
        let wanted = ChunkAnswer {
            size: chunk.data.len() as u64,
            offset: chunk.offset,
            hexdigest: format!("{:08x}", simd_adler32::adler32(&&*chunk.data)),
            repeated: false,
        };
        let mut tries = 0;
        loop {
            let done = self.carry_out(&work).await?;
            let wrong = |reason: String| CallError::Unexpected { method: METHOD, reason };
            let answer: ChunkAnswer = from_value(done.value).map_err(|error| wrong(error.to_string()))?;
            if answer == wanted {
                return Ok(ChunkAnswer { repeated: done.repeated || tries > 0, ..answer });
            }
            tries += 1;
            let reason = format!(
                "of '{}' the hub has {} bytes at {} with checksum {}, sent were {} at {} with {}",
                chunk.name,
                answer.size,
                answer.offset,
                answer.hexdigest,
                wanted.size,
                wanted.offset,
                wanted.hexdigest
            );
            if tries >= MOST_TRIES {
                return Err(CallError::Damaged { method: METHOD, reason });
            }
            tracing::warn!(reason, "sending the part again");
        }
    }
}
