//! Lists of builds, newest first, a page at a time.
//!
//! A page begins after the last id of the page before, so that builds that come
//! or end meanwhile neither shift a page nor appear twice.

use common::{
    flow::state::{BuildState, History},
    names::BuildId,
};
use sqlx::SqlitePool;

use super::{error::StoreError, rows};

const DEFAULT_PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 200;

/// Which builds to list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Most builds in the page; 0 means 50, more than 200 means 200.
    pub page_size: u32,
    /// `next_page_token` of the page before; empty for the first page.
    pub page_token: String,
    /// Only builds in one of these states; empty means all.
    pub states: Vec<BuildState>,
}

/// Some builds.
#[derive(Debug, Clone)]
pub struct Page {
    /// The builds, newest first.
    pub builds: Vec<(BuildId, History)>,
    /// Builds of this page that are left out since their events are damaged.
    pub unreadable: Vec<StoreError>,
    /// Pass it to get the next page; `None` after the last.
    pub next_page_token: Option<String>,
}

pub(super) async fn list(readers: &SqlitePool, query: &ListQuery) -> Result<Page, StoreError> {
    let size = match query.page_size {
        0 => DEFAULT_PAGE,
        size => size.min(LARGEST_PAGE),
    };
    // '~' sorts after everything that an id may contain.
    let before = match query.page_token.as_str() {
        "" => format!("{}~", BuildId::PREFIX),
        token => token
            .parse::<BuildId>()
            .map_err(|_| StoreError::BadPageToken(query.page_token.clone()))?
            .as_str()
            .to_owned(),
    };
    let names: Vec<&str> = query.states.iter().map(|state| state.as_str()).collect();
    let names = serde_json::Value::from(names).to_string();
    let ids: Vec<(String,)> = sqlx::query_as(
        "SELECT id FROM build WHERE id < ?1 \
         AND (?2 = '[]' OR state IN (SELECT value FROM json_each(?2))) ORDER BY id DESC LIMIT ?3",
    )
    .bind(before)
    .bind(names)
    .bind(size + 1)
    .fetch_all(readers)
    .await
    .map_err(StoreError::database("list builds"))?;
    let mut ids = ids.into_iter().map(|(id,)| rows::build_id(id)).collect::<Result<Vec<_>, _>>()?;
    let more = ids.len() > size as usize;
    ids.truncate(size as usize);
    let next_page_token = ids.last().filter(|_| more).map(BuildId::to_string);
    let mut page = Page { builds: Vec::with_capacity(ids.len()), unreadable: Vec::new(), next_page_token };
    for id in ids {
        match rows::history(readers, &id).await {
            Ok(Some(history)) => page.builds.push((id, history)),
            Ok(None) => {}
            Err(error @ StoreError::CorruptEvent { .. }) => page.unreadable.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}
