//! Tags: the list of them, page by page, and taking one away.
//!
//! Older registries (docker-registry 2.8 among them) delete manifests by digest
//! only, and all tags with them. There a tag is first moved to an empty index of
//! its own, and that is deleted, so that the image and its other tags stay.

use bytes::Bytes;
use common::{
    image::{Digest, Tag},
    work::ManifestFormat,
};
use reqwest::{Method, header::LINK};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{
    Remote,
    answers::{read_bounded, shown},
    manifest::text,
    transport::Request,
};
use crate::{Manifest, Registry as _, RegistryError, Selector};

const PAGE: usize = 1000;
const MAX_PAGES: usize = 1000;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl Remote {
    pub(super) async fn list_tags(&self) -> Result<Vec<Tag>, RegistryError> {
        let mut tags = Vec::new();
        let mut url = self.url(&format!("tags/list?n={PAGE}"))?;
        let scope = self.pull();
        for _ in 0..MAX_PAGES {
            let request = Request::new(Method::GET, url.clone(), &scope);
            let response = self.access.ask("list tags", &request, &[401, 404]).await?;
            let Some(response) = self.unless_absent(&request.method, response).await? else {
                return Ok(tags);
            };
            let next = text(&response, &LINK).and_then(next_page).map(str::to_owned);
            let bytes =
                read_bounded(response, self.access.limits.document_bytes, &self.access.limits).await?;
            let page: Page = serde_json::from_slice(&bytes)
                .map_err(|error| RegistryError::Document { what: shown(&url), reason: error.to_string() })?;
            // What is not a tag cannot be asked for either.
            tags.extend(page.tags.unwrap_or_default().into_iter().filter_map(|tag| tag.parse().ok()));
            let Some(next) = next else { return Ok(tags) };
            url = self.at_home(&url, &next)?;
        }
        Err(RegistryError::Protocol { url: shown(&url), reason: "its list of tags has no end".to_owned() })
    }

    pub(super) async fn remove_tag(&self, tag: &Tag) -> Result<bool, RegistryError> {
        match self.delete(&Selector::Tag(tag.clone())).await {
            Err(RegistryError::Unsupported { .. }) => self.remove_tag_by_digest(tag).await,
            other => other,
        }
    }

    /// Moves the tag to a placeholder and deletes that. On an error the tag is where it was, as far as the registry
    /// still answers.
    async fn remove_tag_by_digest(&self, tag: &Tag) -> Result<bool, RegistryError> {
        let by_tag = Selector::Tag(tag.clone());
        let Some(former) = self.ask_manifest(&by_tag).await? else { return Ok(false) };
        let placeholder = placeholder(tag, &former.descriptor.digest);
        let digest = Digest::of(&placeholder);
        // Nothing of value can have this digest: the answer tells whether deletion is allowed, before the tag is
        // touched.
        self.delete_placeholder(tag, &digest).await?;
        let removed = async {
            self.send_manifest(&by_tag, ManifestFormat::Oci.index(), placeholder).await?;
            self.delete_placeholder(tag, &digest).await?;
            match self.ask_head(&by_tag).await? {
                None => Ok(true),
                Some(found) => Err(RegistryError::Protocol {
                    url: shown(&self.url(&format!("manifests/{tag}"))?),
                    reason: format!("the tag still points to {} after {digest} was deleted", found.digest),
                }),
            }
        };
        let removed = removed.await;
        if removed.is_err() {
            self.put_back(&by_tag, &digest, former).await;
        }
        removed
    }

    async fn delete_placeholder(&self, tag: &Tag, digest: &Digest) -> Result<bool, RegistryError> {
        match self.delete(&Selector::Digest(digest.clone())).await {
            Err(RegistryError::Unsupported { place, .. }) => {
                Err(RegistryError::DeletionDisabled { place, tag: tag.clone() })
            }
            other => other,
        }
    }

    /// Moves a tag from its placeholder to what it pointed to before, unless somebody else has moved it.
    async fn put_back(&self, by_tag: &Selector, placeholder: &Digest, former: Manifest) {
        let done = async {
            if self.ask_head(by_tag).await?.is_some_and(|found| found.digest == *placeholder) {
                self.send_manifest(by_tag, &former.descriptor.media_type, former.bytes).await?;
            }
            Ok::<(), RegistryError>(())
        };
        if let Err(error) = done.await {
            tracing::warn!(place = self.describe(), tag = %by_tag, %error, "a tag was left on an empty index");
        }
    }

    fn at_home(&self, from: &Url, next: &str) -> Result<Url, RegistryError> {
        match from.join(next) {
            Ok(next) if next.origin() == from.origin() => Ok(next),
            _ => Err(RegistryError::Protocol {
                url: shown(from),
                reason: "the next page of its list of tags is on another host".to_owned(),
            }),
        }
    }
}

/// An index without members (OCI image index specification) that belongs to one tag on one image, so that deleting
/// it by digest can reach no other tag.
fn placeholder(tag: &Tag, former: &Digest) -> Bytes {
    let annotations = json!({ "reactor.removed-tag": tag.as_str(), "reactor.removed-from": former.as_str() });
    let media_type = ManifestFormat::Oci.index();
    json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [], "annotations": annotations })
        .to_string()
        .into()
}

/// The target of a `Link` header with `rel="next"` (RFC 8288).
fn next_page(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|p| matches!(p.trim(), "rel=next" | "rel=\"next\""));
        is_next.then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tag_and_image_has_a_placeholder_of_its_own() {
        let (tag, other): (Tag, Tag) = ("1".parse().unwrap(), "2".parse().unwrap());
        let (image, other_image) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(placeholder(&tag, &image), placeholder(&tag, &image));
        assert_ne!(placeholder(&tag, &image), placeholder(&other, &image));
        assert_ne!(placeholder(&tag, &image), placeholder(&tag, &other_image));
    }

    #[test]
    fn the_next_page_is_found() {
        assert_eq!(
            next_page(r#"</v2/a/tags/list?n=2&last=b>; rel="next""#),
            Some("/v2/a/tags/list?n=2&last=b")
        );
        assert_eq!(next_page("</x>; rel=prev, </y>; rel=next"), Some("/y"));
        assert_eq!(next_page("</x>; rel=prev"), None);
        assert_eq!(next_page("garbage"), None);
    }
}
