//! Calls that carry the content of a work order: context down, blobs up.
//!
//! The orchestrator may be restarted meanwhile. So a call is tried again for
//! some minutes, also while the orchestrator does not know the work order yet,
//! and one whose ticket is refused waits for the new ticket that comes when an
//! orchestrator with another key hands the order out again.

use std::{future::Future, io, path::PathBuf, sync::Arc, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    image::Digest,
    retry::{Patience, Transient, retry},
    secret::Secret,
    service::{ConnectOptions, Connection},
};
use proto::v1::worker_service_client::WorkerServiceClient;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::holdings::Held;

/// About five minutes, in which an orchestrator is back.
const PATIENCE: Patience =
    Patience { attempts: 40, first_wait: Duration::from_millis(200), longest_wait: Duration::from_secs(10) };
/// How long a refused ticket waits for a new one.
const NEW_TICKET: Duration = Duration::from_secs(30);

/// Why content did not come or go.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message names its fields")]
pub(crate) enum TransferError {
    #[error("the orchestrator could not be reached for {doing}: {} ({})", status.message(), status.code())]
    Unavailable { doing: &'static str, status: Box<Status> },
    #[error("the orchestrator refused {doing}: {} ({})", status.message(), status.code())]
    Refused { doing: &'static str, status: Box<Status> },
    #[error("the ticket of the work order was renewed during {doing}")]
    TicketRenewed { doing: &'static str },
    #[error("{doing} made no progress for {} s", waited.as_secs())]
    Stalled { doing: &'static str, waited: Duration },
    #[error("the build context broke off after {received} of {size} bytes")]
    BrokeOff { received: u64, size: u64 },
    #[error("{what} has the digest {found} and {size} bytes, and not {expected}")]
    Corrupt { what: &'static str, expected: Digest, found: String, size: u64 },
    #[error("cannot use {} in the scratch directory", path.display())]
    Scratch { path: PathBuf, source: io::Error },
}

impl Transient for TransferError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { .. }
            | Self::TicketRenewed { .. }
            | Self::Stalled { .. }
            | Self::BrokeOff { .. } => Some(Duration::ZERO),
            Self::Refused { .. } | Self::Corrupt { .. } | Self::Scratch { .. } => None,
        }
    }
}

impl TransferError {
    /// Sorts a status: whether another try makes sense is decided here for
    /// every code.
    pub(crate) fn of_call(doing: &'static str, status: Status) -> Self {
        let status = Box::new(status);
        match status.code() {
            Code::Unavailable
            | Code::Unknown
            | Code::Internal
            | Code::Aborted
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted => Self::Unavailable { doing, status },
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss
            | Code::Unauthenticated => Self::Refused { doing, status },
        }
    }

    /// Whether a new ticket could help: the orchestrator does not accept this one.
    fn is_about_the_ticket(&self) -> bool {
        match self {
            Self::Refused { status, .. } => {
                matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied)
            }
            _ => false,
        }
    }

    /// The failure that leaves this crate.
    pub(crate) fn failure(&self) -> Failure {
        let (code, advice) = match self {
            Self::Unavailable { .. }
            | Self::Stalled { .. }
            | Self::BrokeOff { .. }
            | Self::TicketRenewed { .. } => (
                "worker.orchestrator_unreachable",
                "check the network between worker and orchestrator; the work can be placed again",
            ),
            Self::Refused { .. } => {
                ("worker.transfer_refused", "look at the orchestrator's log; the work can be placed again")
            }
            Self::Corrupt { .. } => ("worker.content_corrupt", "the work can be placed again"),
            Self::Scratch { source, .. } if source.kind() == io::ErrorKind::StorageFull => (
                "worker.no_space",
                "free space on the disk of the worker's scratch directory, or name another with --scratch-dir",
            ),
            Self::Scratch { .. } => ("worker.scratch_failed", "check the worker's scratch directory"),
        };
        Failure::from_error(FailureClass::Infrastructure, code, self).with_advice(advice)
    }
}

/// The calls of one work order.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    connection: Connection,
    held: Arc<Held>,
    ca_file: Option<PathBuf>,
}

