//! The steps of a whole build, in the order in which they begin: that of the
//! plan, which is that of the catalogue.

use anyhow::{Context as _, Result, ensure};
use common::flow::event::EventKind;
use orchestrator::plan::{CATALOGUE, Draft, PLAN};
use serde_json::Value;

use crate::{process::Process, world::World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_begin_in_the_order_of_the_plan() -> Result<()> {
    begin_in_order(World::new().await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_of_a_recorded_build_begin_in_the_order_of_the_plan() -> Result<()> {
    begin_in_order(World::with_koji().await?).await
}

async fn begin_in_order(world: World) -> Result<()> {
    let process = Process::start(&world).await?;
    let build = process.accept(&world).await?;
    let history = process.supervise(&build).await?;
    history.result.context("it failed")?;

    let plan = process.services.store.document(&build, PLAN).await?.context("no plan")?;
    let plan: Draft = serde_json::from_str(&plan)?;
    let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    ensure!(names == CATALOGUE.iter().map(|entry| entry.name).collect::<Vec<_>>(), "{names:?}");

    let mut order: Vec<String> = Vec::new();
    let mut skipped = Vec::new();
    for event in process.events(&build).await? {
        match event.kind {
            EventKind::StepStarted { step, stage, .. } => {
                // A step that is repeated for platforms or destinations is in one place.
                let name = step.rsplit('/').next().unwrap_or(&step).to_owned();
                let planned = plan.steps.iter().find(|planned| planned.name == name);
                let planned = planned.with_context(|| format!("'{name}' is not in the plan"))?;
                ensure!(planned.stage == stage, "{name} is of {stage}, and planned for {}", planned.stage);
                if order.last() != Some(&name) {
                    order.push(name);
                }
            }
            EventKind::StepSkipped { step, reason_code, reason } => skipped.push((step, reason_code, reason)),
            _ => {}
        }
    }
    // The parent of this world's image does not say of which build it is.
    let runs = plan.steps.iter().filter(|step| step.runs && step.name != "find_parent_build");
    let runs: Vec<&str> = runs.map(|step| step.name.as_str()).collect();
    ensure!(order == runs, "began: {order:?}\nplanned: {runs:?}");

    // What the history says of steps that were left out is what the plan says.
    for (step, code, sentence) in &skipped {
        let planned = plan.steps.iter().find(|planned| planned.name == *step).context("not planned")?;
        let reason = planned.reason.as_ref().with_context(|| format!("{step} was to run"))?;
        ensure!((&reason.code, &reason.sentence) == (code, sentence), "{step}: {code}");
    }
    ensure!(skipped.iter().any(|(step, ..)| step == "update_image_stream"), "{skipped:?}");

    let document = process.services.store.document(&build, "outcome").await?.context("no outcome")?;
    let outcome: Value = serde_json::from_str(&document)?;
    ensure!(outcome["failure"].is_null() && outcome["commit"].is_string(), "{outcome}");
    ensure!(outcome["image"]["members"].as_array().is_some_and(|members| members.len() == 2), "{outcome}");
    ensure!(outcome["image"]["repositories"][0]["tags"][1] == "1.0-1", "{outcome}");
    process.end().await
}
