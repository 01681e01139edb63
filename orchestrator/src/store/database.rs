//! The SQLite file: how it is opened, and its tables.
//!
//! Write-ahead log, full sync, one connection that writes and a few that read.
//! The writer begins its transactions as `IMMEDIATE`: a deferred one that turns
//! into a writer fails at once when it meets another and ignores the timeout.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::error::StoreError;

const FILE_NAME: &str = "reactor.db";
/// Endings of the files that SQLite keeps beside it.
const BESIDE: [&str; 2] = ["-wal", "-shm"];
/// Tokens and tickets of builds are in the file, so that nobody else may read it,
/// whatever the directory lets people do.
const MODE: u32 = 0o600;
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
            // What is forgotten is overwritten, and does not stay in a free page.
            .pragma("secure_delete", "ON")
            // In pages of 4 KiB: less often than by default, since commits that
            // touch many builds write many pages, mostly the same ones.
            .pragma("wal_autocheckpoint", "4000")
            // After a checkpoint the log file is cut to this size.
            .pragma("journal_size_limit", "67108864");
        Self { options }
    }

    /// The connection for the writer; makes the file where it is missing.
    /// The file belongs to its user alone, as do those beside it, which get its mode
    /// from SQLite; files with looser modes are repaired.
    pub(super) async fn writer(&self) -> Result<SqliteConnection, StoreError> {
        let path = self.options.get_filename();
        make_private(path).map_err(|error| StoreError::io("keep to ourselves", path, error))?;
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

/// Makes the file where it is missing, and takes it from everybody else.
fn make_private(path: &Path) -> io::Result<()> {
    // A file that is there is never opened here: to close it would end the locks that
    // SQLite has in this process (POSIX).
    match OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let beside = BESIDE.iter().map(|ending| {
        let mut name = OsString::from(path);
        name.push(ending);
        PathBuf::from(name)
    });
    for file in beside.chain([path.to_owned()]) {
        match fs::metadata(&file) {
            Ok(found) if found.permissions().mode() & 0o777 & !MODE == 0 => {}
            Ok(_) => {
                tracing::warn!(file = %file.display(), "others could read or write it; its mode is repaired");
                fs::set_permissions(&file, Permissions::from_mode(MODE))?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_is_for_its_user_alone_in_a_directory_for_everybody() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let file = |ending: &str| directory.path().join(format!("{FILE_NAME}{ending}"));
        let mode = |ending: &str| fs::metadata(file(ending)).unwrap().permissions().mode() & 0o777;
        let database = Database::in_directory(directory.path());
        for again in [false, true] {
            let mut writer = database.writer().await.unwrap();
            database.migrate(&mut writer).await.unwrap();
            for ending in ["", "-wal", "-shm"] {
                assert_eq!(mode(ending), 0o600, "{ending} {again}");
                fs::set_permissions(file(ending), Permissions::from_mode(0o664)).unwrap();
            }
            let deletes: i64 =
                sqlx::query_scalar("PRAGMA secure_delete").fetch_one(&mut writer).await.unwrap();
            assert_eq!(deletes, 1);
            // The next one finds files of a former, laxer version.
            drop(writer);
        }
    }
}
