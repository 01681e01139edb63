//! The command line: every command, flag and default. These words stay.

use std::{path::PathBuf, sync::LazyLock};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use common::{
    destination::Destination,
    flow::state::BuildState,
    image::ImageReference,
    names::Component,
    platform::Platform,
    service::{ServiceAddress, telemetry::LogFormat},
};

use crate::{
    cli::{
        errors::ErrorsArguments,
        explain::{ExplainArguments, ExplainBuildArguments},
        plan::PlanArguments,
    },
    config::{Period, Size},
};

/// Builds container images from git commits, on every architecture at once.
#[derive(Debug, Parser)]
#[command(name = "orchestrator", version = VERSION.as_str(), propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Use no colours.
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

static VERSION: LazyLock<String> = LazyLock::new(|| common::service::version(proto::CONTRACT_DIGEST));

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "one value for each process")]
pub(crate) enum Command {
    /// Builds one commit in the foreground, with local workers, and exits.
    Build(BuildArguments),
    /// Makes every decision of a build, shows them, and changes nothing.
    Plan(PlanArguments),
    /// Tells where values come from: of the site, or of a build that is planned.
    // Without a request there is still the site to explain.
    #[command(mut_group(WHAT, |what| what.required(false)))]
    Explain(ExplainArguments),
    /// Runs the service that takes builds and hands them to workers.
    Serve(ServeArguments),
    /// Checks and shows the site's configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Tells what the code of a failure, notice or skipped step means.
    Errors(ErrorsArguments),
    /// Talks to a running service about builds.
    #[command(subcommand)]
    Builds(BuildsCommand),
    /// Talks to a running service about workers.
    #[command(subcommand)]
    Workers(WorkersCommand),
}

#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    #[command(flatten)]
    pub(crate) request: RequestArguments,
    #[command(flatten)]
    pub(crate) site: SiteArguments,
    /// Keep journal, logs and blobs in this directory; without it they are in a
    /// temporary one that is removed at the end.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Do not remove the temporary state directory, and name it.
    #[arg(long, conflicts_with = "state")]
    pub(crate) keep_state: bool,
    /// Which lines of reactor's own log go to standard error: levels by target.
    #[arg(long, value_name = "FILTER", default_value = "error")]
    pub(crate) log_filter: String,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

/// What a build is to be.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new(WHAT).args(["uri", "from_env"]).required(true)))]
pub(crate) struct RequestArguments {
    /// Git repository: an http(s), ssh, git or file URL, or HOST:PATH.
    #[arg(value_name = "GIT_URI")]
    pub(crate) uri: Option<String>,
    /// Take the request from the environment of a captured pod of OSBS, and its
    /// REACTOR_CONFIG as a layer of the site's configuration. Of the flags that
    /// say what to build only --to and --platform go with it.
    #[arg(long, conflicts_with_all = WHAT_TO_BUILD)]
    pub(crate) from_env: bool,
    /// Branch, tag or commit; the remote's default branch without it.
    #[arg(long = "ref", value_name = "REF")]
    pub(crate) reference: Option<String>,
    /// Platform to build for, by Koji's name. May be given several times.
    #[arg(long = "platform", value_name = "P", value_delimiter = ',')]
    pub(crate) platforms: Vec<Platform>,
    /// Where the image goes: oci:DIR or docker://HOST[:PORT]/REPOSITORY[:TAG].
    /// May be given several times.
    #[arg(long = "to", value_name = "DESTINATION")]
    pub(crate) destinations: Vec<Destination>,
    /// Component name, if neither label nor git address shall tell it.
    #[arg(long, value_name = "NAME")]
    pub(crate) component: Option<Component>,
    /// Koji target.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// A throw-away build: the unique tag only, nothing is recorded.
    #[arg(long, conflicts_with = "isolated")]
    pub(crate) scratch: bool,
    /// A one-off fix of an older release: moves no floating tag.
    #[arg(long, requires = "release")]
    pub(crate) isolated: bool,
    /// Release of the image.
    #[arg(long, value_name = "R", conflicts_with = "scratch")]
    pub(crate) release: Option<String>,
    /// On whose behalf; without it the name of the user who calls.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// The Koji task that asks for the build.
    #[arg(long, value_name = "TASK", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) koji_task: Option<u64>,
    /// The branch that the commit is on, for records.
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    /// Repository file (.repo) for package installation. May be given several times.
    #[arg(long = "repo-url", value_name = "URL")]
    pub(crate) repository_urls: Vec<String>,
    /// Compose that exists already. May be given several times.
    #[arg(long = "compose-id", value_name = "N", value_delimiter = ',',
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) composes: Vec<u64>,
    /// Which signatures packages must have, by the site's name for it.
    #[arg(long, value_name = "NAME")]
    pub(crate) signing_intent: Option<String>,
    /// Koji build to build upon instead of the FROM image: NVR or number.
    #[arg(long, value_name = "BUILD")]
    pub(crate) parent_build: Option<String>,
    /// Koji image task whose file systems to build upon.
    #[arg(long, value_name = "TASK", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) filesystem_task: Option<u64>,
    /// Build a Flatpak.
    #[arg(long)]
    pub(crate) flatpak: bool,
    /// Nobody asked: something that the image contains has changed.
    #[arg(long)]
    pub(crate) rebuild: bool,
    /// Image whose change caused the build, to be used instead of the FROM image.
    #[arg(long, value_name = "IMAGE")]
    pub(crate) triggered_by: Option<ImageReference>,
    /// OpenShift image stream that follows the image.
    #[arg(long, value_name = "NAME")]
    pub(crate) image_stream: Option<String>,
    /// File with a JSON object that Koji keeps with the build.
    #[arg(long, value_name = "FILE", value_parser = user_data)]
    pub(crate) user_data: Option<UserData>,
    /// Value for an ARG of the Dockerfile. May be given several times.
    #[arg(long = "build-arg", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) build_args: Vec<(String, String)>,
    /// Label to set on the image. May be given several times.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) labels: Vec<(String, String)>,
    /// Memory of each build container. Example: 2GiB.
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<Size>,
    /// Longest time of one platform's build. Example: 90m.
    #[arg(long, value_name = "TIME")]
    pub(crate) time_limit: Option<Period>,
    /// Accept parent images that only the worker's engine has.
    #[arg(long)]
    pub(crate) allow_local_parents: bool,
    /// Stop all platforms as soon as one has failed.
    #[arg(long, conflicts_with = "keep_going")]
    pub(crate) fail_fast: bool,
    /// Let the other platforms finish when one has failed.
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Print the request as JSON, as grpcurl takes it, and do nothing.
    #[arg(long)]
    pub(crate) dump_request: bool,
}

