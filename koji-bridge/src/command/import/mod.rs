//! `koji-bridge import`: a build gets into Koji by hand, from its metadata and the
//! files beside it.
//!
//! Everything that can be known is checked first and told at once. Then the hub is
//! asked whether it has this very build already, and only if it does not are files
//! uploaded.

mod files;
mod upload;

use std::path::Path;

use common::{
    failure::{Failure, FailureClass},
    koji::KojiBuildState,
    nvr::Nvr,
    secret::Secret,
    service::Shutdown,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use super::{
    CommandFailure, CommandSettings, Exit,
    output::{remark, say, visible},
};
use crate::{
    arguments::ImportArguments,
    hub::{BuildName, Hub, ImportRequest, Imported, Refund, ReserveRequest},
    metadata::{Context, Reservation, Severity, check, read},
    service::MAX_REQUEST_BYTES,
};
use files::LocalFile;
use upload::Uploader;

/// What is to be imported, read and checked.
struct Document {
    text: String,
    value: Value,
    nvr: Nvr,
    files: Vec<LocalFile>,
}

pub(super) async fn run(arguments: &ImportArguments, shutdown: &Shutdown) -> Result<Exit, CommandFailure> {
    let token = arguments.token_file.as_deref().map(Secret::from_file).transpose()?;
    let settings = CommandSettings::read(&arguments.common)?;
    let document = document(arguments, settings.koji.content_generator.clone()).await?;
    if arguments.dry_run {
        let bytes: u64 = document.files.iter().map(|file| file.size).sum();
        say(&format!(
            "{}: the metadata and {} files ({bytes} bytes) are in order",
            document.nvr,
            document.files.len()
        ));
        return Ok(Exit::Ok);
    }
    let session = settings.hub()?;
    let uploader = Uploader::new(&session, &settings.uploads)?;
    let hub = Hub::new(session, settings.koji.options(), shutdown.clone())?;
    let imported = import(&hub, &uploader, document, token, arguments.reserve).await;
    tokio::join!(hub.close(), uploader.close());
    imported.map(|()| Exit::Ok)
}

/// Reads the document and its files. All problems come at once.
async fn document(arguments: &ImportArguments, generator: String) -> Result<Document, CommandFailure> {
    let (file, directory) = (arguments.file.clone(), arguments.directory.clone());
    let (reserve, has_token) = (arguments.reserve, arguments.token_file.is_some());
    let read = move || {
        let beside = file.parent().map(Path::to_owned).unwrap_or_default();
        read_document(&file, &directory.unwrap_or(beside), generator, reserve, has_token)
    };
    // Megabytes of JSON are checked and gigabytes of files added up.
    match spawn_blocking(read).await {
        Ok(document) => document,
        Err(error) => {
            let failure = Failure::from_error(FailureClass::Internal, "koji.import_file", &error);
            Err(CommandFailure::new(Exit::Failed, failure))
        }
    }
}

fn read_document(
    file: &Path,
    directory: &Path,
    generator: String,
    reserve: bool,
    has_token: bool,
) -> Result<Document, CommandFailure> {
    let wrong = |failure: Failure| CommandFailure::new(Exit::Usage, failure);
    let text = files::read_text(file, MAX_REQUEST_BYTES).map_err(wrong)?;
    let mut value = read(text.as_bytes()).map_err(|problem| wrong(problem.failure()))?;
    let (found, mut problems) = files::look(&value, directory);
    if reserve && value["build"]["build_id"].is_u64() {
        let message = format!(
            "build.build_id: {} names build {}, which is reserved already",
            file.display(),
            value["build"]["build_id"]
        );
        let failure = Failure::new(FailureClass::User, "koji.import_reserved", message)
            .with_advice("give the token of that reservation with --token-file, or take build_id out");
        problems.push(failure);
    } else if reserve && let Some(build) = value["build"].as_object_mut() {
        // The number comes with the reservation; until then any number will do.
        build.insert("build_id".to_owned(), json!(1));
    }
    let context = Context {
        files: Some(found.iter().map(LocalFile::uploaded).collect()),
        reservation: (reserve || has_token).then(Reservation::default),
        generator: Some(generator),
        ..Context::default()
    };
    for problem in check(&value, &context) {
        // Told above, with what the system says.
        if problem.code == "koji.metadata_file_missing" {
            continue;
        }
        match problem.severity {
            Severity::Error => problems.push(problem.failure()),
            Severity::Warning => {
                remark(&format!("warning: {} [{}]", visible(&problem.message), problem.code));
            }
        }
    }
    if let Some(failure) = Failure::all(problems) {
        return Err(wrong(failure));
    }
    let word = |key: &str| value["build"][key].as_str().unwrap_or_default();
    let nvr = Nvr::new(word("name"), word("version"), word("release"))
        .map_err(|error| wrong(Failure::from_error(FailureClass::User, "koji.bad_nvr", &error)))?;
    Ok(Document { text, value, nvr, files: found })
}

async fn import(
    hub: &Hub,
    uploader: &Uploader,
    document: Document,
    token: Option<Secret>,
    reserve: bool,
) -> Result<(), CommandFailure> {
    if exists(hub, &document.nvr).await? {
        // The hub has the name for good: it is this build, or another.
        let directory = uploader.directory()?;
        let imported = hub.import(ImportRequest { metadata: document.text, directory, token }).await?;
        tell(hub, &document.nvr, &imported);
        return Ok(());
    }
    if !reserve {
        let directory = uploader.upload(&document.files).await?;
        let imported = hub.import(ImportRequest { metadata: document.text, directory, token }).await?;
        tell(hub, &document.nvr, &imported);
        return Ok(());
    }
    // The same document has the same key, so a repeated command gets its build.
    let key = format!("import-{}", hex::encode(Sha256::digest(&document.text)));
    let Document { mut value, nvr, files, .. } = document;
    let request = ReserveRequest {
        name: nvr.name().to_owned(),
        version: nvr.version().to_owned(),
        release: Some(nvr.release().to_owned()),
        key,
        task: None,
    };
    let reserved = hub.reserve(request).await?;
    say(&format!("{nvr}: reserved as build {}", reserved.build));
    value["build"]["build_id"] = json!(reserved.build);
    let imported = async {
        let directory = uploader.upload(&files).await?;
        let token = Some(reserved.token.clone());
        let request = ImportRequest { metadata: value.to_string(), directory, token };
        Ok::<_, CommandFailure>(hub.import(request).await?)
    };
    match imported.await {
        Ok(imported) => {
            tell(hub, &nvr, &imported);
            Ok(())
        }
        // What passes is tried again by whoever repeats the command.
        Err(failure) if matches!(failure.exit, Exit::TryAgain | Exit::Unreachable) => Err(failure),
        Err(failure) => {
            let refund = Refund::Build { id: reserved.build, token: reserved.token, cancelled: false };
            match hub.refund(refund).await {
                Ok(_) => remark(&format!("{nvr}: the reservation is given back")),
                Err(error) => remark(&format!(
                    "{nvr}: the reservation of build {} cannot be given back: {}",
                    reserved.build,
                    visible(&error.to_string())
                )),
            }
            Err(failure)
        }
    }
}

/// Whether the hub has a build of that name that cannot be imported over.
async fn exists(hub: &Hub, nvr: &Nvr) -> Result<bool, CommandFailure> {
    match hub.build(&BuildName::Nvr(nvr.clone())).await {
        Ok(found) => Ok(matches!(found.build.state, KojiBuildState::Complete | KojiBuildState::Deleted)),
        Err(crate::hub::HubError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn tell(hub: &Hub, nvr: &Nvr, imported: &Imported) {
    imported.warnings.iter().for_each(|warning| remark(&format!("warning: {}", visible(warning))));
    let how = if imported.found { "was imported before" } else { "imported" };
    say(&format!("{nvr}: {how} as build {}", imported.build));
    let web = &hub.options().web_url;
    if !web.is_empty() {
        say(&format!("{web}/buildinfo?buildID={}", imported.build));
    }
}
