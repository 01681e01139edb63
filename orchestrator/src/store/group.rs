//! One group of commands: worked out in memory, then written in one transaction.
//!
//! Working out touches no table, so a command that makes no sense gets its error
//! and leaves the others alone. Only a failed transaction fails all of them.

use std::collections::{BTreeMap, HashMap};

use common::{
    flow::{
        event::{Event, EventKind},
        state::{self, History},
    },
    names::BuildId,
    request::BuildRequest,
};
use jiff::Timestamp;
use sqlx::{Connection, QueryBuilder, Sqlite, SqliteConnection, SqliteTransaction};

use super::{
    command::{Body, Command, Created, Reply},
    documents::Document,
    error::StoreError,
    rows::{self, to_sql},
};

/// Rows in one statement; the database allows 32,766 values, and few different
/// lengths keep its cache of prepared statements useful.
const ROWS: usize = 64;

/// Histories of unfinished builds, as of the newest event that was worked out.
pub(super) type Histories = HashMap<BuildId, History>;

/// What a group will write.
#[derive(Default)]
pub(super) struct Group {
    creations: Vec<Creation>,
    rows: Vec<EventRow>,
    documents: Vec<Document>,
    /// Builds with new events, and whether these changed their state.
    touched: BTreeMap<BuildId, bool>,
    replies: Vec<Reply>,
}

struct Creation {
    id: BuildId,
    key: Option<String>,
    request: Box<BuildRequest>,
    request_json: String,
    at: Timestamp,
}

struct EventRow {
    build: BuildId,
    sequence: u64,
    at: Timestamp,
    json: String,
}

impl Group {
    /// Works out a command and keeps its answer until the commit.
    pub(super) async fn add(
        &mut self,
        command: Command,
        histories: &mut Histories,
        connection: &mut SqliteConnection,
    ) {
        let reply = match command {
            Command::Create { request, key, answer } => {
                Reply::new(answer, self.create(request, key, histories, connection).await)
            }
            Command::Append { build, bodies, answer } => {
                let outcome = match history(&build, histories, connection).await {
                    Ok(_) => self.append(&build, bodies, histories),
                    Err(error) => Err(error),
                };
                Reply::new(answer, outcome)
            }
            Command::Decide { build, command, answer } => {
                Reply::new(answer, self.decide(&build, command, histories, connection).await)
            }
            Command::PutDocument { document, answer } => {
                let found = history(&document.build, histories, connection).await.map(drop);
                if found.is_ok() {
                    self.documents.push(document);
                }
                Reply::new(answer, found)
            }
            Command::Recall { build, step, answer } => {
                let history = history(&build, histories, connection).await;
                Reply::new(answer, history.map(|history| history.steps.get(&step).cloned()))
            }
        };
        self.replies.push(reply);
    }

    async fn create(
        &mut self,
        request: Box<BuildRequest>,
        key: Option<String>,
        histories: &mut Histories,
        connection: &mut SqliteConnection,
    ) -> Result<Created, StoreError> {
        if let Some(key) = &key {
            let in_group = self.creations.iter().find(|creation| creation.key.as_ref() == Some(key));
            let earlier = match in_group {
                Some(creation) => Some((creation.id.clone(), *creation.request == *request)),
                None => rows::by_key(&mut *connection, key).await?.map(|(id, stored)| {
                    let stored = serde_json::from_str::<BuildRequest>(&stored);
                    (id, stored.is_ok_and(|stored| stored == *request))
                }),
            };
            match earlier {
                Some((id, true)) => return Ok(Created { id, new: false }),
                Some((build, false)) => return Err(StoreError::KeyReused { key: key.clone(), build }),
                None => {}
            }
        }
        let (id, at) = (BuildId::generate(), now());
        let body = Body::new(EventKind::Created { request: request.clone() }, &id)?;
        let request_json = serde_json::to_string(&request)
            .map_err(|e| StoreError::database("write a request as JSON")(sqlx::Error::Encode(Box::new(e))))?;
        let event = Event { sequence: 1, at, kind: body.kind };
        let history = History::begin(&event)
            .map_err(|source| StoreError::IllegalEvent { build: id.clone(), source })?;
        histories.insert(id.clone(), history);
        self.creations.push(Creation { id: id.clone(), key, request, request_json, at });
        self.rows.push(EventRow { build: id.clone(), sequence: 1, at, json: body.json });
        self.touched.insert(id.clone(), false);
        Ok(Created { id, new: true })
    }

    async fn decide(
        &mut self,
        build: &BuildId,
        command: state::Command,
        histories: &mut Histories,
        connection: &mut SqliteConnection,
    ) -> Result<History, StoreError> {
        let before = history(build, histories, connection).await?;
        let kinds = state::decide(before.state, before.cancel_reason.is_some(), command);
        let bodies = kinds.into_iter().map(|kind| Body::new(kind, build)).collect::<Result<Vec<_>, _>>()?;
        self.append(build, bodies, histories)?;
        Ok(history(build, histories, connection).await?.clone())
    }

