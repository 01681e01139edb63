//! Package repositories of tags.

use common::koji::KojiRepository;

use super::{
    Hub, HubError,
    answers::{Repository, Tag},
};
use crate::xmlrpc::Arguments;

impl Hub {
    /// The newest repository of a tag that is ready.
    ///
    /// # Errors
    /// There is no such tag, it has no repository, or the hub cannot answer.
    pub async fn repository(&self, tag: &str) -> Result<KojiRepository, HubError> {
        let found: Option<Tag> = self.read("getTag", Arguments::none().with(tag)).await?;
        let found = found.ok_or_else(|| HubError::NotFound {
            method: "getTag",
            code: "koji.no_tag",
            message: format!("the hub has no tag '{tag}'"),
        })?;
        let ready: Option<Repository> = self.read("getRepo", Arguments::none().with(found.id)).await?;
        let ready = ready.ok_or_else(|| HubError::NotFound {
            method: "getRepo",
            code: "koji.no_repository",
            message: format!("the tag '{tag}' has no repository that is ready"),
        })?;
        let base_url = format!("{}/repos/{}/{}/$basearch", self.options().files_url, found.name, ready.id);
        Ok(KojiRepository { id: ready.id.into(), tag: found.name, base_url })
    }
}
