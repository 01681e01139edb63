//! Reading answers: bounded bodies, and errors made of bad ones.

use std::{error::Error, time::Duration};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use reqwest::{
    Response,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;
use url::Url;

use super::{Limits, transport::within};
use crate::{Answer, Diagnostic, RegistryError};

const MAX_ERROR_BYTES: u64 = 64 * 1024;
const MAX_DIAGNOSTICS: usize = 5;
const MAX_TEXT: usize = 300;

/// An address as it may be shown: without query, user and password.
pub(crate) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// The body of an answer, at most `limit` bytes.
pub(crate) async fn read_bounded(
    mut response: Response,
    limit: u64,
    limits: &Limits,
) -> Result<Bytes, RegistryError> {
    let url = response.url().clone();
    let too_large = || RegistryError::TooLarge { what: shown(&url), limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    loop {
        let next = async { response.chunk().await.map_err(|error| send_error(&url, error)) };
        let Some(chunk) = within(limits.stall, &url, next).await? else { return Ok(bytes.freeze()) };
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
}

/// The error that an answer is.
pub(crate) async fn answer_error(method: &str, response: Response, limits: &Limits) -> RegistryError {
    let url = shown(response.url());
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers(), Timestamp::now());
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_text = kind.starts_with("text/plain");
    // A body that cannot be read says nothing; the status still does.
    let body = read_bounded(response, MAX_ERROR_BYTES, limits).await.unwrap_or_default();
    let diagnostics = diagnostics(&body, is_text);
    let method = method.to_owned();
    RegistryError::Answer(Box::new(Answer { method, url, status, diagnostics, retry_after, attempts: 1 }))
}

fn diagnostics(body: &[u8], is_text: bool) -> Vec<Diagnostic> {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    if let Ok(body) = serde_json::from_slice::<Body>(body) {
        let entries = body.errors.into_iter().take(MAX_DIAGNOSTICS);
        return entries
            .map(|entry| Diagnostic { code: printable(&entry.code), message: printable(&entry.message) })
            .collect();
    }
    let text = printable(&String::from_utf8_lossy(body));
    if is_text && !text.is_empty() {
        return vec![Diagnostic { code: String::new(), message: text }];
    }
    Vec::new()
}

fn printable(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

/// RFC 9110, section 10.2.3: seconds or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// The error that sending or reading ended with.
pub(crate) fn send_error(url: &Url, error: reqwest::Error) -> RegistryError {
    let url = shown(url);
    // The client's own text has the whole address in it.
    let source: Box<dyn Error + Send + Sync> = Box::new(error.without_url());
    if is_about_certificate(source.as_ref()) {
        RegistryError::Certificate { url, source }
    } else {
        RegistryError::Connection { url, attempts: 1, source }
    }
}

fn is_about_certificate(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        // What an I/O error is made of is not its source.
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_seconds_or_dates() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("Mon, 23 Nov 2026 10:00:30 GMT", Some(30)),
            ("Mon, 23 Nov 2026 09:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn diagnostics_are_few_short_and_printable() {
        let entry = format!(r#"{{"code":"DENIED","message":"a\u0007b{}"}}"#, "x".repeat(1000));
        let body = format!(r#"{{"errors":[{}]}}"#, vec![entry; 50].join(","));
        let found = diagnostics(body.as_bytes(), false);
        assert_eq!(found.len(), MAX_DIAGNOSTICS);
        assert!(found[0].message.starts_with("a bx") && found[0].message.len() == MAX_TEXT);
        assert_eq!(diagnostics(b"slow down\n", true)[0].message, "slow down");
        assert!(diagnostics(b"<html>", false).is_empty());
    }

    #[test]
    fn shown_addresses_have_no_secrets() {
        let url = Url::parse("https://u:p@r.example.org:8443/v2/x?signature=abc#f").unwrap();
        assert_eq!(shown(&url), "https://r.example.org:8443/v2/x");
    }
}
