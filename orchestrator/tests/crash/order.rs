//! The steps of a whole build, in the order in which they begin.

use anyhow::{Context as _, Result, ensure};
use common::flow::event::EventKind;
use serde_json::Value;

use crate::{process::Process, world::World};

/// Every step of a build for two platforms and two destinations.
const STEPS: [&str; 22] = [
    "resolve_source",
    "fetch_source",
    "freeze_settings",
    "read_repository",
    "select_platforms",
    "check_destinations",
    "pin_parents",
    "make_context",
    "build_image",
    "collect_members",
    "compare_members",
    "confirm_tags",
    "assemble_index",
    "push_image",
    "update_image_stream",
    "note_tags",
    "push_tags",
    "push_floating_tags",
    "withdraw_tags",
    "record_outcome",
    "clean_up",
    "release_workers",
];
/// Steps that such a build leaves out when it succeeds, with the reason where
/// one is recorded.
const LEFT_OUT: [(&str, Option<&str>); 2] =
    [("update_image_stream", Some("image_stream.not_asked")), ("withdraw_tags", None)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_begin_in_their_order() -> Result<()> {
    let world = World::new().await?;
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let history = process.supervise(&build).await?;
    history.result.context("it failed")?;

    let mut order: Vec<String> = Vec::new();
    let mut skipped = Vec::new();
    let mut started = 0;
    for event in process.events(&build).await? {
        match event.kind {
            EventKind::StepStarted { step, .. } => {
                started += 1;
                // A step that is repeated for platforms or destinations is in one place.
                let name = step.rsplit('/').next().unwrap_or(&step).to_owned();
                if order.last() != Some(&name) {
                    order.push(name);
                }
            }
            EventKind::StepSkipped { step, reason_code, .. } => skipped.push((step, reason_code)),
            _ => {}
        }
    }
    let left_out: Vec<&str> = LEFT_OUT.iter().map(|(name, _)| *name).collect();
    let expected: Vec<&str> = STEPS.iter().copied().filter(|name| !left_out.contains(name)).collect();
    ensure!(order == expected, "{order:?}");
    // Two platforms are built, and four steps are done at each of two destinations.
    ensure!(started == expected.len() + 1 + 4, "{started} starts");
    let recorded = LEFT_OUT.iter().filter_map(|(name, code)| Some(((*name).to_owned(), (*code)?.to_owned())));
    ensure!(skipped == recorded.collect::<Vec<_>>(), "{skipped:?}");

    let document = process.services.store.document(&build, "outcome").await?.context("no outcome")?;
    let outcome: Value = serde_json::from_str(&document)?;
    ensure!(outcome["failure"].is_null() && outcome["commit"].is_string(), "{outcome}");
    ensure!(outcome["image"]["members"].as_array().is_some_and(|members| members.len() == 2), "{outcome}");
    ensure!(outcome["image"]["repositories"][0]["tags"][1] == "1.0-1", "{outcome}");
    process.end().await
}
