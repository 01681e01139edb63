//! The task that writes: takes whatever waits, commits it at once, answers.
//!
//! While one group is on its way to the disk the next one gathers, so that many
//! writers share the price of a commit and a single one pays no delay.

use std::sync::Arc;

use common::names::BuildId;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    command::Command,
    database::Database,
    error::StoreError,
    followers::Followers,
    group::{Group, Histories},
    lock::DirectoryLock,
};

/// Most commands in one transaction.
pub(super) const GROUP: usize = 256;

pub(super) struct Writer {
    pub(super) database: Database,
    /// `None` after a failure: what a broken connection still holds is unknown.
    pub(super) connection: Option<SqliteConnection>,
    pub(super) histories: Histories,
    pub(super) followers: Arc<Followers>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) closing: CancellationToken,
    /// Nobody else may open the directory before the last commit.
    pub(super) lock: Arc<DirectoryLock>,
}

impl Writer {
    /// Works until the store is closed or nobody has it any more.
    pub(super) async fn run(mut self) {
        let mut waiting = Vec::with_capacity(GROUP);
        let closing = self.closing.clone();
        loop {
            tokio::select! {
                count = self.commands.recv_many(&mut waiting, GROUP) => {
                    if count == 0 {
                        break;
                    }
                }
                () = closing.cancelled(), if !self.commands.is_closed() => {
                    self.commands.close();
                    continue;
                }
            }
            // Those whom the last commit woke come one by one; let them all in.
            tokio::task::yield_now().await;
            while waiting.len() < GROUP
                && let Ok(command) = self.commands.try_recv()
            {
                waiting.push(command);
            }
            self.write(&mut waiting).await;
        }
        self.followers.close_all();
        self.shut().await;
    }

    async fn write(&mut self, waiting: &mut Vec<Command>) {
        let mut group = Group::default();
        let committed = self.try_write(waiting, &mut group).await;
        let touched: Vec<BuildId> = group.touched().cloned().collect();
        if let Err(error) = &committed {
            tracing::error!(error = error as &dyn std::error::Error, "events could not be stored");
            self.connection = None;
            self.histories.clear();
        }
        for build in touched {
            let Some(history) = self.histories.get(&build) else { continue };
            self.followers.advance(&build, history.last_sequence, history.state.is_final());
        }
        // An ended build has nothing more to check; so has one that was only
        // looked at.
        self.histories.retain(|_, history| !history.state.is_final());
        group.answer(&committed);
    }

    async fn try_write(&mut self, waiting: &mut Vec<Command>, group: &mut Group) -> Result<(), StoreError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => match self.database.writer().await {
                Ok(connection) => self.connection.insert(connection),
                Err(error) => {
                    for command in waiting.drain(..) {
                        command.refuse(error.clone());
                    }
                    return Err(error);
                }
            },
        };
        for command in waiting.drain(..) {
            group.add(command, &mut self.histories, connection).await;
        }
        group.commit(&self.histories, connection).await
    }

    /// Moves everything from the log into the main file, so that a copy of that
    /// file is complete.
    async fn shut(self) {
        let Some(mut connection) = self.connection else { return };
        let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await;
        if let Err(error) = checkpoint.and(connection.close().await) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the database was not closed cleanly");
        }
        drop(self.lock);
    }
}
