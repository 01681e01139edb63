//! A journal that makes something happen at one append: the process dies, is
//! told to stop, or the build is cancelled.

use std::sync::atomic::{AtomicUsize, Ordering};

use common::flow::{Journal, JournalError, StepRecord, event::EventKind};
use tokio_util::sync::CancellationToken;

/// What happens at the append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// The event is not stored, and neither is anything after it.
    Refuse,
    /// The event is stored; nothing whatever happens after it.
    Kill,
    /// The event is stored, and the token of the trap fires.
    Fire,
}

/// A journal with a trap.
pub(crate) struct Trap<J> {
    journal: J,
    act: Act,
    at: usize,
    appended: AtomicUsize,
    /// Fires when the trap is sprung.
    pub(crate) sprung: CancellationToken,
}

impl<J: Journal> Trap<J> {
    /// A trap at the append with the number `at`, from 1.
    pub(crate) fn new(journal: J, act: Act, at: usize) -> Self {
        Self { journal, act, at, appended: AtomicUsize::new(0), sprung: CancellationToken::new() }
    }

    /// The journal behind the trap.
    pub(crate) fn inner(&self) -> &J {
        &self.journal
    }

    /// Events that were appended or should have been.
    pub(crate) fn appended(&self) -> usize {
        self.appended.load(Ordering::SeqCst)
    }
}

#[async_trait::async_trait]
impl<J: Journal> Journal for Trap<J> {
    async fn last(&self, step: &str) -> Result<Option<StepRecord>, JournalError> {
        self.journal.last(step).await
    }

    async fn append(&self, event: EventKind) -> Result<(), JournalError> {
        let number = self.appended.fetch_add(1, Ordering::SeqCst) + 1;
        match self.act {
            Act::Refuse if number >= self.at => {
                self.sprung.cancel();
                Err(JournalError("the process died".to_owned()))
            }
            Act::Kill if number >= self.at => {
                if number == self.at {
                    self.journal.append(event).await?;
                    self.sprung.cancel();
                }
                std::future::pending().await
            }
            Act::Fire if number == self.at => {
                self.journal.append(event).await?;
                self.sprung.cancel();
                Ok(())
            }
            Act::Refuse | Act::Kill | Act::Fire => self.journal.append(event).await,
        }
    }
}
