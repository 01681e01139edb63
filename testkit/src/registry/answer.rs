//! The protocol: one request in, one answer out.

use std::sync::Arc;

use axum::{
    body::{Body, BodyDataStream},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures::StreamExt as _;
use serde_json::json;

use super::{
    Effect, Fault, Inner, RecordedRequest, access,
    content::{begin, blobs, manifests, tags, upload},
    wire::Scissors,
};

/// A request, taken apart as far as all handlers need it.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: BodyDataStream,
    pub(super) effect: Option<Effect>,
    pub(super) scissors: Scissors,
}

impl Asked {
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

pub(super) async fn handle(
    State(inner): State<Arc<Inner>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default();
    let effect = {
        let mut state = inner.state();
        state.requests.push(RecordedRequest {
            method: parts.method.clone(),
            path: path.clone(),
            query: query.to_owned(),
            headers: parts.headers.clone(),
        });
        Fault::strike(&mut state.faults, &parts.method, &path)
    };
    let asked = Asked {
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        method: parts.method,
        headers: parts.headers,
        body: body.into_data_stream(),
        effect: effect.clone(),
        scissors,
    };
    match effect {
        Some(Effect::Status(status, headers, body)) => status_answer(status, &headers, body),
        Some(Effect::Silence) => std::future::pending().await,
        Some(Effect::Redirect(origin)) => {
            let to = format!("{origin}{path}");
            status_answer(307, &[("location", to)], "")
        }
        Some(Effect::Header(name, value)) => {
            let mut response = right_answer(&inner, &path, asked).await;
            let name = HeaderName::from_static(name);
            match value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                Some(value) => response.headers_mut().insert(name, value),
                None => response.headers_mut().remove(name),
            };
            response
        }
        Some(Effect::CutAnswer(after)) => cut(right_answer(&inner, &path, asked).await, after),
        Some(Effect::Body(bytes)) => {
            let mut response = right_answer(&inner, &path, asked).await;
            response.headers_mut().remove(header::CONTENT_LENGTH);
            *response.body_mut() = Body::from(bytes);
            response
        }
        Some(Effect::CutRequest(_) | Effect::NoMount) | None => right_answer(&inner, &path, asked).await,
    }
}

pub(crate) fn status_answer(status: u16, headers: &[(&'static str, String)], body: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

pub(crate) fn cut(response: Response, after: usize) -> Response {
    let (parts, body) = response.into_parts();
    let state = (body.into_data_stream(), after);
    let broken = futures::stream::try_unfold(state, |(mut body, left)| async move {
        let chunk = body.next().await.and_then(Result::ok).filter(|_| left > 0);
        let Some(mut chunk) = chunk else {
            // What was written before has to leave first.
            tokio::task::yield_now().await;
            return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        };
        chunk.truncate(left);
        let left = left - chunk.len();
        Ok(Some((chunk, (body, left))))
    });
    Response::from_parts(parts, Body::from_stream(broken))
}

pub(super) fn error(status: u16, code: &str, message: &str) -> Response {
    let body = json!({ "errors": [{ "code": code, "message": message }] }).to_string();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn right_answer(inner: &Inner, path: &str, asked: Asked) -> Response {
    if path == "/token" {
        return match access::token(inner, &asked.headers, &asked.query) {
            Some(token) => json!({ "token": token, "expires_in": 300 }).to_string().into_response(),
            None => error(401, "UNAUTHORIZED", "wrong user or password"),
        };
    }
    let Some(rest) = path.strip_prefix("/v2/") else { return error(404, "NAME_UNKNOWN", "no such path") };
    let Some((repository, rest)) = split(rest) else { return StatusCode::OK.into_response() };
    let needed = access::needed(&asked.method, repository, &asked.query);
    if let Some(challenge) = access::challenge(inner, &asked.headers, &needed) {
        let mut response = error(401, "UNAUTHORIZED", "authentication required");
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        return response;
    }
    let length =
        asked.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length > inner.options.max_body_bytes.or(Some(u64::MAX)) {
        return error(413, "SIZE_INVALID", "the request is too long");
    }
    match rest.as_slice() {
        ["manifests", reference] => manifests(inner, repository, reference, asked).await,
        ["tags", "list"] => tags(inner, repository, &asked),
        ["blobs", "uploads"] => begin(inner, repository, &asked),
        ["blobs", "uploads", id] => upload(inner, repository, id, asked).await,
        ["blobs", digest] => blobs(inner, repository, digest, &asked),
        _ => error(404, "NAME_UNKNOWN", "no such path"),
    }
}

/// The repository of a path below `/v2/`, and the rest of it in its parts.
fn split(path: &str) -> Option<(&str, Vec<&str>)> {
    let at = ["/manifests/", "/blobs/", "/tags/"].iter().filter_map(|word| path.rfind(word)).max()?;
    Some((&path[..at], path[at..].split('/').filter(|part| !part.is_empty()).collect()))
}
