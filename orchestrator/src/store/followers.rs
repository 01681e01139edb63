//! Who waits for new events of which build.
//!
//! A follower reads what is stored and then waits for the number to grow. The
//! channel of a build goes away when the build has ended or nobody follows it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use common::names::BuildId;
use tokio::sync::watch;

/// One channel for each build that somebody follows; its value is the sequence
/// of the newest event that is stored.
#[derive(Debug, Default)]
pub(super) struct Followers {
    channels: Mutex<HashMap<BuildId, watch::Sender<u64>>>,
}

impl Followers {
    /// Begins to follow. The value is 0 until [`advance`](Self::advance).
    pub(super) fn follow(&self, build: &BuildId) -> watch::Receiver<u64> {
        self.lock().entry(build.clone()).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Tells how far a build is. When it has ended its channel is closed, after
    /// its followers got the last number.
    pub(super) fn advance(&self, build: &BuildId, last_sequence: u64, ended: bool) {
        let mut channels = self.lock();
        let Some(channel) = channels.get(build) else { return };
        channel.send_if_modified(|value| {
            let news = last_sequence > *value;
            *value = last_sequence.max(*value);
            news
        });
        if ended || channel.receiver_count() == 0 {
            channels.remove(build);
        }
    }

    /// Closes the channel of one build.
    pub(super) fn close(&self, build: &BuildId) {
        self.lock().remove(build);
    }

    /// Closes all channels.
    pub(super) fn close_all(&self) {
        self.lock().clear();
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BuildId, watch::Sender<u64>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_number_only_grows_and_the_end_closes() {
        let followers = Followers::default();
        let build: BuildId = "bld_1".parse().unwrap();
        let mut follower = followers.follow(&build);
        followers.advance(&build, 3, false);
        followers.advance(&build, 2, false);
        assert_eq!(*follower.borrow_and_update(), 3);
        followers.advance(&build, 4, true);
        assert!(follower.changed().await.is_ok());
        assert_eq!(*follower.borrow_and_update(), 4);
        assert!(follower.changed().await.is_err());
        assert_eq!(followers.count(), 0);
    }

    #[test]
    fn channels_without_followers_go_away() {
        let followers = Followers::default();
        let build: BuildId = "bld_1".parse().unwrap();
        drop(followers.follow(&build));
        followers.advance(&build, 1, false);
        assert_eq!(followers.count(), 0);
    }
}
