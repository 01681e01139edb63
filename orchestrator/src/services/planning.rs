//! What planning may touch: the outside world to ask, and a directory of its own.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use common::{
    failure::{Failure, FailureClass},
    names::BuildId,
    request::GitSource,
    secret::Secret,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Settings, Site},
    outside::Outside,
    repository::{self, ResolvedSource, SourceTree},
    store::Store,
};

/// The directory that relative layouts are below.
#[derive(Debug, Clone)]
pub enum LayoutRoot {
    /// Layouts can be anywhere: the user of the command line owns the machine.
    Free(PathBuf),
    /// Layouts cannot be anywhere else: requests come over the network.
    Fence(PathBuf),
}

impl LayoutRoot {
    /// The directory.
    pub fn path(&self) -> &Path {
        match self {
            Self::Free(path) | Self::Fence(path) => path,
        }
    }

    /// Whether nothing outside may be named.
    pub fn is_a_fence(&self) -> bool {
        matches!(self, Self::Fence(_))
    }
}

/// What identifies a build and never changes.
#[derive(Debug, Clone)]
pub struct BuildStamp {
    /// The build.
    pub build: BuildId,
    /// When it was accepted.
    pub created_at: Timestamp,
}

/// How far planning reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A build: it may ask, and it may change what planning has to change
    /// (request a compose, start an image task).
    Everything,
    /// A dry run: it may ask everybody and change nothing anywhere.
    Questions,
    /// A dry run without network: it may read local files.
    Nothing,
}

impl Reach {
    /// Whether other systems may be asked.
    pub fn may_ask(self) -> bool {
        self != Self::Nothing
    }

    /// Whether other systems may be changed.
    pub fn may_change(self) -> bool {
        self == Self::Everything
    }
}

/// Takes what steps tell the user beside their result.
#[async_trait::async_trait]
pub trait Narrator: Send + Sync {
    /// One line of text from a step.
    async fn say(&self, step: &str, text: &str);
}

/// Where a build keeps what it was told in confidence, so that the next process
/// knows it: a document of the store that nobody serves.
#[derive(Debug, Clone, Default)]
pub struct Vault(Option<(Store, BuildId)>);

impl Vault {
    /// The vault of a build.
    pub fn of(store: Store, build: BuildId) -> Self {
        Self(Some((store, build)))
    }

    /// A vault that keeps nothing, for dry runs, which are told nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Name of the document that holds a secret.
    pub fn document(name: &str) -> String {
        format!("secret/{name}")
    }

    /// Keeps a secret under a name, in the place of one of that name.
    ///
    /// # Errors
    /// The store failed, or there is none.
    pub async fn keep(&self, name: &str, secret: &Secret) -> Result<(), Failure> {
        let Some((store, build)) = &self.0 else { return Err(no_vault(name)) };
        Ok(store.put_document(build, &Self::document(name), secret.expose()).await?)
    }

    /// The secret of a name; `None` when none is kept.
    ///
    /// # Errors
    /// The store failed.
    pub async fn secret(&self, name: &str) -> Result<Option<Secret>, Failure> {
        let Some((store, build)) = &self.0 else { return Ok(None) };
        let text = store.document(build, &Self::document(name)).await?;
        Ok(text.filter(|text| !text.is_empty()).map(Secret::new))
    }

    /// Forgets the secret of a name.
    ///
    /// # Errors
    /// The store failed.
    pub async fn forget(&self, name: &str) -> Result<(), Failure> {
        let Some((store, build)) = &self.0 else { return Ok(()) };
        if store.document(build, &Self::document(name)).await?.is_some_and(|text| !text.is_empty()) {
            store.put_document(build, &Self::document(name), "").await?;
        }
        Ok(())
    }
}

fn no_vault(name: &str) -> Failure {
    let message = format!("there is no place for the secret '{name}'");
    Failure::new(FailureClass::Internal, "orchestrator.no_vault", message)
}

/// The services of one planning.
#[derive(Clone)]
pub struct PlanServices {
    /// The site's settings, with their origins.
    pub site: Arc<Site>,
    /// Other systems.
    pub outside: Outside,
    /// The build.
    pub stamp: BuildStamp,
    /// The build's own directory; gone when the build has ended.
    pub directory: PathBuf,
    /// Where layouts may be.
    pub layout_root: LayoutRoot,
    /// How far it reaches.
    pub reach: Reach,
    /// Where it tells what it finds.
    pub narrator: Arc<dyn Narrator>,
    /// Where it keeps what it is told in confidence.
    pub vault: Vault,
    /// Fires when this process ends; the build then waits for the next one.
    pub shutdown: CancellationToken,
}

impl AsRef<PlanServices> for PlanServices {
    fn as_ref(&self) -> &PlanServices {
        self
    }
}

impl PlanServices {
    /// Where the build context is.
    pub fn context_directory(&self) -> PathBuf {
        self.directory.join("context")
    }

    /// The tree of the commit, fetched if it is not here (any more).
    ///
    /// # Errors
    /// The remote cannot be reached, or does not have the commit.
    pub async fn source_tree(
        &self,
        source: &GitSource,
        resolved: &ResolvedSource,
        cancel: &CancellationToken,
    ) -> Result<SourceTree, Failure> {
        let directory = self.directory.join("source.git");
        Ok(repository::fetch(&self.outside.git, source, resolved, &directory, cancel).await?)
    }

    /// The same services with other settings. What is connected already stays
    /// connected.
    #[must_use]
    pub fn with_settings(&self, settings: Settings) -> Self {
        Self { site: Arc::new(self.site.with_settings(settings)), ..self.clone() }
    }

    /// Tells the user a line.
    pub async fn say(&self, step: &str, text: &str) {
        self.narrator.say(step, text).await;
    }
}
