//! Step: runs the site's sources command in a working tree of the commit, and
//! collects what it brings.
//!
//! Repositories of packages keep large files elsewhere (a "lookaside cache") and
//! name them in a file `sources`; a command such as `fedpkg sources` fetches them.
//! It runs whenever the site has one, in a directory of the build's own, with a
//! cleaned environment and in a process group that ends with the step. Files that
//! are new afterwards or have changed go into the build context.

mod changes;
mod command;
#[cfg(test)]
mod tests;

use std::{path::Path, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    request::GitSource,
};
use serde::Serialize;

use self::{changes::changes, command::run};
use super::{ExtraFileRecord, record::check_record, source::STOP_THREADS};
use crate::{
    repository::{ResolvedSource, checkout::checkout, dockerignore, shown_address},
    services::{PlanServices, disk_failure},
};

/// Directory of the collected files in the build's own directory; each is named
/// by its SHA-256.
pub const DIRECTORY: &str = "sources";
/// Longest time of the command.
const DEADLINE: Duration = Duration::from_secs(1800);

/// Fetches what the file `sources` names.
#[derive(Serialize)]
pub struct FetchSources<'a> {
    /// Where the source came from.
    pub source: &'a GitSource,
    /// The commit.
    pub resolved: &'a ResolvedSource,
    /// A change of this file is not taken over: it travels in the work order.
    pub dockerfile_path: &'a str,
}

impl Step<PlanServices> for FetchSources<'_> {
    const NAME: &'static str = "fetch_sources";
    const STAGE: Stage = Stage::Prepare;
    type Output = Vec<ExtraFileRecord>;

    fn policy(&self) -> Policy {
        Policy { timeout: 2 * DEADLINE, grace: STOP_THREADS, ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Vec<ExtraFileRecord>, Failure> {
        let services = cx.services;
        let command = &services.site.artifacts.sources_command;
        let Some(program) = command.first() else { return Ok(Vec::new()) };
        if !services.reach.may_change() {
            let text = format!("a build would run {command:?} in the repository");
            services.say(cx.name, &text).await;
            return Ok(Vec::new());
        }
        let tree = services.source_tree(self.source, self.resolved, cx.cancel).await?;
        let work = services.directory.join("sources-work");
        let checked_out = work.join("repository");
        let limit = services.site.builds.max_context.bytes();
        {
            let (work, checked_out, token) = (work.clone(), checked_out.clone(), cx.cancel.child_token());
            let uri = shown_address(&self.source.uri);
            let _stops_on_drop = token.clone().drop_guard();
            tree.on_thread(move |tree| -> Result<(), Failure> {
                prepare(&work)?;
                checkout(tree, &checked_out, limit, &token)?;
                name_origin(&checked_out, &uri)
            })
            .await?;
        }
        services.say(cx.name, &format!("running {command:?}")).await;
        let ended = run(services, cx.name, command, &work, DEADLINE, cx.cancel).await?;
        if !ended.success() {
            let text = format!("the sources command '{program}' failed: {ended}");
            return Err(Failure::new(FailureClass::Source, "sources.command_failed", text)
                .with_advice("the build's log has its output"));
        }
        let kept = services.directory.join(DIRECTORY);
        let token = cx.cancel.child_token();
        let _stops_on_drop = token.clone().drop_guard();
        let found = tree
            .on_thread(move |tree| {
                let found = changes(tree, &checked_out, &kept, limit, &token);
                // What is left is removed with the build's directory.
                let _removed = std::fs::remove_dir_all(&work);
                found
            })
            .await?;
        for path in &found.left_out {
            let text = format!("'{path}' of the sources command is no regular file and is left out");
            cx.warn("sources.not_a_file", text).await?;
        }
        let mut records = found.files;
        let fixed = |path: &str| path == self.dockerfile_path || path == dockerignore::FILE;
        for record in records.iter().filter(|record| fixed(&record.path)) {
            let text = format!("the change that the sources command made to '{}' has no effect", record.path);
            cx.warn("sources.change_ignored", text).await?;
        }
        records.retain(|record| !fixed(&record.path));
        check_record(&records).map_err(|size| {
            let text = format!("the names of the files that the sources command left come to {size}");
            Failure::new(FailureClass::Source, "sources.too_many", text)
                .with_advice("put the files into one archive")
        })?;
        services.say(cx.name, &format!("{} files were fetched or changed", records.len())).await;
        Ok(records)
    }
}

/// An empty directory, whatever an earlier attempt left there.
fn prepare(work: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(work) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(disk_failure("cannot remove", work, &error));
        }
        _ => {}
    }
    for directory in [work.to_owned(), work.join("home"), work.join("tmp")] {
        std::fs::create_dir_all(&directory)
            .map_err(|error| disk_failure("cannot make", &directory, &error))?;
    }
    Ok(())
}

/// Makes the working tree a git repository with the right remote: commands such
/// as `fedpkg` take the package's name from there.
fn name_origin(directory: &Path, uri: &str) -> Result<(), Failure> {
    let made = git2::Repository::init_opts(
        directory,
        git2::RepositoryInitOptions::new().external_template(false).mkdir(false),
    );
    let named = made.and_then(|repository| repository.remote("origin", uri).map(drop));
    named.map_err(|error| {
        let text = format!("cannot make a git repository in {}: {}", directory.display(), error.message());
        Failure::new(FailureClass::Infrastructure, "orchestrator.disk", text)
    })
}
