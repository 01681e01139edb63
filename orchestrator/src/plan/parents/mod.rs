//! Step: pins every parent image to a digest, for each platform.
//!
//! Nothing is pulled: the registries are asked for manifests and configurations
//! only, and each tag only once, so that all platforms get members of the same
//! image even if the tag moves meanwhile. What the final stage's parent brings
//! along (labels, environment, user) is kept, since later decisions need it. A
//! parent that no registry has is accepted when the user allowed local parents;
//! the worker then reports the image id that it really used.

mod look_up;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use common::{
    failure::Failure,
    flow::{Context, Policy, Stage, Step},
    image::{Digest, ImageReference},
    nvr::Nvr,
    platform::Platform,
    work::Parent,
};
use futures::{StreamExt as _, stream};
use registry_client::resolve::ResolvedImage;
use serde::{Deserialize, Serialize};

use self::look_up::{LACKS_PLATFORM, look_up};
use super::{parent_build::parent_nvr, platforms::SelectedPlatform};
use crate::{
    repository::dockerfile::{Arguments, Dockerfile, DockerfileError, ParentKind, ParentUse},
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
    /// A parent as the Dockerfile names it, variables resolved, and the image to
    /// take in its place wherever it is used: the one of a Koji build, or the one
    /// whose change caused a rebuild.
    pub replace: Option<(&'a ImageReference, &'a ImageReference)>,
}

/// The parents of all platforms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedParents {
    /// One entry for each platform, in the order in which they were given.
    pub platforms: Vec<PinnedPlatform>,
}

/// The parents of one platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedPlatform {
    /// Each parent once, by name. Without `pinned` it is one that only the
    /// worker's engine has, or nobody was asked.
    pub parents: Vec<Parent>,
    /// The image on which the final stage stands; `None` for `scratch`, and where
    /// no registry was asked or had it.
    pub base: Option<BaseImage>,
    /// The images that FROM instructions name, in their order and as often as they
    /// are named.
    pub from: Vec<FromImage>,
}

/// An image that a FROM instruction names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromImage {
    /// As it is written. Example: `${REGISTRY}/base:1`.
    pub written: String,
    /// With variables resolved: its name among the parents.
    pub name: String,
    /// Whether the final stage stands on it.
    pub is_base: bool,
    /// What its registry has. `None` for one that only the worker's engine has, for
    /// a file system that Koji makes, and where nobody was asked.
    pub image: Option<RegistryImage>,
}

/// An image as its registry has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryImage {
    /// Image id: the digest of the configuration.
    pub id: Digest,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Digest of the index that it was found in, if it was one.
    pub index: Option<Digest>,
    /// The Koji build that its labels name.
    pub build: Option<Nvr>,
}

/// What the final stage inherits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseImage {
    /// By digest.
    pub reference: ImageReference,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// The user that its programs run as; empty for root.
    pub user: String,
}

/// A reference that has to be looked up.
#[derive(Debug)]
struct Wanted<'a> {
    /// As the Dockerfile names it.
    written: ImageReference,
    /// What to take: the same, unless it is replaced.
    image: ImageReference,
    /// The first line that uses it, from 1.
    line: usize,
    /// Who uses it, in the order of the platforms.
    platforms: Vec<&'a SelectedPlatform>,
    /// On which of them the final stage stands on it.
    bases: BTreeSet<&'a Platform>,
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dockerfile line {}: the parent {}", self.line, self.written)?;
        if self.image != self.written {
            write!(f, ", replaced by {},", self.image)?;
        }
        Ok(())
    }
}

/// What a reference is on one platform.
#[derive(Debug, Default)]
struct Pin {
    /// By digest; `None` for one that only the worker's engine has.
    image: Option<ImageReference>,
    /// What it brings along, where the final stage stands on it.
    base: Option<BaseImage>,
    /// What its registry has.
    found: Option<RegistryImage>,
}

type Pins = BTreeMap<(ImageReference, Platform), Pin>;

