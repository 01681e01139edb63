//! Brings the parents of a build into the engine before it begins.
//!
//! A pinned parent is pulled by digest for the platform, unless the engine has
//! it; a local parent must be there already. Either must be made for the
//! platform.

use std::{collections::BTreeMap, time::Duration};

use bollard::query_parameters::CreateImageOptions;
use common::{
    image::ImageReference,
    platform::Architecture,
    retry::{Patience, Transient, retry},
    work::Parent,
};
use futures::StreamExt as _;
use tokio::time::timeout;

use super::{
    DockerEngine, EngineError, RegistryCredentials,
    classify::{is_image_missing, is_no_space},
    images::architecture_of,
};
use crate::report::Reporter;

/// A pull that says nothing for this long has failed.
const SILENCE: Duration = Duration::from_secs(600);

const PATIENCE: Patience =
    Patience { attempts: 4, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(15) };

impl Transient for EngineError {
    fn retry_after(&self) -> Option<Duration> {
        self.is_transient().then_some(Duration::ZERO)
    }
}

impl DockerEngine {
    /// Makes sure that all parents are in the engine. Returns the image ids of
    /// the local ones by the name that the Dockerfile uses.
    ///
    /// # Errors
    /// A parent is missing, refused, or made for another platform.
    pub(crate) async fn prepare_parents(
        &self,
        parents: &[Parent],
        wanted: &Architecture,
        credentials: &RegistryCredentials,
        report: &Reporter,
    ) -> Result<BTreeMap<String, String>, EngineError> {
        let mut local = BTreeMap::new();
        for parent in parents {
            match &parent.pinned {
                Some(pinned) => self.prepare_pinned(pinned, wanted, credentials, report).await?,
                None => {
                    let id = self.local_parent(&parent.written_as, wanted).await?;
                    report.say(format!("local parent {} is {id}", parent.written_as)).await;
                    local.insert(parent.written_as.clone(), id);
                }
            }
        }
        Ok(local)
    }

    async fn local_parent(&self, name: &str, wanted: &Architecture) -> Result<String, EngineError> {
        let image = self.inspect(name).await?.ok_or_else(|| EngineError::ParentNotFound {
            parent: name.to_owned(),
            message: "the worker's engine does not have it, and it was accepted as a local image".to_owned(),
        })?;
        check_architecture(name, architecture_of(&image), wanted)?;
        image.id.ok_or_else(|| EngineError::Refused {
            doing: format!("inspecting {name}"),
            status: 200,
            message: "the engine told no image id".to_owned(),
        })
    }

    async fn prepare_pinned(
        &self,
        pinned: &str,
        wanted: &Architecture,
        credentials: &RegistryCredentials,
        report: &Reporter,
    ) -> Result<(), EngineError> {
        if let Some(image) = self.inspect(pinned).await?
            && check_architecture(pinned, architecture_of(&image), wanted).is_ok()
        {
            report.say(format!("parent {pinned} is in the engine already")).await;
            return Ok(());
        }
        report.say(format!("pulling parent {pinned} for {wanted}")).await;
        retry(PATIENCE, "pulling a parent image", || self.pull(pinned, wanted, credentials)).await?;
        let image = self.inspect(pinned).await?;
        let image = image.ok_or_else(|| EngineError::ParentPull {
            parent: pinned.to_owned(),
            message: "the engine does not know it after the pull".to_owned(),
        })?;
        check_architecture(pinned, architecture_of(&image), wanted)
    }

    async fn pull(
        &self,
        pinned: &str,
        wanted: &Architecture,
        credentials: &RegistryCredentials,
    ) -> Result<(), EngineError> {
        let reference: ImageReference = pinned.parse().map_err(|error: common::ParseError| {
            EngineError::ParentNotFound { parent: pinned.to_owned(), message: error.to_string() }
        })?;
        let name = ImageReference { tag: None, digest: None, ..reference.clone() };
        let options = CreateImageOptions {
            from_image: Some(name.to_string()),
            tag: Some(reference.selector()),
            platform: wanted.engine_platform(),
            ..Default::default()
        };
        let docker = self.patient(SILENCE);
        let mut stream = docker.create_image(Some(options), None, credentials.for_image(&reference)).boxed();
        loop {
            match timeout(SILENCE, stream.next()).await {
                Ok(None) => return Ok(()),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Err(pull_error(pinned, error)),
                Err(_) => return Err(EngineError::Silent { doing: format!("pulling {pinned}") }),
            }
        }
    }
}

fn check_architecture(
    parent: &str,
    found: Option<Architecture>,
    wanted: &Architecture,
) -> Result<(), EngineError> {
    match found {
        Some(found) if !wanted.accepts(&found) => {
            Err(EngineError::ParentArchitecture { parent: parent.to_owned(), found, wanted: wanted.clone() })
        }
        _ => Ok(()),
    }
}

fn pull_error(parent: &str, error: bollard::errors::Error) -> EngineError {
    let doing = format!("pulling {parent}");
    match EngineError::of_call(&doing, error) {
        EngineError::Refused { message, .. } => refused_pull(parent.to_owned(), doing, message),
        other => other,
    }
}

fn refused_pull(parent: String, doing: String, message: String) -> EngineError {
    let lower = message.to_lowercase();
    let denied = ["unauthorized", "no basic auth credentials", "authentication required", "forbidden"];
    if is_no_space(&message) {
        EngineError::NoSpace { doing, message }
    } else if is_image_missing(&message) || lower.contains("does not match the specified platform") {
        EngineError::ParentNotFound { parent, message }
    } else if denied.iter().any(|word| lower.contains(word)) {
        EngineError::ParentUnauthorized { parent, message }
    } else {
        EngineError::ParentPull { parent, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_pulls_are_told_apart() {
        for (message, code, transient) in [
            (
                "manifest for r/base@sha256:00 not found: manifest unknown: manifest unknown",
                "parent.not_found",
                false,
            ),
            ("no matching manifest for linux/s390x in the manifest list entries", "parent.not_found", false),
            ("Head \"https://r/v2/b\": no basic auth credentials", "parent.unauthorized", false),
            ("Head \"https://r/v2/b\": unauthorized: authentication required", "parent.unauthorized", false),
            (
                "Get \"https://r/v2/\": dial tcp 127.0.0.1:5000: connect: connection refused",
                "parent.pull_failed",
                true,
            ),
            ("received unexpected HTTP status: 500 Internal Server Error", "parent.pull_failed", true),
            ("failed to register layer: write /x: no space left on device", "engine.no_space", false),
        ] {
            let error = refused_pull("r/base".to_owned(), "pulling r/base".to_owned(), message.to_owned());
            assert_eq!(error.failure().code, code, "{message}");
            assert_eq!(error.retry_after().is_some(), transient, "{message}");
        }
    }

    #[test]
    fn a_parent_for_another_platform_is_named() {
        let (amd64, arm64) = (Architecture::plain("amd64"), Architecture::plain("arm64"));
        let error = check_architecture("r/base", Some(amd64.clone()), &arm64).unwrap_err();
        assert!(error.to_string().contains("linux/amd64") && error.to_string().contains("linux/arm64"));
        assert!(check_architecture("r/base", Some(amd64.clone()), &amd64).is_ok());
        assert!(check_architecture("r/base", None, &arm64).is_ok());
    }
}
