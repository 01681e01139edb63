//! Ends the worker with the process that started it.
//!
//! An orchestrator that is killed cannot tell its workers. A process whose
//! parent ends gets another one, and that can be seen.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(1);

/// Cancels `shutdown` once `parent` is not this process's parent any more.
pub(crate) async fn watch(parent: u32, shutdown: CancellationToken) {
    while std::os::unix::process::parent_id() == parent {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(EVERY) => {}
        }
    }
    tracing::warn!(parent, "the process that started this worker is gone");
    shutdown.cancel();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_another_parent_ends_the_worker() {
        let shutdown = CancellationToken::new();
        let mine = watch(std::os::unix::process::parent_id(), shutdown.clone());
        assert!(tokio::time::timeout(Duration::from_secs(60), mine).await.is_err());
        assert!(!shutdown.is_cancelled());
        // No process has this number.
        watch(u32::MAX, shutdown.clone()).await;
        assert!(shutdown.is_cancelled());
    }
}
