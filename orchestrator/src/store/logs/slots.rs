//! Which builds' logs are in memory.
//!
//! A slot is filled at first use and lives while somebody uses or follows it;
//! of the others the longest unused ones are forgotten when there are too many.
//! Forgetting is always safe: the next use reads the files again.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use common::names::BuildId;
use tokio::{
    sync::{OnceCell, watch},
    task::spawn_blocking,
};

use super::{contents::Contents, error::LogError, recovery::scan};

/// The log of one build.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) directory: PathBuf,
    /// Bytes of text that are stored.
    pub(super) end: watch::Sender<u64>,
    contents: OnceCell<Mutex<Contents>>,
    used: AtomicU64,
}

impl Slot {
    /// The contents, which are read from the files if this is the first use.
    pub(super) async fn load(&self, build: &BuildId) -> Result<(), LogError> {
        let scanned = self.contents.get_or_try_init(async || {
            let directory = self.directory.clone();
            let scanned = spawn_blocking(move || scan(&directory)).await;
            let contents = scanned.map_err(|_| LogError::Closed(build.clone()))??;
            self.end.send_replace(contents.end);
            Ok(Mutex::new(contents))
        });
        scanned.await.map(|_| ())
    }

    /// The contents of a slot that is loaded.
    pub(super) fn contents(&self, build: &BuildId) -> Result<MutexGuard<'_, Contents>, LogError> {
        let contents = self.contents.get().ok_or_else(|| LogError::Closed(build.clone()))?;
        Ok(contents.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// All slots.
#[derive(Debug)]
pub(super) struct Slots {
    root: PathBuf,
    most: usize,
    clock: AtomicU64,
    slots: Mutex<HashMap<BuildId, Arc<Slot>>>,
}

impl Slots {
    pub(super) fn new(root: &Path, most: usize) -> Self {
        Self { root: root.to_owned(), most, clock: AtomicU64::new(0), slots: Mutex::default() }
    }

    /// The slot of a build, loaded.
    pub(super) async fn get(&self, build: &BuildId) -> Result<Arc<Slot>, LogError> {
        let slot = self.slot(build);
        slot.load(build).await?;
        Ok(slot)
    }

    /// Forgets a build. Only the writer may do this, between two writes: two
    /// slots that write to the same files would destroy them.
    pub(super) fn forget(&self, build: &BuildId) {
        self.lock().remove(build);
    }

    pub(super) fn forget_all(&self) {
        self.lock().clear();
    }

    fn slot(&self, build: &BuildId) -> Arc<Slot> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut slots = self.lock();
        if let Some(slot) = slots.get(build) {
            slot.used.store(now, Ordering::Relaxed);
            return slot.clone();
        }
        if slots.len() >= self.most {
            forget_unused(&mut slots);
        }
        let slot = Arc::new(Slot {
            directory: self.root.join(build.as_str()),
            end: watch::Sender::new(0),
            contents: OnceCell::new(),
            used: AtomicU64::new(now),
        });
        slots.insert(build.clone(), slot.clone());
        slot
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BuildId, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }
}

/// Forgets the longer unused half of the slots that nobody holds or follows.
/// Slots are only handed out under the lock, so nobody can come to hold one now.
fn forget_unused(slots: &mut HashMap<BuildId, Arc<Slot>>) {
    let mut idle: Vec<(u64, BuildId)> = slots
        .iter()
        .filter(|(_, slot)| Arc::strong_count(slot) == 1 && slot.end.receiver_count() == 0)
        .map(|(build, slot)| (slot.used.load(Ordering::Relaxed), build.clone()))
        .collect();
    idle.sort();
    let half = idle.len().div_ceil(2);
    for (_, build) in idle.into_iter().take(half) {
        slots.remove(&build);
    }
}
