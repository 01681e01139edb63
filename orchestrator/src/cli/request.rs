//! Makes the request of a build from the flags of the command line, or from the
//! environment of a captured pod, and holds it against the rules of requests.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use common::{
    destination::Destination,
    failure::{Failure, FailureClass},
    request::{BuildMode, BuildRequest, FailurePolicy, Limits},
};
use proto::v1;

use crate::{
    cli::{CommandLine, arguments::RequestArguments, error::CliError, output::Output},
    config::{ConfigErrors, Site, SiteLayer},
    request::{
        replay::{Replay, from_environment},
        validate,
    },
};

/// The variable with the site's configuration of a captured pod; its origin in
/// messages.
const SITE_VARIABLE: &str = "REACTOR_CONFIG";

/// What the person asks for, and how.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The request; it keeps the rules.
    pub(crate) request: BuildRequest,
    /// The captured pod that it comes from, if it comes from one.
    pub(crate) replay: Option<Replay>,
}

/// The request that flags or environment describe. `here` is as in [`from_flags`].
///
/// # Errors
/// The environment is not that of a pod that can be replayed, or the request
/// breaks rules.
pub(crate) fn read(
    arguments: &RequestArguments,
    command_line: &CommandLine,
    here: Option<&Path>,
) -> Result<Asked, CliError> {
    once("--label", &arguments.labels)?;
    once("--build-arg", &arguments.build_args)?;
    let asked = if arguments.from_env {
        let replay = replay(arguments, &command_line.environment().collect::<Vec<_>>(), here)?;
        Asked { request: replay.request.clone(), replay: Some(replay) }
    } else {
        Asked { request: from_flags(arguments, command_line.user(), here), replay: None }
    };
    match Failure::all(validate::check(&asked.request)) {
        Some(failure) => Err(CliError::Request(Box::new(failure))),
        None => Ok(asked),
    }
}

/// A name that is given twice with different values is a mistake, whichever of
/// them would win.
fn once(flag: &str, pairs: &[(String, String)]) -> Result<(), CliError> {
    let mut seen = BTreeMap::new();
    for (name, value) in pairs {
        if seen.insert(name, value).is_some_and(|other| other != value) {
            let text = format!("{flag} {name} is given more than once, with different values");
            return Err(CliError::Usage(text));
        }
    }
    Ok(())
}

/// The replay of a captured pod, with what the flags add to it.
///
/// # Errors
/// The environment is not that of a pod that can be replayed.
pub(crate) fn replay(
    arguments: &RequestArguments,
    environment: &[(String, String)],
    here: Option<&Path>,
) -> Result<Replay, CliError> {
    let mut replay = from_environment(environment).map_err(|failure| CliError::Request(Box::new(failure)))?;
    let flags = from_flags(arguments, "", here);
    let request = &mut replay.request;
    request.destinations = flags.destinations;
    if !flags.platforms.is_empty() {
        request.platforms = flags.platforms;
        replay.origins.insert("platforms".to_owned(), "flag --platform".to_owned());
    }
    request.limits = flags.limits;
    request.allow_local_parents = flags.allow_local_parents;
    request.failure_policy = flags.failure_policy;
    Ok(replay)
}

/// The texts that the site is made of: `files`, and above them the configuration
/// of a captured pod. The environment comes above both.
///
/// # Errors
/// The pod had no configuration and `files` are none either.
pub(crate) fn site_layers(replay: Option<&Replay>, files: &[PathBuf]) -> Result<Vec<SiteLayer>, CliError> {
    let mut layers: Vec<SiteLayer> = files.iter().cloned().map(SiteLayer::Path).collect();
    let Some(replay) = replay else { return Ok(layers) };
    if let Some(yaml) = &replay.site_yaml {
        layers.push(SiteLayer::Text { name: SITE_VARIABLE.to_owned(), text: yaml.clone() });
    } else if layers.is_empty() {
        let message = "the environment has no REACTOR_CONFIG, and no file takes its place";
        let advice = "name the configuration that the pod had from its ConfigMap with --config";
        let failure =
            Failure::new(FailureClass::User, "request.replay_needs_site", message).with_advice(advice);
        return Err(CliError::Request(Box::new(failure)));
    }
    Ok(layers)
}

/// Hands a site on that was read, and tells what of its files is not used, whether
/// or not it could be read.
///
/// # Errors
/// The site could not be read.
pub(crate) fn told(read: Result<Site, ConfigErrors>, output: &mut Output) -> Result<Site, CliError> {
    let (notices, retired) = match &read {
        Ok(site) => (site.notices(), site.retired()),
        Err(errors) => (errors.notices.as_slice(), errors.retired.as_slice()),
    };
    for notice in notices {
        output.remark(&format!("note: {notice}"));
    }
    for retired in retired {
        output.remark(&format!("retired: {retired}"));
    }
    Ok(read?)
}

