//! Step: pins every parent image to a digest, for each platform.
//!
//! Nothing is pulled: the registries are asked for manifests and configurations
//! only, and each tag only once, so that all platforms get members of the same
//! image even if the tag moves meanwhile. A parent that no registry has is
//! accepted when the user allowed local parents; the worker then reports the
//! image id that it really used.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{
    ParseError,
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    image::{ImageReference, Tag},
    platform::{Architecture, Platform},
    work::Parent,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use registry_client::{
    Registry, RegistryError, Selector,
    resolve::{resolve, resolve_all},
};
use serde::{Deserialize, Serialize};

use super::platforms::SelectedPlatform;
use crate::{
    repository::dockerfile::{Arguments, Dockerfile, ParentUse},
    services::BuildServices,
};

/// References that are looked up at a time.
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

/// One platform's final Dockerfile and parents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedPlatform {
    /// The final Dockerfile.
    pub dockerfile: String,
    /// Parents, each once.
    pub parents: Vec<Parent>,
}

/// What a reference is on each platform: an image by digest, or `None` for one
/// that only the worker's engine has.
type Pins = BTreeMap<(ImageReference, Platform), Option<ImageReference>>;

impl Step<BuildServices> for PinParents<'_> {
    const NAME: &'static str = "pin_parents";
    const STAGE: Stage = Stage::Prepare;
    type Output = Vec<PinnedPlatform>;

    fn policy(&self) -> Policy {
        Policy { attempts: 3, wait: Duration::from_secs(5), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<Self::Output, Failure> {
        let dockerfile = Dockerfile::parse(self.dockerfile.as_bytes())?;
        let mut wanted: BTreeMap<ImageReference, Vec<&SelectedPlatform>> = BTreeMap::new();
        let mut uses: Vec<Vec<ParentUse>> = Vec::new();
        for selected in self.platforms {
            let arguments = Arguments::new(self.build_args).for_platform(&selected.architecture);
            let parents = dockerfile.parents(&arguments)?;
            let references: BTreeSet<_> = parents.iter().map(|parent| &parent.expanded).collect();
            for reference in references {
                wanted.entry(reference.clone()).or_default().push(selected);
            }
            uses.push(parents);
        }
        let look_ups: Vec<_> =
            wanted.into_iter().map(|(reference, platforms)| self.pin(cx, reference, platforms)).collect();
        let found: Vec<Pins> = stream::iter(look_ups).buffered(CONCURRENCY).try_collect().await?;
        let pins: Pins = found.into_iter().flatten().collect();
        self.platforms
            .iter()
            .zip(uses)
            .map(|(selected, uses)| finish(&dockerfile, selected, uses, &pins))
            .collect()
    }
}

/// The final Dockerfile of one platform.
fn finish(
    dockerfile: &Dockerfile,
    selected: &SelectedPlatform,
    uses: Vec<ParentUse>,
    pins: &Pins,
) -> Result<PinnedPlatform, Failure> {
    let mut replacements = BTreeMap::new();
    let mut parents = BTreeMap::new();
    for parent in uses {
        let key = parent.key();
        let pinned = pins.get(&(parent.expanded.clone(), selected.platform.clone())).cloned().flatten();
        let pinned = pinned.map(|pinned| pinned.to_string());
        replacements.extend(pinned.clone().map(|pinned| (key, pinned)));
        parents.insert(parent.expanded.to_string(), pinned);
    }
    let text = dockerfile.pin(&replacements)?;
    let parents = parents.into_iter().map(|(written_as, pinned)| Parent { written_as, pinned }).collect();
    Ok(PinnedPlatform { dockerfile: String::from_utf8_lossy(&text).into_owned(), parents })
}

impl PinParents<'_> {
    /// One reference on all platforms that use it.
    async fn pin(
        &self,
        cx: &Context<'_, BuildServices>,
        written: ImageReference,
        platforms: Vec<&SelectedPlatform>,
    ) -> Result<Pins, Failure> {
        let (written, platforms) = (&written, &platforms);
        let services = &cx.services.shared;
        let reference = qualify(written, &services.site.source_registry)?;
        let Some(host) = &reference.host else { return Err(not_found(written)) };
        let registry = services.registries.repository(host, &reference.repository);
        let failure = match look_up(&registry, &reference, platforms).await {
            Ok(Some(images)) => {
                let mut pins = Pins::new();
                for (selected, pinned) in platforms.iter().zip(images) {
                    let line = format!("{}: {written} is {pinned}", selected.platform);
                    cx.services.say(cx.name, &line).await;
                    pins.insert((written.clone(), selected.platform.clone()), Some(pinned));
                }
                return Ok(pins);
            }
            Ok(None) => not_found(written),
            Err(error) => failed(written, platforms, error),
        };
        let may_be_local = self.allow_local && failure.code != LACKS_PLATFORM;
        if !may_be_local {
            return Err(failure);
        }
        let text = format!("the parent {written} is taken from the worker's engine: {}", failure.message);
        cx.warn("parent.local", text).await?;
        Ok(platforms.iter().map(|selected| ((written.clone(), selected.platform.clone()), None)).collect())
    }
}

