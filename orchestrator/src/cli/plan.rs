//! `orchestrator plan`: every decision of a build, without the build. It runs in
//! this process, asks other systems unless it must not, and changes nothing.
//! `orchestrator builds plan` shows the plan that a service's build carries out.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use common::failure::{Failure, FailureClass};
use futures::StreamExt as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    app::{self, AppError},
    cli::{
        CommandLine,
        arguments::{Format, FormatArguments, OneBuild, RequestArguments, SiteArguments},
        error::CliError,
        exit::Exit,
        json, private_directory,
        request::{self, Asked},
        signals, view,
    },
    config::Site,
    plan::{DRY_RUN_ENDS, Draft, DryRun, Silence, dry_run},
    request::replay::Replay,
    services::{LayoutRoot, Reach},
};

/// What to plan.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) request: RequestArguments,
    #[command(flatten)]
    pub(crate) site: SiteArguments,
    /// Ask no other system: read local files only, and say what is assumed.
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

/// Runs the command.
pub(crate) async fn run(arguments: PlanArguments, here: &mut CommandLine) -> Result<Exit, CliError> {
    let asked = request::read(&arguments.request, here, Some(&here.directory))?;
    if arguments.request.dump_request {
        here.output.line(&json::of(&request::submission(asked.request, "")).to_string());
        return Ok(Exit::Ok);
    }
    let site = site(asked.replay.as_ref(), &arguments.site.files, here)?;
    match draft(site, &asked, arguments.offline, here).await? {
        Ok(draft) => {
            show(&draft, arguments.format.output, here)?;
            Ok(exit(&draft.problems))
        }
        Err(signal) => Ok(signal),
    }
}

/// Runs `orchestrator builds plan`.
pub(crate) async fn of_build(arguments: &OneBuild, here: &mut CommandLine) -> Result<Exit, CliError> {
    let what = "reading the plan";
    let client = arguments.server.client().await?;
    let plan = client.plan(&arguments.build).await?;
    let bad =
        |reason: String| client.error(what, Status::internal(format!("the service's answer: {reason}")));
    let draft = Draft::try_from(plan).map_err(|field| bad(field.to_string()))?;
    show(&draft, arguments.server.format.output, here)?;
    Ok(Exit::Ok)
}

/// The site that a captured pod and the files that were named make. What of them is
/// not used is told.
pub(super) fn site(
    replay: Option<&Replay>,
    files: &[PathBuf],
    here: &mut CommandLine,
) -> Result<Site, CliError> {
    let layers = request::site_layers(replay, files)?;
    if let Some(replay) = replay {
        request::tell_notes(replay, &mut here.output);
    }
    let site = Site::read_layers(&layers, here.environment(), &[]);
    Ok(request::told(site, &mut here.output)?.or_layout_root(&here.directory))
}

/// Plans, unless a signal comes first: then how the command ends.
pub(super) async fn draft(
    site: Site,
    asked: &Asked,
    offline: bool,
    here: &CommandLine,
) -> Result<Result<Draft, Exit>, CliError> {
    let system = |what: &'static str| move |source| CliError::System { what: what.to_owned(), source };
    let mut signals = signals::listen().map_err(system("listening for signals"))?;
    let directory = private_directory("reactor-plan-")?;
    let cancel = CancellationToken::new();
    let outside = app::outside(&site).map_err(AppError::from)?;
    let layouts = site.publication.layout_root.clone().unwrap_or_else(|| here.directory.clone());
    let run = DryRun {
        site: Arc::new(site),
        outside,
        request: asked.request.clone(),
        reach: if offline { Reach::Nothing } else { Reach::Questions },
        layout_root: LayoutRoot::Free(here.directory.join(layouts)),
        directory: directory.path().to_owned(),
        assumed_parent: asked.replay.as_ref().and_then(|replay| replay.assumed_parent.clone()),
        unique_tag: asked.replay.as_ref().and_then(|replay| replay.unique_tag.clone()),
        narrator: Arc::new(Silence),
        cancel: cancel.clone(),
    };
    let run = dry_run(run);
    tokio::pin!(run);
    tokio::select! {
        draft = &mut run => Ok(Ok(draft.map_err(|failure| CliError::Request(Box::new(failure)))?)),
        Some(signal) = signals.next() => {
            cancel.cancel();
            // Its threads may still write to the directory, which goes away with
            // this function. Who asks again does not wait.
            tokio::select! {
                _ended = timeout(DRY_RUN_ENDS, run) => {}
                Some(_again) = signals.next() => {}
            }
            Ok(Err(signal.exit()))
        }
    }
}

fn show(draft: &Draft, format: Format, here: &mut CommandLine) -> Result<(), CliError> {
    match format {
        Format::Json => here.output.line(&in_json(draft)?),
        Format::Text => {
            for line in view::plan::lines(draft, here.output.dress) {
                here.output.line(&line);
            }
        }
    }
    Ok(())
}

/// Any result as one line of JSON.
pub(super) fn in_json(value: &impl serde::Serialize) -> Result<String, CliError> {
    serde_json::to_string(value)
        .map_err(|error| CliError::System { what: "writing JSON".to_owned(), source: error.into() })
}

/// What the problems of a plan tell the shell. Where nothing is wrong but that
/// somebody could not be asked, another try may end well.
pub(super) fn exit(problems: &[Failure]) -> Exit {
    let unreachable = |class| {
        matches!(class, FailureClass::Infrastructure | FailureClass::Timeout | FailureClass::Capacity)
    };
    let mut each = problems.iter().flat_map(|problem| std::iter::once(problem).chain(&problem.others));
    if problems.is_empty() {
        Exit::Ok
    } else if each.all(|problem| unreachable(problem.class)) {
        Exit::Unreachable
    } else {
        Exit::Failed
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::plan::explain::samples;

    #[test]
    fn problems_decide_the_exit_code() {
        let mut draft = samples::draft();
        assert_eq!(exit(&draft.problems), Exit::Failed);
        draft.problems = vec![Failure::new(FailureClass::Infrastructure, "registry.unreachable", "no")];
        assert_eq!(exit(&draft.problems), Exit::Unreachable);
        draft.problems.push(Failure::new(FailureClass::User, "request.x", "no"));
        assert_eq!(exit(&draft.problems), Exit::Failed);
        draft.problems.clear();
        assert_eq!(exit(&draft.problems), Exit::Ok);
    }

    #[test]
    fn programs_find_the_steps_in_their_order_with_their_reasons() {
        let plan: Value = serde_json::from_str(&in_json(&samples::draft()).unwrap()).unwrap();
        let steps = plan["steps"].as_array().unwrap();
        let names: Vec<&str> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["freeze_settings", "pin_parents", "request_composes", "build_image"]);
        let expected = serde_json::json!({
            "name": "request_composes",
            "former_name": "resolve_composes",
            "former_role": "orchestrator",
            "stage": "prepare",
            "runs": false,
            "reason": {
                "code": "composes.not_configured",
                "sentence":
                    "the site has no compose service: 'composes.api_url' is not set in any of its files",
            },
        });
        assert_eq!(steps[2], expected);
        assert!(steps[0]["runs"] == true && steps[0]["reason"].is_null());
        assert_eq!(plan["nvr"], "hello-1.0-3.1");
    }
}
