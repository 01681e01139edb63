//! Brings the build context of a work order to disk.
//!
//! A stream that breaks is resumed where the file ends. Nothing is built from a
//! context whose size and digest are not those of the work order.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use common::{
    image::Digest,
    work::{Descriptor, WorkPhase},
};
use proto::v1::FetchContextRequest;
use sha2::{Digest as _, Sha256};
use tokio::{fs::File, io::AsyncWriteExt as _, sync::Mutex, time::timeout};

use crate::{
    report::Reporter,
    transfer::{Transfer, TransferError},
};

/// A stream that brings nothing for this long is dropped and resumed.
const SILENCE: Duration = Duration::from_secs(60);

struct Spool<'a> {
    path: &'a Path,
    file: File,
    hash: Sha256,
    size: u64,
}

impl Spool<'_> {
    async fn append(&mut self, data: &Bytes) -> Result<(), TransferError> {
        let written = self.file.write_all(data).await;
        written.map_err(|source| TransferError::Scratch { path: self.path.to_owned(), source })?;
        self.hash.update(data);
        self.size += data.len() as u64;
        Ok(())
    }
}

/// Fetches the context into the file `path`.
///
/// # Errors
/// The orchestrator stays away or refuses, the disk fails, or the content is
/// not what the work order says.
pub(crate) async fn fetch(
    transfer: &Transfer,
    context: &Descriptor,
    path: &Path,
    report: &Reporter,
) -> Result<(), TransferError> {
    let scratch = |source| TransferError::Scratch { path: path.to_owned(), source };
    let file = File::create(path).await.map_err(scratch)?;
    let spool = Mutex::new(Spool { path, file, hash: Sha256::new(), size: 0 });
    transfer
        .patiently("fetching the build context", |ticket| {
            let spool = &spool;
            async move {
                let mut spool = spool.lock().await;
                let request = FetchContextRequest {
                    work_order_id: transfer.order_id(),
                    ticket: ticket.expose().to_owned(),
                    offset: spool.size,
                };
                receive(transfer, request, context, &mut spool, report).await
            }
        })
        .await?;
    let mut spool = spool.into_inner();
    spool.file.flush().await.map_err(scratch)?;
    let found = Digest::from_sha256(&spool.hash.finalize().into());
    if found != context.digest {
        let (expected, found) = (context.digest.clone(), found.to_string());
        return Err(TransferError::Corrupt { what: "the build context", expected, found, size: spool.size });
    }
    Ok(())
}

async fn receive(
    transfer: &Transfer,
    request: FetchContextRequest,
    context: &Descriptor,
    spool: &mut Spool<'_>,
    report: &Reporter,
) -> Result<(), TransferError> {
    const DOING: &str = "fetching the build context";
    let stalled = |_| TransferError::Stalled { doing: DOING, waited: SILENCE };
    let refused = |status| TransferError::of_call(DOING, status);
    report
        .say(format!("fetching the build context, {} bytes", context.size - spool.size.min(context.size)))
        .await;
    let mut client = transfer.client();
    let stream = timeout(SILENCE, client.fetch_context(request)).await.map_err(stalled)?;
    let mut stream = stream.map_err(refused)?.into_inner();
    report.progress(WorkPhase::FetchingContext, spool.size, context.size);
    while let Some(message) = timeout(SILENCE, stream.message()).await.map_err(stalled)?.map_err(refused)? {
        spool.append(&message.data).await?;
        if spool.size > context.size {
            break;
        }
        report.progress(WorkPhase::FetchingContext, spool.size, context.size);
    }
    match spool.size.cmp(&context.size) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(TransferError::BrokeOff { received: spool.size, size: context.size }),
        std::cmp::Ordering::Greater => Err(TransferError::Corrupt {
            what: "the build context",
            expected: context.digest.clone(),
            found: "of too much content".to_owned(),
            size: spool.size,
        }),
    }
}
