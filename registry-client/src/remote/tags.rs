//! The list of tags, page by page.

use common::image::Tag;
use reqwest::{Method, header::LINK};
use serde::Deserialize;
use url::Url;

use super::{
    Remote,
    answers::{read_bounded, shown},
    manifest::text,
    transport::Request,
};
use crate::RegistryError;

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
    use super::next_page;

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
