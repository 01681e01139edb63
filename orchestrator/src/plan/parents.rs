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
use serde::Serialize;

use super::platforms::SelectedPlatform;
use crate::{
    repository::dockerfile::{Arguments, Dockerfile, ParentUse},
    services::PlanServices,
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

/// What a reference is on each platform: an image by digest, or `None` for one
/// that only the worker's engine has.
type Pins = BTreeMap<(ImageReference, Platform), Option<ImageReference>>;

impl Step<PlanServices> for PinParents<'_> {
    const NAME: &'static str = "pin_parents";
    const STAGE: Stage = Stage::Prepare;
    /// The parents of each platform, each once, in the order of `platforms`.
    type Output = Vec<Vec<Parent>>;

    fn policy(&self) -> Policy {
        Policy { attempts: 3, wait: Duration::from_secs(5), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Self::Output, Failure> {
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
        let parents = |(selected, uses): (&SelectedPlatform, Vec<ParentUse>)| {
            let pin = |parent: ParentUse| {
                let key = (parent.expanded, selected.platform.clone());
                let pinned = pins.get(&key).and_then(|pinned| pinned.as_ref().map(ToString::to_string));
                (key.0.to_string(), pinned)
            };
            let each_once: BTreeMap<_, _> = uses.into_iter().map(pin).collect();
            each_once.into_iter().map(|(written_as, pinned)| Parent { written_as, pinned }).collect()
        };
        Ok(self.platforms.iter().zip(uses).map(parents).collect())
    }
}

/// The final Dockerfile of one platform: computed and not recorded, since the
/// Dockerfile times the platforms would fill the journal.
///
/// # Errors
/// The Dockerfile and the parents do not belong together.
pub(super) fn final_dockerfile(
    dockerfile: &Dockerfile,
    build_args: &BTreeMap<String, String>,
    architecture: &Architecture,
    parents: &[Parent],
) -> Result<String, Failure> {
    let pins: BTreeMap<&str, &String> = parents
        .iter()
        .filter_map(|parent| Some((parent.written_as.as_str(), parent.pinned.as_ref()?)))
        .collect();
    let uses = dockerfile.parents(&Arguments::new(build_args).for_platform(architecture))?;
    let replacements = uses
        .iter()
        .filter_map(|parent| Some((parent.key(), (*pins.get(parent.expanded.to_string().as_str())?).clone())))
        .collect();
    Ok(String::from_utf8_lossy(&dockerfile.pin(&replacements)?).into_owned())
}

impl PinParents<'_> {
    /// One reference on all platforms that use it.
    async fn pin(
        &self,
        cx: &Context<'_, PlanServices>,
        written: ImageReference,
        platforms: Vec<&SelectedPlatform>,
    ) -> Result<Pins, Failure> {
        let (written, platforms) = (&written, &platforms);
        let services = cx.services;
        let reference = qualify(written, &services.site.source_registry)?;
        let Some(host) = &reference.host else { return Err(not_found(written)) };
        let registry = services.outside.registries.repository(host, &reference.repository);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_platform_has_its_own_dockerfile() {
        let text = b"ARG V=1\nFROM base:$V AS a\nFROM only-here\nCOPY --from=base:1 /a /b\n";
        let dockerfile = Dockerfile::parse(text).unwrap();
        let parent = |written_as: &str, pinned: Option<&str>| Parent {
            written_as: written_as.to_owned(),
            pinned: pinned.map(str::to_owned),
        };
        let architecture = Architecture { architecture: "arm64".to_owned(), variant: None };
        let parents = [parent("base:1", Some("r.example.org/base@sha256:0")), parent("only-here", None)];
        let written: Vec<String> = dockerfile
            .parents(&Arguments::new(&BTreeMap::new()).for_platform(&architecture))
            .unwrap()
            .iter()
            .map(|parent| parent.expanded.to_string())
            .collect();
        assert_eq!(written, ["base:1", "only-here", "base:1"], "the names that pins are looked up by");
        let text = final_dockerfile(&dockerfile, &BTreeMap::new(), &architecture, &parents).unwrap();
        let pinned = "r.example.org/base@sha256:0";
        assert_eq!(
            text,
            format!("ARG V=1\nFROM {pinned} AS a\nFROM only-here\nCOPY --from={pinned} /a /b\n")
        );
    }
}
