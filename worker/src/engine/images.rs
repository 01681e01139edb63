//! Images in the engine: looking at them, taking one out, removing what a build
//! left.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bollard::{models::ImageInspect, query_parameters::RemoveImageOptions};
use bytes::Bytes;
use common::platform::Architecture;
use futures::{Stream, StreamExt as _};

use super::{DockerEngine, EngineError};

/// How long the engine may take to put an image together before it sends the
/// first byte: about ten seconds for half a gigabyte.
const EXPORT_START: Duration = Duration::from_secs(1800);

/// The images that a build made, also written to a file, so that a worker that
/// was killed can remove them in its next life.
#[derive(Debug)]
pub(crate) struct CreatedImages {
    path: PathBuf,
    ids: Mutex<Vec<String>>,
}

impl CreatedImages {
    /// An empty list that is kept in the file `path`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, ids: Mutex::default() }
    }

    /// The list that an earlier life left in a file; empty if there is none.
    pub(crate) fn read(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().filter(|line| is_image_id(line)).map(str::to_owned).collect()
    }

    pub(crate) fn add(&self, id: &str) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.iter().any(|known| known == id) {
            return;
        }
        ids.push(id.to_owned());
        let appended = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .and_then(|mut file| writeln!(file, "{id}"));
        if let Err(error) = appended {
            tracing::warn!(path = %self.path.display(), %error, "cannot write down an image for later removal");
        }
    }

    /// The ids so far, oldest first.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether a text is an image id as engines print it: 12 to 64 hexadecimal
/// digits, with or without `sha256:`.
pub(crate) fn is_image_id(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    (12..=64).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether no name keeps an image alive.
fn is_dangling(image: &ImageInspect) -> bool {
    let unnamed = |names: &Option<Vec<String>>| {
        names.iter().flatten().all(|name| name.starts_with("<none>") || name.starts_with("moby-dangling"))
    };
    unnamed(&image.repo_tags) && unnamed(&image.repo_digests)
}

/// The architecture that an image says it is for, if it says one.
pub(crate) fn architecture_of(image: &ImageInspect) -> Option<Architecture> {
    let architecture = image.architecture.clone().filter(|text| !text.is_empty())?;
    Some(Architecture { architecture, variant: image.variant.clone().filter(|text| !text.is_empty()) })
}

impl DockerEngine {
    /// An image by name or id; `None` if the engine has none such.
    pub(crate) async fn inspect(&self, name: &str) -> Result<Option<ImageInspect>, EngineError> {
        match self.docker.inspect_image(name).await {
            Ok(image) => Ok(Some(image)),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(EngineError::of_call(&format!("inspecting {name}"), error)),
        }
    }

    /// The image as a `docker save` archive, as it comes.
    pub(crate) fn export(
        &self,
        image_id: &str,
    ) -> impl Stream<Item = Result<Bytes, EngineError>> + Send + Unpin + 'static + use<> {
        let doing = format!("exporting {image_id}");
        let docker = self.patient(EXPORT_START);
        let image_id = image_id.to_owned();
        let stream = async_stream(docker, image_id);
        Box::pin(stream.map(move |item| item.map_err(|error| EngineError::of_call(&doing, error))))
    }

    /// Removes images of a build, newest first: only those that no name points
    /// to, and never by force. What cannot be removed is left and logged.
    pub(crate) async fn remove_images(&self, ids: &[String], keep_cache: bool) {
        for id in ids.iter().rev() {
            match self.inspect(id).await {
                Ok(Some(image)) if is_dangling(&image) => {}
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(image = id, %error, "cannot look at an image to remove");
                    continue;
                }
            }
            let options = RemoveImageOptions { force: false, noprune: keep_cache, ..Default::default() };
            match self.docker.remove_image(id, Some(options), None).await {
                Ok(_) => {}
                // In use by another build, or gone with its child.
                Err(bollard::errors::Error::DockerResponseServerError { status_code: 404 | 409, .. }) => {}
                Err(error) => tracing::warn!(image = id, %error, "cannot remove an image"),
            }
        }
    }
}

/// bollard's stream borrows the client; this one owns it.
fn async_stream(
    docker: bollard::Docker,
    image_id: String,
) -> impl Stream<Item = Result<Bytes, bollard::errors::Error>> + Send + 'static {
    let stream = docker.export_image(&image_id).boxed();
    // The request is made already; the client only has to live as long.
    stream.map(move |item| {
        let _keep = &docker;
        item
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unnamed_images_are_dangling() {
        let image = |tags: &[&str], digests: &[&str]| ImageInspect {
            repo_tags: Some(tags.iter().map(|it| (*it).to_owned()).collect()),
            repo_digests: Some(digests.iter().map(|it| (*it).to_owned()).collect()),
            ..Default::default()
        };
        assert!(is_dangling(&ImageInspect::default()));
        assert!(is_dangling(&image(&["<none>:<none>"], &["<none>@<none>"])));
        assert!(!is_dangling(&image(&["base:1"], &[])));
        assert!(!is_dangling(&image(&[], &["r.example.org/base@sha256:00"])));
    }

    #[test]
    fn created_images_survive_in_their_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("images");
        let images = CreatedImages::new(path.clone());
        for id in ["0123456789ab", "sha256:0123456789abcdef", "0123456789ab"] {
            images.add(id);
        }
        assert_eq!(images.ids(), ["0123456789ab", "sha256:0123456789abcdef"]);
        assert_eq!(CreatedImages::read(&path), images.ids());
        assert!(!is_image_id("Using cache") && !is_image_id("base:1") && !is_image_id(""));
    }
}
