//! Downloads of artifacts, and their checksums.

use std::path::{Path, PathBuf};

use common::failure::{Failure, FailureClass};
use sha2::{Digest as _, Sha256};

use super::{Checksums, DIRECTORY, FetchedArtifact, WantedArtifact};
use crate::{
    outside::{AllowedPlaces, Downloaded, shown},
    services::{PlanServices, disk_failure},
};

/// Fetches one file and holds it against what is known of it.
pub(super) async fn fetch(
    services: &PlanServices,
    wanted: WantedArtifact,
    allowed: &AllowedPlaces,
) -> Result<FetchedArtifact, Failure> {
    let WantedArtifact { url, destination, checksums, is_asked } = wanted;
    let directory = services.directory.join(DIRECTORY);
    if let Some(sha256) = &checksums.sha256
        && checksums == (Checksums { sha256: Some(sha256.clone()), ..Checksums::default() })
        && let Some(size) = is_there(&directory.join(sha256), sha256).await?
    {
        return Ok(FetchedArtifact { destination, sha256: sha256.clone(), size, url, is_asked });
    }
    let any = AllowedPlaces::any();
    let allowed = if is_asked { allowed } else { &any };
    let limit = services.site.artifacts.max_size.bytes();
    let file = services.outside.http.download(&url, limit, &directory, allowed).await?;
    if let Some((kind, expected, found)) = difference(&checksums, &file) {
        // Another wish may have the same file; then it is fetched again.
        let _removed = tokio::fs::remove_file(&file.path).await;
        let url = shown(&url);
        let text = format!("{url} does not match expected checksum: its {kind} is {found}, not {expected}");
        return Err(Failure::new(FailureClass::Source, "artifacts.checksum_mismatch", text)
            .with_advice("correct the checksum, if the file is the right one"));
    }
    Ok(FetchedArtifact { destination, sha256: file.sha256, size: file.size, url, is_asked })
}

/// The first checksum that differs: its kind, what was expected, what was found.
fn difference<'a>(
    expected: &'a Checksums,
    found: &'a Downloaded,
) -> Option<(&'static str, &'a str, &'a str)> {
    [
        ("md5", &expected.md5, &found.md5),
        ("sha1", &expected.sha1, &found.sha1),
        ("sha256", &expected.sha256, &found.sha256),
    ]
    .into_iter()
    .filter_map(|(kind, expected, found)| Some((kind, expected.as_deref()?, found.as_str())))
    .find(|(_, expected, found)| expected != found)
}

/// Makes sure that an artifact is where the step that fetched it left it, and
/// fetches it again if it is not. Returns where that is.
///
/// # Errors
/// It is gone, and cannot be had any more.
pub async fn ensure(services: &PlanServices, artifact: &FetchedArtifact) -> Result<PathBuf, Failure> {
    let directory = services.directory.join(DIRECTORY);
    let path = directory.join(&artifact.sha256);
    if is_there(&path, &artifact.sha256).await?.is_some() {
        return Ok(path);
    }
    // Its content is known by now, but a redirect may lead elsewhere than before.
    let allowed = match artifact.is_asked {
        true => AllowedPlaces::parse(&services.site.artifacts.allowed_domains)?,
        false => AllowedPlaces::any(),
    };
    let file = services.outside.http.download(&artifact.url, artifact.size, &directory, &allowed).await?;
    if file.sha256 == artifact.sha256 {
        return Ok(path);
    }
    let text = format!(
        "{} has changed since this build fetched it: its sha256 was {}, and is {}",
        artifact.shown_url(),
        artifact.sha256,
        file.sha256
    );
    Err(Failure::new(FailureClass::Source, "artifacts.changed", text).with_advice("submit the build again"))
}

/// The size of a file, if it is there and has this SHA-256.
async fn is_there(path: &Path, sha256: &str) -> Result<Option<u64>, Failure> {
    let (path, sha256) = (path.to_owned(), sha256.to_owned());
    let look = move || -> Result<Option<u64>, Failure> {
        let failed = |error: std::io::Error| disk_failure("cannot read", &path, &error);
        let mut file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut hash = HashWriter(Sha256::new());
        let size = std::io::copy(&mut file, &mut hash).map_err(failed)?;
        Ok((hex::encode(hash.0.finalize()) == sha256).then_some(size))
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_else(|error| {
        Err(Failure::new(FailureClass::Internal, "internal.thread", error.to_string()))
    })
}

/// Hashes what is written to it.
struct HashWriter(Sha256);

impl std::io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
