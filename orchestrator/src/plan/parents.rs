//! Step: pins every parent image to a digest, for each platform.
//!
//! Nothing is pulled: the registries are asked for manifests and configurations
//! only. A parent that no registry has is accepted when the user allowed local
//! parents; the worker then reports the image id that it really used.

use std::collections::BTreeMap;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    image::{ImageReference, Tag},
    work::Parent,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use registry_client::{Selector, resolve::resolve};
use serde::{Deserialize, Serialize};

use super::platforms::SelectedPlatform;
use crate::{repository::Dockerfile, services::BuildServices};

/// Registry look-ups at a time.
const CONCURRENCY: usize = 8;

/// Pins the parents.
#[derive(Serialize)]
pub struct PinParents<'a> {
    /// The repository's Dockerfile.
    pub dockerfile: &'a str,
    /// Values for ARG instructions.
    pub build_args: &'a BTreeMap<String, String>,
    /// The platforms.
    pub platforms: &'a [SelectedPlatform],
    /// Whether a parent may be missing from its registry.
    pub allow_local: bool,
}

/// One platform's parents, by name as written and expanded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedPlatform {
    /// The final Dockerfile.
    pub dockerfile: String,
    /// Parents, each once.
    pub parents: Vec<Parent>,
}

impl Step<BuildServices> for PinParents<'_> {
    const NAME: &'static str = "pin_parents";
    const STAGE: Stage = Stage::Prepare;
    type Output = Vec<PinnedPlatform>;

    fn policy(&self) -> Policy {
        Policy { attempts: 3, wait: std::time::Duration::from_secs(5), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<Self::Output, Failure> {
        let dockerfile = Dockerfile::parse(self.dockerfile.as_bytes())?;
        stream::iter(self.platforms)
            .map(|platform| self.pin_platform(cx, &dockerfile, platform))
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }
}

impl PinParents<'_> {
    async fn pin_platform(
        &self,
        cx: &Context<'_, BuildServices>,
        dockerfile: &Dockerfile,
        selected: &SelectedPlatform,
    ) -> Result<PinnedPlatform, Failure> {
        let uses = dockerfile.parents(self.build_args, &selected.architecture)?;
        let mut pins = BTreeMap::new();
        for parent in &uses {
            let reference = &parent.expanded;
            if !pins.contains_key(reference) {
                let pinned = self
                    .pin(cx, reference, selected)
                    .await
                    .map_err(|failure| failure.on_platform(&selected.platform))?;
                pins.insert(reference.clone(), pinned);
            }
        }
        let parents = pins
            .iter()
            .map(|(written, pinned)| Parent {
                written_as: written.to_string(),
                pinned: pinned.as_ref().map(ToString::to_string),
            })
            .collect();
        let replacements = pins.into_iter().filter_map(|(written, pinned)| Some((written, pinned?))).collect();
        let text = dockerfile.pinned(self.build_args, &selected.architecture, &replacements)?;
        Ok(PinnedPlatform { dockerfile: text, parents })
    }

    /// The parent by digest, or `None` when only a worker's engine has it.
    async fn pin(
        &self,
        cx: &Context<'_, BuildServices>,
        written: &ImageReference,
        selected: &SelectedPlatform,
    ) -> Result<Option<ImageReference>, Failure> {
        let services = &cx.services.shared;
        let reference = qualify(written, &services.site.source_registry)?;
        let Some(host) = &reference.host else {
            let message = format!("the parent {written} names no registry and the site has no default");
            return Err(Failure::new(FailureClass::Parent, "parent.no_registry", message));
        };
        let selector = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => Selector::Digest(digest.clone()),
            (None, Some(tag)) => Selector::Tag(tag.clone()),
            (None, None) => Selector::Tag(Tag::latest()),
        };
        let registry = services.registries.repository(host, &reference.repository);
        let found = resolve(&registry, &selector, &selected.architecture).await;
        let failure = match found {
            Ok(image) => {
                let pinned = reference.by_digest(image.manifest.digest);
                cx.services.say(cx.name, &format!("{}: {written} is {pinned}", selected.platform)).await;
                return Ok(Some(pinned));
            }
            Err(error) => parent_failure(written, error.into()),
        };
        let may_be_local = self.allow_local && failure.code != "parent.lacks_platform";
        if !may_be_local {
            return Err(failure);
        }
        let text = format!("the parent {written} is taken from the worker's engine: {}", failure.message);
        cx.warn("parent.local", text).await?;
        Ok(None)
    }
}

/// The reference with a registry: that of the site where it names none.
fn qualify(written: &ImageReference, source_registry: &str) -> Result<ImageReference, Failure> {
    if written.host.is_some() {
        return Ok(written.clone());
    }
    let host = source_registry.parse().map_err(|error: common::ParseError| {
        Failure::from_error(FailureClass::Infrastructure, "config.source_registry", &error)
            .with_advice("correct source_registry in the site's configuration")
    })?;
    Ok(ImageReference { host: Some(host), ..written.clone() })
}

/// A missing parent is the repository's fault, an unreachable registry is not.
fn parent_failure(written: &ImageReference, cause: Failure) -> Failure {
    let (class, code, advice) = match cause.code.as_str() {
        "registry.not_found" => (
            FailureClass::Parent,
            "parent.not_found",
            "check the FROM line; an image that only the engine has needs --allow-local-parents",
        ),
        "registry.lacks_platform" => (
            FailureClass::Parent,
            "parent.lacks_platform",
            "exclude the platform in container.yaml (platforms: not), or build the parent for it",
        ),
        _ => (cause.class, cause.code.as_str(), cause.advice.as_str()),
    };
    let mut failure = Failure::new(class, code, format!("parent {written}: {}", cause.message)).with_advice(advice);
    failure.causes.clone_from(&cause.causes);
    failure
}
