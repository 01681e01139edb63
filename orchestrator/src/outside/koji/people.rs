//! Tasks and users: who asked for a build, and whether they still want it.

use common::failure::Failure;
use proto::{convert::BadField, v1};

use super::{Koji, KojiTaskState, KojiUser, found};

/// A task as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KojiTaskInfo {
    /// Its state.
    pub state: KojiTaskState,
    /// Its method. Example: `buildContainer`.
    pub method: String,
    /// Who submitted it; `None` when nobody did.
    pub owner: Option<KojiUser>,
}

impl Koji {
    /// A task by number; `None` when there is none.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn task(&self, id: u64) -> Result<Option<KojiTaskInfo>, Failure> {
        const CALL: &str = "GetTask";
        let request = v1::GetTaskRequest { task_id: id };
        let answer = self.ask(CALL, async |client| client.get_task(request).await).await;
        let Some(answer) = found(answer)? else { return Ok(None) };
        let state = v1::KojiTaskState::try_from(answer.state).unwrap_or(v1::KojiTaskState::Unspecified);
        let state = self.read(CALL, KojiTaskState::try_from(state))?;
        let owner = answer.owner.map(KojiUser::try_from).transpose();
        Ok(Some(KojiTaskInfo { state, method: answer.method, owner: self.read(CALL, owner)? }))
    }

    /// A user by name, or the one that the bridge is; `None` when there is none.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn user(&self, name: Option<&str>) -> Result<Option<KojiUser>, Failure> {
        const CALL: &str = "GetUser";
        let request = v1::GetUserRequest { name: name.unwrap_or_default().to_owned() };
        let answer = self.ask(CALL, async |client| client.get_user(request).await).await;
        let Some(answer) = found(answer)? else { return Ok(None) };
        let user = answer.user.ok_or_else(|| BadField::missing("user")).and_then(KojiUser::try_from);
        Ok(Some(self.read(CALL, user)?))
    }

    /// The owners of a build's package in the tags that the build has.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn package_owners(&self, build: u64) -> Result<Vec<KojiUser>, Failure> {
        const CALL: &str = "FindPackageOwners";
        let request = v1::FindPackageOwnersRequest { build_id: build };
        let answer = self.ask(CALL, async |client| client.find_package_owners(request).await).await?;
        let owners = answer.owners.into_iter().map(KojiUser::try_from).collect::<Result<Vec<_>, _>>();
        Ok(self.read(CALL, owners)?)
    }
}
