//! The file systems that Koji makes for images that begin with
//! `koji/image-build`.

use common::{
    failure::{Failure, FailureClass},
    flow::Flow,
    platform::Platform,
};
use serde_json::{Value, json};
use url::Url;

use super::{Problems, applies, source::Read};
use crate::{
    outside::ImageTask,
    plan::{Facts, FetchFilesystems, FilesystemFile, SelectedPlatform, StartFilesystem, WaitFilesystem},
    repository::image_build_conf::{ImageBuildConf, ImageTaskDefaults, ImageTaskRequest, base_urls},
    services::PlanServices,
};

/// Largest repository file that is looked into, in bytes.
const MAX_REPOSITORY_FILE: u64 = 64 * 1024;

/// The file systems by platform; none when none are asked for, or in a dry run.
pub(super) async fn make(
    flow: &Flow<'_, PlanServices>,
    facts: &Facts<'_>,
    read: Option<&Read>,
    platforms: &[SelectedPlatform],
    found: &mut Problems,
) -> Result<Vec<FilesystemFile>, Failure> {
    if !applies(flow, "start_filesystem", facts).await? || !applies(flow, "wait_filesystem", facts).await? {
        return Ok(Vec::new());
    }
    let Some(read) = read else { return Ok(Vec::new()) };
    let platforms: Vec<Platform> = platforms.iter().map(|selected| selected.platform.clone()).collect();
    let Some(image) = found.take(task(flow.services(), facts, read, &platforms).await)? else {
        return Ok(Vec::new());
    };
    if !found.is_empty() {
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

/// What Koji is asked for.
async fn task(
    services: &PlanServices,
    facts: &Facts<'_>,
    read: &Read,
    platforms: &[Platform],
) -> Result<ImageTask, Failure> {
    let text = read.facts.image_build_conf.as_deref().unwrap_or_default();
    let conf = ImageBuildConf::read(text.as_bytes())?;
    let mut urls = Vec::new();
    for address in &facts.request.repository_urls {
        if !services.reach.may_ask() {
            break;
        }
        let url: Url = address.parse().map_err(|error| {
            let message = format!("'{address}' is no URL of a repository file: {error}");
            Failure::new(FailureClass::User, "repositories.bad_url", message)
        })?;
        let file = services.outside.http.get(&url, MAX_REPOSITORY_FILE).await?;
        urls.extend(base_urls(&file).map_err(|error| {
            let message = format!("{url} is no repository file: {error}");
            Failure::new(FailureClass::User, "repositories.bad_file", message)
        })?);
    }
    let defaults = ImageTaskDefaults {
        base_urls: urls,
        kickstart_url: format!("{}#{}", read.source.uri, read.resolved.commit),
        scratch: facts.is_scratch(),
    };
    let problems = |problems: Vec<_>| Failure::all(problems.into_iter().map(Failure::from));
    match conf.request(platforms, &defaults) {
        Ok(request) => Ok(as_task(request)),
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
