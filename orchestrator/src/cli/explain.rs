//! `orchestrator explain`: where values come from. Without a request it is the
//! site's settings; with one, all that follows from it, planned for the purpose.
//! `orchestrator builds explain` asks a service about one of its builds.

use std::collections::BTreeMap;

use clap::Args;
use common::{failure::Failure, platform::Platform};
use proto::convert::BadField;
use serde::Serialize;
use tonic::Status;

use crate::{
    cli::{
        CommandLine,
        arguments::{Format, FormatArguments, OneBuild, RequestArguments, SiteArguments},
        error::CliError,
        exit::Exit,
        plan,
        request::{self, Asked},
        view,
    },
    plan::{
        Notice,
        explain::{Explanation, PARTS, Subject, add_fingerprints},
        joints,
    },
};

/// What to explain.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// A value, or what several have in common. Example: plan.labels. What holds
    /// a colon, or begins with '/' or '.', is a git repository and no path.
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,
    #[command(flatten)]
    pub(crate) request: RequestArguments,
    #[command(flatten)]
    pub(crate) site: SiteArguments,
    /// What the worker of this platform will get, and why.
    #[arg(long, value_name = "P")]
    pub(crate) worker: Option<Platform>,
    /// Ask no other system: read local files only.
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

/// What to explain of a service's build.
#[derive(Debug, Args)]
pub(crate) struct ExplainBuildArguments {
    #[command(flatten)]
    pub(crate) build: OneBuild,
    /// A value, or what several have in common. Example: plan.labels.
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(mut arguments: ExplainArguments, here: &mut CommandLine) -> Result<Exit, CliError> {
    sort_words(&mut arguments);
    refuse_what_would_be_ignored(&arguments.request)?;
    let wanted = arguments.request.uri.is_some() || arguments.request.from_env;
    let asked =
        if wanted { Some(request::read(&arguments.request, here, Some(&here.directory))?) } else { None };
    let path = match (&arguments.worker, arguments.path.take()) {
        (Some(_), Some(_)) => {
            return Err(CliError::Usage("--worker is a path of its own; leave PATH out".to_owned()));
        }
        (Some(_), None) if asked.is_none() => {
            return Err(CliError::Usage(
                "--worker needs a request: a git repository, or --from-env".to_owned(),
            ));
        }
        (Some(worker), None) => format!("plan.work_orders.{worker}"),
        (None, path) => path.unwrap_or_default(),
    };
    let replay = asked.as_ref().and_then(|asked| asked.replay.as_ref());
    let site = plan::site(replay, &arguments.site.files, here)?;
    let mut leaves = joints::site_leaves(&site);
    add_fingerprints(&mut leaves, &site);
    let draft = match &asked {
        Some(asked) => match plan::draft(site, asked, arguments.offline, here).await? {
            Ok(draft) => Some(draft),
            Err(signal) => return Ok(signal),
        },
        None => None,
    };
    let readers = joints::readers();
    let explanation = Explanation::of(Subject {
        site: leaves,
        request: asked.as_ref().map(|asked| &asked.request),
        request_origins: asked.as_ref().map(|asked| origins(asked, &arguments.request)).unwrap_or_default(),
        repository: Vec::new(),
        draft: draft.as_ref(),
        readers: &readers,
    });
    let problems = draft.map(|draft| draft.problems).unwrap_or_default();
    let answer = Answer {
        explanation,
        problems: problems.into_iter().flat_map(Failure::each).collect(),
        notices: Vec::new(),
    };
    show(&answer, &path, arguments.format.output, here)
}

/// Runs `orchestrator builds explain`.
pub(crate) async fn of_build(
    arguments: &ExplainBuildArguments,
    here: &mut CommandLine,
) -> Result<Exit, CliError> {
    let OneBuild { build, server } = &arguments.build;
    let path = arguments.path.clone().unwrap_or_default();
    let client = server.client().await?;
    let answer = client.explain(build, &path).await?;
    let problems: Result<_, _> = answer.problems.into_iter().map(Failure::try_from).collect();
    let answer = Answer {
        explanation: answer.explanation.unwrap_or_default().into(),
        problems: problems.map_err(|field: BadField| {
            client.error("explaining the build", Status::internal(format!("the service's answer: {field}")))
        })?,
        notices: answer.notices.into_iter().map(Into::into).collect(),
    };
    show(&answer, &path, server.format.output, here)
}

/// Values, and what there is to say about how they were found.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    explanation: Explanation,
    /// What is wrong with the request: why values may be missing.
    problems: Vec<Failure>,
    notices: Vec<Notice>,
}

