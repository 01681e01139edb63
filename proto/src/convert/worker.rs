//! worker.proto: work orders, their results and how far they are.

use common::{
    names::WorkOrderId,
    secret::Secret,
    work::{Layer, ManifestFormat, Parent, PlatformImage, WorkOrder, WorkOutcome, WorkPhase},
};

use super::{
    BadField,
    build::limits,
    field::{enumeration, line, list, map, message, message_if_any, messages, not_zero, parsed},
    from_duration, to_duration,
};
use crate::v1::{self, progress::Phase, work_result::Outcome};

/// Largest manifest in bytes, as registries bound it (OCI distribution
/// specification, pushing manifests).
const MAX_MANIFEST: usize = 4 * 1024 * 1024;

/// Longest name of a host in bytes (DNS has 253).
const MAX_HOST: usize = 256;
/// Most layers of an image. Engines stop at 127; this only keeps a result small.
const MAX_LAYERS: usize = 512;

fn manifest_format(media_type: &str) -> Result<ManifestFormat, BadField> {
    ManifestFormat::of_manifest(media_type).ok_or_else(|| {
        BadField::new("manifest_media_type", format!("'{media_type}' is not an image manifest's type"))
    })
}

fn not_empty(field: &str, text: String) -> Result<String, BadField> {
    if text.is_empty() { Err(BadField::missing(field)) } else { Ok(text) }
}

impl From<Parent> for v1::Parent {
    fn from(parent: Parent) -> Self {
        let local = parent.pinned.is_none();
        Self { written_as: parent.written_as, pinned: parent.pinned.unwrap_or_default(), local }
    }
}

impl TryFrom<v1::Parent> for Parent {
    type Error = BadField;

    fn try_from(parent: v1::Parent) -> Result<Self, BadField> {
        let pinned = Some(parent.pinned).filter(|pinned| !pinned.is_empty());
        if pinned.is_none() != parent.local {
            return Err(BadField::new("pinned", "a parent is either pinned or local"));
        }
        Ok(Self { written_as: not_empty("written_as", parent.written_as)?, pinned })
    }
}

impl From<WorkOrder> for v1::WorkOrder {
    fn from(order: WorkOrder) -> Self {
        Self {
            id: order.id.into(),
            build_id: order.build.into(),
            platform: order.platform.into(),
            engine_platform: order.engine_platform,
            attempt: order.attempt,
            context: Some(order.context.into()),
            dockerfile_path: order.dockerfile_path,
            dockerfile: order.dockerfile,
            build_args: order.build_args,
            labels: order.labels,
            limits: Some(order.limits.into()),
            use_cache: order.use_cache,
            parents: order.parents.into_iter().map(Into::into).collect(),
            manifest_media_type: order.manifest_format.manifest().to_owned(),
            ticket: order.ticket.expose().to_owned(),
            host_label: order.host_label.unwrap_or_default(),
            koji_upload: order.koji_upload.map(Into::into),
            list_packages: order.list_packages,
        }
    }
}

impl TryFrom<v1::WorkOrder> for WorkOrder {
    type Error = BadField;

    fn try_from(order: v1::WorkOrder) -> Result<Self, BadField> {
        Ok(Self {
            id: parsed("id", &order.id)?,
            build: parsed("build_id", &order.build_id)?,
            platform: parsed("platform", &order.platform)?,
            engine_platform: not_empty("engine_platform", order.engine_platform)?,
            attempt: not_zero("attempt", order.attempt)?,
            context: message("context", order.context)?,
            dockerfile_path: not_empty("dockerfile_path", order.dockerfile_path)?,
            dockerfile: order.dockerfile,
            build_args: order.build_args,
            labels: order.labels,
            host_label: Some(order.host_label).filter(|label| !label.is_empty()),
            limits: limits(order.limits)?,
            use_cache: order.use_cache,
            parents: messages("parents", order.parents)?,
            manifest_format: manifest_format(&order.manifest_media_type)?,
            ticket: Secret::new(not_empty("ticket", order.ticket)?),
            koji_upload: message_if_any("koji_upload", order.koji_upload)?,
            list_packages: order.list_packages,
        })
    }
}

impl From<Layer> for v1::Layer {
    fn from(layer: Layer) -> Self {
        Self {
            blob: Some(layer.blob.into()),
            diff_id: layer.diff_id.into(),
            uncompressed_size: layer.uncompressed_size,
        }
    }
}

impl TryFrom<v1::Layer> for Layer {
    type Error = BadField;

    fn try_from(layer: v1::Layer) -> Result<Self, BadField> {
        Ok(Self {
            blob: message("blob", layer.blob)?,
            diff_id: parsed("diff_id", &layer.diff_id)?,
            uncompressed_size: layer.uncompressed_size,
        })
    }
}

