//! Manifests over HTTP: asking, sending, deleting, and comparing digests at
//! every step.

use bytes::Bytes;
use common::{image::Digest, work::Descriptor};
use reqwest::{
    Method, Response,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName},
};

use super::{
    Remote,
    answers::{answer_error, read_bounded, shown},
    transport::{Body, Request},
};
use crate::{
    Manifest, Registry as _, RegistryError, Selector,
    document::{ACCEPTED, is_schema_one, media_type_of},
};

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

impl Remote {
    pub(super) async fn ask_head(&self, selector: &Selector) -> Result<Option<Descriptor>, RegistryError> {
        let Some(response) = self.get_manifest(Method::HEAD, selector).await? else { return Ok(None) };
        let media_type = text(&response, &CONTENT_TYPE).map(bare);
        let size = text(&response, &CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
        let claimed = text(&response, &CONTENT_DIGEST).and_then(|text| text.parse::<Digest>().ok());
        let digest = match (selector, claimed) {
            (Selector::Digest(asked), Some(claimed)) if *asked != claimed => {
                return Err(self.wrong_manifest(selector, asked, claimed.as_str()));
            }
            (Selector::Digest(asked), _) => Some(asked.clone()),
            (Selector::Tag(_), claimed) => claimed,
        };
        match (media_type, digest, size) {
            (Some(media_type), Some(digest), Some(size)) if !media_type.is_empty() => {
                Ok(Some(Descriptor { media_type, digest, size }))
            }
            // Some registries leave headers out; the document itself tells.
            _ => Ok(self.ask_manifest(selector).await?.map(|manifest| manifest.descriptor)),
        }
    }

    pub(super) async fn ask_manifest(&self, selector: &Selector) -> Result<Option<Manifest>, RegistryError> {
        let Some(response) = self.get_manifest(Method::GET, selector).await? else { return Ok(None) };
        let url = shown(response.url());
        let media_type = text(&response, &CONTENT_TYPE).map(bare);
        let claimed = text(&response, &CONTENT_DIGEST).map(str::to_owned);
        let bytes = read_bounded(response, self.access.limits.document_bytes, &self.access.limits).await?;
        let media_type = match media_type {
            Some(media_type) if !media_type.is_empty() && media_type != "application/json" => media_type,
            _ => media_type_of(&bytes).ok_or_else(|| RegistryError::Document {
                what: self.named(selector),
                reason: "neither headers nor content tell its media type".to_owned(),
            })?,
        };
        if is_schema_one(&media_type) {
            return Err(RegistryError::SchemaOne { what: self.named(selector) });
        }
        let digest = Digest::of(&bytes);
        if let Selector::Digest(asked) = selector
            && *asked != digest
        {
            return Err(self.wrong_manifest(selector, asked, digest.as_str()));
        }
        // A registry that answers with another algorithm cannot be held to it.
        if let Some(claimed) = claimed.filter(|claimed| claimed.starts_with("sha256:"))
            && claimed != digest.as_str()
        {
            return Err(RegistryError::DigestMismatch {
                what: format!("{url}, by its own Docker-Content-Digest,"),
                expected: digest,
                found: claimed,
            });
        }
        let size = bytes.len() as u64;
        Ok(Some(Manifest { descriptor: Descriptor { media_type, digest, size }, bytes }))
    }

    pub(super) async fn send_manifest(
        &self,
        selector: &Selector,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest, RegistryError> {
        let digest = Digest::of(&bytes);
        if let Selector::Digest(asked) = selector
            && *asked != digest
        {
            return Err(self.wrong_manifest(selector, asked, digest.as_str()));
        }
        let scope = self.push();
        let request = Request::new(Method::PUT, self.url(&format!("manifests/{selector}"))?, &scope)
            .with(CONTENT_TYPE, media_type)
            .carrying(Body::Bytes(bytes));
        let response = self.access.ask("put a manifest", &request, &[]).await?;
        match text(&response, &CONTENT_DIGEST) {
            Some(stored) if stored.starts_with("sha256:") && stored != digest.as_str() => {
                Err(self.wrong_manifest(selector, &digest, stored))
            }
            _ => Ok(digest),
        }
    }

    pub(super) async fn delete(&self, selector: &Selector) -> Result<bool, RegistryError> {
        let scope = self.push();
        let request = Request::new(Method::DELETE, self.url(&format!("manifests/{selector}"))?, &scope);
        let response = self.access.ask("delete a manifest", &request, &[400, 404, 405]).await?;
        match (response.status().as_u16(), selector) {
            // 405: deletion is off. 400: older registries delete by digest only.
            (405, _) | (400, Selector::Tag(_)) => Err(self.cannot_delete(selector)),
            (404, Selector::Tag(_)) => {
                let error = answer_error("DELETE", response, &self.access.limits).await;
                let refused = error.has_code("UNSUPPORTED") || error.has_code("DIGEST_INVALID");
                if refused { Err(self.cannot_delete(selector)) } else { Ok(false) }
            }
            (404, Selector::Digest(_)) => Ok(false),
            (400, Selector::Digest(_)) => {
                self.access.accept(&request.method, response, &[]).await.map(|_| true)
            }
            _ => Ok(true),
        }
    }

    fn cannot_delete(&self, selector: &Selector) -> RegistryError {
        RegistryError::Unsupported { place: self.describe(), action: format!("delete {selector}") }
    }

    async fn get_manifest(
        &self,
        method: Method,
        selector: &Selector,
    ) -> Result<Option<Response>, RegistryError> {
        let scope = self.pull();
        let request =
            Request::new(method, self.url(&format!("manifests/{selector}"))?, &scope).with(ACCEPT, ACCEPTED);
        let response = self.access.ask("read a manifest", &request, &[401, 404]).await?;
        self.unless_absent(&request.method, response).await
    }

    /// `None` for what does not exist. Some registries refuse to talk about repositories that do not exist yet even
    /// to users who may create them: `401` in spite of a password is taken for absence.
    pub(super) async fn unless_absent(
        &self,
        method: &Method,
        response: Response,
    ) -> Result<Option<Response>, RegistryError> {
        match response.status().as_u16() {
            404 => Ok(None),
            401 if self.access.login.was_granted(&self.repository) => {
                tracing::warn!(repository = self.describe(), "access is refused; taken as not there");
                Ok(None)
            }
            _ => self.access.accept(method, response, &[]).await.map(Some),
        }
    }

    fn named(&self, selector: &Selector) -> String {
        format!("manifest {selector} in {}", self.describe())
    }

    fn wrong_manifest(&self, selector: &Selector, expected: &Digest, found: &str) -> RegistryError {
        RegistryError::DigestMismatch {
            what: self.named(selector),
            expected: expected.clone(),
            found: found.to_owned(),
        }
    }
}

/// A header's value as text.
pub(super) fn text<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// A media type without parameters.
fn bare(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_owned()
}
