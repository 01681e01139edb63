//! The two streams that people follow: events and logs.
//!
//! Both read what is stored and then wait for more; no cursor is kept here, so
//! a client that reconnects with the last position it saw loses nothing. Both
//! end when the build has ended, when the client goes, and at shutdown.

use std::{future::Future, sync::Arc, time::Duration};

use common::{names::BuildId, platform::Platform, service::Shutdown};
use proto::v1;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{log_status, store_status};
use crate::services::Services;

/// Messages that may be unsent to one client.
const UNSENT: usize = 16;
/// Events read at a time.
const EVENTS: u32 = 256;
/// Bytes of log text in one message.
const LOG_BYTES: usize = 256 * 1024;

/// How long a client may take to make room for the reason of a stream's end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where a stream's messages go.
pub(super) type Out<M> = mpsc::Sender<Result<M, Status>>;

/// Runs a stream in a tracked task.
pub(super) fn send<M, F>(
    shutdown: &Shutdown,
    produce: impl FnOnce(Out<M>) -> F,
) -> ReceiverStream<Result<M, Status>>
where
    M: Send + 'static,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(UNSENT);
    let errors = sender.clone();
    let stream = produce(sender);
    shutdown.tracker.spawn(async move {
        if let Err(status) = stream.await {
            // A client that has gone, or that does not read, needs no error.
            let _gone = timeout(LAST_WORDS, errors.send(Err(status))).await;
        }
    });
    ReceiverStream::new(receiver)
}

/// Sends events after `after`, then follows until the build has ended.
pub(super) async fn watch(
    services: Arc<Services>,
    build: BuildId,
    mut after: u64,
    out: Out<v1::WatchBuildResponse>,
    stop: CancellationToken,
) -> Result<(), Status> {
    let mut newest = services.store.subscribe(&build).await.map_err(store_status)?;
    loop {
        newest.mark_unchanged();
        let events = services.store.events(&build, after, EVENTS).await.map_err(store_status)?;
        if events.is_empty() {
            let ended = match services.store.history(&build).await.map_err(store_status)? {
                Some(history) => history.state.is_final() && history.last_sequence <= after,
                None => true,
            };
            if ended {
                return Ok(());
            }
            tokio::select! {
                changed = newest.changed() => if changed.is_err() {
                    newest = services.store.subscribe(&build).await.map_err(store_status)?;
                },
                () = out.closed() => return Ok(()),
                () = stop.cancelled() => return Err(going_away()),
            }
        }
        for event in events {
            after = event.sequence;
            if !pass(&out, v1::WatchBuildResponse { event: Some(event.into()) }, &stop).await? {
                return Ok(());
            }
        }
    }
}

/// What a reader of logs wants.
pub(super) struct WantedLogs {
    pub(super) build: BuildId,
    pub(super) platform: Option<Platform>,
    pub(super) offset: u64,
    pub(super) follow: bool,
}

/// Sends log records from an offset; with `follow`, until the build has ended.
pub(super) async fn logs(
    services: Arc<Services>,
    wanted: WantedLogs,
    out: Out<v1::ReadLogsResponse>,
    stop: CancellationToken,
) -> Result<(), Status> {
    let WantedLogs { build, platform, mut offset, follow } = wanted;
    let mut newest = services.store.subscribe(&build).await.map_err(store_status)?;
    let mut written = services.logs.subscribe(&build).await.map_err(log_status)?;
    loop {
        newest.mark_unchanged();
        written.mark_unchanged();
        // The state is read before the log: what an ended build has written is
        // all there is.
        let history = services.store.history(&build).await.map_err(store_status)?;
        let ended = history.is_none_or(|history| history.state.is_final());
        let page =
            services.logs.read(&build, offset, platform.as_ref(), LOG_BYTES).await.map_err(log_status)?;
        offset = page.next_offset;
        let end = page.at_end && (ended || !follow);
        if end || !page.records.is_empty() {
            let records = page.records.into_iter().map(Into::into).collect();
            let message = v1::ReadLogsResponse { records, next_offset: offset, end };
            if !pass(&out, message, &stop).await? || end {
                return Ok(());
            }
        }
        if page.at_end {
            tokio::select! {
                changed = written.changed() => if changed.is_err() {
                    written = services.logs.subscribe(&build).await.map_err(log_status)?;
                },
                changed = newest.changed() => if changed.is_err() {
                    newest = services.store.subscribe(&build).await.map_err(store_status)?;
                },
                () = out.closed() => return Ok(()),
                () = stop.cancelled() => return Err(going_away()),
            }
        }
    }
}

/// Passes a message on; false when the client has gone. A client that does not
/// read does not keep the process from ending.
async fn pass<M>(out: &Out<M>, message: M, stop: &CancellationToken) -> Result<bool, Status> {
    tokio::select! {
        sent = out.send(Ok(message)) => Ok(sent.is_ok()),
        () = stop.cancelled() => Err(going_away()),
    }
}

fn going_away() -> Status {
    Status::unavailable("the orchestrator is shutting down; reconnect with the last position you saw")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_does_not_keep_the_process() {
        let shutdown = Shutdown::new();
        let stop = shutdown.token.clone();
        let unread = send(&shutdown, move |out| async move {
            while pass(&out, (), &stop).await? {}
            Ok(())
        });
        assert!(!shutdown.wait(Duration::from_secs(5)).await, "it waits for the client");
        shutdown.token.cancel();
        assert!(shutdown.wait(Duration::from_secs(5)).await);
        drop(unread);
    }
}
