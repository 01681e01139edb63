//! Rows and files of an import that has passed all checks.

use std::{fs, path::Path};

use koji_bridge::xmlrpc::Fault;
use serde_json::Value as Json;

use super::{
    super::{archive_types, new_build, python},
    ImportLog,
    buildroots::BuildrootNumbers,
    check::{self, CheckedBuild},
    components::CHECKSUM_TYPES,
    files::{Kind, Output},
    paths,
};
use crate::hub::{
    context::{Context, fault},
    state::{Archive, Build, build_state},
};

/// Longest architecture of an image in characters.
const LONGEST_ARCHITECTURE: usize = 16;

/// Stores the build, or completes its reservation, and answers its number.
///
/// # Errors
/// The directory of the build is there, or the database refuses the row.
pub(super) fn rows(
    context: &mut Context<'_>,
    build: CheckedBuild,
    caller: u64,
    outputs: &[Output],
) -> Result<u64, Fault> {
    let mut types = build.types.clone();
    if outputs.iter().any(|output| matches!(output.kind, Kind::Rpm)) {
        types.entry("rpm").or_insert_with(|| Json::Object(Default::default()));
    }
    let id = match build.reserved {
        Some(id) => complete(context, id, build, caller)?,
        None => {
            let new = build.into_new(caller);
            check::no_directory(context, &new.name, &new.version, &new.release)?;
            new_build::store(context, new)?
        }
    };
    if let Some(stored) = context.state.builds.get_mut(&id) {
        stored.types.extend(types);
    }
    Ok(id)
}

fn complete(context: &mut Context<'_>, id: u64, build: CheckedBuild, caller: u64) -> Result<u64, Fault> {
    if let Some(reserved) = context.state.builds.get(&id) {
        check::no_directory(context, &reserved.name, &reserved.version, &reserved.release)?;
    }
    let task = new_build::known_task(context, build.task)?;
    let now = context.now;
    if let Some(reserved) = context.state.builds.get_mut(&id) {
        reserved.state = build_state::COMPLETE;
        reserved.extra = Some(build.extra);
        reserved.owner = build.owner.unwrap_or(caller);
        reserved.source = build.source;
        reserved.task = task;
        reserved.completion_time = Some(now);
        reserved.token = None;
        reserved.types.clear();
    }
    Ok(id)
}

/// Moves the outputs into the directory of the build, stores their rows and writes
/// the metadata.
///
/// # Errors
/// An output cannot be imported. The directory of the build is gone then, with the
/// files that had been moved.
pub(super) fn files(
    context: &mut Context<'_>,
    id: u64,
    outputs: &[Output],
    buildroots: &BuildrootNumbers,
    metadata: &str,
    log: ImportLog,
) -> Result<(), Fault> {
    let Some(build) = context.state.builds.get(&id).cloned() else {
        return Err(fault::generic(format!("No such build: {id}")));
    };
    let directory = paths::build_directory(context.top_directory, &build);
    let imported = outputs
        .iter()
        .try_for_each(|output| import_one(context, (id, &build), output, buildroots, &directory))
        .and_then(|()| write(&directory, "metadata.json", metadata));
    if let Err(fault) = imported {
        paths::remove(&directory);
        return Err(fault);
    }
    if log.0.is_empty() {
        return Ok(());
    }
    let text = format!("{}\nCG import was SUCCESSFUL.\n", log.0.join("\n"));
    write(&format!("{directory}/data/logs"), "cg_import.log", &text)
}

fn write(directory: &str, name: &str, text: &str) -> Result<(), Fault> {
    let path = format!("{directory}/{name}");
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&path, text))
        .map_err(|error| paths::os_error(&error, &path))
}

