//! Files for an import, sent as streams.
//!
//! A file that was cut off is taken up where the hub has it. The source can be
//! read from any offset, and gives the same bytes every time; nothing of it is
//! held but the part that is on its way.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use common::{
    failure::Failure,
    retry::{Patience, Transient, retry},
    secret::Secret,
};
use futures::{StreamExt as _, stream::BoxStream};
use proto::{convert::BadField, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Koji, KojiError};

/// Most bytes in one message.
const CHUNK: usize = 256 * 1024;
/// Messages that wait for the bridge.
const WAITING: usize = 4;
/// A slower upload is given up, in bytes per second.
const SLOWEST: u64 = 64 * 1024;

/// Code of the bridge for a file whose content is not what was announced.
const DAMAGED: &str = "koji.upload_damaged";

/// Some bytes of a source, or why they cannot be read.
pub type Part = Result<Bytes, Failure>;

/// A file for an import.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    /// Directory below the hub's upload area.
    pub directory: &'a str,
    /// Ticket of the directory.
    pub ticket: &'a Secret,
    /// File name.
    pub name: &'a str,
    /// Size in bytes.
    pub size: u64,
    /// MD5 in 32 lower-case hexadecimal digits.
    pub md5: &'a str,
}

/// One try of an upload that failed.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
struct TryFailed(Failure);

impl Transient for TryFailed {
    fn retry_after(&self) -> Option<Duration> {
        self.0.class.is_worth_another_try().then_some(Duration::ZERO)
    }
}

impl Koji {
    /// Uploads a file. `source` gives its bytes from an offset.
    ///
    /// # Errors
    /// The source cannot be read, or the bridge or the hub cannot take the file in
    /// several tries.
    pub async fn upload<'s>(
        &self,
        upload: Upload<'_>,
        patience: Patience,
        source: &(impl Fn(u64) -> BoxStream<'s, Part> + Sync),
    ) -> Result<(), Failure> {
        // What is there is wrong, and to go on where it ends would not mend it.
        let damaged = AtomicBool::new(false);
        let tried = retry(patience, "upload to Koji", || async {
            let anew = damaged.load(Ordering::Relaxed);
            let tried = self.try_upload(upload, anew, source).await;
            let failed_so = tried.as_ref().is_err_and(|failure| failure.code == DAMAGED);
            damaged.store(failed_so, Ordering::Relaxed);
            tried.map_err(TryFailed)
        });
        tried.await.map_err(|TryFailed(failure)| failure)
    }

    async fn try_upload<'s>(
        &self,
        upload: Upload<'_>,
        anew: bool,
        source: &(impl Fn(u64) -> BoxStream<'s, Part> + Sync),
    ) -> Result<(), Failure> {
        const CALL: &str = "UploadFile";
        let there = if anew { 0 } else { self.uploaded(upload).await? };
        // More than there should be is of no use.
        let offset = if there <= upload.size { there } else { 0 };
        let (messages, receiver) = mpsc::channel(WAITING);
        let deadline = self.deadline + Duration::from_secs(upload.size / SLOWEST);
        let call = self.ask_within(deadline, CALL, async |client| {
            client.upload_file(ReceiverStream::new(receiver)).await
        });
        let (answer, read) = tokio::join!(call, feed(upload, offset, source(offset), messages));
        // A source that broke off explains an upload that did.
        read?;
        let answer = answer?;
        if answer.size != upload.size {
            let reason = format!("the hub has {} bytes of {}", answer.size, upload.size);
            return Err(self.bad_answer(CALL, BadField::new("size", reason)).into());
        }
        Ok(())
    }

    /// Bytes of a file that the hub has.
    async fn uploaded(&self, upload: Upload<'_>) -> Result<u64, KojiError> {
        let request = v1::FindUploadRequest {
            directory: upload.directory.to_owned(),
            name: upload.name.to_owned(),
            ticket: upload.ticket.expose().to_owned(),
        };
        Ok(self.ask("FindUpload", async |client| client.find_upload(request).await).await?.size)
    }
}

/// Sends the header and the source's bytes, until nobody listens any more.
async fn feed(
    upload: Upload<'_>,
    offset: u64,
    mut source: BoxStream<'_, Part>,
    messages: mpsc::Sender<v1::UploadFileRequest>,
) -> Result<(), Failure> {
    use v1::upload_file_request::{Header, Part::Data, Part::Header as First};
    let message = |part| v1::UploadFileRequest { part: Some(part) };
    let header = Header {
        directory: upload.directory.to_owned(),
        name: upload.name.to_owned(),
        size: upload.size,
        ticket: upload.ticket.expose().to_owned(),
        offset,
        md5: upload.md5.to_owned(),
    };
    if messages.send(message(First(header))).await.is_err() {
        return Ok(());
    }
    while let Some(bytes) = source.next().await {
        let mut bytes = bytes?;
        while !bytes.is_empty() {
            let data = bytes.split_to(bytes.len().min(CHUNK));
            if messages.send(message(Data(data))).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}
