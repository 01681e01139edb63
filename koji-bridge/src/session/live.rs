//! A session as it lives on a hub: its key, the number of the next call, and how
//! both are told to the hub.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue};
use url::Url;

use crate::{
    login::{Entry, Grant},
    transport::{HttpRequest, Transport},
};

/// What is to be done at the hub.
pub(super) struct Work {
    /// The method, for errors and logs.
    pub(super) method: &'static str,
    /// Whether it may be repeated.
    pub(super) purpose: Purpose,
    /// The query of the address, for parts of files.
    pub(super) query: Vec<(&'static str, String)>,
    /// The kind of the body.
    pub(super) content_type: &'static str,
    /// The body.
    pub(super) body: Bytes,
}

/// Whether a call may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It changes nothing.
    Read,
    /// It must not be carried out twice.
    Write,
    /// It writes bytes where it wrote them before.
    Upload,
}

/// Somebody who is logged in, or nobody.
pub(super) struct Live {
    grant: Option<Grant>,
    next: u64,
    /// The connection.
    pub(super) transport: Transport,
}

impl Live {
    /// A session whose first call has this number.
    pub(super) fn new(entry: Entry, first: u64) -> Self {
        Self { grant: entry.grant, next: first, transport: entry.transport }
    }

    /// The number of the next call. No number is given twice.
    pub(super) fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Whether there is a session. Its hub keeps a call from being carried out
    /// twice with the same number.
    pub(super) fn is_logged_in(&self) -> bool {
        self.grant.is_some()
    }

    /// The request of a call.
    pub(super) fn request(&self, hub: &Url, work: &Work, number: u64, timeout: Duration) -> HttpRequest {
        let mut url = hub.clone();
        let headers = self.headers(number).unwrap_or_default();
        let in_address = self.grant.as_ref().filter(|grant| !grant.in_headers);
        if in_address.is_some() || !work.query.is_empty() {
            let mut query = url.query_pairs_mut();
            if let Some(grant) = in_address {
                query.append_pair("session-id", &grant.id.to_string());
                query.append_pair("session-key", grant.key.expose());
                query.append_pair("callnum", &number.to_string());
            }
            for (name, value) in &work.query {
                query.append_pair(name, value);
            }
        }
        HttpRequest { url, headers, content_type: work.content_type, body: work.body.clone(), timeout }
    }

    /// The headers that name the session, for hubs that take them.
    pub(super) fn headers(&self, number: u64) -> Option<HeaderMap> {
        let grant = self.grant.as_ref().filter(|grant| grant.in_headers)?;
        let mut headers = HeaderMap::new();
        headers.insert("koji-session-id", hidden(&grant.id.to_string())?);
        headers.insert("koji-session-key", hidden(grant.key.expose())?);
        headers.insert("koji-session-callnum", HeaderValue::from(number));
        // All releases from 1.31 to 1.35.3 look for the number under this name only.
        headers.insert("koji-callnum", HeaderValue::from(number));
        Some(headers)
    }

    /// A text of the other side that may be shown: web servers like to repeat the
    /// address that they were asked for, and the key may be in it.
    pub(super) fn presentable(&self, text: String) -> String {
        let has_key = self.key().is_some_and(|key| text.contains(key));
        if has_key || text.contains("session-key") {
            "an error page that repeats the session's key (hidden)".to_owned()
        } else {
            text
        }
    }

    /// The session's key.
    pub(super) fn key(&self) -> Option<&str> {
        self.grant.as_ref().map(|grant| grant.key.expose())
    }
}

fn hidden(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
