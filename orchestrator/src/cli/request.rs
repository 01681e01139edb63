//! Makes the request of a build from the flags of the command line.

use std::path::Path;

use common::{
    destination::Destination,
    request::{BuildMode, BuildRequest, FailurePolicy, Limits},
};
use proto::v1;

use crate::cli::arguments::RequestArguments;

/// The request that the flags describe. `caller` is the name of the user who
/// calls, for requests that name none. `here` is the current directory of a
/// build in the foreground, which destinations and local repositories are
/// relative to; a service elsewhere knows nothing of it.
pub(crate) fn from_flags(arguments: &RequestArguments, caller: &str, here: Option<&Path>) -> BuildRequest {
    let uri = here.and_then(|here| directory_url(here, &arguments.uri));
    let uri = uri.as_deref().unwrap_or(&arguments.uri);
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
    if uri.contains("://") {
        return None;
    }
    let directory = here.join(uri).canonicalize().ok().filter(|path| path.is_dir())?;
    url::Url::from_file_path(directory).ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::arguments::{Arguments, Command};

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
             --time-limit 90m --allow-local-parents --fail-fast --release 7",
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
