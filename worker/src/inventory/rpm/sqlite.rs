//! The SQLite database of RPM: a table `Packages` with a header in each row.
//!
//! The file may come from a stranger. Only an ordinary table is read, nothing of
//! its schema is trusted, and SQLite is stopped when it computes for too long.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures::TryStreamExt as _;
use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteLockingMode},
};
use tokio::time::timeout;

use super::{MAX_HEADER, Visit};
use crate::inventory::database::DatabaseError;

/// A database of the largest size is read in much less.
const LONGEST: Duration = Duration::from_secs(300);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 10_000;
/// SQLite's result code of a full disk.
const FULL: i32 = 13;

/// Calls `visit` for each row of a database and its write-ahead log. Changes the
/// database where there is a log.
///
/// # Errors
/// It is no such database or damaged, `visit` fails, or the disk fails.
pub(super) fn read(path: &Path, log: Option<&Path>, visit: Visit<'_>) -> Result<(), DatabaseError> {
    let log = log.map(|log| LogBeside::new(path, log)).transpose()?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(DatabaseError::Disk)?;
    runtime.block_on(async {
        let reading = read_rows(path, log.is_some(), visit);
        timeout(LONGEST, reading)
            .await
            .unwrap_or_else(|_| Err(DatabaseError::damaged("reading it takes too long")))
    })
}

/// The log under the name that SQLite looks for.
struct LogBeside(PathBuf);

impl LogBeside {
    fn new(path: &Path, log: &Path) -> Result<Self, DatabaseError> {
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        std::fs::copy(log, &name).map_err(DatabaseError::Disk)?;
        Ok(Self(PathBuf::from(name)))
    }
}

impl Drop for LogBeside {
    fn drop(&mut self) {
        // SQLite removes it itself when it has taken it over.
        drop(std::fs::remove_file(&self.0));
    }
}

async fn read_rows(path: &Path, has_log: bool, visit: Visit<'_>) -> Result<(), DatabaseError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .row_buffer_size(1)
        .statement_cache_capacity(0)
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .pragma("ignore_check_constraints", "ON")
        .disable_statement_logging();
    // A log can only be taken over by a writer; alone with the copy it needs no shared memory.
    let options = if has_log {
        options.locking_mode(SqliteLockingMode::Exclusive)
    } else {
        options.read_only(true).immutable(true)
    };
    let mut database = options.connect().await.map_err(damaged)?;
    let result = async {
        limit_time(&mut database).await?;
        check_table(&mut database).await?;
        visit_rows(&mut database, visit).await
    }
    .await;
    let closed = database.close().await.map_err(damaged);
    result.and(closed)
}

async fn limit_time(database: &mut SqliteConnection) -> Result<(), DatabaseError> {
    let until = Instant::now() + LONGEST;
    let mut handle = database.lock_handle().await.map_err(damaged)?;
    handle.set_progress_handler(STEPS, move || Instant::now() < until);
    Ok(())
}

/// The table has to be one, and not a view or computed columns, and its pages
/// have to fit together.
async fn check_table(database: &mut SqliteConnection) -> Result<(), DatabaseError> {
    let (tables,): (i64,) = sqlx::query_as(
        "SELECT count(*) FROM sqlite_schema WHERE name = 'Packages' AND type = 'table' AND rootpage > 0",
    )
    .fetch_one(&mut *database)
    .await
    .map_err(damaged)?;
    let (columns,): (i64,) = sqlx::query_as(
        "SELECT count(*) FROM pragma_table_xinfo('Packages') WHERE name IN ('hnum', 'blob') AND hidden = 0",
    )
    .fetch_one(&mut *database)
    .await
    .map_err(damaged)?;
    if (tables, columns) != (1, 2) {
        return Err(DatabaseError::damaged("it has no table Packages as RPM makes it"));
    }
    let (verdict,): (String,) =
        sqlx::query_as("PRAGMA quick_check('Packages')").fetch_one(database).await.map_err(damaged)?;
    if verdict != "ok" {
        // The first line is SQLite's heading.
        let reason = verdict.lines().last().unwrap_or_default();
        return Err(DatabaseError::Damaged(format!("its table Packages is damaged: {reason}")));
    }
    Ok(())
}

async fn visit_rows(database: &mut SqliteConnection, visit: Visit<'_>) -> Result<(), DatabaseError> {
    let rows = sqlx::query_as::<_, (i64, Option<Vec<u8>>)>(
        "SELECT hnum, CASE WHEN typeof(blob) = 'blob' AND length(blob) <= ? THEN blob END FROM Packages",
    )
    .bind(i64::try_from(MAX_HEADER).unwrap_or(i64::MAX));
    let mut rows = rows.fetch(database);
    while let Some((number, header)) = rows.try_next().await.map_err(damaged)? {
        let number = u64::try_from(number).unwrap_or_default();
        let header = header.ok_or_else(|| {
            DatabaseError::Damaged(format!(
                "record {number} is no header, or one of more than {MAX_HEADER} bytes"
            ))
        })?;
        visit(number, &header)?;
    }
    Ok(())
}

/// The reason in SQLite's words, which are the same everywhere.
fn damaged(error: sqlx::Error) -> DatabaseError {
    match error {
        sqlx::Error::Io(error) => DatabaseError::Disk(error),
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse().ok()).unwrap_or_default();
            if is_of_the_disk(code) {
                let full = code & 0xff == FULL;
                let kind = if full { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
                DatabaseError::Disk(io::Error::new(kind, error))
            } else {
                DatabaseError::Damaged(format!("SQLite says: {}", error.message()))
            }
        }
        other => DatabaseError::Damaged(format!("SQLite says: {other}")),
    }
}

/// Whether an extended result code of SQLite is about the disk, not the file.
fn is_of_the_disk(code: i32) -> bool {
    const IOERR: i32 = 10;
    const CANTOPEN: i32 = 14;
    // The file is shorter than it says.
    const IOERR_SHORT_READ: i32 = IOERR | 2 << 8;
    code != IOERR_SHORT_READ && matches!(code & 0xff, IOERR | FULL | CANTOPEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fails_is_told_from_a_damaged_file() {
        // CORRUPT, NOTADB, IOERR_SHORT_READ; IOERR_READ, IOERR_WRITE, FULL, CANTOPEN.
        assert!([11, 26, 522].into_iter().all(|code| !is_of_the_disk(code)));
        assert!([266, 778, 13, 14].into_iter().all(is_of_the_disk));
    }

    #[test]
    fn a_copy_that_is_gone_is_the_disk_s_fault() {
        let directory = tempfile::tempdir().unwrap();
        let error = read(&directory.path().join("gone"), None, &mut |_, _| Ok(())).unwrap_err();
        assert!(matches!(error, DatabaseError::Disk(_)), "{error}");
    }
}
