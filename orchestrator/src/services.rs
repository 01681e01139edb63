//! What steps may touch: the outside world of a build, behind typed doors.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use common::{
    failure::{Failure, FailureClass},
    log::{LogRecord, LogStream},
    names::BuildId,
};
use jiff::Timestamp;
use registry_client::{Layout, Registry};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Site,
    launch::Launcher,
    outside::Outside,
    plan::Target,
    pool::{Pool, TicketMaker},
    store::{Store, logs::LogStore},
};

mod patience;
mod planning;

pub use patience::{Watched, patiently, patiently_for, watch_task};
pub use planning::{BuildStamp, LayoutRoot, Narrator, PlanServices, Reach, Vault};

/// What all builds share.
pub struct Services {
    /// The site's settings, frozen at start.
    pub site: Arc<Site>,
    /// The builds' histories.
    pub store: Store,
    /// The builds' logs.
    pub logs: LogStore,
    /// Workers and their orders.
    pub pool: Pool,
    /// Starts workers on this machine, where the site wants that.
    pub launcher: Launcher,
    /// Registries, git, Koji and the web, with the site's credentials.
    pub outside: Outside,
    /// Makes the tickets of work orders.
    pub tickets: TicketMaker,
    /// Where builds keep their files: one directory each, removed at the end.
    pub work_directory: PathBuf,
    /// Where layouts may be.
    pub layout_root: LayoutRoot,
    /// Fires when this process ends; running builds then wait for the next one.
    pub shutdown: CancellationToken,
}

/// The services of one build.
pub struct BuildServices {
    /// What all builds share.
    pub shared: Arc<Services>,
    /// The build.
    pub stamp: BuildStamp,
    /// What its planning may touch.
    pub planning: PlanServices,
}

impl BuildServices {
    /// The services of a build.
    pub fn new(shared: Arc<Services>, stamp: BuildStamp) -> Self {
        let narrator = LogLines { shared: shared.clone(), build: stamp.build.clone() };
        let planning = PlanServices {
            site: shared.site.clone(),
            outside: shared.outside.clone(),
            stamp: stamp.clone(),
            directory: build_directory(&shared.work_directory, &stamp.build),
            layout_root: shared.layout_root.clone(),
            reach: Reach::Everything,
            narrator: Arc::new(narrator),
            vault: Vault::of(shared.store.clone(), stamp.build.clone()),
            shutdown: shared.shutdown.clone(),
        };
        Self { shared, stamp, planning }
    }

    /// The build's own directory; gone when the build has ended.
    pub fn directory(&self) -> PathBuf {
        self.planning.directory.clone()
    }

    /// Where the build context is.
    pub fn context_directory(&self) -> PathBuf {
        self.planning.context_directory()
    }

    /// Makes the layout in which the members of the image are gathered, unless
    /// it is there. Must have come before work orders go out.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub async fn make_staging(&self) -> Result<Layout, Failure> {
        Ok(Layout::create(staging_directory(&self.shared.work_directory, &self.stamp.build)).await?)
    }

    /// The layout in which the members of the image are gathered.
    ///
    /// # Errors
    /// It was not made, or is gone.
    pub async fn staging(&self) -> Result<Layout, Failure> {
        open_staging(&self.shared.work_directory, &self.stamp.build).await
    }

    /// Opens a destination.
    ///
    /// # Errors
    /// A directory that is something else than a layout, or cannot be made.
    pub async fn open(&self, target: &Target) -> Result<Box<dyn Registry>, Failure> {
        match target {
            Target::Layout { directory } => Ok(Box::new(Layout::create(directory).await?)),
            Target::Registry { host, repository, .. } => {
                Ok(Box::new(self.shared.outside.registries.repository(host, repository)))
            }
        }
    }

    /// The image stream that the request names.
    ///
    /// # Errors
    /// The store failed.
    pub async fn image_stream(&self) -> Result<Option<String>, Failure> {
        let history = self.shared.store.history(&self.stamp.build).await?;
        Ok(history.and_then(|history| history.request.image_stream))
    }

    /// Adds a line of the orchestrator's own to the build's log. Losing such a
    /// line is no reason to fail a build.
    pub async fn say(&self, step: &str, text: &str) {
        self.planning.say(step, text).await;
    }
}

impl AsRef<PlanServices> for BuildServices {
    fn as_ref(&self) -> &PlanServices {
        &self.planning
    }
}

/// Adds what a build has to say to its log.
struct LogLines {
    shared: Arc<Services>,
    build: BuildId,
}

#[async_trait::async_trait]
impl Narrator for LogLines {
    async fn say(&self, step: &str, text: &str) {
        let record = LogRecord {
            offset: 0,
            at: Timestamp::now(),
            platform: None,
            stream: LogStream::Orchestrator,
            step: step.to_owned(),
            text: Bytes::from(format!("{text}\n")),
        };
        if let Err(error) = self.shared.logs.append(&self.build, None, vec![record]).await {
            tracing::warn!(build = %self.build, %error, "a log line was lost");
        }
    }
}

/// The staging layout of a build, also for uploads that come in beside the flow.
/// Never makes it: an upload that is late must not bring back what the clean-up
/// has removed.
///
/// # Errors
/// It was not made, or is gone.
pub async fn open_staging(work_directory: &Path, build: &BuildId) -> Result<Layout, Failure> {
    Layout::open(staging_directory(work_directory, build)).await.map_err(|error| {
        Failure::from_error(FailureClass::Infrastructure, "orchestrator.no_staging", &error)
            .with_advice("the build's files are gone; submit it again")
    })
}

/// Where the staging layout of a build is.
pub fn staging_directory(work_directory: &Path, build: &BuildId) -> PathBuf {
    build_directory(work_directory, build).join("image")
}

/// The build's own directory.
pub fn build_directory(work_directory: &Path, build: &BuildId) -> PathBuf {
    work_directory.join(build.as_str())
}

/// A failure of this machine's own disk.
pub fn disk_failure(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        FailureClass::Infrastructure,
        "orchestrator.disk",
        format!("{what} {}: {error}", path.display()),
    )
    .with_advice("look at free space and permissions of the state directory")
}

#[cfg(test)]
pub(crate) mod fixture;
