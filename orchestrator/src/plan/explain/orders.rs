//! What each worker will get, and from which decision: the work order holds no
//! value of its own making.

use super::{Explained, derived::each};
use crate::plan::{Draft, PlannedPlatform, PlannedWorkOrder};

/// Under `plan.work_orders.PLATFORM`.
pub(super) fn leaves(draft: &Draft) -> Vec<Explained> {
    let platforms = draft.platforms.iter();
    platforms
        .filter_map(|platform| Some(of_order(platform, platform.work_order.as_ref()?)))
        .flatten()
        .collect()
}

fn of_order(platform: &PlannedPlatform, order: &PlannedWorkOrder) -> Vec<Explained> {
    let name = &platform.platform;
    let path = format!("plan.work_orders.{name}");
    let unlimited = || "no limit".to_owned();
    let leaf = |key: &str, value: String, origin: String, meaning: &str| {
        Explained::new(format!("{path}.{key}"), value, origin).meaning(meaning)
    };
    let mut leaves = vec![
        leaf(
            "id",
            order.id.to_string(),
            "id of the build, platform and attempt".to_owned(),
            "Its id at the first attempt.",
        ),
        leaf(
            "engine_platform",
            order.engine_platform.clone(),
            format!("plan.platforms.{name}"),
            "The engine's name of the platform.",
        ),
        leaf(
            "dockerfile_digest",
            order.dockerfile_digest.to_string(),
            "the repository's Dockerfile with the changes that the plan shows".to_owned(),
            "Digest of the final Dockerfile.",
        ),
        leaf(
            "limits.memory_bytes",
            order.limits.memory_bytes.map_or_else(unlimited, |bytes| bytes.to_string()),
            "plan.limits.memory_bytes".to_owned(),
            "Memory of each build container in bytes.",
        ),
        leaf(
            "limits.time",
            order.limits.time.map_or_else(unlimited, |time| format!("{}s", time.as_secs())),
            "plan.limits.time".to_owned(),
            "Longest time of the build.",
        ),
        leaf(
            "manifest_media_type",
            order.manifest_format.manifest().to_owned(),
            "site.publication.manifest_format".to_owned(),
            "What kind of manifest to make.",
        ),
    ];
    if let Some(label) = &order.host_label {
        let origin = "site.labels, for its name; the worker knows the value".to_owned();
        leaves.push(leaf("host_label", label.clone(), origin, "Label that gets the worker's host name."));
    }
    leaves.extend(each(&format!("{path}.build_args"), &order.build_args, "request.build_args"));
    leaves.extend(each(&format!("{path}.labels"), &order.labels, "plan.labels"));
    leaves
}
