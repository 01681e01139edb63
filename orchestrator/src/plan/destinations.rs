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
                        Err(failure) => {
                            problems.push(failure);
                            continue;
                        }
                    }
                }
                Destination::Registry { host, repository, tag } => {
                    let (host, repository, tag) = (host.clone(), repository.clone(), tag.clone());
                    Target::Registry { host, repository, tag }
                }
            };
            if let Err(failure) = check(cx.services, &target).await {
                problems.push(failure);
            } else if !targets.contains(&target) {
                targets.push(target);
            }
        }
        // What may pass decides whether the step is tried again.
        problems.sort_by_key(|failure| !failure.class.is_worth_another_try());
        Failure::all(problems).map_or(Ok(targets), Err)
    }
}

/// Where an image goes of which the request says nothing: to the site's
/// registries, under the image's name; where there are none, into a layout named
/// after the component.
pub(super) fn default_destinations(
    settings: &Settings,
    name: Option<&str>,
    component: Option<&Component>,
) -> Vec<Destination> {
    let name = name.or(component.map(Component::as_str));
    let repository = name.and_then(|name| name.parse().ok());
    let registries = settings.publication.registries.iter();
    let remote: Vec<Destination> = repository.map_or_else(Vec::new, |repository: Repository| {
        let to = |host: &Host| Destination::Registry {
            host: host.clone(),
            repository: repository.clone(),
            tag: None,
        };
        registries.map(to).collect()
    });
    let layout = |component: &Component| Destination::Layout { directory: component.as_str().into() };
    if remote.is_empty() { component.map(layout).into_iter().collect() } else { remote }
}

/// Opens the destination, which creates a layout and asks a registry whether it
/// is there and lets us in. A dry run leaves a layout that is not there alone.
async fn check(services: &PlanServices, target: &Target) -> Result<(), Failure> {
    let latest = Selector::Tag(Tag::latest());
    match target {
        Target::Layout { directory } => {
            let layout = if services.reach.may_change() {
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
