//! One work order, top to bottom: context, parents, build, export, upload.
//!
//! Whatever way it ends, the same clean-up follows: the containers of the build
//! are proved to be gone, its images and its files are removed.

mod clean_up;
mod context;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use common::{
    failure::{Failure, FailureClass},
    image::Digest,
    service::Connection,
    work::{PlatformImage, WorkOrder, WorkOutcome, WorkPhase},
};
use proto::convert::{PACKAGE_INVENTORY, write_inventory};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

pub(crate) use clean_up::sweep_leftovers;

use crate::{
    engine::{
        DockerEngine, Endpoint, EngineError, RegistryCredentials,
        build::BuildInputs,
        images::CreatedImages,
        parse_engine_platform,
        sweep::{BuildMarker, Proof},
    },
    holdings::Held,
    inventory::take_inventory,
    koji,
    publish::{SpooledBlob, SpooledImage, export_image, manifest, upload},
    report::Reporter,
    scratch::{Place, Scratch},
    transfer::Transfer,
};

/// Bound on a build whose work order has none.
const LONGEST_BUILD: Duration = Duration::from_secs(24 * 3600);

/// Everything that carrying out a work order needs.
#[derive(Debug)]
pub(crate) struct Workshop {
    /// Where the engine is.
    pub(crate) endpoint: Endpoint,
    /// For pulling parents.
    pub(crate) credentials: RegistryCredentials,
    /// To the orchestrator.
    pub(crate) connection: Connection,
    /// Authorities that are trusted in place of the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// For files.
    pub(crate) scratch: Scratch,
    /// This host's name, for the record.
    pub(crate) host: String,
    /// Knows the threads that work runs on.
    pub(crate) tracker: TaskTracker,
}

/// How a work order ended and what its clean-up has to prove.
struct End {
    outcome: WorkOutcome,
    proof: Proof,
}

/// A work order while it is carried out.
struct Job<'a> {
    shop: &'a Workshop,
    order: &'a WorkOrder,
    place: &'a Place,
    marker: &'a BuildMarker,
    images: &'a CreatedImages,
    engine: &'a OnceLock<DockerEngine>,
    report: &'a Reporter,
    transfer: Transfer,
}

impl Workshop {
    /// Carries out a work order and cleans up after it.
    pub(crate) async fn carry_out(&self, order: WorkOrder, held: Arc<Held>) -> WorkOutcome {
        let step = format!("{}/build_image", order.platform);
        let outcome = self.build(&order, held).await;
        outcome.map_err(|failure| failure.on_platform(&order.platform).in_step(&step))
    }

    async fn build(&self, order: &WorkOrder, held: Arc<Held>) -> WorkOutcome {
        let marker = BuildMarker::of(&order.id);
        let place = self.scratch.begin(&order.id, &marker).map_err(|error| scratch_failure(&error))?;
        let report = Reporter::new(Arc::clone(&held));
        let (images, engine) = (place.images(), OnceLock::new());
        let job = Job {
            shop: self,
            order,
            place: &place,
            marker: &marker,
            images: &images,
            engine: &engine,
            report: &report,
            transfer: Transfer::new(self.connection.clone(), Arc::clone(&held))
                .trusting(self.ca_file.clone()),
        };
        let end = tokio::select! {
            biased;
            reason = held.stopped() => End { outcome: Err(reason.failure()), proof: Proof::AfterCut },
            end = job.run() => end,
        };
        if let Err(failure) = &end.outcome {
            report.say(failure.to_string()).await;
        }
        let left = clean_up::clean_up(engine.get(), &marker, &images, end.proof, order.use_cache).await;
        match left {
            Ok(()) => {
                place.remove().await;
                end.outcome
            }
            // The place stays: the next life of the worker finds the marker in it.
            Err(error) => clean_up::with_survivors(end.outcome, &error),
        }
    }
}

