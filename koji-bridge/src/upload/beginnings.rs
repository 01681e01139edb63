//! Files of one directory begin one after the other.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use tokio::sync::{Mutex, MutexGuard};

/// Locks that directories share: two of them seldom have the same one, and then
/// only wait for each other.
const LOCKS: usize = 64;

/// Who may begin a file.
#[derive(Debug)]
pub(super) struct Beginnings([Mutex<()>; LOCKS]);

impl Default for Beginnings {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl Beginnings {
    /// Waits until no file begins in the directory, and keeps it so until the
    /// answer is dropped. Whoever has it waits for one request to the hub.
    pub(super) async fn take(&self, directory: &str) -> MutexGuard<'_, ()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(directory);
        let at = usize::try_from(hash % LOCKS as u64).unwrap_or_default();
        self.0[at].lock().await
    }
}
