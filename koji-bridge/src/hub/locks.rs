//! One at a time by name: calls that would race for the same build or task.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Mutex as Lock, OwnedMutexGuard};

/// Most names that are locked or waited for at a time.
const MOST: usize = 1024;

/// Locks by name. A name takes room as long as somebody has or wants it.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<HashMap<String, Arc<Lock<()>>>>);

impl Locks {
    /// Waits for a name and keeps it until the answer is dropped; `None` when too
    /// many names are in use.
    pub(crate) async fn lock(&self, name: &str) -> Option<OwnedMutexGuard<()>> {
        let lock = {
            let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if names.len() >= MOST {
                names.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            if names.len() >= MOST && !names.contains_key(name) {
                return None;
            }
            Arc::clone(names.entry(name.to_owned()).or_default())
        };
        Some(lock.lock_owned().await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_exclude_themselves_and_make_room_again() {
        let locks = Locks::default();
        let mut held = Vec::new();
        for number in 0..MOST {
            held.push(locks.lock(&number.to_string()).await.unwrap());
        }
        assert!(locks.lock("one more").await.is_none());
        let again = locks.lock("7");
        tokio::pin!(again);
        assert!(futures::poll!(&mut again).is_pending());
        held.clear();
        assert!(again.await.is_some());
        assert!(locks.lock("one more").await.is_some());
    }
}