impl Job<'_> {
    async fn run(&self) -> End {
        match self.image().await {
            Ok(image) => End { outcome: Ok(image), proof: Proof::AfterEnd },
            Err((failure, proof)) => End { outcome: Err(failure), proof },
        }
    }

    async fn image(&self) -> Result<PlatformImage, (Failure, Proof)> {
        let order = self.order;
        let ended = |failure: Failure| (failure, Proof::AfterEnd);
        let limit = order.limits.time.unwrap_or(LONGEST_BUILD);
        let deadline = Instant::now() + limit;
        let wanted = parse_engine_platform(&order.engine_platform)
            .map_err(|error| ended(Failure::from_error(FailureClass::User, "work_order.invalid", &error)))?;

        let (engine, local_parents) = timeout_at(deadline, self.prepare(&wanted))
            .await
            .unwrap_or_else(|_| Err(EngineError::TimeLimit { limit }.failure()))
            .map_err(ended)?;

        let begun = Instant::now();
        let inputs = BuildInputs {
            order,
            wanted: &wanted,
            marker: self.marker,
            host: &self.shop.host,
            context: &self.place.context(),
            deadline,
            limit,
            images: self.images,
        };
        let image_id =
            engine.build(&inputs, self.report).await.map_err(|error| (error.failure(), proof_for(&error)))?;
        let build_time = begun.elapsed();
        self.report.say(format!("built {image_id} in {:.1} s", build_time.as_secs_f64())).await;

        let (directory, tracker) = (self.place.blobs(), &self.shop.tracker);
        let image =
            export_image(engine, &image_id, directory, wanted, self.report, tracker).await.map_err(ended)?;
        let described = manifest::describe(&image, order.manifest_format)
            .map_err(|error| ended(Failure::from_error(FailureClass::Internal, "worker.manifest", &error)))?;
        let packages =
            if order.list_packages { Some(self.list_packages(&image).await.map_err(ended)?) } else { None };
        let besides = packages.as_slice();
        upload::upload(&self.transfer, &image, besides, self.report)
            .await
            .map_err(|error| ended(error.failure()))?;
        let koji_files = match &order.koji_upload {
            Some(to) => vec![
                koji::send_archive(&self.transfer, to, &image, &order.platform, self.report)
                    .await
                    .map_err(|error| ended(error.failure()))?,
            ],
            None => Vec::new(),
        };
        Ok(PlatformImage {
            platform: order.platform.clone(),
            manifest: described.manifest,
            format: order.manifest_format,
            config: described.config,
            layers: described.layers,
            local_parents,
            build_host: self.shop.host.clone(),
            build_time,
            packages: packages.map(|blob| blob.descriptor(PACKAGE_INVENTORY)),
            koji_files,
            environment: engine.environment().await,
        })
    }

    /// Lists what is installed in the image: a blob for the record.
    async fn list_packages(&self, image: &SpooledImage) -> Result<SpooledBlob, Failure> {
        let (layers, scratch) = (image.layers.clone(), self.place.blobs());
        let taken = self.shop.tracker.spawn_blocking(move || take_inventory(&layers, &scratch)).await;
        let inventory = taken
            .map_err(|error| Failure::from_error(FailureClass::Internal, "worker.inventory", &error))?
            .map_err(|error| error.failure())?;
        let kinds: Vec<String> =
            inventory.databases.iter().map(|found| format!("{} in {}", found.packages, found.path)).collect();
        let found = if kinds.is_empty() { "no package database".to_owned() } else { kinds.join(", ") };
        self.report.say(format!("packages: {found}")).await;
        let path = self.place.blobs().join("packages");
        let content = write_inventory(inventory);
        let (digest, size) = (Digest::of(&content), content.len() as u64);
        tokio::fs::write(&path, content).await.map_err(|error| scratch_failure(&error))?;
        Ok(SpooledBlob { path, digest, size })
    }

    /// Everything before the build: the context, the engine, the parents.
    async fn prepare(
        &self,
        wanted: &common::platform::Architecture,
    ) -> Result<(&DockerEngine, BTreeMap<String, String>), Failure> {
        let order = self.order;
        let path = self.place.context();
        context::fetch(&self.transfer, &order.context, &path, self.report)
            .await
            .map_err(|error| error.failure())?;
        self.report.progress(WorkPhase::Building, 0, 0);
        let engine = DockerEngine::connect(&self.shop.endpoint).await.map_err(|error| error.failure())?;
        let engine = self.engine.get_or_init(|| engine);
        self.report.say(format!("building on {} with {}", self.shop.host, engine.info())).await;
        let parents =
            engine.prepare_parents(&order.parents, wanted, &self.shop.credentials, self.report).await;
        Ok((engine, parents.map_err(|error| error.failure())?))
    }
}

/// Whether the engine itself said that the build has ended.
fn proof_for(error: &EngineError) -> Proof {
    match error {
        EngineError::TimeLimit { .. }
        | EngineError::Silent { .. }
        | EngineError::Broken { .. }
        | EngineError::Unreachable { .. } => Proof::AfterCut,
        _ => Proof::AfterEnd,
    }
}

fn scratch_failure(error: &std::io::Error) -> Failure {
    let (code, advice) = if error.kind() == std::io::ErrorKind::StorageFull {
        ("worker.no_space", "free space on the disk of the worker's scratch directory")
    } else {
        ("worker.scratch_failed", "check the worker's scratch directory")
    };
    Failure::from_error(FailureClass::Infrastructure, code, error).with_advice(advice)
}
