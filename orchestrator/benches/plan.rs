//! How long a whole plan takes without network: a Dockerfile of 30 stages with
//! 200 labels, for four platforms, beside the time git itself needs to read the
//! same file from the same repository.
//!
//! Prints each round and the medians; decides nothing.
#![expect(clippy::print_stdout, reason = "the output is what this program is for")]

use std::{
    fmt::Write as _,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use common::request::BuildRequest;
use orchestrator::{
    app,
    config::Site,
    plan::{DryRun, Silence, dry_run},
    services::{LayoutRoot, Reach},
};
use testkit::git::GitRepository;
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 15;
const STAGES: usize = 30;
const LABELS: usize = 200;
const PLATFORMS: [&str; 4] = ["x86_64", "aarch64", "ppc64le", "s390x"];

fn main() -> Result<()> {
    common::service::install_crypto_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    let repository = GitRepository::new()?;
    repository.commit_files("a large plan", &[("Dockerfile", &dockerfile())])?;
    let path = repository.path().display().to_string();
    let request = BuildRequest {
        platforms: PLATFORMS.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
        ..BuildRequest::new(&path, None)
    };
    let site = Arc::new(Site::default());
    println!("{STAGES} stages, {LABELS} labels, {} platforms, {ROUNDS} rounds", PLATFORMS.len());
    println!("{:>10} {:>12} {:>10}", "plan/ms", "git show/ms", "ratio");
    let (mut plans, mut shows) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let directory = tempfile::tempdir()?;
        let begun = Instant::now();
        let draft = dry_run(DryRun {
            outside: app::outside(&site)?,
            site: site.clone(),
            request: request.clone(),
            reach: Reach::Nothing,
            layout_root: LayoutRoot::Free(directory.path().join("layouts")),
            directory: directory.path().join("work"),
            assumed_parent: None,
            unique_tag: None,
            narrator: Arc::new(Silence),
            cancel: CancellationToken::new(),
        })
        .await?;
        let json = serde_json::to_string(&draft)?;
        let plan = begun.elapsed();
        ensure!(draft.problems.is_empty(), "{:?}", draft.problems);
        ensure!(draft.platforms.len() == PLATFORMS.len() && json.len() > 10_000, "{json}");

        let begun = Instant::now();
        let show =
            Command::new("git").args(["-C", &path, "show", "HEAD:Dockerfile"]).output().context("git")?;
        let show_time = begun.elapsed();
        ensure!(show.status.success(), "git show failed");
        print_round(plan, show_time);
        plans.push(plan);
        shows.push(show_time);
    }
    println!("median:");
    print_round(median(plans), median(shows));
    Ok(())
}

fn print_round(plan: Duration, show: Duration) {
    let (plan, show) = (plan.as_secs_f64() * 1e3, show.as_secs_f64() * 1e3);
    println!("{plan:>10.1} {show:>12.1} {:>10.1}", plan / show);
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn dockerfile() -> String {
    let mut text = String::from("ARG VERSION=44\n");
    for stage in 0..STAGES {
        let _ = match stage {
            0 => writeln!(text, "FROM registry.example.org/base:$VERSION AS stage0"),
            _ => writeln!(text, "FROM registry.example.org/base{stage}:$VERSION AS stage{stage}"),
        };
        let _ = writeln!(text, "ENV STAGE={stage} BEFORE=$STAGE\nRUN echo ${{STAGE}} \\\n    && true");
        if stage > 0 {
            let _ = writeln!(text, "COPY --from=stage{} /etc/hostname /copied/{stage}", stage - 1);
        }
    }
    text.push_str("LABEL name=team/large version=1.0 release=1 com.redhat.component=large-container\n");
    for label in 0..LABELS {
        let _ = writeln!(text, "LABEL org.example.label-{label}=\"value {label} of $STAGE\"");
    }
    text
}
