//! The right answers about manifests, tags, blobs and uploads.

use axum::{
    body::Body,
    http::{HeaderName, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::{Bytes, BytesMut};
use common::image::Digest;
use futures::StreamExt as _;
use serde_json::json;

use super::{
    Deletion, Effect, Inner,
    answer::{Asked, error},
};

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

pub(super) async fn manifests(inner: &Inner, repository: &str, reference: &str, asked: Asked) -> Response {
    match asked.method {
        Method::GET | Method::HEAD => {
            let state = inner.state();
            let Some((digest, (media_type, content))) = state.store.manifest(repository, reference) else {
                return error(404, "MANIFEST_UNKNOWN", "manifest unknown");
            };
            let headers = [(header::CONTENT_TYPE, media_type.clone()), (CONTENT_DIGEST, digest.to_string())];
            (headers, content.clone()).into_response()
        }
        Method::PUT => {
            let media_type = asked.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let media_type = media_type.unwrap_or_default().to_owned();
            let Ok(content) = whole(asked).await else { return cut_off() };
            let mut state = inner.state();
            if let Some(missing) = state.store.missing(repository, &content) {
                return error(400, "MANIFEST_BLOB_UNKNOWN", &missing);
            }
            let digest = reference.parse::<Digest>().ok();
            if digest.is_some_and(|digest| digest != Digest::of(&content)) {
                return error(400, "DIGEST_INVALID", "the manifest has another digest");
            }
            let tag = reference.parse::<Digest>().is_err().then_some(reference);
            let digest = state.store.put_manifest(repository, tag, &media_type, content);
            created(&digest)
        }
        Method::DELETE if inner.options.deletion == Deletion::Nothing => {
            error(405, "UNSUPPORTED", "The operation is unsupported.")
        }
        Method::DELETE
            if inner.options.deletion == Deletion::ByDigest && reference.parse::<Digest>().is_err() =>
        {
            error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        }
        Method::DELETE if inner.state().store.delete(repository, reference) => {
            StatusCode::ACCEPTED.into_response()
        }
        Method::DELETE => error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        _ => error(405, "UNSUPPORTED", "not for manifests"),
    }
}

pub(super) fn tags(inner: &Inner, repository: &str, asked: &Asked) -> Response {
    let state = inner.state();
    let wanted = asked.query("n").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let page = inner.options.tags_per_page.unwrap_or(usize::MAX).min(wanted);
    let last = asked.query("last").unwrap_or_default();
    let mut rest = state.store.tags(repository).map(|(tag, _)| tag).filter(|tag| *tag > last);
    let tags: Vec<&str> = rest.by_ref().take(page).collect();
    let body = json!({ "name": repository, "tags": tags }).to_string();
    match (rest.next(), tags.last()) {
        (Some(_), Some(last)) => {
            let link = format!("</v2/{repository}/tags/list?n={page}&last={last}>; rel=\"next\"");
            ([(header::LINK, link)], body).into_response()
        }
        _ => body.into_response(),
    }
}

pub(super) fn blobs(inner: &Inner, repository: &str, digest: &str, asked: &Asked) -> Response {
    let state = inner.state();
    let content = digest.parse().ok().and_then(|digest| state.store.blob(repository, &digest));
    let Some(content) = content else { return error(404, "BLOB_UNKNOWN", "blob unknown") };
    let range = asked.headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match from {
        Some(from) if from < content.len() => {
            let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
            let headers = [(header::CONTENT_RANGE, range)];
            (StatusCode::PARTIAL_CONTENT, headers, in_pieces(content.slice(from..))).into_response()
        }
        Some(_) => error(416, "RANGE_INVALID", "the range begins after the end"),
        None => {
            let headers =
                [(header::CONTENT_LENGTH, content.len().to_string()), (CONTENT_DIGEST, digest.to_owned())];
            (headers, in_pieces(content.clone())).into_response()
        }
    }
}

/// A body that is sent piece by piece, as large blobs are.
fn in_pieces(content: Bytes) -> Body {
    const PIECE: usize = 16 * 1024;
    let pieces = (0..content.len().div_ceil(PIECE)).map(move |at| {
        Ok::<_, std::io::Error>(content.slice(at * PIECE..((at + 1) * PIECE).min(content.len())))
    });
    Body::from_stream(futures::stream::iter(pieces))
}

pub(super) fn begin(inner: &Inner, repository: &str, asked: &Asked) -> Response {
    if asked.method != Method::POST {
        return error(405, "UNSUPPORTED", "uploads begin with POST");
    }
    let mut state = inner.state();
    if let (Some(digest), Some(from)) = (asked.query("mount"), asked.query("from"))
        && !matches!(asked.effect, Some(Effect::NoMount))
        && let Some(content) = digest.parse().ok().and_then(|digest| state.store.blob(from, &digest).cloned())
    {
        return created(&state.store.put_blob(repository, content));
    }
    let id = state.store.begin(repository);
    progress(inner, repository, &id, 0, StatusCode::ACCEPTED)
}

pub(super) async fn upload(inner: &Inner, repository: &str, id: &str, asked: Asked) -> Response {
    let unknown = || error(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown");
    let Some(length) = inner.state().store.uploads.get(id).map(|(_, content)| content.len()) else {
        return unknown();
    };
    match asked.method {
        Method::GET => progress(inner, repository, id, length, StatusCode::NO_CONTENT),
        Method::DELETE => {
            inner.state().store.uploads.remove(id);
            StatusCode::NO_CONTENT.into_response()
        }
        Method::PATCH => {
            let range = asked.headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
            let first = range.and_then(|range| range.split_once('-')?.0.parse::<usize>().ok());
            if first.is_some_and(|first| first != length) {
                return error(416, "RANGE_INVALID", "another part is expected");
            }
            if !append(inner, id, asked).await {
                return cut_off();
            }
            let length = inner.state().store.uploads.get(id).map_or(0, |(_, content)| content.len());
            progress(inner, repository, id, length, StatusCode::ACCEPTED)
        }
        Method::PUT => {
            let digest = asked.query("digest").and_then(|digest| digest.parse::<Digest>().ok());
            if !append(inner, id, asked).await {
                return cut_off();
            }
            let mut state = inner.state();
            let Some((_, content)) = state.store.uploads.remove(id) else { return unknown() };
            if digest != Some(Digest::of(&content)) {
                return error(400, "DIGEST_INVALID", "the content has another digest");
            }
            created(&state.store.put_blob(repository, content.freeze()))
        }
        _ => error(405, "UNSUPPORTED", "not for uploads"),
    }
}

fn progress(inner: &Inner, repository: &str, id: &str, length: usize, status: StatusCode) -> Response {
    let origin = if inner.options.relative_location { "" } else { inner.origin.as_str() };
    let location = format!("{origin}/v2/{repository}/blobs/uploads/{id}?state={length}");
    let range = format!("0-{}", length.saturating_sub(1));
    (status, [(header::LOCATION, location), (header::RANGE, range)]).into_response()
}

fn created(digest: &Digest) -> Response {
    (StatusCode::CREATED, [(CONTENT_DIGEST, digest.to_string())]).into_response()
}

/// What is answered on a connection that is cut; nobody gets it.
fn cut_off() -> Response {
    StatusCode::BAD_REQUEST.into_response()
}

/// Adds a request's body to an upload; `false` if the connection broke.
async fn append(inner: &Inner, id: &str, mut asked: Asked) -> bool {
    let mut left = match asked.effect {
        Some(Effect::CutRequest(after)) => after,
        _ => usize::MAX,
    };
    while let Some(item) = asked.body.next().await {
        let Ok(mut chunk) = item else { return false };
        chunk.truncate(left);
        left -= chunk.len();
        if let Some((_, content)) = inner.state().store.uploads.get_mut(id) {
            content.extend_from_slice(&chunk);
        }
        if left == 0 {
            asked.scissors.cut();
            return false;
        }
    }
    true
}

async fn whole(mut asked: Asked) -> Result<Bytes, ()> {
    let mut content = BytesMut::new();
    while let Some(item) = asked.body.next().await {
        content.extend_from_slice(&item.map_err(|_| ())?);
    }
    if matches!(asked.effect, Some(Effect::CutRequest(_))) {
        asked.scissors.cut();
        return Err(());
    }
    Ok(content.freeze())
}
