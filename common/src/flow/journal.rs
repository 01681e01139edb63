//! The durable memory of a flow: the build's history behind a narrow door.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::{failure::Failure, flow::event::EventKind};

/// The newest thing that is known of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepRecord {
    /// It began an attempt and nothing more is known.
    Started {
        /// Fingerprint of its inputs.
        input: String,
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// It ended well.
    Succeeded {
        /// Fingerprint of its inputs.
        input: String,
        /// What it found out or made.
        output: serde_json::Value,
    },
    /// It ended badly, for good.
    Failed {
        /// Fingerprint of its inputs.
        input: String,
        /// Why.
        failure: Failure,
    },
    /// It was left out.
    Skipped,
}

impl StepRecord {
    /// The step and the record that an event leaves behind, if it concerns one.
    pub fn of_event(kind: &EventKind) -> Option<(&str, Self)> {
        match kind {
            EventKind::StepStarted { step, attempt, input, .. } => {
                Some((step, Self::Started { input: input.clone(), attempt: *attempt }))
            }
            EventKind::StepSucceeded { step, input, output } => {
                Some((step, Self::Succeeded { input: input.clone(), output: output.clone() }))
            }
            EventKind::StepFailed { step, input, failure, will_retry: false } => {
                Some((step, Self::Failed { input: input.clone(), failure: failure.clone() }))
            }
            EventKind::StepSkipped { step, .. } => Some((step, Self::Skipped)),
            _ => None,
        }
    }
}

/// The journal could not be read or written. The flow must stop at once: what
/// is not journalled must not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal failed: {0}")]
pub struct JournalError(pub String);

/// Where a flow remembers what it did.
#[async_trait::async_trait]
pub trait Journal: Send + Sync {
    /// The newest record of a step.
    ///
    /// # Errors
    /// The journal cannot be read.
    async fn last(&self, step: &str) -> Result<Option<StepRecord>, JournalError>;

    /// Stores an event durably. When this returns, the event survives a crash.
    ///
    /// # Errors
    /// The journal cannot be written, or belongs to somebody else by now.
    async fn append(&self, event: EventKind) -> Result<(), JournalError>;
}

/// A journal in memory: for one-off flows and for tests.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    events: Mutex<Vec<EventKind>>,
}

impl MemoryJournal {
    /// Everything that was appended, in order.
    pub fn events(&self) -> Vec<EventKind> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<EventKind>> {
        self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Journal for MemoryJournal {
    async fn last(&self, step: &str) -> Result<Option<StepRecord>, JournalError> {
        let events = self.lock();
        let of_step = |kind: &EventKind| match StepRecord::of_event(kind) {
            Some((name, record)) if name == step => Some(record),
            _ => None,
        };
        Ok(events.iter().rev().find_map(of_step))
    }

    async fn append(&self, event: EventKind) -> Result<(), JournalError> {
        self.lock().push(event);
        Ok(())
    }
}
