//! Tasks and users, as far as mails are addressed by them.

use std::collections::BTreeMap;

use common::koji::KojiUser;
use proto::v1::KojiTaskState;
use serde::Deserialize;

use super::{
    BuildName, Hub, HubError,
    answers::{Tag, User},
    archives::number,
    builds::Sight,
};
use crate::xmlrpc::{Arguments, Call, Value, from_value};

/// Most owners of one package.
const MOST_OWNERS: usize = 1000;

/// A task and who submitted it.
#[derive(Debug, Clone)]
pub struct FoundTask {
    /// Its state.
    pub state: KojiTaskState,
    /// Its method.
    pub method: String,
    /// Who submitted it.
    pub owner: Option<KojiUser>,
}

/// `getPackageConfig`.
#[derive(Debug, Deserialize)]
struct PackageConfig {
    owner_id: Option<i64>,
    owner_name: Option<String>,
}

impl Hub {
    /// Looks up a task.
    ///
    /// # Errors
    /// There is no such task, or the hub cannot answer.
    pub async fn task(&self, task: u64) -> Result<FoundTask, HubError> {
        let details = self.task_details(task).await?;
        let unknown =
            || HubError::unexpected("getTaskInfo", format!("task {task} has state {:?}", details.state));
        let state = details.state().ok_or_else(unknown)?;
        let owner = match details.owner {
            Some(id) => self.read::<Option<User>>("getUser", Arguments::none().with(id)).await?,
            None => None,
        };
        Ok(FoundTask { state, method: details.method.unwrap_or_default(), owner: owner.map(KojiUser::from) })
    }

    /// Looks up a user; the bridge itself without a name.
    ///
    /// # Errors
    /// There is no such user, or the hub cannot answer.
    pub async fn user(&self, name: Option<&str>) -> Result<KojiUser, HubError> {
        let own;
        let name = match name {
            Some(name) => name,
            None => {
                own = self.me().await?.name.clone();
                &own
            }
        };
        let user: Option<User> = self.read("getUser", Arguments::none().with(name)).await?;
        user.map(KojiUser::from).ok_or_else(|| HubError::NotFound {
            method: "getUser",
            code: "koji.no_user",
            message: format!("the hub has no user '{name}'"),
        })
    }

    /// The owners of a build's package in the tags that the build has, each once.
    ///
    /// # Errors
    /// There is no such build, or the hub cannot answer.
    pub async fn package_owners(&self, build: u64) -> Result<Vec<KojiUser>, HubError> {
        let package = match self.require_build(&BuildName::Number(build)).await? {
            Sight::Clear(build) => build.name,
            Sight::Unreadable { nvr, .. } => nvr.name().to_owned(),
            Sight::Absent => return Ok(Vec::new()),
        };
        let tags: Vec<Tag> = self.read("listTags", Arguments::none().named("build", number(build)?)).await?;
        let config =
            |tag: &Tag| Call::new("getPackageConfig", Arguments::none().with(tag.id).with(package.as_str()));
        let mut owners = BTreeMap::new();
        for config in self.each::<PackageConfig>(tags.iter().map(config).collect()).await? {
            if let (Some(id), Some(name)) = (config.owner_id, config.owner_name) {
                owners.insert(id, name);
            }
        }
        let ask = |id: &i64| Call::new("getUser", Arguments::none().with(*id));
        let users = self.each::<User>(owners.keys().take(MOST_OWNERS).map(ask).collect()).await?;
        Ok(users.into_iter().map(KojiUser::from).collect())
    }

    /// Asks several things at once. What there is not, or what the hub refuses to
    /// tell, is left out.
    async fn each<T: serde::de::DeserializeOwned>(&self, calls: Vec<Call>) -> Result<Vec<T>, HubError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.0.queries.read_all(calls).await?;
        let mut read = Vec::new();
        for answer in answers {
            match answer {
                Ok(Value::Nil) => {}
                Ok(value) => {
                    let wrong = |error: crate::xmlrpc::ValueError| {
                        HubError::unexpected("multiCall", error.to_string())
                    };
                    read.push(from_value(value).map_err(wrong)?);
                }
                Err(fault) => tracing::warn!(%fault, "an owner of a package is not known"),
            }
        }
        Ok(read)
    }
}
