//! Sends an archive: to the orchestrator, which hands it on, or to koji-bridge
//! itself. The worker holds a ticket for one directory and nothing else of Koji.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{
    failure::{Failure, FailureClass},
    retry::{Patience, Transient, retry},
    secret::Secret,
    service::{ConnectError, Connection, ServiceAddress, connect},
    work::{KojiFile, KojiUpload, WorkPhase},
};
use futures::{Stream, StreamExt as _, future::ready, stream};
use proto::{
    convert::koji_failure,
    v1::{
        FindUploadRequest, UploadFileRequest,
        koji_bridge_service_client::KojiBridgeServiceClient,
        upload_file_request::{Header, Part},
    },
};
use tokio::time::timeout;
use tonic::{Code, Status};

use super::archive::Archive;
use crate::{report::Reporter, transfer::Transfer};

/// About half an hour: a hub may be down for that long.
const PATIENCE: Patience =
    Patience { attempts: 70, first_wait: Duration::from_millis(200), longest_wait: Duration::from_secs(30) };
/// Deadline of a question, and of an upload besides its size.
const CALL: Duration = Duration::from_secs(60);
/// Slowest upload that is waited for, in bytes a second.
const SLOWEST: u64 = 50_000;

/// Why Koji did not get an archive.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message names its fields")]
pub(crate) enum KojiUploadError {
    #[error("cannot read the image on the worker's disk")]
    Scratch(#[source] io::Error),
    #[error("uploads to Koji at {address} cannot be made")]
    Address { address: ServiceAddress, source: ConnectError },
    #[error("the upload of {name} to Koji was cut off: {} ({})", status.message(), status.code())]
    Unavailable { name: String, status: Box<Status> },
    #[error("the upload of {name} to Koji was refused: {} ({})", status.message(), status.code())]
    Refused { name: String, status: Box<Status> },
    #[error("the upload of {name} to Koji made no progress for {} s", waited.as_secs())]
    Stalled { name: String, waited: Duration },
    #[error("Koji has {found} bytes of {name}, and not {expected}")]
    WrongSize { name: String, expected: u64, found: u64 },
}

impl Transient for KojiUploadError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { .. } | Self::Stalled { .. } | Self::WrongSize { .. } => Some(Duration::ZERO),
            Self::Scratch(_) | Self::Address { .. } | Self::Refused { .. } => None,
        }
    }
}

impl KojiUploadError {
    fn of_call(name: &str, status: Status) -> Self {
        let (name, status) = (name.to_owned(), Box::new(status));
        // Where the hub was asked, the details say it; everywhere else the code has to.
        if let Some(failed) = koji_failure(&status) {
            return if failed.is_worth_another_try() || status.code() == Code::Aborted {
                Self::Unavailable { name, status }
            } else {
                Self::Refused { name, status }
            };
        }
        match status.code() {
            Code::Unavailable
            | Code::Unknown
            | Code::Internal
            | Code::Aborted
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::OutOfRange
            | Code::ResourceExhausted => Self::Unavailable { name, status },
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Unimplemented
            | Code::DataLoss
            | Code::Unauthenticated => Self::Refused { name, status },
        }
    }

    /// The failure that leaves this crate.
    pub(crate) fn failure(&self) -> Failure {
        let (code, advice) = match self {
            Self::Scratch(_) => ("worker.scratch_failed", "check the worker's scratch directory"),
            Self::Address { .. } => (
                "worker.koji_unreachable",
                "check the address for workers in the settings of koji-bridge (uploads.worker_address)",
            ),
            Self::Unavailable { .. } | Self::Stalled { .. } => (
                "worker.koji_unreachable",
                "look at koji-bridge's log, and whether the hub is up; then submit the build again",
            ),
            Self::Refused { .. } | Self::WrongSize { .. } => (
                "worker.koji_refused",
                "the message says why; `koji-bridge check` tells what else the hub would refuse",
            ),
        };
        Failure::from_error(FailureClass::Infrastructure, code, self).with_advice(advice)
    }
}

/// Where an archive goes.
pub(super) struct Destination {
    connection: Connection,
    directory: String,
    ticket: Secret,
    patience: Patience,
}

impl Destination {
    /// What the work order says. Nothing is sent yet.
    ///
    /// # Errors
    /// The address cannot be dialled.
    pub(super) async fn open(transfer: &Transfer, upload: &KojiUpload) -> Result<Self, KojiUploadError> {
        let connection = match &upload.address {
            None => transfer.connection(),
            Some(address) => connect(address, &transfer.options())
                .await
                .map_err(|source| KojiUploadError::Address { address: address.clone(), source })?,
        };
        Ok(Self {
            connection,
            directory: upload.directory.clone(),
            ticket: upload.ticket.clone(),
            patience: PATIENCE,
        })
    }