impl Step<PlanServices> for PinParents<'_> {
    const NAME: &'static str = "pin_parents";
    const STAGE: Stage = Stage::Prepare;
    type Output = PinnedParents;

    fn policy(&self) -> Policy {
        Policy { attempts: 3, wait: Duration::from_secs(5), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<PinnedParents, Failure> {
        let dockerfile = Dockerfile::parse(self.dockerfile.as_bytes())?;
        let uses = self.platforms.iter().map(|selected| self.uses(&dockerfile, selected));
        let uses: Vec<Uses> = uses.collect::<Result<_, _>>()?;
        let wanted = wanted(self.platforms, &uses, self.replace);
        if let Some((written, _)) = self.replace.filter(|(written, _)| !wanted.contains_key(written)) {
            let text = format!("{written} should be replaced, but no instruction uses it");
            cx.warn("parent.nothing_replaced", text).await?;
        }
        let pins = if cx.services.reach.may_ask() {
            self.look_up_all(cx, wanted.into_values().collect()).await?
        } else {
            for wanted in wanted.values() {
                let text = format!("{wanted} is not pinned: registries are not asked in an offline plan");
                cx.services.say(cx.name, &text).await;
            }
            Pins::new()
        };
        Ok(result(self.platforms, &uses, &pins))
    }
}

/// The parents of one platform, in the order of the text.
#[derive(Debug)]
struct Uses {
    parents: Vec<ParentUse>,
    /// Those of FROM instructions, file systems that Koji makes among them.
    from: Vec<ParentUse>,
    /// The stage whose FROM the final stage stands on.
    lowest: Option<ParentKind>,
    /// The image under the final stage.
    base: Option<ImageReference>,
}

impl PinParents<'_> {
    fn uses(&self, dockerfile: &Dockerfile, selected: &SelectedPlatform) -> Result<Uses, DockerfileError> {
        let arguments = Arguments::new(self.build_args).for_platform(&selected.architecture);
        let mut parents = dockerfile.parents(&arguments)?;
        let is_from = |parent: &&ParentUse| matches!(parent.kind, ParentKind::From { .. });
        let from = parents.iter().filter(is_from).cloned().collect();
        parents.retain(|parent| !is_image_build(parent));
        let base = dockerfile.base(&arguments)?;
        let lowest = base.as_ref().map(|base| base.kind);
        let base = base.filter(|base| !is_image_build(base)).map(|base| base.expanded);
        Ok(Uses { parents, from, lowest, base })
    }

    /// Looks everything up, and tells of all that failed.
    async fn look_up_all(
        &self,
        cx: &Context<'_, PlanServices>,
        wanted: Vec<Wanted<'_>>,
    ) -> Result<Pins, Failure> {
        let look_ups: Vec<_> = wanted.iter().map(|wanted| self.pin(cx, wanted)).collect();
        let found: Vec<Result<Pins, Failure>> = stream::iter(look_ups).buffered(CONCURRENCY).collect().await;
        let (mut pins, mut problems) = (Pins::new(), Vec::new());
        for found in found {
            match found {
                Ok(found) => pins.extend(found),
                Err(failure) => problems.push(failure),
            }
        }
        Failure::all(problems).map_or(Ok(pins), Err)
    }

    /// One reference on all platforms that use it.
    async fn pin(&self, cx: &Context<'_, PlanServices>, wanted: &Wanted<'_>) -> Result<Pins, Failure> {
        let services = cx.services;
        let found = look_up(&services.outside.registries, &services.site.source_registry, wanted).await;
        let key = |selected: &SelectedPlatform| (wanted.written.clone(), selected.platform.clone());
        let found = match found {
            Ok(found) => found,
            Err(failure) => {
                let lacks = |failure: &Failure| failure.code == LACKS_PLATFORM;
                if !self.allow_local || lacks(&failure) || failure.others.iter().any(lacks) {
                    return Err(failure);
                }
                let text = format!("taken from the worker's engine: {}", failure.message);
                cx.warn("parent.local", text).await?;
                return Ok(wanted.platforms.iter().map(|selected| (key(selected), Pin::default())).collect());
            }
        };
        let mut pins = Pins::new();
        for (selected, image) in wanted.platforms.iter().zip(found.images) {
            let reference = found.reference.by_digest(image.manifest.digest.clone());
            services.say(cx.name, &format!("{}: {} is {reference}", selected.platform, wanted.written)).await;
            let is_base = wanted.bases.contains(&selected.platform);
            let found = Some(RegistryImage::of(&image));
            let base = is_base.then(|| BaseImage::new(reference.clone(), image));
            pins.insert(key(selected), Pin { image: Some(reference), base, found });
        }
        Ok(pins)
    }
}

