//! Tags of builds.

use super::{BuildName, Hub, HubError, answers::Tag, archives::number};
use crate::{
    metadata::Doing,
    session::CallError,
    xmlrpc::{Arguments, Value},
};

/// How often it is looked what became of a call whose answer is lost.
const LOOKS: usize = 5;

/// What has become of a tag that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tagging {
    /// The build has it.
    Tagged,
    /// This task gives it to the build.
    Task(u64),
}

impl Hub {
    /// Tags a build, unless it has the tag or a task of the bridge is about to give
    /// it.
    ///
    /// # Errors
    /// There is no such build, or the hub refuses or cannot answer.
    pub async fn tag_build(&self, build: u64, tag: String) -> Result<Tagging, HubError> {
        let hub = self.clone();
        self.carry_on(async move {
            let _turn = hub.exclusively(&format!("tag {build} {tag}")).await?;
            hub.may_write()?;
            if let Some(done) = hub.look_for_tag(build, &tag).await? {
                return Ok(done);
            }
            let asked = Arguments::none().with(tag.as_str()).with(number(build)?);
            match hub.write::<u32>(Doing::Tag, "tagBuild", asked).await {
                Ok(task) => Ok(Tagging::Task(task.into())),
                Err(
                    error @ HubError::Call {
                        call: CallError::Committed { .. } | CallError::Lost { .. }, ..
                    },
                ) => hub.after_tag(build, &tag, error).await,
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Looks what became of a call whose answer is lost.
    async fn after_tag(&self, build: u64, tag: &str, unknown: HubError) -> Result<Tagging, HubError> {
        for look in 0..LOOKS {
            if look > 0 {
                self.pause(self.options().look_pause).await?;
            }
            if let Some(done) = self.look_for_tag(build, tag).await? {
                return Ok(done);
            }
        }
        Err(unknown)
    }

    /// Whether a build has a tag, or a task of the bridge that has not ended.
    async fn look_for_tag(&self, build: u64, tag: &str) -> Result<Option<Tagging>, HubError> {
        self.require_build(&BuildName::Number(build)).await?;
        let tags: Vec<Tag> = self.read("listTags", Arguments::none().named("build", number(build)?)).await?;
        if tags.iter().any(|found| found.name == tag) {
            return Ok(Some(Tagging::Tagged));
        }
        let found: Option<Tag> = self.read("getTag", Arguments::none().with(tag)).await?;
        let Some(found) = found else {
            let message = format!("the hub has no tag '{tag}'");
            return Err(HubError::NotFound { method: "getTag", code: "koji.unknown_tag", message });
        };
        let request = [Value::Int(found.id), Value::Int(number(build)?)];
        let same = |parameters: &[Value]| parameters.get(..2) == Some(request.as_slice());
        let tasks = self.unfinished_tasks("tagBuild", same).await?;
        Ok(tasks.first().copied().map(Tagging::Task))
    }
}