/// Tells what of a captured pod is not used.
pub(crate) fn tell_notes(replay: &Replay, output: &mut Output) {
    for note in &replay.notes {
        output.remark(&format!("note: {note}"));
    }
}

/// Tells that a build has a unique tag of its own, when the captured pod had one:
/// two builds must not share it.
pub(crate) fn tell_own_tag(replay: &Replay, output: &mut Output) {
    if let Some(tag) = &replay.unique_tag {
        output.remark(&format!(
            "note: the unique tag of the captured build, {tag}, is not used: a build makes its own. `plan` shows \
             the old one."
        ));
    }
}

/// The request that the flags describe. `caller` is the name of the user who
/// calls, for requests that name none. `here` is the current directory of a
/// build in the foreground, which destinations and local repositories are
/// relative to; a service elsewhere knows nothing of it.
pub(crate) fn from_flags(arguments: &RequestArguments, caller: &str, here: Option<&Path>) -> BuildRequest {
    let named = arguments.uri.as_deref().unwrap_or_default();
    let uri = here.and_then(|here| directory_url(here, named));
    let uri = uri.as_deref().unwrap_or(named);
    let destinations = arguments.destinations.iter().map(|destination| match (destination, here) {
        (Destination::Layout { directory }, Some(here)) => {
            Destination::Layout { directory: here.join(directory) }
        }
        _ => destination.clone(),
    });
    let (mode, release) = match (&arguments.release, arguments.isolated, arguments.scratch) {
        (Some(release), true, _) => (BuildMode::Isolated { release: release.clone() }, None),
        (release, _, false) => (BuildMode::Normal, release.clone()),
        (release, _, true) => (BuildMode::Scratch, release.clone()),
    };
    BuildRequest {
        platforms: arguments.platforms.clone(),
        destinations: destinations.collect(),
        component: arguments.component.clone(),
        target: arguments.target.clone(),
        mode,
        release,
        user: arguments.user.clone().unwrap_or_else(|| caller.to_owned()),
        koji_task: arguments.koji_task,
        branch: arguments.branch.clone(),
        repository_urls: arguments.repository_urls.clone(),
        composes: arguments.composes.clone(),
        signing_intent: arguments.signing_intent.clone(),
        parent_build: arguments.parent_build.clone(),
        filesystem_task: arguments.filesystem_task,
        flatpak: arguments.flatpak,
        rebuild: arguments.rebuild,
        triggered_by: arguments.triggered_by.clone(),
        image_stream: arguments.image_stream.clone(),
        user_data: arguments.user_data.clone(),
        allow_local_parents: arguments.allow_local_parents,
        build_args: arguments.build_args.iter().cloned().collect(),
        labels: arguments.labels.iter().cloned().collect(),
        limits: Limits {
            memory_bytes: arguments.memory.map(|size| size.bytes()),
            time: arguments.time_limit.map(|period| period.duration()),
        },
        failure_policy: match (arguments.fail_fast, arguments.keep_going) {
            (true, _) => Some(FailurePolicy::StopOthers),
            (_, true) => Some(FailurePolicy::FinishOthers),
            (false, false) => None,
        },
        ..BuildRequest::new(uri, arguments.reference.as_deref())
    }
}

/// The message that submits the request.
pub(crate) fn submission(request: BuildRequest, idempotency_key: &str) -> v1::SubmitBuildRequest {
    v1::SubmitBuildRequest { request: Some(request.into()), idempotency_key: idempotency_key.to_owned() }
}

