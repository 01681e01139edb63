//! Step: settles where the image goes, and finds out early what would fail late.

use std::path::{Component as PathPart, Path, PathBuf};

use common::{
    destination::Destination,
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    image::{Host, Repository, Tag},
    names::Component,
};
use registry_client::{Layout, Registry as _, Selector};
use serde::Serialize;

use super::Target;
use crate::{config::Settings, services::PlanServices};

/// Checks the destinations.
#[derive(Serialize)]
pub struct CheckDestinations<'a> {
    /// Those that the user asked for, or the default ones.
    pub asked: &'a [Destination],
    /// Make layouts that are not there: not in a dry run, and not for a build
    /// that is not going to be.
    pub make: bool,
}

impl Step<PlanServices> for CheckDestinations<'_> {
    const NAME: &'static str = "check_destinations";
    const STAGE: Stage = Stage::Prepare;
    type Output = Vec<Target>;

    fn policy(&self) -> Policy {
        Policy { attempts: 3, wait: std::time::Duration::from_secs(5), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Vec<Target>, Failure> {
        let mut targets: Vec<Target> = Vec::new();
        let mut problems = Vec::new();
        for destination in self.asked {
            let target = match destination {
                Destination::Layout { directory } => {
                    let root = &cx.services.layout_root;
                    match settle(directory, root.path(), root.is_a_fence()) {
                        Ok(directory) => Target::Layout { directory },
                        Err(problem) => {
                            problems.push(problem);
                            continue;
                        }
                    }
                }
                Destination::Registry { host, repository, tag } => {
                    let (host, repository, tag) = (host.clone(), repository.clone(), tag.clone());
                    Target::Registry { host, repository, tag }
                }
            };
            if targets.contains(&target) {
                continue;
            }
            match check(cx.services, &target, self.make).await {
                Ok(()) => targets.push(target),
                Err(problem) => problems.push(problem),
            }
        }
        Failure::all(problems).map_or(Ok(targets), Err)
    }
}

/// The label `name` as the repository of a registry that it is to be.
///
/// # Errors
/// Its first part looks like a registry's host, which would send the image
/// elsewhere (`labels.name_looks_like_registry`), or it is no name of a repository
/// (`labels.name_invalid`).
pub(super) fn image_name(name: &str) -> Result<Repository, Failure> {
    let shown: String = name.chars().take(80).collect();
    let first = name.split('/').next().unwrap_or_default();
    if first.contains(['.', ':']) || (first == "localhost" && name.contains('/')) {
        let message =
            format!("the label 'name' of the image is '{shown}', and '{first}' looks like a registry");
        return Err(Failure::new(FailureClass::Source, "labels.name_looks_like_registry", message)
            .with_advice("name the image without a registry, and without '.' and ':' before the first '/'"));
    }
    name.parse().map_err(|error: common::ParseError| {
        let message =
            format!("the label 'name' of the image is '{shown}', which names no repository: {error}");
        Failure::new(FailureClass::Source, "labels.name_invalid", message)
            .with_advice("use lower-case letters and digits, '.', '_' and '-' between them, and '/'")
    })
}

/// Where an image goes of which the request says nothing: to the site's
/// registries, under the image's name; where there are none, into a layout named
/// after the component.
///
/// # Errors
/// The name cannot be that of a repository in a registry.
pub(super) fn default_destinations(
    settings: &Settings,
    name: Option<&str>,
    component: Option<&Component>,
) -> Result<Vec<Destination>, Failure> {
    let registries = &settings.publication.registries;
    let layout = |component: &Component| Destination::Layout { directory: component.as_str().into() };
    let Some(name) = name.or(component.map(Component::as_str)).filter(|_| !registries.is_empty()) else {
        return Ok(component.map(layout).into_iter().collect());
    };
    let repository = image_name(name)?;
    let to =
        |host: &Host| Destination::Registry { host: host.clone(), repository: repository.clone(), tag: None };
    Ok(registries.iter().map(to).collect())
}

/// Opens the destination, which creates a layout and asks a registry whether it
/// is there and lets us in. A dry run leaves a layout that is not there alone.
async fn check(services: &PlanServices, target: &Target, make: bool) -> Result<(), Failure> {
    let latest = Selector::Tag(Tag::latest());
    match target {
        Target::Layout { directory } => {
            let layout = if make && services.reach.may_change() {
                Layout::create(directory).await?
            } else if is_empty(directory).await {
                return Ok(());
            } else {
                Layout::open(directory).await?
            };
            layout.head_manifest(&latest).await?;
        }
        Target::Registry { host, repository, .. } if services.reach.may_ask() => {
            services.outside.registries.repository(host, repository).head_manifest(&latest).await?;
        }
        Target::Registry { .. } => {}
    }
    Ok(())
}

/// Whether nothing is in a directory, or it does not exist.
async fn is_empty(directory: &Path) -> bool {
    match tokio::fs::read_dir(directory).await {
        Ok(mut entries) => matches!(entries.next_entry().await, Ok(None)),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// The absolute directory of a layout. Behind a fence, nothing outside `root`
/// can be named: the request may come from anybody.
fn settle(directory: &Path, root: &Path, fenced: bool) -> Result<PathBuf, Failure> {
    let leaves = directory.is_absolute() && !directory.starts_with(root);
    let climbs = directory.components().any(|part| part == PathPart::ParentDir);
    if fenced && (leaves || climbs) {
        let message = format!("the layout {} is outside {}", directory.display(), root.display());
        return Err(Failure::new(FailureClass::Policy, "plan.layout_outside_root", message).with_advice(
            "name a directory relative to the site's root for layouts (publication.layout_root)",
        ));
    }
    Ok(root.join(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_image_is_that_of_a_repository() {
        for (case, name, expected) in [
            ("UP-11", "fedora-25.1/something", Err("labels.name_looks_like_registry")),
            ("UP-11", "fedora-25-1/something", Ok(())),
            ("UP-11, alone", "fedora-25.1", Err("labels.name_looks_like_registry")),
            ("a port", "registry:5000/a", Err("labels.name_looks_like_registry")),
            ("this machine", "localhost/a", Err("labels.name_looks_like_registry")),
            ("a dot further on", "team/fedora-25.1", Ok(())),
            ("UP-14", "fedora23/python", Ok(())),
            ("UP-14", "fedora23", Ok(())),
            ("upper case", "Team/Hello", Err("labels.name_invalid")),
            ("a blank", "my image", Err("labels.name_invalid")),
            ("empty part", "team//a", Err("labels.name_invalid")),
        ] {
            let outcome = image_name(name).map(|_| ());
            assert_eq!(
                outcome.as_ref().map_err(|failure| failure.code.as_str()).copied(),
                expected,
                "{case}"
            );
        }
    }

    #[test]
    fn a_fence_keeps_layouts_below_the_root() {
        let root = Path::new("/srv/layouts");
        let settle = |directory: &str, fenced| settle(Path::new(directory), root, fenced);
        assert_eq!(settle("hello", true).unwrap(), Path::new("/srv/layouts/hello"));
        assert_eq!(settle("/srv/layouts/a/b", true).unwrap(), Path::new("/srv/layouts/a/b"));
        assert_eq!(settle("/elsewhere", false).unwrap(), Path::new("/elsewhere"));
        for outside in ["/etc", "../x", "a/../../x", "/srv/layouts/../x", "/srv/layouts-2"] {
            assert_eq!(settle(outside, true).unwrap_err().code, "plan.layout_outside_root", "{outside}");
        }
    }
}