    /// Sends a file, from where an earlier try was cut off.
    ///
    /// # Errors
    /// It is refused, or patience ran out.
    pub(super) async fn send(
        &self,
        file: &KojiFile,
        archive: &Archive,
        report: &Reporter,
    ) -> Result<(), KojiUploadError> {
        // Whether all that Koji has of the file is from here.
        let begun = &AtomicBool::new(false);
        retry(self.patience, "uploading to Koji", || async move {
            let mut offset = self.found(file).await?;
            if !begun.load(Ordering::Relaxed) {
                // A work order that is carried out again begins anew: what is there
                // may be of another content. It has to go before anything is gone on
                // with, also if the first try does not come that far.
                if offset > 0 {
                    self.empty(file).await?;
                    offset = 0;
                }
                begun.store(true, Ordering::Relaxed);
            }
            self.attempt(file, archive, offset, report).await
        })
        .await
    }

    async fn found(&self, file: &KojiFile) -> Result<u64, KojiUploadError> {
        let request = FindUploadRequest {
            directory: self.directory.clone(),
            name: file.name.clone(),
            ticket: self.ticket.expose().to_owned(),
        };
        let answer = timeout(CALL, self.client().find_upload(request)).await;
        let answer = answer.map_err(|_| stalled(file, CALL))?;
        let size = answer.map_err(|status| KojiUploadError::of_call(&file.name, status))?.into_inner().size;
        Ok(size.min(file.size))
    }

    /// Puts a file without bytes where the file goes.
    async fn empty(&self, file: &KojiFile) -> Result<(), KojiUploadError> {
        let header = Header { size: 0, md5: String::new(), ..self.header(file, 0) };
        let messages = stream::iter([UploadFileRequest { part: Some(Part::Header(header)) }]);
        let answer = timeout(CALL, self.client().upload_file(messages)).await;
        let answer = answer.map_err(|_| stalled(file, CALL))?;
        answer.map(|_| ()).map_err(|status| KojiUploadError::of_call(&file.name, status))
    }

    async fn attempt(
        &self,
        file: &KojiFile,
        archive: &Archive,
        offset: u64,
        report: &Reporter,
    ) -> Result<(), KojiUploadError> {
        // A gRPC request stream cannot say why it ends early.
        let read_error = Arc::new(Mutex::new(None));
        let messages = messages(self.header(file, offset), archive, Arc::clone(&read_error), report.clone());
        let deadline = CALL + Duration::from_secs(file.size / SLOWEST);
        let answer = timeout(deadline, self.client().upload_file(messages)).await;
        if let Some(error) = read_error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(KojiUploadError::Scratch(error));
        }
        let answer = answer.map_err(|_| stalled(file, deadline))?;
        let found = answer.map_err(|status| KojiUploadError::of_call(&file.name, status))?.into_inner().size;
        if found != file.size {
            return Err(KojiUploadError::WrongSize { name: file.name.clone(), expected: file.size, found });
        }
        Ok(())
    }

    fn header(&self, file: &KojiFile, offset: u64) -> Header {
        Header {
            directory: self.directory.clone(),
            name: file.name.clone(),
            size: file.size,
            ticket: self.ticket.expose().to_owned(),
            offset,
            md5: file.md5.clone(),
        }
    }

    fn client(&self) -> KojiBridgeServiceClient<Connection> {
        KojiBridgeServiceClient::new(self.connection.clone())
    }
}

fn stalled(file: &KojiFile, waited: Duration) -> KojiUploadError {
    KojiUploadError::Stalled { name: file.name.clone(), waited }
}

fn messages(
    header: Header,
    archive: &Archive,
    read_error: Arc<Mutex<Option<io::Error>>>,
    report: Reporter,
) -> impl Stream<Item = UploadFileRequest> + Send + 'static {
    let (total, mut sent) = (header.size, header.offset);
    let data = archive.read_from(header.offset).scan(read_error, move |read_error, piece| {
        ready(match piece {
            Ok(piece) => {
                sent += piece.len() as u64;
                report.progress(WorkPhase::Uploading, sent, total);
                Some(Part::Data(piece))
            }
            Err(error) => {
                *read_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        })
    });
    stream::iter([Part::Header(header)]).chain(data).map(|part| UploadFileRequest { part: Some(part) })
}

#[cfg(test)]
mod tests;
