//! The journal of one build, for the flow that runs it.

use common::{
    flow::{Journal, JournalError, StepRecord, event::EventKind},
    names::BuildId,
};

use super::Store;

/// The events of one build behind the narrow door that steps have.
#[derive(Debug, Clone)]
pub struct BuildJournal {
    pub(super) store: Store,
    pub(super) build: BuildId,
}

#[async_trait::async_trait]
impl Journal for BuildJournal {
    async fn last(&self, step: &str) -> Result<Option<StepRecord>, JournalError> {
        Ok(self.store.recall(&self.build, step).await?)
    }

    async fn append(&self, event: EventKind) -> Result<(), JournalError> {
        self.store.append(&self.build, vec![event]).await?;
        Ok(())
    }
}
