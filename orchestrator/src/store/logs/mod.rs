//! Log text of builds, in append-only segment files.
//!
//! `logs/<build id>/<nnnnnn>.log` hold the records of a build in the order in
//! which they came, from all its platforms. Offsets count bytes of text from
//! the beginning of the build's log, so that a reader can go on from where it
//! was. An append returns when its text would survive a crash; a work order's
//! text that comes again, in part or whole, is stored once.

mod contents;
mod error;
mod files;
mod flusher;
mod frame;
mod reading;
mod recovery;
mod slots;
mod staging;
#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use common::{
    log::LogRecord,
    names::{BuildId, WorkOrderId},
    platform::Platform,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::spawn_blocking,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{error::LogError, reading::LogPage};
use self::{
    flusher::{Append, Flusher, Order},
    frame::OrderKey,
    reading::Place,
    slots::Slots,
};
use super::lock::DirectoryLock;

/// Appends that may wait for the flusher; more wait for a place.
const QUEUE: usize = 1024;
/// Text that may wait for the flusher, in units of 1 KiB.
const ROOM: usize = 64 * 1024;
/// What a record takes in memory beside its text, roughly.
const RECORD_OVERHEAD: usize = 128;
/// Builds whose log is known in memory, as far as nobody uses them.
const SLOTS: usize = 1024;
/// How long an append may take, the wait for a place included.
const DEADLINE: Duration = Duration::from_secs(60);

/// How large logs may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes of text of one build; what is beyond is left out.
    pub build_bytes: u64,
    /// Bytes of one segment file, after which the next one begins.
    pub segment_bytes: u64,
}

impl Default for LogLimits {
    /// 1 GiB for a build, 64 MiB for a file.
    fn default() -> Self {
        Self { build_bytes: 1 << 30, segment_bytes: 64 << 20 }
    }
}

/// Log text in a directory. Clones share everything.
#[derive(Debug, Clone)]
pub struct LogStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    orders: mpsc::Sender<Order>,
    room: Arc<Semaphore>,
    slots: Arc<Slots>,
    closing: CancellationToken,
    tasks: TaskTracker,
    lock: Mutex<Option<Arc<DirectoryLock>>>,
}

impl LogStore {
    /// Opens the logs in the folder `logs` of the state directory, which is
    /// made where it is missing. Reads nothing yet: what a build's files hold is
    /// found out when its log is first used. Must be called within a runtime.
    ///
    /// # Errors
    /// Another process uses the folder; it cannot be used.
    pub fn open(directory: &Path, limits: LogLimits) -> Result<Self, LogError> {
        Self::open_with(directory, limits, SLOTS)
    }

    fn open_with(directory: &Path, limits: LogLimits, most_slots: usize) -> Result<Self, LogError> {
        let root = directory.join("logs");
        let lock = Arc::new(DirectoryLock::take(&root)?);
        let slots = Arc::new(Slots::new(&root, most_slots));
        let (orders, receiver) = mpsc::channel(QUEUE);
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        let flusher = Flusher {
            orders: receiver,
            slots: slots.clone(),
            limits,
            closing: closing.clone(),
            lock: lock.clone(),
        };
        tasks.spawn(flusher.run());
        tasks.close();
        let (room, lock) = (Arc::new(Semaphore::new(ROOM)), Mutex::new(Some(lock)));
        Ok(Self { inner: Arc::new(Inner { orders, room, slots, closing, tasks, lock }) })
    }

    /// Stores records. They are durable and can be read when this returns.
    ///
    /// With a work order, offsets are those of its log: what is stored already
    /// is left out, and the bytes of its log that need not come again are
    /// returned. Without one, offsets mean nothing, and the bytes of the build's
    /// log are returned. Text beyond the limit for a build is acknowledged and
    /// left out, after a notice in the log.
    ///
    /// # Errors
    /// Text of the work order is missing before these records; stored text is
    /// damaged; the disk failed.
    pub async fn append(
        &self,
        build: &BuildId,
        order: Option<&WorkOrderId>,
        records: Vec<LogRecord>,
    ) -> Result<u64, LogError> {
        let closed = || LogError::Closed(build.clone());
        let appended = async {
            // Held until the answer, and loaded here and not by the flusher,
            // which would make all other builds wait.
            let _slot = self.inner.slots.get(build).await?;
            let bytes: usize = records.iter().map(|record| record.text.len() + RECORD_OVERHEAD).sum();
            let room = u32::try_from((bytes / 1024 + 1).min(ROOM)).unwrap_or(u32::MAX);
            let room = self.inner.room.clone().acquire_many_owned(room).await.map_err(|_| closed())?;
            let (answer, reply) = oneshot::channel();
            let append = Append { order: order.cloned(), records, answer, room };
            self.inner.orders.send(Order::Append(build.clone(), append)).await.map_err(|_| closed())?;
            reply.await.map_err(|_| closed())?
        };
        let seconds = DEADLINE.as_secs();
        timeout(DEADLINE, appended).await.map_err(|_| LogError::Timeout { build: build.clone(), seconds })?
    }

    /// Bytes of a work order's log that need not come again.
    ///
    /// # Errors
    /// Stored text is damaged; the disk failed.
    pub async fn stored(&self, build: &BuildId, order: &WorkOrderId) -> Result<u64, LogError> {
        let slot = self.inner.slots.get(build).await?;
        let contents = slot.contents(build)?;
        contents.check()?;
        Ok(contents.orders.get(&OrderKey::of(order)).copied().unwrap_or(0))
    }

    /// Reads records, from the one that holds the byte `from` of the build's
    /// log: at least one if there is one, and not many more than `max_bytes`
    /// hold. With a platform, only its records; then a page can be empty though
    /// more follow. The log of a build that is not known is empty.
    ///
    /// # Errors
    /// The text at `from` is damaged (what is before can be read); the disk
    /// failed.
    pub async fn read(
        &self,
        build: &BuildId,
        from: u64,
        platform: Option<&Platform>,
        max_bytes: usize,
    ) -> Result<LogPage, LogError> {
        let slot = self.inner.slots.get(build).await?;
        let Some(place) = Place::find(&*slot.contents(build)?, from)? else {
            return Ok(LogPage { records: Vec::new(), next_offset: from, at_end: true });
        };
        let platform = platform.cloned();
        let read = spawn_blocking(move || {
            reading::read(&slot.directory, &place, from, platform.as_ref(), max_bytes)
        });
        read.await.map_err(|_| LogError::Closed(build.clone()))?
    }

    /// Where the build's log ends, and how that grows. The channel closes after
    /// [`finish`](Self::finish) or when the store closes.
    ///
    /// # Errors
    /// The disk failed.
    pub async fn subscribe(&self, build: &BuildId) -> Result<watch::Receiver<u64>, LogError> {
        if self.inner.orders.is_closed() {
            return Err(LogError::Closed(build.clone()));
        }
        Ok(self.inner.slots.get(build).await?.end.subscribe())
    }

    /// Forgets what is in memory of a build that has ended, after what was
    /// appended before is stored. Its log can still be read.
    pub async fn finish(&self, build: &BuildId) {
        let (done, forgotten) = oneshot::channel();
        if self.inner.orders.send(Order::Finish(build.clone(), done)).await.is_ok() {
            let _ = timeout(DEADLINE, forgotten).await;
        }
    }

    /// Stores what waits and gives the folder free. Later appends fail with
    /// [`LogError::Closed`].
    pub async fn close(&self) {
        self.inner.closing.cancel();
        self.inner.tasks.wait().await;
        self.inner.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
