//! Writing blobs over HTTP. A blob goes up in one request, or in pieces where
//! the site says so or the registry refuses the length. An upload that breaks
//! off is asked how far it came and goes on from there; if the registry does
//! not know it any more, it starts again.

use std::sync::{Mutex, PoisonError};

use common::work::Descriptor;
use reqwest::{
    Method, Response, StatusCode,
    header::{CONTENT_RANGE, HeaderName, LOCATION, RANGE},
};
use url::Url;

use super::{
    Remote,
    answers::shown,
    manifest::{CONTENT_DIGEST, text},
    transport::{Body, Request, patiently},
};
use crate::{BlobSource, Registry as _, RegistryError};

/// OCI distribution specification, "Pushing a blob in chunks".
const CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// An upload that the registry has begun.
#[derive(Debug, Clone)]
struct Session {
    location: Url,
    /// Bytes that the registry has.
    offset: u64,
    /// Smallest piece that it takes, except for the last one.
    min_chunk: u64,
    /// Whether it was interrupted before.
    resumed: bool,
}

/// What one try leaves to the next.
#[derive(Debug, Default)]
struct Progress {
    session: Option<Session>,
    chunk: Option<u64>,
}

impl Remote {
    pub(super) async fn upload(
        &self,
        blob: &Descriptor,
        source: &BlobSource<'_>,
    ) -> Result<(), RegistryError> {
        let _lane = self.access.lanes.writes.acquire().await;
        let chunk = self.access.settings.upload_chunk_bytes.map(|bytes| bytes.max(1));
        let progress = Mutex::new(Progress { session: None, chunk });
        let result =
            patiently(&self.access.limits, "upload a blob", || self.try_upload(blob, source, &progress))
                .await;
        let left_over = progress.into_inner().unwrap_or_else(PoisonError::into_inner).session;
        if let (Err(_), Some(session)) = (&result, left_over) {
            self.abandon(session.location).await;
        }
        result
    }

    /// One try of a request without content; the upload as a whole is what is tried again.
    async fn small(&self, request: &Request<'_>) -> Result<Response, RegistryError> {
        let _lane = self.access.lanes.requests.acquire().await;
        let response = self.access.send(request).await?;
        self.access.accept(&request.method, response, &[]).await
    }

    async fn try_upload(
        &self,
        blob: &Descriptor,
        source: &BlobSource<'_>,
        progress: &Mutex<Progress>,
    ) -> Result<(), RegistryError> {
        let lock = || progress.lock().unwrap_or_else(PoisonError::into_inner);
        let (left_over, chunk) = {
            let mut progress = lock();
            (progress.session.take(), progress.chunk)
        };
        let known = match left_over {
            Some(session) => match self.ask_progress(session.clone(), blob).await {
                Some(session) => Some(session),
                None => {
                    self.abandon(session.location).await;
                    None
                }
            },
            None => None,
        };
        let mut session = match known {
            Some(session) => session,
            None => self.begin().await?,
        };
        let error = match self.send_rest(&mut session, blob, source, chunk).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let url = shown(&session.location);
        let small_chunk = self.access.limits.small_chunk_bytes.max(1);
        let interrupted = |reason: &str| {
            Err(RegistryError::Interrupted { url: url.clone(), reason: reason.to_owned(), attempts: 1 })
        };
        match error.status() {
            Some(413) if chunk.is_none() && blob.size > small_chunk => {
                lock().chunk = Some(small_chunk);
                interrupted("the registry does not take it in one piece")
            }
            Some(404) => interrupted("the registry does not know the upload any more"),
            Some(416) => {
                lock().session = Some(session);
                interrupted("the registry expects another part")
            }
            Some(400) if session.resumed => interrupted("what was resumed did not fit together"),
            _ => {
                lock().session = Some(session);
                Err(error)
            }
        }
    }

