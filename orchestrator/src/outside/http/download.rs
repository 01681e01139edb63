//! Files that go to disk, with their checksums computed on the way.

use std::path::{Path, PathBuf};

use common::retry::retry;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt as _;
use url::Url;

use super::{AllowedPlaces, Http, HttpError, shown, transport, within};

/// A file that was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Where it is: in the directory, named by its SHA-256.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its MD5, hexadecimal.
    pub md5: String,
    /// Its SHA-1, hexadecimal.
    pub sha1: String,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
}

impl Http {
    /// Downloads a file of at most `limit` bytes into a directory, which is made
    /// if need be. It is written under a temporary name and then renamed to its
    /// SHA-256, so that what has that name is whole.
    ///
    /// # Errors
    /// The place is not allowed, the server cannot be reached or refuses, the
    /// file is too large, or the disk refuses.
    pub async fn download(
        &self,
        url: &Url,
        limit: u64,
        directory: &Path,
        allowed: &AllowedPlaces,
    ) -> Result<Downloaded, HttpError> {
        let disk = |source| HttpError::Disk { path: directory.to_owned(), source };
        tokio::fs::create_dir_all(directory).await.map_err(disk)?;
        let once = || {
            let deadline = self.settings.download_deadline;
            within(deadline, url, self.download_once(url, limit, directory, allowed))
        };
        retry(self.settings.patience, "downloading a file", once).await
    }

    async fn download_once(
        &self,
        url: &Url,
        limit: u64,
        directory: &Path,
        allowed: &AllowedPlaces,
    ) -> Result<Downloaded, HttpError> {
        let disk = |source| HttpError::Disk { path: directory.to_owned(), source };
        let mut response = self.open(url, allowed).await?;
        let too_large = || HttpError::TooLarge { url: shown(url), limit };
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let temporary = tempfile::Builder::new().prefix(".download-").tempfile_in(directory).map_err(disk)?;
        let (file, name) = temporary.into_parts();
        let mut file = tokio::io::BufWriter::with_capacity(1 << 20, tokio::fs::File::from_std(file));
        let (mut md5, mut sha1, mut sha256) = (Md5::new(), Sha1::new(), Sha256::new());
        let mut size = 0;
        while let Some(chunk) = response.chunk().await.map_err(|error| transport(url, error))? {
            size += chunk.len() as u64;
            if size > limit {
                return Err(too_large());
            }
            md5.update(&chunk);
            sha1.update(&chunk);
            sha256.update(&chunk);
            file.write_all(&chunk).await.map_err(disk)?;
        }
        file.flush().await.map_err(disk)?;
        file.get_ref().sync_all().await.map_err(disk)?;
        let sha256 = hex::encode(sha256.finalize());
        let path = directory.join(&sha256);
        name.persist(&path).map_err(|error| disk(error.error))?;
        Ok(Downloaded {
            path,
            size,
            md5: hex::encode(md5.finalize()),
            sha1: hex::encode(sha1.finalize()),
            sha256,
        })
    }
}
