//! The log of one work order on its way to the orchestrator.
//!
//! Text is kept until the orchestrator has said that it is stored. No more than
//! a window of it may be on its way; who writes into a full window waits, and so
//! the engine's stream is read no faster than the log is stored. Offsets count
//! bytes of this log, so a connection that breaks loses and repeats nothing.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use common::{
    log::{LogRecord, LogStream, MAX_RECORD_BYTES},
    platform::Platform,
};
use jiff::Timestamp;
use tokio::sync::Notify;

/// Window until the orchestrator names one, in bytes.
const FIRST_WINDOW: u64 = 256 * 1024;

/// Most unacknowledged records, however short: each costs more than its text.
const MAX_RECORDS: usize = 8192;

/// Bytes of log text of one work order that may be unacknowledged; one value for
/// the whole worker, as the orchestrator says it.
#[derive(Debug, Clone)]
pub(crate) struct Window(Arc<AtomicU64>);

impl Default for Window {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(FIRST_WINDOW)))
    }
}

impl Window {
    /// Takes the orchestrator's value; zero is no window at all and is ignored.
    pub(crate) fn set(&self, bytes: u64) {
        if bytes > 0 {
            self.0.store(bytes, Ordering::Relaxed);
        }
    }

    fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
struct State {
    records: VecDeque<LogRecord>,
    acknowledged: u64,
    end: u64,
}

/// The log of one work order.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    platform: Platform,
    step: String,
    window: Window,
    state: Mutex<State>,
    space: Notify,
    written: Arc<Notify>,
}

impl LogBuffer {
    /// An empty log. `written` is notified whenever there is something to send.
    pub(crate) fn new(platform: Platform, window: Window, written: Arc<Notify>) -> Self {
        let step = format!("{platform}/build_image");
        Self { platform, step, window, state: Mutex::default(), space: Notify::new(), written }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends text, in records of at most 64 KiB. Waits while the window is
    /// full. A record that is larger than the window goes alone.
    pub(crate) async fn push(&self, stream: LogStream, mut text: Bytes) {
        while !text.is_empty() {
            let piece = text.split_to(text.len().min(MAX_RECORD_BYTES));
            loop {
                let space = self.space.notified();
                tokio::pin!(space);
                space.as_mut().enable();
                if self.try_push(stream, &piece) {
                    break;
                }
                space.await;
            }
            self.written.notify_one();
        }
    }

    fn try_push(&self, stream: LogStream, text: &Bytes) -> bool {
        let mut state = self.state();
        let length = text.len() as u64;
        let waiting = state.end - state.acknowledged;
        let full = waiting + length > self.window.bytes() || state.records.len() >= MAX_RECORDS;
        if waiting > 0 && full {
            return false;
        }
        let record = LogRecord {
            offset: state.end,
            at: Timestamp::now(),
            platform: Some(self.platform.clone()),
            stream,
            step: self.step.clone(),
            text: text.clone(),
        };
        state.end += length;
        state.records.push_back(record);
        true
    }

    /// Everything before `up_to` is stored and can be forgotten.
    pub(crate) fn acknowledge(&self, up_to: u64) {
        let mut state = self.state();
        let up_to = up_to.min(state.end);
        if up_to <= state.acknowledged {
            return;
        }
        state.acknowledged = up_to;
        while state.records.front().is_some_and(|record| record.end() <= up_to) {
            state.records.pop_front();
        }
        if let Some(first) = state.records.front_mut()
            && first.offset < up_to
        {
            first.text = first.text.slice((up_to - first.offset) as usize..);
            first.offset = up_to;
        }
        drop(state);
        self.space.notify_waiters();
    }

    /// Bytes that the orchestrator has stored.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.state().acknowledged
    }

    /// Bytes that were ever written.
    pub(crate) fn end(&self) -> u64 {
        self.state().end
    }

