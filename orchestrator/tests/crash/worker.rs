//! A worker without an engine: it takes work orders from the pool, leaves the
//! blobs of a tiny image where uploads go, and reports the image. What it holds
//! outlives the orchestrator's process, as with a real worker.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use common::{
    failure::{Failure, FailureClass},
    image::Digest,
    names::{WorkOrderId, WorkerId},
    platform::Platform,
    retry::Patience,
    work::{KojiFile, PlatformImage, WorkOrder},
};
use futures::StreamExt as _;
use md5::{Digest as _, Md5};
use orchestrator::{
    outside::Upload,
    pool::{Attachment, Credentials, ToWorker},
    services::{Services, build_directory, open_staging},
};

use crate::image::TinyImage;

/// A worker for one platform.
pub(crate) struct Worker {
    id: WorkerId,
    platform: Platform,
    /// Whether two builds of the same order differ, as real ones may.
    moody: bool,
    builds: AtomicUsize,
    /// Orders it was given and not yet told to forget, with their images.
    held: Mutex<BTreeMap<WorkOrderId, Option<PlatformImage>>>,
}

impl Worker {
    /// A worker that nobody has met before.
    pub(crate) fn new(platform: &str, moody: bool) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            id: WorkerId::generate("test"),
            platform: platform.parse()?,
            moody,
            builds: AtomicUsize::new(0),
            held: Mutex::default(),
        }))
    }

    /// How many images it has finished.
    pub(crate) fn builds(&self) -> usize {
        self.builds.load(Ordering::Relaxed)
    }

    /// Orders that it has not been told to forget.
    pub(crate) fn held(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkOrderId, Option<PlatformImage>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the pool know of the worker, with what it holds.
    pub(crate) fn attach(&self, services: &Services) -> Attachment {
        services.pool.attach(Credentials {
            id: self.id.clone(),
            platforms: [self.platform.clone()].into(),
            slots: 1,
            version: "0".to_owned(),
            host: "host".to_owned(),
            engine: "none".to_owned(),
            unknown: std::collections::BTreeSet::new(),
            held: self.lock().keys().cloned().collect(),
        })
    }

    /// Works until the connection ends.
    pub(crate) async fn serve(self: Arc<Self>, mut attachment: Attachment, services: Arc<Services>) {
        // A result that was sent to a process that died may never have arrived.
        let finished: Vec<_> =
            self.lock().iter().filter_map(|(id, image)| Some((id.clone(), image.clone()?))).collect();
        for (id, image) in finished {
            services.pool.finish(&self.id, &id, Ok(image));
        }
        while let Some(message) = attachment.inbound.recv().await {
            match message {
                ToWorker::Order(order) => {
                    let known = self.lock().entry(order.id.clone()).or_default().clone();
                    let outcome = match known {
                        Some(image) => Ok(image),
                        None => self.build(&order, &services).await.map_err(|error| {
                            Failure::new(FailureClass::Internal, "test.worker", format!("{error:#}"))
                        }),
                    };
                    if let Ok(image) = &outcome {
                        self.lock().insert(order.id.clone(), Some(image.clone()));
                    }
                    services.pool.finish(&self.id, &order.id, outcome);
                }
                ToWorker::Cancel { order, reason } => {
                    services.pool.finish(&self.id, &order, Err(Failure::cancelled(&reason)));
                }
                ToWorker::ResultStored(order) => {
                    self.lock().remove(&order);
                }
            }
        }
    }

    async fn build(&self, order: &WorkOrder, services: &Services) -> Result<PlatformImage> {
        ensure!(order.platform == self.platform, "an order for {}", order.platform);
        ensure!(services.tickets.accepts(&order.id, order.ticket.expose()), "the ticket is wrong");
        let directory = build_directory(&services.work_directory, &order.build);
        let context = tokio::fs::read(directory.join("context").join(order.context.digest.hex())).await?;
        ensure!(Digest::of(&context) == order.context.digest, "the context is not what the order says");
        let pinned = order.parents.first().and_then(|parent| parent.pinned.as_deref());
        let (_, parent) = pinned.and_then(|pinned| pinned.split_once('@')).context("no pinned parent")?;

        // Nothing of the world's addresses, so that all worlds make the same image.
        let mut text = format!("{} of {parent} with {}", order.platform, order.context.digest);
        if self.moody {
            text += &format!(" by {} after {} others", self.id, self.builds());
        }
        let architecture = order.engine_platform.strip_prefix("linux/").context("not for Linux")?;
        let image = TinyImage::new(architecture, &text)?;
        ensure!(services.pool.order(&order.id).is_some(), "{} is not under way", order.id);
        image.upload(&open_staging(&services.work_directory, &order.build).await?).await?;
        let mut result = image.as_result(&order.platform);
        if let Some(wanted) = &order.koji_upload {
            let koji = services.outside.koji.as_ref().context("no Koji")?;
            let content = image.layer.clone();
            let name = format!("docker-image-{}.{}.tar.gz", result.config.digest, order.platform);
            let (size, md5) = (content.len() as u64, hex::encode(Md5::digest(&content)));
            let upload =
                Upload { directory: &wanted.directory, ticket: &wanted.ticket, name: &name, size, md5: &md5 };
            // Less than a real worker has, and enough for a bridge that is started again.
            let patience = Patience {
                attempts: 12,
                first_wait: Duration::from_millis(10),
                longest_wait: Duration::from_secs(2),
            };
            let source = |offset: u64| {
                let rest = content.slice(usize::try_from(offset).unwrap_or(usize::MAX)..);
                futures::stream::iter([Ok(rest)]).boxed()
            };
            koji.upload(upload, patience, &source).await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
            result.koji_files = vec![KojiFile { name, size, md5 }];
        }
        self.builds.fetch_add(1, Ordering::Relaxed);
        Ok(result)
    }
}
