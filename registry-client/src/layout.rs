//! An OCI image layout on disk (OCI image specification, image layout): a
//! directory with `oci-layout`, `index.json` and `blobs/sha256`.
//!
//! A blob is written beside its place, hashed as it is written, made durable and
//! then renamed, so a blob that is there is whole. A tag is an entry of
//! `index.json`; the file is replaced as a whole under a lock, so that several
//! processes can share a layout. Manifests by digest are blobs without an entry.

mod blobs;
mod index_file;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    image::{Digest, Repository, Tag},
    work::Descriptor,
};

pub use self::blobs::BlobWriter;
use self::index_file::IndexFile;
use crate::{
    BlobSource, BlobStat, BlobStream, Manifest, Place, Registry, RegistryError, Selector,
    document::media_type_of,
};

const HEADER: &str = "oci-layout";
const UPLOADS: &str = ".uploads";
/// Largest manifest or index that is read.
const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// An OCI image layout directory.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    index: IndexFile,
}

impl Layout {
    /// Opens a layout, and makes one of a directory that is empty or not there yet.
    ///
    /// # Errors
    /// The directory has something else in it, or cannot be written.
    pub async fn create(root: impl Into<PathBuf>) -> Result<Self, RegistryError> {
        let root = root.into();
        blocking(move || {
            make(&root)?;
            Self::at(root)
        })
        .await
    }

    /// Opens a layout that is there.
    ///
    /// # Errors
    /// It is not there, or not a layout.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self, RegistryError> {
        let root = root.into();
        blocking(move || Self::at(root)).await
    }

    fn at(root: PathBuf) -> Result<Self, RegistryError> {
        let bad = |reason: String| RegistryError::Layout { path: root.clone(), reason };
        let header = match fs::read(root.join(HEADER)) {
            Ok(header) => header,
            Err(error) => return Err(bad(format!("its file '{HEADER}' cannot be read: {error}"))),
        };
        let header: oci_spec::image::OciLayout = serde_json::from_slice(&header)
            .map_err(|error| bad(format!("its file '{HEADER}' cannot be understood: {error}")))?;
        if !header.image_layout_version().starts_with("1.") {
            return Err(bad(format!("it has version {}; known is 1", header.image_layout_version())));
        }
        let index = IndexFile::new(&root);
        Ok(Self { root, index })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a blob is, or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join("sha256").join(digest.hex())
    }

    /// Begins a blob of at most `max_bytes` that comes piece by piece.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub async fn blob_writer(&self, max_bytes: u64) -> Result<BlobWriter, RegistryError> {
        BlobWriter::begin(self.clone(), max_bytes).await
    }

    /// Stores a small blob and answers its digest.
    async fn store(&self, bytes: Bytes, media_type: &str) -> Result<Digest, RegistryError> {
        let digest = Digest::of(&bytes);
        let size = bytes.len() as u64;
        let blob = Descriptor { media_type: media_type.to_owned(), digest: digest.clone(), size };
        if !self.has_blob(&blob).await? {
            let mut writer = self.blob_writer(size).await?;
            writer.write(&bytes).await?;
            writer.finish(&blob).await?;
        }
        Ok(digest)
    }

    fn read_manifest(&self, digest: &Digest) -> Result<Option<Bytes>, RegistryError> {
        let path = self.blob_path(digest);
        let Some(size) = regular_file(&path)? else { return Ok(None) };
        if size > MAX_MANIFEST_BYTES {
            return Err(RegistryError::TooLarge {
                what: path.display().to_string(),
                limit: MAX_MANIFEST_BYTES,
            });
        }
        let bytes = fs::read(&path).map_err(|source| file_error("read", &path, source))?;
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(RegistryError::DigestMismatch {
                what: path.display().to_string(),
                expected: digest.clone(),
                found: found.to_string(),
            });
        }
        Ok(Some(bytes.into()))
    }
}