    /// Records from the offset `from` on, at most `records` and about `bytes`.
    pub(crate) fn batch(&self, from: u64, records: usize, bytes: usize) -> Vec<LogRecord> {
        let state = self.state();
        let first = state.records.partition_point(|record| record.offset < from);
        let mut size = 0;
        let fits = |record: &&LogRecord| {
            let fits = size == 0 || size + record.text.len() <= bytes;
            size += record.text.len();
            fits
        };
        state.records.range(first..).take(records).take_while(fits).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn log(window: u64) -> Arc<LogBuffer> {
        let shared = Window::default();
        shared.set(window);
        Arc::new(LogBuffer::new("x86_64".parse().unwrap(), shared, Arc::default()))
    }

    fn texts(records: &[LogRecord]) -> Vec<(u64, &[u8])> {
        records.iter().map(|record| (record.offset, &record.text[..])).collect()
    }

    #[tokio::test]
    async fn offsets_follow_one_another_and_batches_are_bounded() {
        let log = log(1000);
        for text in ["one\n", "two\n", "three\n"] {
            log.push(LogStream::Build, Bytes::from(text)).await;
        }
        let all = log.batch(0, 100, 1000);
        assert_eq!(texts(&all), [(0, &b"one\n"[..]), (4, b"two\n"), (8, b"three\n")]);
        assert_eq!(texts(&log.batch(4, 1, 1000)), [(4, &b"two\n"[..])]);
        assert_eq!(texts(&log.batch(0, 100, 9)).len(), 2);
        assert_eq!(texts(&log.batch(0, 100, 1)).len(), 1, "one record always goes");
        assert!(log.batch(14, 100, 1000).is_empty());
    }

    #[tokio::test]
    async fn long_text_is_split_into_records() {
        let log = log(1 << 20);
        log.push(LogStream::Build, Bytes::from(vec![b'x'; MAX_RECORD_BYTES + 1])).await;
        let sizes: Vec<usize> = log.batch(0, 9, 1 << 20).iter().map(|record| record.text.len()).collect();
        assert_eq!(sizes, [MAX_RECORD_BYTES, 1]);
    }

    #[tokio::test]
    async fn acknowledged_text_is_forgotten_even_within_a_record() {
        let log = log(1000);
        log.push(LogStream::Build, Bytes::from("first\n")).await;
        log.push(LogStream::Build, Bytes::from("second\n")).await;
        log.acknowledge(9);
        assert_eq!(texts(&log.batch(9, 9, 100)), [(9, &b"ond\n"[..])]);
        log.acknowledge(3);
        assert_eq!(log.acknowledged(), 9, "never backwards");
        log.acknowledge(999);
        assert_eq!((log.acknowledged(), log.end()), (13, 13));
        assert!(log.batch(0, 9, 100).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_window_holds_the_writer_back() {
        let log = log(10);
        log.push(LogStream::Build, Bytes::from("12345678")).await;
        let writer = {
            let log = Arc::clone(&log);
            tokio::task::JoinSet::from_iter([async move {
                log.push(LogStream::Build, Bytes::from("abcd")).await;
            }])
        };
        let mut writer = writer;
        let early = tokio::time::timeout(Duration::from_secs(60), writer.join_next()).await;
        assert!(early.is_err(), "the window is full");
        log.acknowledge(8);
        writer.join_next().await.unwrap().unwrap();
        assert_eq!(log.end(), 12);
    }

    #[tokio::test(start_paused = true)]
    async fn very_short_lines_fill_a_window_too() {
        let log = log(1 << 20);
        for _ in 0..MAX_RECORDS {
            log.push(LogStream::Build, Bytes::from("\n")).await;
        }
        let more = log.push(LogStream::Build, Bytes::from("\n"));
        assert!(tokio::time::timeout(Duration::from_secs(60), more).await.is_err());
        log.acknowledge(1);
        log.push(LogStream::Build, Bytes::from("\n")).await;
        assert_eq!(log.end(), MAX_RECORDS as u64 + 1);
    }

    #[tokio::test]
    async fn a_record_larger_than_the_window_goes_alone() {
        let log = log(2);
        log.push(LogStream::Build, Bytes::from("longer than two")).await;
        assert_eq!(log.end(), 15);
    }
}