/// The image by digest on each platform; `None` when the registry has nothing
/// of that name.
async fn look_up(
    registry: &dyn Registry,
    reference: &ImageReference,
    platforms: &[&SelectedPlatform],
) -> Result<Option<Vec<ImageReference>>, RegistryError> {
    let selector = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => Selector::Digest(digest.clone()),
        (None, Some(tag)) => Selector::Tag(tag.clone()),
        (None, None) => Selector::Tag(Tag::latest()),
    };
    let architectures: Vec<Architecture> = platforms.iter().map(|p| p.architecture.clone()).collect();
    let images = match architectures.as_slice() {
        [one] => resolve(registry, &selector, one).await?.map(|image| vec![image]),
        many => resolve_all(registry, &selector, many).await?,
    };
    let by_digest =
        |image: registry_client::resolve::ResolvedImage| reference.by_digest(image.manifest.digest);
    Ok(images.map(|images| images.into_iter().map(by_digest).collect()))
}

/// The reference with a registry: that of the site where it names none.
fn qualify(written: &ImageReference, source_registry: &str) -> Result<ImageReference, Failure> {
    if written.host.is_some() {
        return Ok(written.clone());
    }
    let host = source_registry.parse().map_err(|error: ParseError| {
        Failure::from_error(FailureClass::Infrastructure, "config.source_registry", &error)
            .with_advice("correct source_registry in the site's configuration")
    })?;
    Ok(ImageReference { host: Some(host), ..written.clone() })
}

const LACKS_PLATFORM: &str = "parent.lacks_platform";

fn not_found(written: &ImageReference) -> Failure {
    let message = format!("the parent {written} does not exist in its registry");
    Failure::new(FailureClass::Parent, "parent.not_found", message)
        .with_advice("check the FROM line; an image that only the engine has needs --allow-local-parents")
}

/// A missing platform is the parent's fault, an unreachable registry is not.
fn failed(written: &ImageReference, platforms: &[&SelectedPlatform], error: RegistryError) -> Failure {
    if let RegistryError::LacksPlatform { wanted, .. } = &error {
        let failure =
            Failure::new(FailureClass::Parent, LACKS_PLATFORM, format!("the parent {written}: {error}"))
                .with_advice(
                    "exclude the platform in container.yaml (platforms: not), or build the parent for it",
                );
        return match platforms.iter().find(|selected| selected.architecture.engine_platform() == *wanted) {
            Some(selected) => failure.on_platform(&selected.platform),
            None => failure,
        };
    }
    let cause = Failure::from(error);
    Failure { message: format!("the parent {written}: {}", cause.message), ..cause }
}
