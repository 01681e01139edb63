//! Step: makes the build context, once for all platforms.

use common::{
    failure::Failure,
    flow::{Context, Policy, Stage, Step},
    request::GitSource,
    work::Descriptor,
};
use serde::{Deserialize, Serialize};

use super::{
    FilesystemFile,
    artifacts::{self, FetchedArtifact},
    source::STOP_THREADS,
    sources,
};
use crate::{
    repository::{
        ResolvedSource,
        context::write_context,
        extra::{ExtraContent, ExtraFile},
    },
    services::PlanServices,
};

/// A file that goes into the context beside those of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraFileRecord {
    /// Path in the context. Example: `artifacts/spam.jar`.
    pub path: String,
    /// Whether it may be executed.
    pub executable: bool,
    /// Where its content is.
    pub content: ExtraFileContent,
}

/// Where the content of an extra file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtraFileContent {
    /// Here. For small files that were made, not fetched.
    Text(String),
    /// An artifact. It is fetched again when it is gone.
    Artifact(FetchedArtifact),
    /// The file system of one platform, made by Koji. It is fetched again when it
    /// is gone.
    Filesystem(FilesystemFile),
    /// A file that the sources command left.
    Source {
        /// What it is, hexadecimal.
        sha256: String,
        /// Its size in bytes.
        size: u64,
    },
}

impl From<&FetchedArtifact> for ExtraFileRecord {
    fn from(artifact: &FetchedArtifact) -> Self {
        Self {
            path: format!("{}/{}", artifacts::DIRECTORY, artifact.destination),
            executable: false,
            content: ExtraFileContent::Artifact(artifact.clone()),
        }
    }
}

impl From<&FilesystemFile> for ExtraFileRecord {
    fn from(file: &FilesystemFile) -> Self {
        Self {
            path: file.path_in_context.clone(),
            executable: false,
            content: ExtraFileContent::Filesystem(file.clone()),
        }
    }
}

impl ExtraFileRecord {
    /// The file itself, which is fetched again if need be.
    async fn file(&self, services: &PlanServices) -> Result<ExtraFile, Failure> {
        let content = match &self.content {
            ExtraFileContent::Text(text) => ExtraContent::Bytes(text.clone().into()),
            ExtraFileContent::Artifact(artifact) => ExtraContent::File {
                path: artifacts::ensure(services, artifact).await?,
                size: artifact.size,
                sha256: artifact.sha256.clone(),
            },
            ExtraFileContent::Filesystem(file) => {
                file.ensure(services).await?;
                ExtraContent::File {
                    path: file.path(&services.directory),
                    size: file.size,
                    sha256: file.digest.hex().to_owned(),
                }
            }
            ExtraFileContent::Source { sha256, size } => ExtraContent::File {
                path: services.directory.join(sources::DIRECTORY).join(sha256),
                size: *size,
                sha256: sha256.clone(),
            },
        };
        Ok(ExtraFile { path: self.path.clone(), content, executable: self.executable })
    }
}

/// Makes the context.
#[derive(Serialize)]
pub struct MakeContext<'a> {
    /// Where the source came from.
    pub source: &'a GitSource,
    /// The commit.
    pub resolved: &'a ResolvedSource,
    /// Left out of the context: it travels in the work order.
    pub dockerfile_path: &'a str,
    /// Files beside those of the repository.
    pub extra: &'a [ExtraFileRecord],
}

impl Step<PlanServices> for MakeContext<'_> {
    const NAME: &'static str = "make_context";
    const STAGE: Stage = Stage::Prepare;
    type Output = Descriptor;

    fn policy(&self) -> Policy {
        Policy { timeout: std::time::Duration::from_secs(1800), grace: STOP_THREADS, ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Descriptor, Failure> {
        let services = cx.services;
        let tree = services.source_tree(self.source, self.resolved, cx.cancel).await?;
        let limit = services.site.builds.max_context.bytes();
        let mut extra = Vec::with_capacity(self.extra.len());
        for record in self.extra {
            extra.push(record.file(services).await?);
        }
        let directory = services.context_directory();
        let written =
            write_context(&tree, self.dockerfile_path, &extra, &directory, limit, cx.cancel).await?;
        for path in &written.replaced {
            let text = format!("'{path}' of the repository is replaced by a file that was fetched or made");
            cx.warn("context.file_replaced", text).await?;
        }
        let context = written.descriptor;
        services.say(cx.name, &format!("context {} ({} bytes)", context.digest, context.size)).await;
        Ok(context)
    }
}
