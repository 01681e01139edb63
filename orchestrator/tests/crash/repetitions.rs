//! Steps that run twice do what they do once.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use anyhow::{Result, ensure};
use common::flow::{Journal, JournalError, MemoryJournal, StepRecord, event::EventKind};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{process::Process, world::World};

/// A journal that loses the first success of every step.
#[derive(Default)]
struct Forgetful {
    journal: MemoryJournal,
    lost: Mutex<BTreeMap<String, Value>>,
}

#[async_trait::async_trait]
impl Journal for Forgetful {
    async fn last(&self, step: &str) -> Result<Option<StepRecord>, JournalError> {
        self.journal.last(step).await
    }

    async fn append(&self, event: EventKind) -> Result<(), JournalError> {
        if let EventKind::StepSucceeded { step, output, .. } = &event {
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            if !lost.contains_key(step) {
                lost.insert(step.clone(), output.clone());
                return Err(JournalError("forgotten".to_owned()));
            }
        }
        self.journal.append(event).await
    }
}

fn outputs(events: Vec<EventKind>) -> BTreeMap<String, Value> {
    let success = |event| match event {
        EventKind::StepSucceeded { step, output, .. } => Some((step, output)),
        _ => None,
    };
    events.into_iter().filter_map(success).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_learns_the_same_when_it_runs_again() -> Result<()> {
    let world = World::new().await?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let journal = Forgetful::default();
    let undying = CancellationToken::new();
    let mut lives = 0;
    let result = loop {
        let Some(driven) = process.drive_until(&world, &build, &journal, &undying).await? else {
            anyhow::bail!("it was killed");
        };
        lives += 1;
        world.check_that_tags_are_complete().await?;
        if !driven.lost_its_journal() {
            break driven.outcome.map_err(|failures| failures.primary)?;
        }
        ensure!(lives < 100, "there is no end to it");
    };
    world.check_published(&result).await?;
    world.check_no_files()?;
    let recorded = outputs(journal.journal.events());
    let lost = journal.lost.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(recorded.len() == 31, "{:?}", recorded.keys());
    ensure!(lost == recorded);
    ensure!(world.tag_puts().values().all(|puts| *puts == 2), "each step ran twice: {:?}", world.tag_puts());
    process.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_with_a_fresh_journal_gives_the_same_image() -> Result<()> {
    let world = World::new().await?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let undying = CancellationToken::new();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let journal = MemoryJournal::default();
        let Some(driven) = process.drive_until(&world, &build, &journal, &undying).await? else {
            anyhow::bail!("it was killed");
        };
        let result = driven.outcome.map_err(|failures| failures.primary)?;
        world.check_published(&result).await?;
        world.check_no_files()?;
        process.check_workers_are_free(&world).await?;
        let mut outputs = outputs(journal.events());
        // What the tags pointed to before is the one thing that the first run changed.
        outputs.retain(|step, _| !step.ends_with("/note_tags"));
        runs.push((result, outputs));
        world.registry.forget_requests();
    }
    ensure!(runs[0] == runs[1]);
    process.end().await
}
