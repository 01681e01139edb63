//! Sends the blobs of an image to the orchestrator: only those that it lacks,
//! a few at a time, each tried again from its file.

use std::{
    collections::BTreeMap,
    future::ready,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use common::{secret::Secret, work::WorkPhase};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use proto::v1::{
    FindBlobsRequest, UploadBlobRequest,
    upload_blob_request::{Header, Part},
};
use tokio::{fs::File, time::timeout};
use tokio_util::io::ReaderStream;

use super::{SpooledBlob, SpooledImage};
use crate::{
    report::Reporter,
    transfer::{Transfer, TransferError},
};

/// Bytes in a message.
const PIECE: usize = 256 * 1024;
/// Blobs on their way at once.
const AT_ONCE: usize = 4;
/// Digests in one question.
const QUESTION: usize = 1000;
/// Deadline of a question, and of a blob besides its size.
const CALL: Duration = Duration::from_secs(60);
/// Slowest upload that is waited for, in bytes a second.
const SLOWEST: u64 = 50_000;

const DOING: &str = "uploading a blob";

/// Sends configuration and layers of an image, and what belongs to it besides,
/// unless they are there.
///
/// # Errors
/// The orchestrator stays away or refuses, or a file cannot be read.
pub(crate) async fn upload(
    transfer: &Transfer,
    image: &SpooledImage,
    besides: &[SpooledBlob],
    report: &Reporter,
) -> Result<(), TransferError> {
    let layers = image.layers.iter().map(|layer| &layer.blob);
    let mut missing: BTreeMap<&str, &SpooledBlob> =
        layers.chain([&image.config]).chain(besides).map(|blob| (blob.digest.as_str(), blob)).collect();
    let all: Vec<&str> = missing.keys().copied().collect();
    let count = all.len();
    for question in all.chunks(QUESTION) {
        for present in find(transfer, question).await? {
            missing.remove(present.as_str());
        }
    }
    report.say(format!("uploading {} of {count} blobs", missing.len())).await;

    let total = missing.values().map(|blob| blob.size).sum();
    let sent = Arc::new(AtomicU64::new(0));
    report.progress(WorkPhase::Uploading, 0, total);
    stream::iter(missing.into_values().map(Ok))
        .try_for_each_concurrent(AT_ONCE, |blob| {
            let meter = Meter { sent: Arc::clone(&sent), total, report: report.clone() };
            send(transfer, blob, meter)
        })
        .await?;
    report.progress(WorkPhase::Uploading, total, total);
    Ok(())
}

async fn find(transfer: &Transfer, digests: &[&str]) -> Result<Vec<String>, TransferError> {
    const DOING: &str = "asking for blobs";
    let answer = transfer.patiently(DOING, |ticket| {
        let request = FindBlobsRequest {
            work_order_id: transfer.order_id(),
            ticket: ticket.expose().to_owned(),
            digests: digests.iter().map(|digest| (*digest).to_owned()).collect(),
        };
        async move {
            let answer = timeout(CALL, transfer.client().find_blobs(request)).await;
            let answer = answer.map_err(|_| TransferError::Stalled { doing: DOING, waited: CALL })?;
            answer.map_err(|status| TransferError::of_call(DOING, status))
        }
    });
    Ok(answer.await?.into_inner().present)
}

/// Counts what is sent, over all blobs.
#[derive(Clone)]
struct Meter {
    sent: Arc<AtomicU64>,
    total: u64,
    report: Reporter,
}

impl Meter {
    fn count(&self, bytes: u64) {
        let sent = self.sent.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.report.progress(WorkPhase::Uploading, sent.min(self.total), self.total);
    }
}

async fn send(transfer: &Transfer, blob: &SpooledBlob, meter: Meter) -> Result<(), TransferError> {
    transfer.patiently(DOING, |ticket| attempt(transfer, blob, ticket, meter.clone())).await
}

async fn attempt(
    transfer: &Transfer,
    blob: &SpooledBlob,
    ticket: Secret,
    meter: Meter,
) -> Result<(), TransferError> {
    let scratch = |source| TransferError::Scratch { path: blob.path.clone(), source };
    let file = File::open(&blob.path).await.map_err(scratch)?;
    let header = Header {
        work_order_id: transfer.order_id(),
        ticket: ticket.expose().to_owned(),
        digest: blob.digest.to_string(),
        size: blob.size,
    };
    // A gRPC request stream cannot say why it ends early.
    let read_error = Arc::new(Mutex::new(None));
    let deadline = CALL + Duration::from_secs(blob.size / SLOWEST);
    let answer = timeout(deadline, async {
        transfer.client().upload_blob(messages(header, file, Arc::clone(&read_error), meter)).await
    })
    .await;
    if let Some(source) = read_error.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(scratch(source));
    }
    let answer = answer.map_err(|_| TransferError::Stalled { doing: DOING, waited: deadline })?;
    let stored = answer.map_err(|status| TransferError::of_call(DOING, status))?.into_inner();
    if stored.digest != blob.digest.as_str() || stored.size != blob.size {
        return Err(TransferError::Corrupt {
            what: "the blob that the orchestrator stored",
            expected: blob.digest.clone(),
            found: stored.digest,
            size: stored.size,
        });
    }
    Ok(())
}

fn messages(
    header: Header,
    file: File,
    read_error: Arc<Mutex<Option<io::Error>>>,
    meter: Meter,
) -> impl Stream<Item = UploadBlobRequest> + Send + 'static {
    let data = ReaderStream::with_capacity(file, PIECE).scan(read_error, move |read_error, piece| {
        ready(match piece {
            Ok(piece) => {
                meter.count(piece.len() as u64);
                Some(Part::Data(piece))
            }
            Err(error) => {
                *read_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        })
    });
    stream::iter([Part::Header(header)]).chain(data).map(|part| UploadBlobRequest { part: Some(part) })
}
