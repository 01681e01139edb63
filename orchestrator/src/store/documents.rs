//! Documents of builds: larger than an event, read as a whole, named.

use common::names::BuildId;
use sqlx::{SqliteExecutor, SqliteTransaction};

use super::error::StoreError;

/// Largest document in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 8 * 1024 * 1024;

/// A document on its way to the table.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) build: BuildId,
    pub(super) name: String,
    pub(super) body: String,
}

impl Document {
    pub(super) fn new(build: &BuildId, name: &str, body: &str) -> Result<Self, StoreError> {
        let (build, name) = (build.clone(), name.to_owned());
        if body.len() > MAX_DOCUMENT_BYTES {
            let (bytes, limit) = (body.len(), MAX_DOCUMENT_BYTES);
            return Err(StoreError::DocumentTooLarge { build, name, bytes, limit });
        }
        Ok(Self { build, name, body: body.to_owned() })
    }

    /// Writes it, in the place of one of the same name.
    pub(super) async fn insert(&self, transaction: &mut SqliteTransaction<'_>) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO document (build, name, body) VALUES (?, ?, ?) \
             ON CONFLICT (build, name) DO UPDATE SET body = excluded.body",
        )
        .bind(self.build.as_str())
        .bind(self.name.as_str())
        .bind(self.body.as_str())
        .execute(&mut **transaction)
        .await
        .map(drop)
    }
}

/// The text of a document.
pub(super) async fn read(
    executor: impl SqliteExecutor<'_>,
    build: &BuildId,
    name: &str,
) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("SELECT body FROM document WHERE build = ? AND name = ?")
        .bind(build.as_str())
        .bind(name)
        .fetch_optional(executor)
        .await
        .map_err(StoreError::database("read a document"))
}

/// The builds that have a document of this name which is not empty, oldest first.
pub(super) async fn builds_with(
    executor: impl SqliteExecutor<'_>,
    name: &str,
    limit: u32,
) -> Result<Vec<BuildId>, StoreError> {
    let failed = StoreError::database("look for documents");
    let found: Result<Vec<String>, sqlx::Error> =
        sqlx::query_scalar("SELECT build FROM document WHERE name = ? AND body <> '' ORDER BY build LIMIT ?")
            .bind(name)
            .bind(limit)
            .fetch_all(executor)
            .await;
    Ok(found.map_err(failed)?.into_iter().filter_map(|build| build.parse().ok()).collect())
}
