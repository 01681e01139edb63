//! The file systems that Koji makes for images that begin with
//! `koji/image-build`.

use common::{
    failure::{Failure, FailureClass},
    flow::Flow,
    platform::Platform,
};
use serde_json::{Value, json};

use super::{Problems, applies, source::Read};
use crate::{
    outside::ImageTask,
    plan::{
        Facts, FetchFilesystems, FilesystemFile, FindBaseUrls, SelectedPlatform, StartFilesystem,
        WaitFilesystem, policy,
    },
    repository::{
        image_build_conf::{ImageBuildConf, ImageTaskDefaults, ImageTaskRequest},
        shown_address,
    },
    services::PlanServices,
};

/// The file systems by platform; none when none are asked for, or in a dry run.
pub(super) async fn make(
    flow: &Flow<'_, PlanServices>,
    facts: &Facts<'_>,
    read: Option<&Read>,
    platforms: &[SelectedPlatform],
    ready: bool,
    found: &mut Problems,
) -> Result<Vec<FilesystemFile>, Failure> {
    if !applies("start_filesystem", facts)? {
        return Ok(Vec::new());
    }
    let Some(read) = read else { return Ok(Vec::new()) };
    let urls = flow.run(FindBaseUrls { asked: &facts.request.repository_urls }).await;
    let Some(urls) = found.take(urls)? else { return Ok(Vec::new()) };
    let platforms: Vec<Platform> = platforms.iter().map(|selected| selected.platform.clone()).collect();
    let Some(image) = found.take(task(facts, read, &platforms, urls))? else { return Ok(Vec::new()) };
    if !ready || !found.is_empty() {
        return Ok(Vec::new());
    }
    let existing = facts.request.filesystem_task;
    let started = found.take(flow.run(StartFilesystem { image: &image, existing }).await)?;
    let Some(Some(task)) = started else { return Ok(Vec::new()) };
    if !flow.services().reach.may_change() {
        return Ok(Vec::new());
    }
    let shutdown = flow.services().shutdown.clone();
    if found.take(flow.run(WaitFilesystem::new(task, shutdown)).await)?.is_none() {
        return Ok(Vec::new());
    }
    let files = flow.run(FetchFilesystems { task, name: &image.name, platforms: &platforms }).await;
    Ok(found.take(files)?.unwrap_or_default())
}

/// What Koji is asked for. The target is the repository's choice, so the site's
/// rule for targets holds for it as well.
fn task(
    facts: &Facts<'_>,
    read: &Read,
    platforms: &[Platform],
    base_urls: Vec<String>,
) -> Result<ImageTask, Failure> {
    let text = read.facts.image_build_conf.as_deref().unwrap_or_default();
    let conf = ImageBuildConf::read(text.as_bytes())?;
    let defaults = ImageTaskDefaults {
        base_urls,
        kickstart_url: format!("{}#{}", shown_address(&read.source.uri), read.resolved.commit),
        scratch: facts.is_scratch(),
    };
    let problems = |problems: Vec<_>| Failure::all(problems.into_iter().map(Failure::from));
    match conf.request(platforms, &defaults) {
        Ok(request) => {
            let verdict = policy::targets(facts.settings, &request.target);
            match policy::denials(verdict.as_slice()).next() {
                Some(denied) => Err(denied),
                None => Ok(as_task(request)),
            }
        }
        Err(all) => Err(problems(all).unwrap_or_else(|| {
            Failure::new(FailureClass::Internal, "internal.no_problem", "nothing was wrong")
        })),
    }
}

/// The request in Koji's words (spec: `buildImageOz` takes name, version,
/// architectures, target, installation tree, and options).
fn as_task(request: ImageTaskRequest) -> ImageTask {
    let text = |options: std::collections::BTreeMap<String, String>| {
        options.into_iter().map(|(name, value)| (name, Value::from(value)))
    };
    let mut options: std::collections::BTreeMap<String, Value> = text(request.options).collect();
    options.insert("disk_size".to_owned(), json!(request.disk_size));
    options.insert("format".to_owned(), json!(request.formats));
    options.insert("repo".to_owned(), json!(request.repositories));
    options.insert("ova_option".to_owned(), json!(request.ova_options));
    options.insert("factory_parameter".to_owned(), json!(request.factory_parameters));
    if request.scratch {
        options.insert("scratch".to_owned(), json!(true));
    }
    ImageTask {
        name: request.name,
        version: request.version,
        platforms: request.architectures,
        target: request.target,
        install_tree: request.install_tree,
        options,
    }
}
