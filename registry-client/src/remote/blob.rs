//! Reading blobs over HTTP, and mounting them. A download that breaks off goes
//! on where it stopped, if the registry can do that, else from the start.

use std::sync::Arc;

use bytes::Bytes;
use common::{
    image::{Digest, Repository},
    retry::Transient as _,
    work::Descriptor,
};
use futures::{StreamExt as _, stream};
use reqwest::{
    Method, Response,
    header::{CONTENT_LENGTH, RANGE},
};
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use super::{
    Remote,
    answers::send_error,
    auth::Scope,
    manifest::text,
    transport::{Access, Request, patiently, within},
};
use crate::{BlobStat, BlobStream, Registry as _, RegistryError, verified::verified};

impl Remote {
    pub(super) async fn ask_blob(&self, digest: &Digest) -> Result<Option<BlobStat>, RegistryError> {
        let scope = self.pull();
        let request = Request::new(Method::HEAD, self.url(&format!("blobs/{digest}"))?, &scope);
        let response = self.access.ask("look for a blob", &request, &[401, 404]).await?;
        let response = self.unless_absent(&request.method, response).await?;
        Ok(response.map(|response| BlobStat {
            size: text(&response, &CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        }))
    }

    pub(super) async fn download(&self, blob: &Descriptor) -> Result<BlobStream, RegistryError> {
        let lane = Arc::clone(&self.access.lanes.reads).acquire_owned().await.ok();
        let mut download = Download {
            access: Arc::clone(&self.access),
            url: self.url(&format!("blobs/{}", blob.digest))?,
            scope: self.pull(),
            blob: blob.clone(),
            place: self.describe(),
            seen: 0,
            skip: 0,
            body: None,
            tries_left: self.access.limits.patience.attempts.saturating_sub(1),
            _lane: lane,
        };
        // The first answer is waited for here, so that a missing blob is this call's error.
        download.body = Some(download.open().await?);
        let content = stream::try_unfold(download, |mut download| async move {
            Ok(download.next().await?.map(|chunk| (chunk, download)))
        });
        Ok(verified(content.boxed(), blob, self.describe()))
    }

    pub(super) async fn mount(&self, digest: &Digest, from: &Repository) -> Result<bool, RegistryError> {
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut().append_pair("mount", digest.as_str()).append_pair("from", from.as_str());
        let scope = Scope { pull_from: Some(from.clone()), ..self.push() };
        let request = Request::new(Method::POST, url, &scope);
        let response = match self.access.ask("mount a blob", &request, &[]).await {
            Ok(response) => response,
            // Registries refuse mounts in many ways; writing the blob tells whether there is real trouble.
            Err(error @ RegistryError::Login { .. }) => return Ok(refused(&error)),
            Err(error)
                if error.status().is_some_and(|s| (400..500).contains(&s))
                    && error.retry_after().is_none() =>
            {
                return Ok(refused(&error));
            }
            Err(error) => return Err(error),
        };
        if response.status() == 201 {
            return Ok(true);
        }
        if let Ok(location) = self.upload_location(&response) {
            self.abandon(location).await;
        }
        Ok(false)
    }
}

fn refused(error: &RegistryError) -> bool {
    tracing::debug!(%error, "the registry does not mount");
    false
}

struct Download {
    access: Arc<Access>,
    url: Url,
    scope: Scope,
    blob: Descriptor,
    place: String,
    /// Bytes that were given away.
    seen: u64,
    /// Bytes of the body at hand that were given away before.
    skip: u64,
    body: Option<Response>,
    tries_left: usize,
    _lane: Option<OwnedSemaphorePermit>,
}

impl Download {
    async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        loop {
            let error = match self.chunk().await {
                Ok(Some(mut chunk)) => {
                    let known = usize::try_from(self.skip).unwrap_or(usize::MAX).min(chunk.len());
                    self.skip -= known as u64;
                    let chunk = chunk.split_off(known);
                    if chunk.is_empty() {
                        continue;
                    }
                    self.seen += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                Ok(None) => return Ok(None),
                Err(error) => error,
            };
            if error.retry_after().is_none() || self.tries_left == 0 {
                return Err(error);
            }
            self.tries_left -= 1;
            tracing::warn!(%error, blob = %self.blob.digest, at = self.seen, "reading goes on where it broke off");
            self.body = Some(self.open().await?);
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let Some(body) = &mut self.body else { return Ok(None) };
        let url = &self.url;
        within(self.access.limits.stall, url, async {
            body.chunk().await.map_err(|error| send_error(url, error))
        })
        .await
    }

    /// Opens the blob at the byte that is wanted next.
    async fn open(&mut self) -> Result<Response, RegistryError> {
        let mut request = Request::new(Method::GET, self.url.clone(), &self.scope);
        if self.seen > 0 {
            request = request.with(RANGE, format!("bytes={}-", self.seen));
        }
        let access = &self.access;
        let response = patiently(&access.limits, "read a blob", || async {
            let response = access.send(&request).await?;
            access.accept(&request.method, response, &[404]).await
        })
        .await?;
        let what = || format!("blob {} in {}", self.blob.digest, self.place);
        let left = match response.status().as_u16() {
            404 => return Err(RegistryError::Missing { what: what() }),
            206 if self.seen > 0 => {
                self.skip = 0;
                self.blob.size.saturating_sub(self.seen)
            }
            _ => {
                self.skip = self.seen;
                self.blob.size
            }
        };
        match response.content_length() {
            Some(length) if length != left => Err(RegistryError::SizeMismatch {
                what: what(),
                expected: self.blob.size,
                found: self.blob.size - left + length,
            }),
            _ => Ok(response),
        }
    }
}
