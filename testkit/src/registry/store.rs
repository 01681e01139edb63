//! What the registry has: blobs, manifests, tags, uploads.

use std::collections::{BTreeMap, HashMap};

use bytes::{Bytes, BytesMut};
use common::image::Digest;
use serde_json::Value;

#[derive(Debug, Default)]
pub(super) struct Store {
    blobs: HashMap<(String, Digest), Bytes>,
    manifests: HashMap<(String, Digest), (String, Bytes)>,
    tags: BTreeMap<(String, String), Digest>,
    pub(super) uploads: HashMap<String, (String, BytesMut)>,
    begun: u64,
}

impl Store {
    pub(super) fn put_blob(&mut self, repository: &str, content: Bytes) -> Digest {
        let digest = Digest::of(&content);
        self.blobs.insert((repository.to_owned(), digest.clone()), content);
        digest
    }

    pub(super) fn blob(&self, repository: &str, digest: &Digest) -> Option<&Bytes> {
        self.blobs.get(&(repository.to_owned(), digest.clone()))
    }

    pub(super) fn put_manifest(
        &mut self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        content: Bytes,
    ) -> Digest {
        let digest = Digest::of(&content);
        self.manifests.insert((repository.to_owned(), digest.clone()), (media_type.to_owned(), content));
        if let Some(tag) = tag {
            self.tags.insert((repository.to_owned(), tag.to_owned()), digest.clone());
        }
        digest
    }

    /// The manifest that a tag or digest names.
    pub(super) fn manifest(&self, repository: &str, reference: &str) -> Option<(Digest, &(String, Bytes))> {
        let tag = (repository.to_owned(), reference.to_owned());
        let digest = reference.parse().ok().or_else(|| self.tags.get(&tag).cloned())?;
        let found = self.manifests.get(&(repository.to_owned(), digest.clone()))?;
        Some((digest, found))
    }

    pub(super) fn tags(&self, repository: &str) -> impl Iterator<Item = (&str, &Digest)> {
        let own = self.tags.iter().filter(move |((of, _), _)| of == repository);
        own.map(|((_, tag), digest)| (tag.as_str(), digest))
    }

    /// Removes what a tag or digest names; `false` if it was not there.
    pub(super) fn delete(&mut self, repository: &str, reference: &str) -> bool {
        match reference.parse::<Digest>() {
            Ok(digest) => {
                self.tags.retain(|(of, _), on| of != repository || *on != digest);
                self.manifests.remove(&(repository.to_owned(), digest)).is_some()
            }
            Err(_) => self.tags.remove(&(repository.to_owned(), reference.to_owned())).is_some(),
        }
    }

    pub(super) fn begin(&mut self, repository: &str) -> String {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        self.uploads.insert(id.clone(), (repository.to_owned(), BytesMut::new()));
        id
    }

    /// What a manifest refers to and the repository does not have.
    pub(super) fn missing(&self, repository: &str, manifest: &[u8]) -> Option<String> {
        let manifest: Value = serde_json::from_slice(manifest).ok()?;
        let list = |key: &str| manifest.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let digest =
            |of: &Value| of.get("digest").and_then(Value::as_str).and_then(|d| d.parse::<Digest>().ok());
        let foreign =
            |of: &Value| of.get("mediaType").is_some_and(|kind| kind.to_string().contains("foreign"));
        let blobs = list("layers").into_iter().chain(manifest.get("config").cloned());
        let lost_blob = blobs
            .filter(|of| !foreign(of))
            .filter_map(|of| digest(&of))
            .find(|digest| self.blob(repository, digest).is_none());
        let lost_member = || {
            let members = list("manifests");
            let mut members = members.iter().filter_map(digest);
            members.find(|digest| self.manifest(repository, digest.as_str()).is_none())
        };
        lost_blob.or_else(lost_member).map(|digest| digest.to_string())
    }
}