fn import_one(
    context: &mut Context<'_>,
    (id, build): (u64, &Build),
    output: &Output,
    buildroots: &BuildrootNumbers,
    directory: &str,
) -> Result<(), Fault> {
    if context.state.fails_at_output.as_ref() == Some(&output.filename) {
        let text = format!("[Errno 28] No space left on device: {}", python::quoted(&output.path));
        return Err(fault::uncaught("OSError", &text));
    }
    let base = output.path.rsplit_once('/').map_or(output.path.as_str(), |(_, base)| base);
    match &output.kind {
        Kind::Rpm if output.metadata_only => {
            Err(fault::generic("Metadata-only imports are not supported for rpms"))
        }
        // Nothing that a container build uploads has the header of an rpm.
        Kind::Rpm => Err(fault::uncaught("_rpm.error", "error reading package header")),
        Kind::Log if output.metadata_only => Ok(()),
        Kind::Log => {
            let logs = format!("{directory}/data/logs");
            let logs = match &output.subdirectory {
                Some(subdirectory) => paths::join(&logs, &[subdirectory])?,
                None => logs,
            };
            let target = format!("{logs}/{base}");
            if Path::new(&target).exists() {
                return Err(fault::generic(format!("Error importing build log. {target} already exists.")));
            }
            if !is_file(&output.path) {
                let text = format!("Error importing build log. {} is not a regular file.", output.path);
                return Err(fault::generic(text));
            }
            paths::move_and_link(&output.path, &target)
        }
        Kind::Archive { build_type, details } => {
            let archive = row(id, build, output, base, build_type, details, buildroots)?;
            let number = context.state.archives.last_key_value().map_or(1, |(last, _)| last + 1);
            context.state.archives.insert(number, archive);
            if output.metadata_only {
                return Ok(());
            }
            let target = format!("{}/{base}", archive_directory(directory, build_type, output)?);
            if Path::new(&target).exists() {
                return Err(fault::generic(format!("Error importing archive file, {target} already exists")));
            }
            if !is_file(&output.path) {
                let text = format!("Error importing archive file, {} is not a regular file", output.path);
                return Err(fault::generic(text));
            }
            paths::move_and_link(&output.path, &target)
        }
    }
}

/// The directory that archives of a type go to.
fn archive_directory(directory: &str, build_type: &str, output: &Output) -> Result<String, Fault> {
    let of_type = match build_type {
        "image" => return Ok(format!("{directory}/images")),
        other => format!("{directory}/files/{other}"),
    };
    match &output.subdirectory {
        Some(subdirectory) => paths::join(&of_type, &[subdirectory]),
        None => Ok(of_type),
    }
}

fn is_file(path: &str) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

fn row(
    id: u64,
    build: &Build,
    output: &Output,
    base: &str,
    build_type: &str,
    details: &Json,
    buildroots: &BuildrootNumbers,
) -> Result<Archive, Fault> {
    if super::super::builds::is_draft(build) {
        return Err(fault::generic("Draft build not supported"));
    }
    let checksum_type = output.checksum_type.as_str();
    if output.metadata_only && !matches!(checksum_type, "md5" | "sha256") {
        return Err(fault::generic(format!("Unsupported checksum type: {checksum_type}")));
    }
    let number = CHECKSUM_TYPES.iter().position(|known| *known == checksum_type);
    let number = number.and_then(|number| u8::try_from(number).ok());
    let filename = if output.metadata_only { output.filename.as_str() } else { base };
    let checksum_type = number.ok_or_else(|| python::no_key(checksum_type))?;
    let archive_type = archive_types::of_file(filename)
        .ok_or_else(|| fault::generic(format!("unsupported file extension: {filename}")))?;
    let arch = if build_type == "image" { Some(architecture(details)?) } else { None };
    Ok(Archive {
        build: id,
        buildroot: buildroots.get(&output.buildroot),
        build_type: build_type.to_owned(),
        filename: filename.to_owned(),
        size: output.size,
        checksum: output.checksum.clone(),
        checksum_type,
        archive_type: (archive_type.id, archive_type.name.to_owned()),
        metadata_only: output.metadata_only,
        arch,
        extra: output.extra.clone(),
    })
}

/// The architecture of an image.
fn architecture(details: &Json) -> Result<String, Fault> {
    let arch = python::text(python::key(details, "arch")?);
    if arch.chars().count() > LONGEST_ARCHITECTURE {
        let text = format!("value too long for type character varying({LONGEST_ARCHITECTURE})\n");
        return Err(fault::uncaught("psycopg2.errors.StringDataRightTruncation", &text));
    }
    Ok(arch)
}