/// A repository that is named by its directory, as a file URL.
fn directory_url(here: &Path, uri: &str) -> Option<String> {
    if uri.is_empty() || uri.contains("://") {
        return None;
    }
    let directory = here.join(uri).canonicalize().ok().filter(|path| path.is_dir())?;
    url::Url::from_file_path(directory).ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{
        arguments::{Arguments, Command},
        exit::Exit,
        output::kept,
    };

    fn request(line: &str, here: Option<&Path>) -> BuildRequest {
        let words = ["orchestrator", "build"].into_iter().chain(line.split_whitespace());
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Build(build) => from_flags(&build.request, "caller", here),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bare_request_leaves_everything_to_others() {
        let expected = BuildRequest { user: "caller".into(), ..BuildRequest::new("https://x/y", None) };
        assert_eq!(request("https://x/y", None), expected);
    }

    #[test]
    fn every_flag_reaches_the_request() {
        let request = request(
            "https://x/y --ref main --platform x86_64,aarch64 --platform s390x --to docker://r.example:5000/a/b \
             --component hello --target f44 --user mara --build-arg A=1=2 --label vendor= --memory 2GiB \
             --time-limit 90m --allow-local-parents --fail-fast --release 7 --koji-task 6 --branch f44 \
             --repo-url http://x/y --compose-id 1,2 --signing-intent release --parent-build 4711 \
             --filesystem-task 9 --flatpak --rebuild --triggered-by r.example.org/a:1 --image-stream s",
            None,
        );
        assert_eq!(request.source.reference.as_deref(), Some("main"));
        assert_eq!(request.platforms.len(), 3);
        assert_eq!(request.destinations[0].to_string(), "docker://r.example:5000/a/b");
        assert_eq!(request.component.as_ref().unwrap().as_str(), "hello");
        assert_eq!((request.target.as_deref(), request.user.as_str()), (Some("f44"), "mara"));
        assert_eq!(request.build_args["A"], "1=2");
        assert_eq!(request.labels["vendor"], "");
        assert_eq!(request.limits.memory_bytes, Some(2 << 30));
        assert_eq!(request.limits.time, Some(std::time::Duration::from_secs(5400)));
        assert!(request.allow_local_parents);
        assert_eq!(request.failure_policy, Some(FailurePolicy::StopOthers));
        assert_eq!((request.mode, request.release.as_deref()), (BuildMode::Normal, Some("7")));
        assert_eq!((request.koji_task, request.filesystem_task), (Some(6), Some(9)));
        assert_eq!((request.branch.as_deref(), request.image_stream.as_deref()), (Some("f44"), Some("s")));
        assert_eq!((request.repository_urls, request.composes), (vec!["http://x/y".into()], vec![1, 2]));
        assert_eq!(request.signing_intent.as_deref(), Some("release"));
        assert_eq!(request.parent_build.as_deref(), Some("4711"));
        assert!(request.flatpak && request.rebuild);
        assert_eq!(request.triggered_by.unwrap().to_string(), "r.example.org/a:1");
    }

    const SEED_CONFIG: &str = include_str!("../../tests/seed/config.yaml");

    fn asked(line: &str, changes: &[(&str, &str)]) -> Result<Asked, CliError> {
        let mut environment = BTreeMap::from([
            ("BUILD", "{}"),
            ("SOURCE_URI", "git://git.example.org/hello"),
            ("SOURCE_REF", "origin/osbs-box-demo"),
            ("OUTPUT_IMAGE", "kojiadmin/hello:candidate-32571-20180425182951"),
            ("REACTOR_CONFIG", SEED_CONFIG),
            ("USER_PARAMS", include_str!("../../tests/seed/orchestrator-user-params.json")),
            ("USER", "caller"),
        ]);
        environment.extend(changes.iter().copied());
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (output, ..) = kept::output();
        let here = CommandLine { output, environment: environment.collect(), directory: "/here".into() };
        let words = ["orchestrator", "build"].into_iter().chain(line.split_whitespace());
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Build(build) => read(&build.request, &here, Some(&here.directory)),
            other => panic!("{other:?}"),
        }
    }

    fn code(error: CliError) -> String {
        match error {
            CliError::Request(failure) => failure.code,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_captured_pod_is_built_where_the_flags_say() {
        let Asked { request, replay } = asked("--from-env", &[]).unwrap();
        let replay = replay.unwrap();
        assert_eq!(request, replay.request);
        assert_eq!((request.user.as_str(), request.target.as_deref()), ("kojiadmin", Some("candidate")));
        assert_eq!(request.destinations, []);
        let line = "--from-env --to oci:out --platform s390x --memory 1GiB --fail-fast --allow-local-parents";
        let Asked { request, replay } = asked(line, &[]).unwrap();
        assert_eq!(request.destinations[0].to_string(), "oci:/here/out");
        assert_eq!(request.platforms, ["s390x".parse().unwrap()]);
        assert_eq!(replay.unwrap().origins["platforms"], "flag --platform");
        assert_eq!(request.limits.memory_bytes, Some(1 << 30));
        assert!(request.allow_local_parents && request.failure_policy == Some(FailurePolicy::StopOthers));
    }

    #[test]
    fn wrong_requests_are_refused_before_anything_starts() {
        for (line, changes, expected) in [
            ("https://x/y --isolated --release 1", &[][..], "request.isolated_release_format"),
            ("https://x/y --flatpak --repo-url ftp://x/y", &[], "request.repository_url_invalid"),
            ("https://x/y --scratch --rebuild", &[], "request.kinds_exclusive"),
            ("--from-env", &[("USER_PARAMS", r#"{"isolated": true}"#)], "request.isolated_needs_release"),
            ("--from-env", &[("USER_PARAMS", "")], "request.replay_incomplete"),
            ("--from-env", &[("SOURCE_REF", "a b")], "request.reference_invalid"),
        ] {
            let error = asked(line, changes).unwrap_err();
            assert_eq!((error.exit(), code(error).as_str()), (Exit::Usage, expected), "{line}");
        }
    }

    #[test]
    fn a_name_has_one_value() {
        for flag in ["--label", "--build-arg"] {
            let error = asked(&format!("https://x/y {flag} a=1 {flag} a=2"), &[]).unwrap_err();
            assert_eq!(error.exit(), Exit::Usage);
            assert!(error.to_string().starts_with(&format!("{flag} a is given more than once")), "{error}");
            assert!(asked(&format!("https://x/y {flag} a=1 {flag} a=1 {flag} b=2"), &[]).is_ok());
        }
        let twice = asked("https://x/y --platform x86_64,x86_64", &[]).unwrap_err();
        assert_eq!(code(twice), "request.platform_repeated");
    }

    #[test]
    fn a_replay_says_that_a_build_makes_its_own_tag() {
        let replay = asked("--from-env", &[]).unwrap().replay.unwrap();
        let (mut output, _, remarks) = kept::output();
        tell_own_tag(&replay, &mut output);
        assert!(remarks.text().contains("candidate-32571-20180425182951, is not used"), "{}", remarks.text());
    }

    #[test]
    fn the_pods_configuration_is_a_layer_above_files() {
        let replay = asked("--from-env", &[]).unwrap().replay.unwrap();
        let named = [PathBuf::from("a.yaml")];
        let file = SiteLayer::Path(named[0].clone());
        let pod = SiteLayer::Text { name: "REACTOR_CONFIG".to_owned(), text: SEED_CONFIG.to_owned() };
        assert_eq!(site_layers(Some(&replay), &named).unwrap(), [file.clone(), pod.clone()]);
        assert_eq!(site_layers(None, &named).unwrap(), std::slice::from_ref(&file));
        let (mut output, _, remarks) = kept::output();
        let site = told(Site::read_layers(&[pod], [], &[]), &mut output).unwrap();
        let origin = site.origins().of("labels.set.vendor").to_string();
        assert_eq!(origin, "REACTOR_CONFIG:19 (image_labels.vendor)");
        assert!(remarks.text().contains("retired: REACTOR_CONFIG:"), "{}", remarks.text());
        assert_eq!(remarks.text().lines().count(), site.retired().len());

        // INP-5: a pod without REACTOR_CONFIG had no plan; a file can take its place here.
        let replay = asked("--from-env", &[("REACTOR_CONFIG", "")]).unwrap().replay.unwrap();
        assert_eq!(site_layers(Some(&replay), &named).unwrap(), [file]);
        assert_eq!(code(site_layers(Some(&replay), &[]).unwrap_err()), "request.replay_needs_site");
    }

    #[test]
    fn errors_of_the_pods_configuration_name_the_variable_and_its_line() {
        let pod = SiteLayer::Text {
            name: "REACTOR_CONFIG".to_owned(),
            text: "version: 1\npdc: {}\nyum_prxy: x\n".to_owned(),
        };
        let (mut output, _, remarks) = kept::output();
        let error = told(Site::read_layers(&[pod], [], &[]), &mut output).unwrap_err().to_string();
        assert!(error.contains("REACTOR_CONFIG:3: there is no setting 'yum_prxy'"), "{error}");
        assert!(remarks.text().starts_with("retired: REACTOR_CONFIG:2: 'pdc'"), "{}", remarks.text());
    }

    #[test]
    fn kinds_of_builds() {
        assert_eq!(request("u --scratch", None).mode, BuildMode::Scratch);
        let isolated = request("u --isolated --release 12.1 --keep-going", None);
        assert_eq!(isolated.mode, BuildMode::Isolated { release: "12.1".into() });
        assert_eq!((isolated.release, isolated.failure_policy), (None, Some(FailurePolicy::FinishOthers)));
    }

    #[test]
    fn a_build_in_the_foreground_knows_its_directory() {
        let here = tempfile::tempdir().unwrap();
        let here = here.path().canonicalize().unwrap();
        std::fs::create_dir(here.join("my repo")).unwrap();
        let local = request("my --to oci:out --to oci:/abs", Some(&here));
        assert_eq!(local.source.uri, "my", "no such directory");
        assert_eq!(local.destinations[0].to_string(), format!("oci:{}/out", here.display()));
        assert_eq!(local.destinations[1].to_string(), "oci:/abs");
        let url = directory_url(&here, "my repo").unwrap();
        assert_eq!(url, format!("file://{}/my%20repo", here.display()));
        assert_eq!(directory_url(&here, "https://x/y"), None);
        assert_eq!(request("x --to oci:out", None).destinations[0].to_string(), "oci:out");
    }
}
