//! Reading builds and events, and telling a damaged row from a good one.

use common::{
    flow::{
        event::{Event, EventKind},
        state::History,
    },
    names::BuildId,
};
use futures::TryStreamExt;
use jiff::Timestamp;
use sqlx::{Row, SqliteExecutor, sqlite::SqliteRow};

use super::error::StoreError;

/// How many candidates an ambiguous beginning of an id is answered with.
const CANDIDATES: i64 = 6;

/// SQLite's integers are signed; no sequence or time comes near the limit.
pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A build as its events tell it, checked against the number of events that it
/// should have. `None` when there is no such build.
pub(super) async fn history(
    executor: impl SqliteExecutor<'_>,
    build: &BuildId,
) -> Result<Option<History>, StoreError> {
    let failed = StoreError::database;
    let mut rows = sqlx::query(
        "SELECT event.seq, event.at, event.body, build.last_seq \
         FROM build LEFT JOIN event ON event.build = build.id WHERE build.id = ? ORDER BY event.seq",
    )
    .bind(build.as_str())
    .fetch(executor);
    let mut history: Option<History> = None;
    let mut expected = None;
    while let Some(row) = rows.try_next().await.map_err(failed("read a build"))? {
        expected = Some(row.try_get::<u64, _>("last_seq").map_err(failed("read a build"))?);
        if row.try_get::<Option<i64>, _>("seq").map_err(failed("read a build"))?.is_none() {
            break;
        }
        let event = event_of(&row, build)?;
        let sequence = event.sequence;
        let applied = match &mut history {
            Some(history) => history.apply(&event),
            None => History::begin(&event).map(|begun| history = Some(begun)),
        };
        applied.map_err(|illegal| damaged(build, sequence, illegal.to_string()))?;
    }
    let found = history.as_ref().map_or(0, |history| history.last_sequence);
    match expected {
        Some(last) if last != found => {
            Err(damaged(build, found + 1, format!("missing, {last} are expected")))
        }
        _ => Ok(history),
    }
}

/// Events after a sequence, at most `limit`.
pub(super) async fn events(
    executor: impl SqliteExecutor<'_>,
    build: &BuildId,
    after: u64,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let rows =
        sqlx::query("SELECT seq, at, body FROM event WHERE build = ? AND seq > ? ORDER BY seq LIMIT ?")
            .bind(build.as_str())
            .bind(to_sql(after))
            .bind(limit)
            .fetch_all(executor)
            .await
            .map_err(StoreError::database("read events"))?;
    let events = rows.iter().map(|row| event_of(row, build)).collect::<Result<Vec<_>, _>>()?;
    for (event, expected) in events.iter().zip(after.saturating_add(1)..) {
        if event.sequence != expected {
            return Err(damaged(build, expected, "missing".to_owned()));
        }
    }
    Ok(events)
}

/// Sequence of the newest event, and whether the build has ended.
pub(super) async fn position(
    executor: impl SqliteExecutor<'_>,
    build: &BuildId,
) -> Result<Option<(u64, bool)>, StoreError> {
    sqlx::query_as("SELECT last_seq, ended_at IS NOT NULL FROM build WHERE id = ?")
        .bind(build.as_str())
        .fetch_optional(executor)
        .await
        .map_err(StoreError::database("look up a build"))
}

/// The build that has an idempotency key, with its request as JSON.
pub(super) async fn by_key(
    executor: impl SqliteExecutor<'_>,
    key: &str,
) -> Result<Option<(BuildId, String)>, StoreError> {
    let row: Option<(String, String)> =
        sqlx::query_as("SELECT id, request FROM build WHERE idempotency_key = ?")
            .bind(key)
            .fetch_optional(executor)
            .await
            .map_err(StoreError::database("look up an idempotency key"))?;
    row.map(|(id, request)| Ok((build_id(id)?, request))).transpose()
}

/// The one build whose id is `text` or begins with it; the prefix that all ids
/// have may be left out.
pub(super) async fn find(executor: impl SqliteExecutor<'_>, text: &str) -> Result<BuildId, StoreError> {
    let not_found = || StoreError::BuildNotFound(text.to_owned());
    let text_with_prefix = match text.strip_prefix(BuildId::PREFIX) {
        Some(rest) if !rest.is_empty() => text.to_owned(),
        _ => format!("{}{text}", BuildId::PREFIX),
    };
    let begin: BuildId = text_with_prefix.parse().map_err(|_| not_found())?;
    // Ids are printable ASCII, so whatever begins with `begin` sorts before this.
    let end = format!("{begin}\u{7f}");
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT id FROM build WHERE id >= ? AND id < ? ORDER BY id LIMIT ?")
            .bind(begin.as_str())
            .bind(end)
            .bind(CANDIDATES)
            .fetch_all(executor)
            .await
            .map_err(StoreError::database("look up a build"))?;
    let mut candidates = rows.into_iter().map(|(id,)| build_id(id)).collect::<Result<Vec<_>, _>>()?;
    match candidates.len() {
        0 => Err(not_found()),
        1 => Ok(candidates.remove(0)),
        _ if candidates[0] == begin => Ok(candidates.remove(0)),
        _ => Err(StoreError::BuildAmbiguous { prefix: text.to_owned(), candidates }),
    }
}

/// Builds that have not ended, oldest first.
pub(super) async fn unfinished(executor: impl SqliteExecutor<'_>) -> Result<Vec<BuildId>, StoreError> {
    let rows: Vec<(String,)> = sqlx::query_as("SELECT id FROM build WHERE ended_at IS NULL ORDER BY id")
        .fetch_all(executor)
        .await
        .map_err(StoreError::database("list unfinished builds"))?;
    rows.into_iter().map(|(id,)| build_id(id)).collect()
}

/// An id that comes from the database.
pub(super) fn build_id(text: String) -> Result<BuildId, StoreError> {
    text.parse().map_err(|e| StoreError::database("read the id of a build")(sqlx::Error::Decode(Box::new(e))))
}

fn event_of(row: &SqliteRow, build: &BuildId) -> Result<Event, StoreError> {
    let sequence: u64 = row.try_get("seq").map_err(StoreError::database("read the sequence of an event"))?;
    let damaged = |reason: String| damaged(build, sequence, reason);
    let at: i64 = row.try_get("at").map_err(|e| damaged(e.to_string()))?;
    let body: &str = row.try_get("body").map_err(|e| damaged(e.to_string()))?;
    let at = Timestamp::from_microsecond(at).map_err(|e| damaged(e.to_string()))?;
    let kind: EventKind = serde_json::from_str(body).map_err(|e| damaged(e.to_string()))?;
    Ok(Event { sequence, at, kind })
}

fn damaged(build: &BuildId, sequence: u64, reason: String) -> StoreError {
    StoreError::CorruptEvent { build: build.clone(), sequence, reason }
}
