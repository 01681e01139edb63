//! Finds one parent in its registry, on all platforms that use it.

use common::{
    ParseError,
    failure::{Failure, FailureClass},
    image::{Host, ImageReference, Tag},
    platform::Architecture,
};
use registry_client::{
    Client, Registry, RegistryError, Selector,
    resolve::{ResolvedImage, resolve_each},
};

use super::Wanted;
use crate::plan::platforms::SelectedPlatform;

pub(super) const LACKS_PLATFORM: &str = "parent.lacks_platform";

/// Namespace of images whose name has none, in registries that follow Docker Hub.
const LIBRARY: &str = "library";

/// A parent where it was found.
#[derive(Debug)]
pub(super) struct Found {
    /// With its registry, as it was looked up.
    pub(super) reference: ImageReference,
    /// One image for each platform that wants it, in their order.
    pub(super) images: Vec<ResolvedImage>,
}

/// Looks a parent up.
///
/// # Errors
/// Nothing of that name; platforms that it lacks, each a problem of its own;
/// trouble with the registry.
pub(super) async fn look_up(
    registries: &Client,
    source_registry: &str,
    wanted: &Wanted<'_>,
) -> Result<Found, Failure> {
    let reference = qualify(&wanted.image, source_registry)?;
    let Some(host) = reference.host.clone() else { return Err(not_found(wanted)) };
    if let Some(found) = look_up_at(registries, &host, reference.clone(), wanted).await? {
        return Ok(found);
    }
    // What the registry said of the name as written is what counts in the end.
    let Some(below_library) = below_library(&wanted.image, reference) else { return Err(not_found(wanted)) };
    match look_up_at(registries, &host, below_library, wanted).await {
        Ok(Some(found)) => Ok(found),
        Err(failure) if failure.code == LACKS_PLATFORM => Err(failure),
        Ok(None) | Err(_) => Err(not_found(wanted)),
    }
}

async fn look_up_at(
    registries: &Client,
    host: &Host,
    reference: ImageReference,
    wanted: &Wanted<'_>,
) -> Result<Option<Found>, Failure> {
    let registry = registries.repository(host, &reference.repository);
    let answers = match answers(&registry, &reference, &wanted.platforms).await {
        Ok(Some(answers)) => answers,
        Ok(None) => return Ok(None),
        Err(error) => return Err(failed(wanted, None, error)),
    };
    let (mut images, mut problems) = (Vec::new(), Vec::new());
    for (selected, answer) in wanted.platforms.iter().zip(answers) {
        match answer {
            Ok(image) => images.push(image),
            Err(error) => problems.push(failed(wanted, Some(selected), error)),
        }
    }
    match Failure::all(problems) {
        Some(failure) => Err(failure),
        None => Ok(Some(Found { reference, images })),
    }
}

type Answers = Vec<Result<ResolvedImage, RegistryError>>;

/// What the registry says about each platform; `None` when it has nothing of
/// that name.
async fn answers(
    registry: &dyn Registry,
    reference: &ImageReference,
    platforms: &[&SelectedPlatform],
) -> Result<Option<Answers>, RegistryError> {
    let selector = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => Selector::Digest(digest.clone()),
        (None, Some(tag)) => Selector::Tag(tag.clone()),
        (None, None) => Selector::Tag(Tag::latest()),
    };
    let architectures: Vec<Architecture> = platforms.iter().map(|p| p.architecture.clone()).collect();
    resolve_each(registry, &selector, &architectures).await
}

/// The reference with a registry: that of the site where it names none. One that
/// names another registry is taken from there, where the system that this follows
/// refused it: the image is pinned by digest, so it cannot be mistaken for one of
/// the site's own.
pub(super) fn qualify(written: &ImageReference, source_registry: &str) -> Result<ImageReference, Failure> {
    if written.host.is_some() {
        return Ok(written.clone());
    }
    let host = source_registry.parse().map_err(|error: ParseError| {
        Failure::from_error(FailureClass::Infrastructure, "config.source_registry", &error)
            .with_advice("correct source_registry in the site's configuration")
    })?;
    Ok(ImageReference { host: Some(host), ..written.clone() })
}

/// The same name below `library/`, if it was written without registry and
/// namespace. A namespace that somebody wrote is never replaced.
pub(super) fn below_library(written: &ImageReference, qualified: ImageReference) -> Option<ImageReference> {
    if written.host.is_some() || written.repository.as_str().contains('/') {
        return None;
    }
    let repository = format!("{LIBRARY}/{}", written.repository).parse().ok()?;
    Some(ImageReference { repository, ..qualified })
}

fn not_found(wanted: &Wanted<'_>) -> Failure {
    let message = format!("{wanted} does not exist in its registry");
    Failure::new(FailureClass::Parent, "parent.not_found", message)
        .with_advice("check the FROM line; an image that only the engine has needs --allow-local-parents")
}

/// A missing platform is the parent's fault, an unreachable registry is not.
fn failed(wanted: &Wanted<'_>, selected: Option<&SelectedPlatform>, error: RegistryError) -> Failure {
    let failure = match &error {
        RegistryError::LacksPlatform { .. } => {
            Failure::new(FailureClass::Parent, LACKS_PLATFORM, format!("{wanted}: {error}")).with_advice(
                "exclude the platform in container.yaml (platforms: not), or build the parent for it",
            )
        }
        _ => {
            let cause = Failure::from(error);
            Failure { message: format!("{wanted}: {}", cause.message), ..cause }
        }
    };
    match selected {
        Some(selected) => failure.on_platform(&selected.platform),
        None => failure,
    }
}
