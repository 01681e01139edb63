//! The SQLite file: how it is opened, and its tables.
//!
//! Write-ahead log, full sync, one connection that writes and a few that read.
//! The writer begins its transactions as `IMMEDIATE`: a deferred one that turns
//! into a writer fails at once when it meets another and ignores the timeout.

use std::{path::Path, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::error::StoreError;

const FILE_NAME: &str = "reactor.db";
const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

/// How to reach the database in a directory.
#[derive(Debug, Clone)]
pub(super) struct Database {
    options: SqliteConnectOptions,
}

impl Database {
    pub(super) fn in_directory(directory: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(directory.join(FILE_NAME))
            .busy_timeout(BUSY_TIMEOUT)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // In pages of 4 KiB: less often than by default, since commits that
            // touch many builds write many pages, mostly the same ones.
            .pragma("wal_autocheckpoint", "4000")
            // After a checkpoint the log file is cut to this size.
            .pragma("journal_size_limit", "67108864");
        Self { options }
    }

    /// The connection for the writer; makes the file where it is missing.
    pub(super) async fn writer(&self) -> Result<SqliteConnection, StoreError> {
        self.options
            .clone()
            .create_if_missing(true)
            .connect()
            .await
            .map_err(StoreError::database("open the database"))
    }

    /// Brings the tables up to date.
    pub(super) async fn migrate(&self, writer: &mut SqliteConnection) -> Result<(), StoreError> {
        let failed = |source| {
            let path = self.options.get_filename().to_owned();
            StoreError::Migration { path, source: Arc::new(source) }
        };
        MIGRATIONS.run(writer).await.map_err(failed)
    }

    /// Connections for readers; the file must be there.
    pub(super) fn readers(&self) -> SqlitePool {
        SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(self.options.clone().read_only(true))
    }
}