    /// Appends to a build whose history is at hand; all events or none.
    fn append(
        &mut self,
        build: &BuildId,
        bodies: Vec<Body>,
        histories: &mut Histories,
    ) -> Result<Vec<Event>, StoreError> {
        let Some(history) = histories.get_mut(build) else {
            return Err(StoreError::BuildNotFound(build.to_string()));
        };
        // A single event changes nothing when it is refused. Of several, the
        // first ones would stay.
        let before = (bodies.len() > 1).then(|| history.clone());
        let (state, at) = (history.state, now());
        let first_row = self.rows.len();
        let mut events = Vec::with_capacity(bodies.len());
        for Body { kind, json } in bodies {
            let event = Event { sequence: history.last_sequence + 1, at, kind };
            if let Err(source) = history.apply(&event) {
                self.rows.truncate(first_row);
                if let Some(before) = before {
                    *history = before;
                }
                return Err(StoreError::IllegalEvent { build: build.clone(), source });
            }
            self.rows.push(EventRow { build: build.clone(), sequence: event.sequence, at, json });
            events.push(event);
        }
        if !events.is_empty() {
            *self.touched.entry(build.clone()).or_default() |= history.state != state;
        }
        Ok(events)
    }

    /// Writes everything in one transaction.
    pub(super) async fn commit(
        &self,
        histories: &Histories,
        connection: &mut SqliteConnection,
    ) -> Result<(), StoreError> {
        if self.rows.is_empty() && self.documents.is_empty() {
            return Ok(());
        }
        let written = async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            self.insert_builds(&mut transaction).await?;
            self.insert_events(&mut transaction).await?;
            self.update_positions(&mut transaction, histories).await?;
            self.update_states(&mut transaction, histories).await?;
            for document in &self.documents {
                document.insert(&mut transaction).await?;
            }
            transaction.commit().await
        };
        written.await.map_err(StoreError::database("commit events and documents"))
    }

    async fn insert_builds(&self, transaction: &mut SqliteTransaction<'_>) -> Result<(), sqlx::Error> {
        for creation in &self.creations {
            sqlx::query(
                "INSERT INTO build (id, idempotency_key, request, state, created_at, last_seq) \
                 VALUES (?, ?, ?, 'queued', ?, 1)",
            )
            .bind(creation.id.as_str())
            .bind(creation.key.as_deref())
            .bind(creation.request_json.as_str())
            .bind(creation.at.as_microsecond())
            .execute(&mut **transaction)
            .await?;
        }
        Ok(())
    }

    async fn insert_events(&self, transaction: &mut SqliteTransaction<'_>) -> Result<(), sqlx::Error> {
        for rows in self.rows.chunks(ROWS) {
            let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO event (build, seq, at, body) ");
            insert.push_values(rows, |mut values, row| {
                values
                    .push_bind(row.build.as_str())
                    .push_bind(to_sql(row.sequence))
                    .push_bind(row.at.as_microsecond())
                    .push_bind(row.json.as_str());
            });
            insert.build().execute(&mut **transaction).await?;
        }
        Ok(())
    }

    async fn update_positions(
        &self,
        transaction: &mut SqliteTransaction<'_>,
        histories: &Histories,
    ) -> Result<(), sqlx::Error> {
        let touched: Vec<_> =
            self.touched.keys().filter_map(|build| Some((build, histories.get(build)?))).collect();
        for builds in touched.chunks(ROWS) {
            let mut update = QueryBuilder::<Sqlite>::new("UPDATE build SET last_seq = news.column2 FROM (");
            update.push_values(builds, |mut values, (build, history)| {
                values.push_bind(build.as_str()).push_bind(to_sql(history.last_sequence));
            });
            update.push(") AS news WHERE build.id = news.column1");
            update.build().execute(&mut **transaction).await?;
        }
        Ok(())
    }

    /// Apart from the positions, since this also rewrites the indexes, and few
    /// events change a state.
    async fn update_states(
        &self,
        transaction: &mut SqliteTransaction<'_>,
        histories: &Histories,
    ) -> Result<(), sqlx::Error> {
        for (build, _) in self.touched.iter().filter(|(_, changed)| **changed) {
            let Some(history) = histories.get(build) else { continue };
            sqlx::query("UPDATE build SET state = ?, ended_at = ? WHERE id = ?")
                .bind(history.state.as_str())
                .bind(history.ended_at.map(Timestamp::as_microsecond))
                .bind(build.as_str())
                .execute(&mut **transaction)
                .await?;
        }
        Ok(())
    }

    /// The builds that the group changes.
    pub(super) fn touched(&self) -> impl Iterator<Item = &BuildId> {
        self.touched.keys()
    }

    /// Answers everybody.
    pub(super) fn answer(self, committed: &Result<(), StoreError>) {
        for reply in self.replies {
            reply.send(committed.clone());
        }
    }
}

/// The history of a build, from memory or read for the first time.
async fn history<'a>(
    build: &BuildId,
    histories: &'a mut Histories,
    connection: &mut SqliteConnection,
) -> Result<&'a mut History, StoreError> {
    if !histories.contains_key(build) {
        let stored = rows::history(connection, build).await?;
        let stored = stored.ok_or_else(|| StoreError::BuildNotFound(build.to_string()))?;
        histories.insert(build.clone(), stored);
    }
    histories.get_mut(build).ok_or_else(|| StoreError::BuildNotFound(build.to_string()))
}

/// The time, no finer than the database keeps it, so that an event is the same
/// now and when it is read.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
