//! Whose reservation it is.

use common::nvr::Nvr;
use proto::convert::KojiFailureKind;

use super::super::{BuildName, Hub, HubError, answers::Build, archives::number, builds::Sight};
use crate::{
    metadata::Doing,
    session::CallError,
    xmlrpc::{Arguments, Value},
};

/// The member of a build's `extra` that is the bridge's.
pub(super) const SECTION: &str = "reactor";
/// The member in it that holds the caller's key.
pub(super) const KEY: &str = "key";

/// How often it is looked what became of a call whose answer is lost.
const LOOKS: usize = 3;
/// Most builds in progress of one package that are looked through.
const MOST_BUILDS: i64 = 200;

/// What a look for a reservation shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// The caller's: this build.
    Reserved(u64),
    /// The bridge's, by this build; whether the caller's, nothing tells.
    Unproven(u64),
    /// Somebody else's, or no reservation any more.
    Others,
    /// There is no build, or one that can be reserved again.
    Nothing,
}

impl Hub {
    /// Looks whose reservation a build is; several times where a call may still be
    /// on its way.
    pub(super) async fn look_for_own(&self, nvr: &Nvr, key: &str, lost: bool) -> Result<Own, HubError> {
        let mut own = Own::Nothing;
        for look in 0..if lost { LOOKS } else { 1 } {
            if look > 0 {
                self.pause(self.options().look_pause).await?;
            }
            own = match self.look_for_build(&BuildName::Nvr(nvr.clone())).await? {
                Sight::Absent => Own::Nothing,
                Sight::Unreadable { .. } => Own::Others,
                Sight::Clear(build) => self.whose(&build, key).await?,
            };
            if own != Own::Nothing {
                break;
            }
        }
        Ok(own)
    }

    /// Whose reservation a build is.
    pub(super) async fn whose(&self, build: &Build, key: &str) -> Result<Own, HubError> {
        use common::koji::KojiBuildState::{Cancelled, Failed};
        if matches!(build.state(), Some(Failed | Cancelled)) {
            return Ok(Own::Nothing);
        }
        let generator = build.cg_name.as_deref() == Some(self.options().content_generator.as_str());
        if !build.is_building() || !generator || build.owner_id != Some(self.me().await?.id) {
            return Ok(Own::Others);
        }
        Ok(match written_key(build) {
            Some(written) if written == key && !key.is_empty() => Own::Reserved(build.number()),
            Some(_) => Own::Others,
            None => Own::Unproven(build.number()),
        })
    }

    /// The release of a package that is reserved with this key.
    pub(super) async fn own_release(
        &self,
        name: &str,
        version: &str,
        key: &str,
    ) -> Result<Option<Nvr>, HubError> {
        let package: Option<i64> = self.read("getPackageID", Arguments::none().with(name)).await?;
        let Some(package) = package else { return Ok(None) };
        let order = [("order".to_owned(), "-build_id".into()), ("limit".to_owned(), Value::Int(MOST_BUILDS))];
        let asked = Arguments::none()
            .named("packageID", package)
            .named("state", 0)
            .named("queryOpts", Value::Struct(order.into()));
        let builds: Vec<Build> = self.read("listBuilds", asked).await?;
        let ours = |build: &&Build| {
            build.version == version && build.is_building() && written_key(build) == Some(key)
        };
        Ok(builds.iter().find(ours).and_then(Build::nvr))
    }

    /// Ends a reservation without its token. True unless it was over already. Waits
    /// for an import of the build that is under way.
    pub(super) async fn cancel_reservation(&self, nvr: &Nvr, build: u64) -> Result<bool, HubError> {
        let _turn = self.turn_with_build(nvr).await?;
        self.cancel_build(build).await
    }

    /// The same for whoever has the turn with the build.
    pub(super) async fn cancel_build(&self, build: u64) -> Result<bool, HubError> {
        let name = BuildName::Number(build);
        if let Sight::Clear(found) = self.look_for_build(&name).await? {
            if !found.is_building() {
                return Ok(false);
            }
            if let Some(task) = found.task_id {
                return Err(self.has_task(build, task.into()));
            }
        }
        let asked = Arguments::none().with(number(build)?);
        match self.write::<bool>(Doing::Refund, "cancelBuild", asked).await {
            Ok(cancelled) => Ok(cancelled),
            Err(HubError::Call { call: CallError::Committed { .. }, .. }) => Ok(true),
            Err(error @ HubError::Call { call: CallError::Lost { .. }, .. }) => {
                match self.look_for_build(&name).await? {
                    Sight::Clear(found) if found.is_building() => Err(error),
                    _ => Ok(true),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn has_task(&self, build: u64, task: u64) -> HubError {
        let message = format!(
            "build {build} is reserved for task {task}, and a hub that cancels the build cancels the task with it"
        );
        let failure = common::failure::Failure::new(
            common::failure::FailureClass::Policy,
            "koji.reservation_has_task",
            message,
        )
        .with_advice("cancel the build in Koji if its task may end with it");
        HubError::of_kind(KojiFailureKind::Permanent, "cancelBuild", failure)
    }
}

/// The key that a reservation was made with.
pub(super) fn written_key(build: &Build) -> Option<&str> {
    build.extra.as_ref()?.get(SECTION)?.get(KEY)?.as_str()
}