impl Transfer {
    /// Calls over `connection` for the order `held`.
    pub(crate) fn new(connection: Connection, held: Arc<Held>) -> Self {
        Self { connection, held, ca_file: None }
    }

    /// The same with authorities to trust in place of the system's, on connections
    /// to others than the orchestrator.
    pub(crate) fn trusting(self, ca_file: Option<PathBuf>) -> Self {
        Self { ca_file, ..self }
    }

    /// How to dial others than the orchestrator.
    pub(crate) fn options(&self) -> ConnectOptions {
        ConnectOptions { ca_file: self.ca_file.clone(), ..ConnectOptions::default() }
    }

    /// The connection to the orchestrator.
    pub(crate) fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// The work order's id as text.
    pub(crate) fn order_id(&self) -> String {
        self.held.id.to_string()
    }

    /// A client; cheap.
    pub(crate) fn client(&self) -> WorkerServiceClient<Connection> {
        WorkerServiceClient::new(self.connection.clone())
    }

    /// Calls `operation` with the current ticket until it succeeds, fails for
    /// good, or patience runs out.
    pub(crate) async fn patiently<T, F>(
        &self,
        what: &'static str,
        mut operation: impl FnMut(Secret) -> F,
    ) -> Result<T, TransferError>
    where
        F: Future<Output = Result<T, TransferError>>,
    {
        retry(PATIENCE, what, || {
            let ticket = self.held.ticket();
            let attempt = operation(ticket.clone());
            async move {
                match attempt.await {
                    Err(error) if error.is_about_the_ticket() && self.new_ticket(&ticket).await => {
                        Err(TransferError::TicketRenewed { doing: what })
                    }
                    result => result,
                }
            }
        })
        .await
    }

    /// Waits a while for another ticket than `used`.
    async fn new_ticket(&self, used: &Secret) -> bool {
        let mut tickets = self.held.tickets();
        let other = tickets.wait_for(|ticket| !ticket.matches(used.expose()));
        matches!(timeout(NEW_TICKET, other).await, Ok(Ok(_)))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use common::service::connect;

    use super::*;
    use crate::holdings::{Holdings, Taken, tests::order};

    async fn transfer(holdings: &Holdings) -> Transfer {
        let connection = connect(&"unix:/nobody/there".parse().unwrap(), &ConnectOptions::default()).await;
        match holdings.take(&order("wo_1")) {
            Taken::New(held) => Transfer::new(connection.unwrap(), held),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn statuses_are_sorted() {
        for (status, transient) in [
            (Status::unavailable("x"), true),
            (Status::unknown("transport error"), true),
            (Status::permission_denied("x"), false),
            (Status::data_loss("x"), false),
            (Status::invalid_argument("x"), false),
        ] {
            let error = TransferError::of_call("uploading", status);
            assert_eq!(error.retry_after().is_some(), transient, "{error}");
            assert!(error.failure().class.is_worth_another_try());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_ticket_is_tried_again_only_with_a_new_one() {
        let holdings = Holdings::new(1);
        let transfer = transfer(&holdings).await;
        let calls = Cell::new(0);
        let refused = || TransferError::of_call("uploading", Status::unauthenticated("old"));
        let result = transfer.patiently("uploading", |_| {
            calls.set(calls.get() + 1);
            async { Err::<(), _>(refused()) }
        });
        assert!(matches!(result.await, Err(TransferError::Refused { .. })));
        assert_eq!(calls.get(), 1);

        let result = transfer.patiently("uploading", |ticket| {
            if ticket.expose() == "first" {
                let mut again = order("wo_1");
                again.ticket = Secret::new("second");
                holdings.take(&again);
            }
            async move { if ticket.expose() == "second" { Ok(7) } else { Err(refused()) } }
        });
        assert_eq!(result.await.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_runs_out() {
        let holdings = Holdings::new(1);
        let transfer = transfer(&holdings).await;
        let before = tokio::time::Instant::now();
        let gone = || TransferError::of_call("uploading", Status::unavailable("gone"));
        let result = transfer.patiently("uploading", |_| async { Err::<(), _>(gone()) }).await;
        assert!(matches!(result, Err(TransferError::Unavailable { .. })));
        assert!(before.elapsed() >= Duration::from_secs(120), "an orchestrator can restart in that time");
    }
}