impl RequestArguments {
    /// The flags that were given, by name, without those that make a request of
    /// themselves.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let flags = [
            ("--ref", self.reference.is_some()),
            ("--platform", !self.platforms.is_empty()),
            ("--to", !self.destinations.is_empty()),
            ("--component", self.component.is_some()),
            ("--target", self.target.is_some()),
            ("--scratch", self.scratch),
            ("--isolated", self.isolated),
            ("--release", self.release.is_some()),
            ("--user", self.user.is_some()),
            ("--koji-task", self.koji_task.is_some()),
            ("--branch", self.branch.is_some()),
            ("--repo-url", !self.repository_urls.is_empty()),
            ("--compose-id", !self.composes.is_empty()),
            ("--signing-intent", self.signing_intent.is_some()),
            ("--parent-build", self.parent_build.is_some()),
            ("--filesystem-task", self.filesystem_task.is_some()),
            ("--flatpak", self.flatpak),
            ("--rebuild", self.rebuild),
            ("--triggered-by", self.triggered_by.is_some()),
            ("--image-stream", self.image_stream.is_some()),
            ("--user-data", self.user_data.is_some()),
            ("--build-arg", !self.build_args.is_empty()),
            ("--label", !self.labels.is_empty()),
            ("--memory", self.memory.is_some()),
            ("--time-limit", self.time_limit.is_some()),
            ("--allow-local-parents", self.allow_local_parents),
            ("--fail-fast", self.fail_fast),
            ("--keep-going", self.keep_going),
        ];
        flags.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }
}

/// Who says what to build.
const WHAT: &str = "what to build";

/// Flags that a captured pod speaks for.
const WHAT_TO_BUILD: [&str; 22] = [
    "uri",
    "reference",
    "component",
    "target",
    "scratch",
    "isolated",
    "release",
    "user",
    "koji_task",
    "branch",
    "repository_urls",
    "composes",
    "signing_intent",
    "parent_build",
    "filesystem_task",
    "flatpak",
    "rebuild",
    "triggered_by",
    "image_stream",
    "user_data",
    "build_args",
    "labels",
];

/// Data of the caller's own.
pub(crate) type UserData = serde_json::Map<String, serde_json::Value>;

/// Most bytes of such data.
const MAX_USER_DATA: u64 = 64 * 1024;