/// Size of a regular file, `None` if there is nothing. A link or anything else is an error: a layout has none.
fn regular_file(path: &Path) -> Result<Option<u64>, RegistryError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(Some(found.len())),
        Ok(_) => Err(file_error("use", path, io::Error::other("it is not a regular file"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(file_error("read", path, source)),
    }
}

fn make(root: &Path) -> Result<(), RegistryError> {
    let header = root.join(HEADER);
    if regular_file(&header)?.is_none() {
        let occupied = match fs::read_dir(root) {
            // Whoever makes the same layout at this moment has made these.
            Ok(entries) => entries.flatten().any(|entry| {
                !["blobs", UPLOADS, "index.json", HEADER, index_file::LOCK]
                    .contains(&&*entry.file_name().to_string_lossy())
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(source) => return Err(file_error("read", root, source)),
        };
        if occupied {
            let reason = "the directory has other files in it".to_owned();
            return Err(RegistryError::Layout { path: root.to_owned(), reason });
        }
    }
    for directory in [root.join("blobs").join("sha256"), root.join(UPLOADS)] {
        fs::create_dir_all(&directory).map_err(|source| file_error("make", &directory, source))?;
    }
    blobs::sweep(&root.join(UPLOADS));
    if regular_file(&header)?.is_none() {
        replace(&header, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    }
    Ok(())
}

/// Replaces a file as a whole, durably.
fn replace(path: &Path, content: &[u8]) -> Result<(), RegistryError> {
    let fail = |source| file_error("write", path, source);
    let directory = path.parent().unwrap_or(Path::new("."));
    let uploads = directory.join(UPLOADS);
    make_uploads(&uploads).map_err(fail)?;
    let mut file = tempfile::Builder::new().prefix("new-").tempfile_in(uploads).map_err(fail)?;
    io::Write::write_all(&mut file, content).map_err(fail)?;
    make_readable(file.as_file()).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    sync_directory(directory).map_err(fail)
}

/// Makes the directory for what is being written: a layout that another program made has none. Nothing above it is
/// made, so that a layout which was removed meanwhile does not come back in part.
fn make_uploads(uploads: &Path) -> io::Result<()> {
    match fs::create_dir(uploads) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

/// Temporary files are private; what is published is for all to read.
fn make_readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> RegistryError {
    RegistryError::File { action, path: path.to_owned(), source }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, RegistryError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(file_error("work on", Path::new("the layout"), io::Error::other(error))),
    }
}

#[async_trait]
impl Registry for Layout {
    fn describe(&self) -> String {
        format!("oci:{}", self.root.display())
    }

    fn place(&self) -> Place {
        Place::Layout(self.root.clone())
    }

    async fn head_manifest(&self, selector: &Selector) -> Result<Option<Descriptor>, RegistryError> {
        Ok(self.manifest(selector).await?.map(|manifest| manifest.descriptor))
    }

    async fn manifest(&self, selector: &Selector) -> Result<Option<Manifest>, RegistryError> {
        let (layout, selector) = (self.clone(), selector.clone());
        blocking(move || {
            let (digest, told) = match &selector {
                Selector::Digest(digest) => (digest.clone(), None),
                Selector::Tag(tag) => match layout.index.find(tag)? {
                    Some(entry) => (entry.digest, Some(entry.media_type)),
                    None => return Ok(None),
                },
            };
            let Some(bytes) = layout.read_manifest(&digest)? else {
                // A digest that is not there is simply not there; a tag on nothing is damage.
                return match selector {
                    Selector::Digest(_) => Ok(None),
                    Selector::Tag(tag) => Err(RegistryError::Missing {
                        what: format!("manifest {digest} of tag {tag} in {}", layout.describe()),
                    }),
                };
            };
            let media_type = media_type_of(&bytes).or(told).ok_or_else(|| RegistryError::Document {
                what: layout.blob_path(&digest).display().to_string(),
                reason: "it is not a manifest".to_owned(),
            })?;
            let size = bytes.len() as u64;
            Ok(Some(Manifest { descriptor: Descriptor { media_type, digest, size }, bytes }))
        })
        .await
    }

    async fn put_manifest(
        &self,
        selector: &Selector,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest, RegistryError> {
        let size = bytes.len() as u64;
        let digest = Digest::of(&bytes);
        if let Selector::Digest(asked) = selector
            && *asked != digest
        {
            return Err(RegistryError::DigestMismatch {
                what: format!("manifest {asked} for {}", self.describe()),
                expected: asked.clone(),
                found: digest.to_string(),
            });
        }
        self.store(bytes, media_type).await?;
        if let Selector::Tag(tag) = selector {
            let entry = Descriptor { media_type: media_type.to_owned(), digest: digest.clone(), size };
            self.index.set(tag, &entry).await?;
        }
        Ok(digest)
    }

    async fn stat_blob(&self, digest: &Digest) -> Result<Option<BlobStat>, RegistryError> {
        let path = self.blob_path(digest);
        let size = blocking(move || regular_file(&path)).await?;
        Ok(size.map(|size| BlobStat { size: Some(size) }))
    }

    async fn read_blob(&self, blob: &Descriptor) -> Result<BlobStream, RegistryError> {
        self.stream(blob).await
    }

    async fn write_blob(&self, blob: &Descriptor, source: &BlobSource<'_>) -> Result<(), RegistryError> {
        self.take(blob, source).await
    }

    async fn mount_blob(&self, _digest: &Digest, _from: &Repository) -> Result<bool, RegistryError> {
        Ok(false)
    }

    fn local_blob(&self, digest: &Digest) -> Option<PathBuf> {
        Some(self.blob_path(digest))
    }

    async fn tags(&self) -> Result<Vec<Tag>, RegistryError> {
        let index = self.index.clone();
        blocking(move || index.tags()).await
    }

    async fn delete_tag(&self, tag: &Tag) -> Result<bool, RegistryError> {
        self.index.remove(|entry| entry.is_tagged(tag)).await
    }

    async fn delete_manifest(&self, digest: &Digest) -> Result<bool, RegistryError> {
        // Tags go first, so that none is ever on nothing.
        self.index.remove(|entry| entry.has_digest(digest)).await?;
        let path = self.blob_path(digest);
        blocking(move || match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(file_error("remove", &path, source)),
        })
        .await
    }
}

#[cfg(test)]
mod tests;