impl From<PlatformImage> for v1::PlatformImage {
    fn from(image: PlatformImage) -> Self {
        Self {
            platform: image.platform.into(),
            manifest: image.manifest,
            manifest_media_type: image.format.manifest().to_owned(),
            config: Some(image.config.into()),
            layers: image.layers.into_iter().map(Into::into).collect(),
            local_parents: image.local_parents,
            build_host: image.build_host,
            build_time: Some(to_duration(image.build_time)),
            packages: image.packages.map(Into::into),
            koji_files: image.koji_files.into_iter().map(Into::into).collect(),
            environment: Some(image.environment.into()),
        }
    }
}

impl TryFrom<v1::PlatformImage> for PlatformImage {
    type Error = BadField;

    fn try_from(image: v1::PlatformImage) -> Result<Self, BadField> {
        if !(1..=MAX_MANIFEST).contains(&image.manifest.len()) {
            let reason = format!("it has {} bytes; 1 to {MAX_MANIFEST} are accepted", image.manifest.len());
            return Err(BadField::new("manifest", reason));
        }
        if image.layers.len() > MAX_LAYERS {
            let reason = format!("it has {} elements; at most {MAX_LAYERS} are accepted", image.layers.len());
            return Err(BadField::new("layers", reason));
        }
        Ok(Self {
            platform: parsed("platform", &image.platform)?,
            manifest: image.manifest,
            format: manifest_format(&image.manifest_media_type)?,
            config: message("config", image.config)?,
            layers: messages("layers", image.layers)?,
            local_parents: map("local_parents", image.local_parents)?,
            build_host: line("build_host", image.build_host, MAX_HOST)?,
            build_time: from_duration("build_time", image.build_time)?,
            packages: message_if_any("packages", image.packages)?,
            koji_files: messages("koji_files", list("koji_files", image.koji_files)?)?,
            environment: message_if_any("environment", image.environment)?.unwrap_or_default(),
        })
    }
}

impl From<(WorkOrderId, WorkOutcome)> for v1::WorkResult {
    fn from((id, outcome): (WorkOrderId, WorkOutcome)) -> Self {
        let outcome = match outcome {
            Ok(image) => Outcome::Image(image.into()),
            Err(failure) => Outcome::Failure(failure.into()),
        };
        Self { work_order_id: id.into(), outcome: Some(outcome) }
    }
}

impl TryFrom<v1::WorkResult> for (WorkOrderId, WorkOutcome) {
    type Error = BadField;

    fn try_from(result: v1::WorkResult) -> Result<Self, BadField> {
        let id = parsed("work_order_id", &result.work_order_id)?;
        let outcome = match result.outcome {
            None => return Err(BadField::missing("outcome")),
            Some(Outcome::Image(image)) => Ok(message("image", Some(image))?),
            Some(Outcome::Failure(failure)) => Err(message("failure", Some(failure))?),
        };
        Ok((id, outcome))
    }
}

impl From<WorkPhase> for Phase {
    fn from(phase: WorkPhase) -> Self {
        match phase {
            WorkPhase::FetchingContext => Self::FetchingContext,
            WorkPhase::Building => Self::Building,
            WorkPhase::Exporting => Self::Exporting,
            WorkPhase::Uploading => Self::Uploading,
        }
    }
}

impl TryFrom<Phase> for WorkPhase {
    type Error = BadField;

    fn try_from(phase: Phase) -> Result<Self, BadField> {
        match phase {
            Phase::Unspecified => Err(BadField::missing("phase")),
            Phase::FetchingContext => Ok(Self::FetchingContext),
            Phase::Building => Ok(Self::Building),
            Phase::Exporting => Ok(Self::Exporting),
            Phase::Uploading => Ok(Self::Uploading),
        }
    }
}

impl From<(WorkOrderId, WorkPhase, u64, u64)> for v1::Progress {
    /// How far a work order is: what it does, how much is done, of how much.
    fn from((id, phase, done, total): (WorkOrderId, WorkPhase, u64, u64)) -> Self {
        Self { work_order_id: id.into(), phase: Phase::from(phase).into(), done, total }
    }
}

impl TryFrom<v1::Progress> for (WorkOrderId, WorkPhase, u64, u64) {
    type Error = BadField;

    fn try_from(progress: v1::Progress) -> Result<Self, BadField> {
        let phase = enumeration::<Phase>("phase", progress.phase)?.try_into()?;
        Ok((parsed("work_order_id", &progress.work_order_id)?, phase, progress.done, progress.total))
    }
}

mod koji;
pub(super) mod packages;
#[cfg(test)]
mod tests;
