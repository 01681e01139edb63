//! One way for everything to end.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

/// The end of a process: a token that says "stop" and a tracker that knows who
/// has not stopped yet. Clones are handles on the same end.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Cancelled when the process should end.
    pub token: CancellationToken,
    /// Every task that [`Shutdown::wait`] waits for.
    pub tracker: TaskTracker,
    received: Arc<OnceLock<i32>>,
    // Dropping the set ends the task that waits for signals.
    _signals: Option<Arc<JoinSet<()>>>,
}

impl Shutdown {
    /// An end that only the program itself brings about.
    pub fn new() -> Self {
        Self::default()
    }

    /// An end that SIGTERM or SIGINT brings about too. The first one cancels
    /// the token; the second ends the process at once, with 128 plus the
    /// signal's number, as a shell would report it. Must be called in a runtime.
    ///
    /// # Errors
    /// The system refuses to tell about signals.
    pub fn on_signals() -> io::Result<Self> {
        let mut shutdown = Self::new();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let mut signals = JoinSet::new();
        signals.spawn(obey(terminate, interrupt, shutdown.token.clone(), Arc::clone(&shutdown.received)));
        shutdown._signals = Some(Arc::new(signals));
        Ok(shutdown)
    }

    /// The exit code of the signal that came, as a shell reports it: 143 for
    /// SIGTERM, 130 for SIGINT; `None` when there was no signal.
    pub fn signal_exit_code(&self) -> Option<u8> {
        self.received.get().and_then(|number| u8::try_from(128 + number).ok())
    }

    /// Waits for every tracked task, but no longer than `grace`. Returns
    /// whether all of them ended.
    pub async fn wait(&self, grace: Duration) -> bool {
        self.tracker.close();
        let ended = timeout(grace, self.tracker.wait()).await.is_ok();
        if !ended {
            warn!(tasks = self.tracker.len(), ?grace, "tasks are still running after the grace period");
        }
        ended
    }
}

async fn obey(
    mut terminate: Signal,
    mut interrupt: Signal,
    token: CancellationToken,
    received: Arc<OnceLock<i32>>,
) {
    let first = next_signal(&mut terminate, &mut interrupt).await;
    // The cell is empty: nobody else writes to it.
    let _ = received.set(first.as_raw_value());
    info!(signal = name(first), "stopping; a second signal ends the process at once");
    token.cancel();
    let second = next_signal(&mut terminate, &mut interrupt).await;
    warn!(signal = name(second), "second signal: ending at once");
    exit_at_once(128 + second.as_raw_value());
}

async fn next_signal(terminate: &mut Signal, interrupt: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    }
}

fn name(kind: SignalKind) -> &'static str {
    if kind == SignalKind::interrupt() { "SIGINT" } else { "SIGTERM" }
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever signals twice wants the process gone, with everything that still runs in it"
)]
fn exit_at_once(code: i32) -> ! {
    std::process::exit(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_last_task_or_with_the_grace_period() {
        let shutdown = Shutdown::new();
        let token = shutdown.token.clone();
        shutdown.tracker.spawn(async move { token.cancelled().await });
        assert!(!shutdown.wait(Duration::from_secs(5)).await);
        shutdown.token.cancel();
        assert!(shutdown.wait(Duration::from_secs(5)).await);
        assert_eq!(shutdown.signal_exit_code(), None);
    }
}