fn user_data(path: &str) -> Result<UserData, String> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let read = file.take(MAX_USER_DATA + 1).read_to_string(&mut text);
    match read.map_err(|error| error.to_string())? as u64 {
        0..=MAX_USER_DATA => serde_json::from_str(&text).map_err(|error| format!("no JSON object: {error}")),
        _ => Err(format!("it has more than {MAX_USER_DATA} bytes")),
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct SiteArguments {
    /// Site configuration: a file, or a directory of *.yaml files. May be given
    /// several times; the later one wins.
    #[arg(long = "config", value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Address to listen on: HOST:PORT or unix:PATH.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<ServiceAddress>,
    #[command(flatten)]
    pub(crate) site: SiteArguments,
    /// Directory of the journal, logs and blobs.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// File with the token that workers must show.
    #[arg(long, value_name = "FILE")]
    pub(crate) worker_token_file: Option<PathBuf>,
    /// Start a worker for this platform on this host. May be given several times.
    #[arg(long = "local-worker", value_name = "P", value_delimiter = ',')]
    pub(crate) local_workers: Vec<Platform>,
    /// Print the effective settings and who set them, and exit.
    #[arg(long)]
    pub(crate) print_config: bool,
    /// How log lines on standard error look: auto, text or json.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub(crate) log_format: LogFormat,
    /// Which log lines are written: levels by target.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub(crate) log_filter: String,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Says everything that is wrong with the configuration, and which of its
    /// keys are retired.
    Check(ConfigCheckArguments),
    /// Prints the effective settings and who set them.
    Print(ConfigPrintArguments),
    /// Prints the JSON Schema of a configuration file.
    Schema(ConfigSchemaArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigCheckArguments {
    #[command(flatten)]
    pub(crate) site: SiteArguments,
    /// Do not look for the files that settings name, which may be elsewhere.
    #[arg(long)]
    pub(crate) no_files: bool,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigPrintArguments {
    #[command(flatten)]
    pub(crate) site: SiteArguments,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigSchemaArguments {
    /// The schema of version 1, the form of 2018.
    #[arg(long)]
    pub(crate) v1: bool,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "one value for each process")]
pub(crate) enum BuildsCommand {
    /// Submits a build and prints its id.
    Submit(SubmitArguments),
    /// Lists builds, newest first.
    List(ListArguments),
    /// Shows one build.
    Show(OneBuild),
    /// Shows the plan that a build carries out.
    Plan(OneBuild),
    /// Tells where the values of a build come from.
    Explain(ExplainBuildArguments),
    /// Follows a build until it has ended.
    Watch(WatchArguments),
    /// Prints a build's log.
    Logs(LogsArguments),
    /// Asks a build to stop.
    Cancel(CancelArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkersCommand {
    /// Lists the workers that are attached.
    List(WorkersListArguments),
}

/// Which service, and how to show its answers.
#[derive(Debug, Args)]
pub(crate) struct ServerArguments {
    /// Address of the service: HOST:PORT, https://HOST:PORT or unix:PATH.
    #[arg(long, value_name = "ADDR", env = "REACTOR_SERVER", default_value = "127.0.0.1:7070")]
    pub(crate) server: ServiceAddress,
    /// File with the token for the service.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// PEM file with the authority of the service's certificate, for https.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

#[derive(Debug, Args)]
pub(crate) struct FormatArguments {
    /// How to show results: text for people, json for programs.
    #[arg(long = "output", value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
}

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people.
    Text,
    /// JSON for programs, one object per line.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct SubmitArguments {
    #[command(flatten)]
    pub(crate) request: RequestArguments,
    /// Any text of up to 128 characters; the same key always yields the same build.
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    pub(crate) idempotency_key: String,
    /// Follow the build until it has ended.
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Builds to list at most.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Only builds in this state: queued, running, finishing, succeeded, failed
    /// or cancelled. May be given several times.
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',', value_parser = build_state)]
    pub(crate) states: Vec<BuildState>,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

fn build_state(text: &str) -> Result<BuildState, String> {
    BuildState::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        let known: Vec<&str> = BuildState::ALL.iter().map(|state| state.as_str()).collect();
        format!("expected one of {}", known.join(", "))
    })
}

#[derive(Debug, Args)]
pub(crate) struct OneBuild {
    /// The build: its id, or the unique beginning of it.
    #[arg(value_name = "BUILD")]
    pub(crate) build: String,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    #[command(flatten)]
    pub(crate) build: OneBuild,
    /// Start after this event.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) after: u64,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    #[command(flatten)]
    pub(crate) build: OneBuild,
    /// Only this platform's log, exactly as the build printed it.
    #[arg(long, value_name = "P")]
    pub(crate) platform: Option<Platform>,
    /// Start with the record that holds this byte of the build's log.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) offset: u64,
    /// Go on until the build has ended.
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArguments {
    #[command(flatten)]
    pub(crate) build: OneBuild,
    /// Why; shown in the record.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct WorkersListArguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[cfg(test)]
mod tests;
