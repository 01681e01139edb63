//! What a running work order says: log text and progress.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use common::{log::LogStream, work::WorkPhase};
use tokio::time::timeout;

use crate::holdings::Held;

/// The worker's own lines do not hold its work up for longer than this when the
/// log window is full.
const OWN_LINE_PATIENCE: Duration = Duration::from_secs(5);

/// Writes into the log and the progress of one work order.
#[derive(Debug, Clone)]
pub(crate) struct Reporter(Arc<Held>);

impl Reporter {
    /// A reporter for `held`.
    pub(crate) fn new(held: Arc<Held>) -> Self {
        Self(held)
    }

    /// Output of the build; waits while the log window is full.
    pub(crate) async fn build_output(&self, text: Bytes) {
        self.0.log.push(LogStream::Build, text).await;
    }

    /// A line of the worker's own.
    pub(crate) async fn say(&self, line: String) {
        tracing::debug!(work_order = %self.0.id, "{line}");
        let text = Bytes::from(format!("{line}\n"));
        if timeout(OWN_LINE_PATIENCE, self.0.log.push(LogStream::Worker, text)).await.is_err() {
            tracing::warn!(work_order = %self.0.id, line, "the log window is full; the line was dropped");
        }
    }

    /// How far the work is.
    pub(crate) fn progress(&self, phase: WorkPhase, done: u64, total: u64) {
        self.0.set_progress((phase, done, total));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::holdings::{Holdings, Taken, tests::order};

    /// A reporter whose words nobody collects.
    pub(crate) fn reporter() -> Reporter {
        match Holdings::new(1).take(&order("wo_1")) {
            Taken::New(held) => Reporter::new(held),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn lines_and_output_go_into_one_log() {
        let report = reporter();
        report.say("pulling".to_owned()).await;
        report.build_output(Bytes::from("Step 1/1\n")).await;
        let records = report.0.log.batch(0, 9, 999);
        let seen: Vec<_> = records.iter().map(|it| (it.stream, it.text.clone())).collect();
        assert_eq!(
            seen,
            [(LogStream::Worker, Bytes::from("pulling\n")), (LogStream::Build, Bytes::from("Step 1/1\n"))]
        );
        assert!(records.iter().all(|it| it.step == "x86_64/build_image"));
    }
}
