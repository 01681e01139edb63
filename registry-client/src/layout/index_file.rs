//! `index.json` of a layout: which tag is on which manifest.
//!
//! Entries that others wrote are kept as they are.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use common::{
    image::{Digest, Tag},
    work::{Descriptor, ManifestFormat},
};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{blocking, file_error, replace};
use crate::RegistryError;

/// OCI image specification, "Pre-Defined Annotation Keys".
const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub(super) const LOCK: &str = ".lock";
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// A change takes milliseconds; whoever holds the lock for so long hangs.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);
const LOCK_POLL: Duration = Duration::from_millis(20);

#[derive(Debug, Clone)]
pub(super) struct IndexFile {
    root: PathBuf,
}

/// One entry, as it is in the file.
pub(super) struct Entry<'a>(&'a Value);

impl Entry<'_> {
    fn name(&self) -> Option<&str> {
        self.0.get("annotations")?.get(REF_NAME)?.as_str()
    }

    pub(super) fn is_tagged(&self, tag: &Tag) -> bool {
        self.name() == Some(tag.as_str())
    }

    pub(super) fn has_digest(&self, digest: &Digest) -> bool {
        self.0.get("digest").and_then(Value::as_str) == Some(digest.as_str())
    }
}

impl IndexFile {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn path(&self) -> PathBuf {
        self.root.join("index.json")
    }

    /// The manifest that a tag is on.
    pub(super) fn find(&self, tag: &Tag) -> Result<Option<Descriptor>, RegistryError> {
        let index = self.read()?;
        let Some(entry) = entries(&index).iter().find(|entry| Entry(entry).is_tagged(tag)) else {
            return Ok(None);
        };
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let size = entry.get("size").and_then(Value::as_u64);
        match (text("mediaType"), text("digest").and_then(|digest| digest.parse().ok()), size) {
            (Some(media_type), Some(digest), Some(size)) => {
                Ok(Some(Descriptor { media_type: media_type.to_owned(), digest, size }))
            }
            _ => Err(self.damaged(format!("the entry of tag {tag} is no descriptor with a SHA-256 digest"))),
        }
    }

    /// All tags in the file's order. Names of other kinds are passed over.
    pub(super) fn tags(&self) -> Result<Vec<Tag>, RegistryError> {
        let index = self.read()?;
        let names = entries(&index).iter().filter_map(|entry| Entry(entry).name()?.parse().ok());
        Ok(names.collect())
    }

    /// Puts a tag on a manifest.
    pub(super) async fn set(&self, tag: &Tag, manifest: &Descriptor) -> Result<(), RegistryError> {
        let entry = json!({
            "mediaType": manifest.media_type,
            "digest": manifest.digest.as_str(),
            "size": manifest.size,
            "annotations": { REF_NAME: tag.as_str() },
        });
        let tag = tag.clone();
        self.change(move |entries| {
            let position = entries.iter().position(|entry| Entry(entry).is_tagged(&tag));
            entries.retain(|entry| !Entry(entry).is_tagged(&tag));
            entries.insert(position.unwrap_or(entries.len()).min(entries.len()), entry);
            true
        })
        .await
        .map(|_| ())
    }

    /// Removes entries; tells whether there were any.
    pub(super) async fn remove(
        &self,
        which: impl Fn(Entry<'_>) -> bool + Send,
    ) -> Result<bool, RegistryError> {
        self.change(move |entries| {
            let before = entries.len();
            entries.retain(|entry| !which(Entry(entry)));
            entries.len() < before
        })
        .await
    }

    /// Changes the entries under the lock, if `change` says that it did.
    async fn change(
        &self,
        change: impl FnOnce(&mut Vec<Value>) -> bool + Send,
    ) -> Result<bool, RegistryError> {
        let lock = self.lock().await?;
        let this = self.clone();
        let mut index = blocking(move || this.read()).await?;
        let changed = match index.get_mut("manifests").and_then(Value::as_array_mut) {
            Some(entries) => change(entries),
            None => return Err(self.damaged("it has no list of manifests".to_owned())),
        };
        let path = self.path();
        blocking(move || {
            // The lock goes into the blocking task, so that it is held until the file is written even if nobody
            // waits for that any more.
            let _lock = lock;
            if changed {
                let text =
                    serde_json::to_vec(&index).map_err(|error| file_error("write", &path, error.into()))?;
                replace(&path, &text)?;
            }
            Ok(changed)
        })
        .await
    }

    async fn lock(&self) -> Result<fs::File, RegistryError> {
        let path = self.root.join(LOCK);
        let opened = path.clone();
        let mut file = blocking(move || {
            let options = fs::File::options().create(true).truncate(false).write(true).open(&opened);
            options.map_err(|source| file_error("open", &opened, source))
        })
        .await?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            let tried = path.clone();
            let (back, locked) = blocking(move || match file.try_lock() {
                Ok(()) => Ok((file, true)),
                Err(fs::TryLockError::WouldBlock) => Ok((file, false)),
                Err(fs::TryLockError::Error(source)) => Err(file_error("lock", &tried, source)),
            })
            .await?;
            if locked {
                return Ok(back);
            }
            if Instant::now() >= deadline {
                let source = std::io::Error::other("another process has held the lock for half a minute");
                return Err(file_error("lock", &path, source));
            }
            file = back;
            tokio::time::sleep(LOCK_POLL).await;
        }
    }

    fn read(&self) -> Result<Value, RegistryError> {
        let path = self.path();
        if super::regular_file(&path)?.is_none() {
            let media_type = ManifestFormat::Oci.index();
            return Ok(json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [] }));
        }
        let fail = |source| file_error("read", &path, source);
        if fs::metadata(&path).map_err(fail)?.len() > MAX_BYTES {
            return Err(RegistryError::TooLarge { what: path.display().to_string(), limit: MAX_BYTES });
        }
        let text = fs::read(&path).map_err(fail)?;
        let index: Map<String, Value> =
            serde_json::from_slice(&text).map_err(|error| self.damaged(error.to_string()))?;
        Ok(Value::Object(index))
    }

    fn damaged(&self, reason: String) -> RegistryError {
        RegistryError::Layout {
            path: self.root.clone(),
            reason: format!("its index.json is damaged: {reason}"),
        }
    }
}

fn entries(index: &Value) -> &[Value] {
    index.get("manifests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
