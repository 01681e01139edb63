//! Where a build goes: target, tags, package list, and whether its name is free.

use common::{
    failure::FailureClass,
    koji::{KojiBuildState, KojiTarget},
};
use serde::Deserialize;

use super::{Checkup, Name, access::User};
use crate::{
    hub::{BuildName, HubError},
    session::Session,
    xmlrpc::Arguments,
};

/// `getTag`.
#[derive(Debug, Deserialize)]
struct Tag {
    locked: bool,
    perm: Option<String>,
}

/// `getPackageConfig`.
#[derive(Debug, Deserialize)]
struct PackageConfig {
    tag_name: Option<String>,
    owner_name: Option<String>,
    blocked: bool,
}

impl Checkup<'_> {
    /// Looks at everything that the command line names.
    pub(super) async fn destination(&mut self, session: &Session, user: Option<&User>) {
        self.build().await;
        let Some(name) = self.arguments.target.as_deref() else {
            for check in [Name::Target, Name::Repository, Name::DestinationTag, Name::Package] {
                self.report.skipped(check, "no --target is given");
            }
            return;
        };
        let target = match self.hub.target(name).await {
            Ok(found) => found.target,
            Err(error) => return self.report.failed(Name::Target, error),
        };
        if target.platforms.is_empty() {
            self.report.refused(
                Name::Target,
                FailureClass::Policy,
                "koji.target_without_platforms",
                format!("the build tag {} of {name} has no architectures", target.build_tag),
                "have them set: koji edit-tag --arches ARCHES TAG",
            );
        } else {
            let found = format!(
                "{name}: {} ({}) to {}",
                target.build_tag,
                target.platforms.join(" "),
                target.destination_tag
            );
            self.report.ok(Name::Target, found);
        }
        match self.hub.repository(&target.build_tag).await {
            Ok(repository) => {
                let found = format!("{} of {} is ready", repository.id, repository.tag);
                self.report.ok(Name::Repository, found);
            }
            Err(error) => self.report.failed(Name::Repository, error),
        }
        if self.destination_tag(session, &target, user).await {
            self.package(session, &target.destination_tag).await;
        }
    }

    /// Whether builds can be tagged; false when there is no such tag.
    async fn destination_tag(&mut self, session: &Session, target: &KojiTarget, user: Option<&User>) -> bool {
        let name = &target.destination_tag;
        let told: Result<Option<Tag>, _> =
            session.read("getTag", Arguments::none().with(name.as_str())).await;
        let tag = match told {
            Ok(Some(tag)) => tag,
            Ok(None) => {
                self.report.refused(
                    Name::DestinationTag,
                    FailureClass::User,
                    "koji.unknown_tag",
                    format!("the hub has no tag '{name}', where builds for {} go", target.name),
                    "have the target's destination tag corrected: koji edit-target",
                );
                return false;
            }
            Err(error) => {
                self.report.failed(Name::DestinationTag, HubError::from(error));
                return false;
            }
        };
        let permissions = user.and_then(|user| user.permissions.as_ref());
        let holds =
            |wanted: &str| permissions.is_none_or(|held| held.contains(wanted) || held.contains("admin"));
        if tag.locked {
            self.report.refused(
                Name::DestinationTag,
                FailureClass::Policy,
                "koji.tag_locked",
                format!("{name} is locked"),
                "wait until it is unlocked, or build for another target",
            );
        } else if let Some(wanted) = tag.perm.as_deref().filter(|wanted| !holds(wanted)) {
            self.report.refused(
                Name::DestinationTag,
                FailureClass::Policy,
                "koji.tag_permission",
                format!("{name} needs the permission '{wanted}', which the bridge's user does not have"),
                "have an administrator grant it: koji grant-permission PERMISSION USER",
            );
        } else {
            self.report.ok(Name::DestinationTag, format!("{name} can be tagged with"));
        }
        true
    }

    /// Whether a package may go into a tag.
    async fn package(&mut self, session: &Session, tag: &str) {
        let from_nvr = || self.arguments.nvr.as_ref().map(|nvr| nvr.name().to_owned());
        let Some(package) = self.arguments.package.clone().or_else(from_nvr) else {
            return self.report.skipped(Name::Package, "no --package is given");
        };
        let asked = Arguments::none().with(tag).with(package.as_str());
        let told: Result<Option<PackageConfig>, _> = session.read("getPackageConfig", asked).await;
        match told {
            Err(error) => self.report.failed(Name::Package, HubError::from(error)),
            Ok(None) => self.report.refused(
                Name::Package,
                FailureClass::Policy,
                "koji.package_not_listed",
                format!("{package} is not in the package list of {tag}"),
                "have it added: koji add-pkg --owner OWNER TAG PACKAGE",
            ),
            Ok(Some(entry)) if entry.blocked => self.report.refused(
                Name::Package,
                FailureClass::Policy,
                "koji.package_blocked",
                format!("{package} is blocked in {}", entry.tag_name.as_deref().unwrap_or(tag)),
                "build for another target, or have it unblocked: koji unblock-pkg TAG PACKAGE",
            ),
            Ok(Some(entry)) => {
                let owner = entry.owner_name.as_deref().unwrap_or("nobody");
                let place = entry.tag_name.as_deref().unwrap_or(tag);
                self.report.ok(Name::Package, format!("{package} is listed in {place}, owned by {owner}"));
            }
        }
    }

    /// Whether a name, version and release are free.
    async fn build(&mut self) {
        let Some(nvr) = self.arguments.nvr.clone() else {
            return self.report.skipped(Name::Build, "no --nvr is given");
        };
        let build = match self.hub.build(&BuildName::Nvr(nvr.clone())).await {
            Ok(found) => found.build,
            Err(HubError::NotFound { .. }) => return self.report.ok(Name::Build, format!("{nvr} is free")),
            Err(error) => return self.report.failed(Name::Build, error),
        };
        let owner = if build.origin.owner.is_empty() { "somebody" } else { &build.origin.owner };
        match (build.state, build.origin.task) {
            (KojiBuildState::Failed | KojiBuildState::Cancelled, _) => {
                let found = format!("{nvr} is {} (build {}) and can be made again", build.state, build.id);
                self.report.ok(Name::Build, found);
            }
            (KojiBuildState::Building, Some(task)) => self.report.refused(
                Name::Build,
                FailureClass::User,
                "koji.build_in_progress",
                format!("{nvr} (build {}) is being built by {owner} in task {task}", build.id),
                "wait for the task, or choose another release",
            ),
            (KojiBuildState::Building, None) => self.report.refused(
                Name::Build,
                FailureClass::User,
                "koji.build_reserved",
                format!("{nvr} (build {}) is reserved by {owner}", build.id),
                "choose another release, or give it back: koji-bridge refund, if it was left over",
            ),
            (state, _) => self.report.refused(
                Name::Build,
                FailureClass::User,
                "koji.build_exists",
                format!("{nvr} (build {}) is {state} already", build.id),
                "choose another release",
            ),
        }
    }
}