/// Flags and words that would change nothing are mistakes.
fn refuse_what_would_be_ignored(request: &RequestArguments) -> Result<(), CliError> {
    let usage = |text: String| Err(CliError::Usage(text));
    if request.dump_request {
        return usage("--dump-request prints a request and explains nothing; `plan` has it".to_owned());
    }
    match (&request.uri, request.from_env) {
        (Some(uri), true) => usage(format!("a repository ('{uri}') cannot be named beside --from-env")),
        (None, false) => match request.given().first() {
            Some(flag) => usage(format!("{flag} needs a request: a git repository, or --from-env")),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Tells the repository from the path, whichever was named alone or first.
fn sort_words(arguments: &mut ExplainArguments) {
    let uri = &mut arguments.request.uri;
    match arguments.path.take() {
        Some(word) if is_path(&word) => arguments.path = Some(word),
        Some(word) => arguments.path = uri.replace(word),
        None => {}
    }
}

fn is_path(word: &str) -> bool {
    let part = word.split('.').next().unwrap_or_default();
    PARTS.contains(&part) || !(word.contains(':') || word.starts_with(['/', '.']))
}

/// The flags that made each field of the request, or what the pod's environment
/// says of them.
fn origins(asked: &Asked, arguments: &RequestArguments) -> BTreeMap<String, String> {
    let mut origins = match &asked.replay {
        Some(replay) => replay.origins.clone(),
        None => BTreeMap::new(),
    };
    let mut note = |field: &str, given: bool, origin: &str| {
        if given {
            origins.entry(field.to_owned()).or_insert_with(|| origin.to_owned());
        }
    };
    let request = &asked.request;
    note("destinations", !request.destinations.is_empty(), "flag --to");
    note("platforms", !request.platforms.is_empty(), "flag --platform");
    note("limits.memory_bytes", request.limits.memory_bytes.is_some(), "flag --memory");
    note("limits.time", request.limits.time.is_some(), "flag --time-limit");
    note("allow_local_parents", request.allow_local_parents, "flag --allow-local-parents");
    note("failure_policy", arguments.fail_fast, "flag --fail-fast");
    note("failure_policy", arguments.keep_going, "flag --keep-going");
    if asked.replay.is_none() {
        note("source.uri", true, "argument GIT_URI");
        note("source.ref", request.source.reference.is_some(), "flag --ref");
        note("mode", arguments.scratch, "flag --scratch");
        note("mode", arguments.isolated, "flag --isolated");
        note("user", arguments.user.is_some(), "flag --user");
        note("user", !request.user.is_empty(), "the user who calls");
        note("build_args", !request.build_args.is_empty(), "flag --build-arg");
        note("labels", !request.labels.is_empty(), "flag --label");
        note("repository_urls", !request.repository_urls.is_empty(), "flag --repo-url");
        note("composes", !request.composes.is_empty(), "flag --compose-id");
        for (field, given) in [
            ("component", request.component.is_some()),
            ("target", request.target.is_some()),
            ("release", arguments.release.is_some()),
            ("koji_task", request.koji_task.is_some()),
            ("branch", request.branch.is_some()),
            ("signing_intent", request.signing_intent.is_some()),
            ("parent_build", request.parent_build.is_some()),
            ("filesystem_task", request.filesystem_task.is_some()),
            ("flatpak", request.flatpak),
            ("rebuild", request.rebuild),
            ("triggered_by", request.triggered_by.is_some()),
            ("image_stream", request.image_stream.is_some()),
            ("user_data", request.user_data.is_some()),
        ] {
            note(field, given, &format!("flag --{}", field.replace('_', "-")));
        }
    }
    origins
}

fn show(answer: &Answer, path: &str, format: Format, here: &mut CommandLine) -> Result<Exit, CliError> {
    for notice in &answer.notices {
        here.output.remark(&format!("note: {} [{}]", notice.text, notice.code));
    }
    for problem in &answer.problems {
        here.output.remark(&format!("problem: {problem}"));
    }
    let exit = plan::exit(&answer.problems);
    let chosen = match answer.explanation.choose(path) {
        Ok(chosen) => chosen,
        Err(error) if exit == Exit::Ok => return Err(CliError::Usage(error.to_string())),
        // It is missing because of the problems, most likely.
        Err(error) => {
            here.output.remark(&format!("error: {error}"));
            return Ok(exit);
        }
    };
    let dress = here.output.dress;
    let lines = match (format, chosen.find(path)) {
        (Format::Json, _) => {
            let (problems, notices) = (answer.problems.clone(), answer.notices.clone());
            vec![plan::in_json(&Answer { explanation: chosen, problems, notices })?]
        }
        (Format::Text, Some(entry)) if chosen.entries.len() == 1 => view::explain::of_one(entry, dress),
        (Format::Text, _) => view::explain::lines(&chosen, dress),
    };
    for line in lines {
        here.output.line(&line);
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::arguments::{Arguments, Command};

    fn parsed(line: &str) -> ExplainArguments {
        let words = ["orchestrator", "explain"].into_iter().chain(line.split_whitespace());
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Explain(mut explain) => {
                sort_words(&mut explain);
                explain
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_path_is_told_from_a_repository() {
        for (line, path, uri) in [
            ("", None, None),
            ("site.labels", Some("site.labels"), None),
            ("sit.labels", Some("sit.labels"), None),
            ("https://x/y", None, Some("https://x/y")),
            ("./repo", None, Some("./repo")),
            ("plan.nvr https://x/y --ref main", Some("plan.nvr"), Some("https://x/y")),
            ("https://x/y plan.parents.x86_64.a:1", Some("plan.parents.x86_64.a:1"), Some("https://x/y")),
            ("plan.nvr --from-env", Some("plan.nvr"), None),
        ] {
            let arguments = parsed(line);
            assert_eq!((arguments.path.as_deref(), arguments.request.uri.as_deref()), (path, uri), "{line}");
        }
    }

    #[test]
    fn every_flag_is_named_as_an_origin() {
        let arguments =
            parsed("plan https://x/y --ref main --target f44 --label a=b --memory 1GiB --fail-fast");
        let request = request::from_flags(&arguments.request, "caller", None);
        let origins = origins(&Asked { request, replay: None }, &arguments.request);
        for (field, origin) in [
            ("source.uri", "argument GIT_URI"),
            ("source.ref", "flag --ref"),
            ("target", "flag --target"),
            ("labels", "flag --label"),
            ("limits.memory_bytes", "flag --memory"),
            ("failure_policy", "flag --fail-fast"),
            ("user", "the user who calls"),
        ] {
            assert_eq!(origins.get(field).map(String::as_str), Some(origin), "{field}");
        }
        assert_eq!(origins.len(), 7);
    }
}