    async fn begin(&self) -> Result<Session, RegistryError> {
        let scope = self.push();
        let request = Request::new(Method::POST, self.url("blobs/uploads/")?, &scope);
        let response = self.small(&request).await?;
        let min_chunk = text(&response, &CHUNK_MIN_LENGTH).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Session { location: self.upload_location(&response)?, offset: 0, min_chunk, resumed: false })
    }

    async fn send_rest(
        &self,
        session: &mut Session,
        blob: &Descriptor,
        source: &BlobSource<'_>,
        chunk: Option<u64>,
    ) -> Result<(), RegistryError> {
        let whole = session.offset == 0 && chunk.is_none_or(|chunk| chunk >= blob.size);
        if !whole {
            let chunk = chunk.unwrap_or(u64::MAX).max(session.min_chunk);
            while session.offset < blob.size {
                self.send_piece(session, blob, source, chunk).await?;
            }
        }
        let body = if whole { Body::Blob { source, blob, range: 0..blob.size } } else { Body::Empty };
        let mut url = session.location.clone();
        url.query_pairs_mut().append_pair("digest", blob.digest.as_str());
        let scope = self.push();
        let request = Request::new(Method::PUT, url, &scope).carrying(body);
        let response = self.access.send(&request).await?;
        let response = self.access.accept(&request.method, response, &[]).await?;
        match text(&response, &CONTENT_DIGEST) {
            Some(stored) if stored.starts_with("sha256:") && stored != blob.digest.as_str() => {
                Err(RegistryError::DigestMismatch {
                    what: format!("blob, as stored in {},", self.describe()),
                    expected: blob.digest.clone(),
                    found: stored.to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    async fn send_piece(
        &self,
        session: &mut Session,
        blob: &Descriptor,
        source: &BlobSource<'_>,
        chunk: u64,
    ) -> Result<(), RegistryError> {
        let range = session.offset..session.offset.saturating_add(chunk).min(blob.size);
        let scope = self.push();
        let request = Request::new(Method::PATCH, session.location.clone(), &scope)
            .with(CONTENT_RANGE, format!("{}-{}", range.start, range.end - 1))
            .carrying(Body::Blob { source, blob, range: range.clone() });
        let response = self.access.send(&request).await?;
        let response = self.access.accept(&request.method, response, &[]).await?;
        session.location = self.upload_location(&response)?;
        let stored = text(&response, &RANGE).and_then(end_of_range).unwrap_or(range.end);
        if stored <= range.start || stored > range.end {
            return Err(RegistryError::Protocol {
                url: shown(&session.location),
                reason: format!(
                    "it has {stored} bytes after bytes {} to {} were sent",
                    range.start, range.end
                ),
            });
        }
        session.offset = stored;
        Ok(())
    }

    /// How far an interrupted upload came; `None` if it has to start again.
    async fn ask_progress(&self, session: Session, blob: &Descriptor) -> Option<Session> {
        let scope = self.push();
        let request = Request::new(Method::GET, session.location.clone(), &scope);
        let response = self.small(&request).await.ok()?;
        if response.status() != StatusCode::NO_CONTENT {
            return None;
        }
        let offset = end_of_range(text(&response, &RANGE)?)?;
        let location = self.upload_location(&response).unwrap_or(session.location);
        // `0-0` can mean one byte or none.
        (offset > 0 && offset <= blob.size).then_some(Session { location, offset, resumed: true, ..session })
    }

    /// The address for the next part of an upload. It may be relative. Another host is refused: it would get the
    /// content and the token.
    pub(super) fn upload_location(&self, response: &Response) -> Result<Url, RegistryError> {
        let from = response.url();
        let fail = |reason: &str| RegistryError::Protocol { url: shown(from), reason: reason.to_owned() };
        let location = text(response, &LOCATION).ok_or_else(|| fail("its answer has no Location"))?;
        let mut url = from.join(location).map_err(|_| fail("its Location is not an address"))?;
        if url.host() != from.host() || url.port() != from.port() {
            return Err(fail("its Location for the upload is on another host"));
        }
        // Registries behind a proxy that ends TLS often write http.
        if url.scheme() != from.scheme() && url.set_scheme(from.scheme()).is_err() {
            return Err(fail("its Location has a scheme that is neither http nor https"));
        }
        Ok(url)
    }

    /// Tells the registry that a started upload is not wanted. Failing at that costs the registry some room until it
    /// cleans up by itself, so it is no error.
    pub(super) async fn abandon(&self, location: Url) {
        let scope = self.push();
        let request = Request::new(Method::DELETE, location, &scope);
        match self.access.send(&request).await {
            Ok(response) => tracing::debug!(status = response.status().as_u16(), "abandoned an upload"),
            Err(error) => tracing::debug!(%error, "could not abandon an upload"),
        }
    }
}

/// The number of bytes that `0-N` or `bytes=0-N` covers. `0-0` is how registries write "nothing yet".
fn end_of_range(text: &str) -> Option<u64> {
    let (first, last) = text.strip_prefix("bytes=").unwrap_or(text).split_once('-')?;
    let last: u64 = last.trim().parse().ok()?;
    (first.trim() == "0").then_some(if last == 0 { 0 } else { last + 1 })
}

#[cfg(test)]
mod tests {
    use super::end_of_range;

    #[test]
    fn ranges_tell_how_much_is_there() {
        for (text, expected) in [
            ("0-0", Some(0)),
            ("0-1023", Some(1024)),
            ("bytes=0-9", Some(10)),
            ("5-9", None),
            ("0-", None),
            ("x", None),
        ] {
            assert_eq!(end_of_range(text), expected, "{text}");
        }
    }
}
