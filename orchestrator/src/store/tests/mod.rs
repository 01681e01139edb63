//! The store as its callers see it.

mod appending;
mod crashes;
mod documents;
mod looking;

use std::path::Path;

use common::{
    flow::{
        Stage,
        event::EventKind,
        state::{BuildState, Command},
    },
    names::BuildId,
    request::BuildRequest,
};
use tempfile::TempDir;

use super::{Store, database::Database};

fn request(name: &str) -> BuildRequest {
    BuildRequest::new(&format!("https://git.example.org/{name}.git"), Some("main"))
}

fn warning(message: impl Into<String>) -> EventKind {
    EventKind::Warning { code: "test".into(), message: message.into() }
}

fn ended(state: BuildState) -> EventKind {
    EventKind::Ended { state, failure: None, later_failures: vec![], result: None, koji: None }
}

fn started(step: &str, attempt: u32) -> EventKind {
    EventKind::StepStarted { step: step.into(), stage: Stage::Source, attempt, input: "f00d".into() }
}

async fn open() -> (TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).await.unwrap();
    (directory, store)
}

async fn new_build(store: &Store) -> BuildId {
    store.create(&request("hello"), None).await.unwrap().id
}

/// Runs a build to its end.
async fn finish(store: &Store, build: &BuildId) {
    store.command(build, Command::Claim).await.unwrap();
    store.command(build, Command::Finish).await.unwrap();
    store.append(build, vec![ended(BuildState::Succeeded)]).await.unwrap();
}

/// Changes the database behind the store's back.
async fn damage(directory: &Path, sql: &'static str) -> u64 {
    let mut connection = Database::in_directory(directory).writer().await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected()
}