impl BaseImage {
    fn new(reference: ImageReference, image: ResolvedImage) -> Self {
        let variable = |text: String| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (text, String::new()),
        };
        let env = image.env.into_iter().map(variable).collect();
        Self { reference, labels: image.labels, env, user: image.user }
    }
}

impl RegistryImage {
    fn of(image: &ResolvedImage) -> Self {
        Self {
            id: image.config.digest.clone(),
            manifest: image.manifest.digest.clone(),
            index: image.index.as_ref().map(|index| index.digest.clone()),
            build: parent_nvr(&image.labels),
        }
    }
}

fn is_image_build(parent: &ParentUse) -> bool {
    let is_from = matches!(parent.kind, ParentKind::From { .. });
    is_from && super::is_koji_filesystem(&parent.expanded.to_string())
}

/// What has to be looked up, each reference once for all platforms.
fn wanted<'a>(
    platforms: &'a [SelectedPlatform],
    uses: &[Uses],
    replace: Option<(&ImageReference, &ImageReference)>,
) -> BTreeMap<ImageReference, Wanted<'a>> {
    let mut all: BTreeMap<ImageReference, Wanted<'a>> = BTreeMap::new();
    for (selected, uses) in platforms.iter().zip(uses) {
        for parent in &uses.parents {
            let written = &parent.expanded;
            let wanted = all.entry(written.clone()).or_insert_with(|| Wanted {
                written: written.clone(),
                image: replace.filter(|(from, _)| *from == written).map_or(written, |(_, to)| to).clone(),
                line: parent.line,
                platforms: Vec::new(),
                bases: BTreeSet::new(),
            });
            wanted.line = wanted.line.min(parent.line);
            if wanted.platforms.last().is_none_or(|last| last.platform != selected.platform) {
                wanted.platforms.push(selected);
            }
            if uses.base.as_ref() == Some(written) {
                wanted.bases.insert(&selected.platform);
            }
        }
    }
    all
}

/// What is recorded: for each platform its parents, each once, its base, and what
/// FROM instructions name.
fn result(platforms: &[SelectedPlatform], uses: &[Uses], pins: &Pins) -> PinnedParents {
    let of_platform = |(selected, uses): (&SelectedPlatform, &Uses)| {
        let pin = |reference: &ImageReference| pins.get(&(reference.clone(), selected.platform.clone()));
        let references: BTreeMap<String, &ImageReference> =
            uses.parents.iter().map(|parent| (parent.expanded.to_string(), &parent.expanded)).collect();
        let parent = |(written_as, reference): (String, &ImageReference)| {
            let pinned = pin(reference).and_then(|pin| pin.image.as_ref()).map(ToString::to_string);
            Parent { written_as, pinned }
        };
        let from = |parent: &ParentUse| FromImage {
            written: parent.written.clone(),
            name: parent.expanded.to_string(),
            is_base: uses.lowest.as_ref() == Some(&parent.kind),
            image: pin(&parent.expanded).and_then(|pin| pin.found.clone()),
        };
        PinnedPlatform {
            from: uses.from.iter().map(from).collect(),
            parents: references.into_iter().map(parent).collect(),
            base: uses.base.as_ref().and_then(pin).and_then(|pin| pin.base.clone()),
        }
    };
    PinnedParents { platforms: platforms.iter().zip(uses).map(of_platform).collect() }
}
