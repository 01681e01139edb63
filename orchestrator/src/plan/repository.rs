//! Step: reads what the repository itself says: the Dockerfile, `container.yaml`
//! and the other files beside them.
//!
//! All of them are read before any of them is judged, and what is wrong with any
//! of them is told together: whoever corrects a repository wants to do it once.

mod component;
mod keys;
#[cfg(test)]
mod tests;
mod understand;

use std::collections::BTreeMap;

use common::{
    failure::Failure,
    flow::{Context, Policy, Stage, Step},
    image::Tag,
    names::Component,
    request::BuildRequest,
};
use serde::{Deserialize, Serialize};

pub(super) use self::keys::keys;
use self::understand::{Files, understand};
use super::source::STOP_THREADS;
use crate::{
    repository::{
        ResolvedSource, container_yaml::ContainerYaml, content_sets::ContentSets, inputs::ArtifactWishes,
        repo_config::RepositoryConfig,
    },
    services::PlanServices,
};

/// Reads the repository.
#[derive(Serialize)]
pub struct ReadRepository<'a> {
    /// What the user asked for.
    pub request: &'a BuildRequest,
    /// The commit.
    pub resolved: &'a ResolvedSource,
}

/// What the repository says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryFacts {
    /// Path of the Dockerfile.
    pub dockerfile_path: String,
    /// The Dockerfile as it is in the repository.
    pub dockerfile: String,
    /// Labels of its final stage, without the environment of its parent.
    pub labels: BTreeMap<String, String>,
    /// What `container.yaml` says.
    pub container: ContainerYaml,
    /// The line of each of its keys, by path. Example: `platforms.only`.
    pub container_lines: BTreeMap<String, usize>,
    /// Further tags, from `container.yaml` or else from `additional-tags`.
    pub additional_tags: Vec<Tag>,
    /// What `content_sets.yml` says.
    pub content_sets: ContentSets,
    /// Files to be put into the build context.
    pub artifacts: ArtifactWishes,
    /// Name of the help file, if it is there.
    pub has_help: Option<String>,
    /// The image is made from a file system that Koji makes first.
    pub base_is_koji_filesystem: bool,
    /// How Koji makes it, as text; only if it does.
    pub image_build_conf: Option<String>,
    /// What `.osbs-repo-config` says. Nothing here depends on it.
    pub repository_config: RepositoryConfig,
    /// Under which name the image is built.
    pub component: Component,
}

impl Step<PlanServices> for ReadRepository<'_> {
    const NAME: &'static str = "read_repository";
    const STAGE: Stage = Stage::Prepare;
    type Output = RepositoryFacts;

    fn policy(&self) -> Policy {
        Policy { grace: STOP_THREADS, ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<RepositoryFacts, Failure> {
        let tree = cx.services.source_tree(&self.request.source, self.resolved, cx.cancel).await?;
        for path in tree.submodules() {
            let text = format!("the submodule '{path}' is left out: submodules are not fetched");
            cx.warn("source.submodule_ignored", text).await?;
        }
        let build_args = self.request.build_args.clone();
        let files = tree.on_thread(move |tree| Files::read(tree, None, &build_args)).await?;
        let (facts, notices) = understand(&files, self.request)?;
        for notice in notices {
            cx.warn(&notice.code, notice.text).await?;
        }
        Ok(facts)
    }
}
