//! Files of builds, logs and build roots.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use koji_bridge::xmlrpc::{Arguments, Fault, Value};
use serde_json::Value as Json;

use super::{
    Entry, archive_types,
    arguments::{flag, given, integer, required_integer, text},
    builds,
    content_generator::paths,
    query_options,
    record::{json, maybe_number, maybe_text, number, record, with},
};
use crate::hub::{
    context::{Context, fault},
    state::{Archive, Build, State},
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::read(
        "listArchives",
        "list_archives(buildID=None, buildrootID=None, componentBuildrootID=None, hostID=None, type=None, \
         filename=None, size=None, checksum=None, checksum_type=None, typeInfo=None, queryOpts=None, \
         imageID=None, archiveID=None, strict=False)",
        list_archives,
    ),
    Entry::read("getArchive", "get_archive(archive_id, strict=False)", get_archive),
    Entry::read("getImageArchive", "get_image_archive(archive_id, strict=False)", get_image_archive),
    Entry::read(
        "listArchiveFiles",
        "list_archive_files(archive_id, queryOpts=None, strict=False)",
        list_archive_files,
    ),
    Entry::read("getBuildLogs", "get_build_logs(build)", get_build_logs),
    Entry::read(
        "listRPMs",
        "list_rpms(buildID=None, buildrootID=None, imageID=None, componentBuildrootID=None, hostID=None, \
         arches=None, queryOpts=None, draft=None)",
        list_rpms,
    ),
    Entry::read(
        "listBuildroots",
        "query_buildroots(hostID=None, tagID=None, state=None, rpmID=None, archiveID=None, taskID=None, \
         buildrootID=None, repoID=None, queryOpts=None)",
        list_buildroots,
    ),
];

/// An archive as `listArchives` answers it.
fn describe(state: &State, id: u64, archive: &Archive) -> Value {
    let (type_id, type_name) = &archive.archive_type;
    let details = archive_types::of_number(*type_id);
    record([
        ("id", number(id)),
        ("build_id", number(archive.build)),
        ("buildroot_id", maybe_number(archive.buildroot)),
        ("btype", Value::from(archive.build_type.as_str())),
        ("btype_id", maybe_number(state.build_types.get(&archive.build_type).copied())),
        ("filename", Value::from(archive.filename.as_str())),
        ("size", number(archive.size)),
        ("checksum", Value::from(archive.checksum.as_str())),
        ("checksum_type", Value::Int(archive.checksum_type.into())),
        ("type_id", number(*type_id)),
        ("type_name", Value::from(type_name.as_str())),
        ("type_description", maybe_text(details.map(|details| details.description))),
        ("type_extensions", maybe_text(details.map(|details| details.extensions))),
        ("compression_type", maybe_text(details.and_then(|details| details.compression))),
        ("metadata_only", Value::Bool(archive.metadata_only)),
        ("extra", archive.extra.as_ref().map_or(Value::Nil, json)),
    ])
}

fn list_archives(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let state = &*context.state;
    // Which archives another one or a build root was made of is not kept.
    if ["componentBuildrootID", "imageID", "hostID"].iter().any(|name| given(arguments, name).is_some()) {
        return query_options::apply(Vec::new(), arguments);
    }
    let build = match given(arguments, "buildID") {
        None => None,
        Some(build) => match builds::find(state, build)? {
            None if flag(arguments, "strict") => return builds::require(state, build).map(number),
            None => return Ok(Value::Array(Vec::new())),
            found => found,
        },
    };
    let build_type = text(arguments, "type")?;
    if let Some(name) = build_type.filter(|name| !state.build_types.contains_key(*name)) {
        return Err(fault::generic(format!("unsupported archive type: {name}")));
    }
    let wanted = |name: &str| -> Result<Option<u64>, Fault> {
        Ok(integer(arguments, name)?.map(|number| u64::try_from(number).unwrap_or(u64::MAX)))
    };
    let (id, buildroot, size) = (wanted("archiveID")?, wanted("buildrootID")?, wanted("size")?);
    let (filename, checksum) = (text(arguments, "filename")?, text(arguments, "checksum")?);
    let rows = state.archives.iter().filter(|(number, archive)| {
        build.is_none_or(|build| archive.build == build)
            && id.is_none_or(|id| **number == id)
            && buildroot.is_none_or(|buildroot| archive.buildroot == Some(buildroot))
            && size.is_none_or(|size| archive.size == size)
            && filename.is_none_or(|filename| archive.filename == filename)
            && checksum.is_none_or(|checksum| archive.checksum == checksum)
            && build_type.is_none_or(|name| archive.build_type == name)
    });
    let rows = rows.map(|(id, archive)| {
        let row = describe(state, *id, archive);
        match (&archive.arch, build_type) {
            (Some(arch), Some("image")) => with(row, "arch", Value::from(arch.as_str())),
            _ => row,
        }
    });
    query_options::apply(rows.collect(), arguments)
}

/// The archive that a call names.
fn find<'a>(context: &'a Context<'_>, arguments: &Arguments) -> Result<Option<(u64, &'a Archive)>, Fault> {
    let wanted = required_integer(arguments, "archive_id")?;
    let found = u64::try_from(wanted).ok().and_then(|id| Some((id, context.state.archives.get(&id)?)));
    match found {
        None if flag(arguments, "strict") => Err(fault::generic(format!("No such archive: {wanted}"))),
        found => Ok(found),
    }
}

fn get_archive(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let Some((id, archive)) = find(context, arguments)? else {
        return Ok(Value::Nil);
    };
    let row = describe(context.state, id, archive);
    Ok(match &archive.arch {
        Some(arch) => with(with(row, "arch", Value::from(arch.as_str())), "rootid", Value::Bool(false)),
        None => row,
    })
}

fn get_image_archive(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let found = find(context, arguments)?.and_then(|(id, archive)| Some((id, archive.arch.as_deref()?)));
    Ok(found.map_or(Value::Nil, |(id, arch)| {
        record([("archive_id", number(id)), ("arch", Value::from(arch)), ("rootid", Value::Bool(false))])
    }))
}

fn list_archive_files(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let found = find(context, arguments)?
        .filter(|(_, archive)| archive.archive_type.1 == "tar" && !archive.metadata_only)
        .and_then(|(id, archive)| Some((id, archive, context.state.builds.get(&archive.build)?)));
    let rows = match found {
        Some((id, archive, build)) => entries(id, &path(context.top_directory, build, archive)),
        None => Vec::new(),
    };
    query_options::apply(rows, arguments)
}

/// Where an archive is.
fn path(top: &Path, build: &Build, archive: &Archive) -> String {
    let directory = paths::build_directory(top, build);
    match archive.build_type.as_str() {
        "image" => format!("{directory}/images/{}", archive.filename),
        other => format!("{directory}/files/{other}/{}", archive.filename),
    }
}

/// What a tar has in it; nothing if it cannot be read.
fn entries(id: u64, path: &str) -> Vec<Value> {
    let read = || -> io::Result<Vec<Value>> {
        let mut rows = Vec::new();
        for entry in tar::Archive::new(unpacked(path)?).entries()? {
            let entry = entry?;
            if entry.header().entry_type().is_dir() {
                continue;
            }
            let header = entry.header();
            let owner = |name: Option<&str>| Value::from(name.unwrap_or_default());
            rows.push(record([
                ("archive_id", number(id)),
                ("name", Value::String(entry.path()?.display().to_string())),
                ("size", number(entry.size())),
                ("mtime", number(header.mtime()?)),
                ("mode", Value::Int(header.mode()?.into())),
                ("user", owner(header.username().ok().flatten())),
                ("group", owner(header.groupname().ok().flatten())),
            ]));
        }
        Ok(rows)
    };
    read().unwrap_or_default()
}

/// A file, decompressed if it is gzip.
fn unpacked(path: &str) -> io::Result<Box<dyn Read>> {
    let mut magic = [0; 2];
    File::open(path)?.read_exact(&mut magic)?;
    let file = io::BufReader::new(File::open(path)?);
    Ok(if magic == [0x1f, 0x8b] { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

fn get_build_logs(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let id = builds::require(context.state, arguments.named.get("build").unwrap_or(&Value::Nil))?;
    let Some(build) = context.state.builds.get(&id) else {
        return Ok(Value::Array(Vec::new()));
    };
    let logs = format!("{}/data/logs", paths::build_directory(context.top_directory, build));
    let relative = format!("packages/{}/{}/{}/data/logs", build.name, build.version, build.release);
    let mut rows = Vec::new();
    walk(Path::new(&logs), ".", &relative, &mut rows);
    Ok(Value::Array(rows))
}

/// The files of a directory, then those of the directories in it.
fn walk(directory: &Path, below: &str, relative: &str, rows: &mut Vec<Value>) {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(directory).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut directories = Vec::new();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            directories.push((entry.path(), name));
        } else if kind.is_file() {
            rows.push(record([
                ("path", Value::String(format!("{relative}/{below}/{name}"))),
                ("name", Value::String(name)),
                ("dir", Value::from(below)),
            ]));
        }
    }
    for (path, name) in directories {
        let below = if below == "." { name } else { format!("{below}/{name}") };
        walk(&path, &below, relative, rows);
    }
}

/// The hub has no rpms.
fn list_rpms(_: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    query_options::apply(Vec::new(), arguments)
}

fn list_buildroots(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let wanted = |name: &str| -> Result<Option<u64>, Fault> {
        Ok(integer(arguments, name)?.map(|number| u64::try_from(number).unwrap_or(u64::MAX)))
    };
    let buildroot = wanted("buildrootID")?;
    let of_archive = wanted("archiveID")?
        .map(|archive| context.state.archives.get(&archive).and_then(|archive| archive.buildroot));
    // Build roots of content generators belong to no host, tag, task or repository.
    let elsewhere =
        ["hostID", "tagID", "taskID", "repoID"].iter().any(|name| given(arguments, name).is_some());
    let rows = context.state.buildroots.iter().filter(|(id, _)| {
        !elsewhere
            && buildroot.is_none_or(|buildroot| **id == buildroot)
            && of_archive.is_none_or(|of_archive| of_archive == Some(**id))
    });
    query_options::apply(rows.map(|(id, row)| describe_buildroot(*id, row)).collect(), arguments)
}

fn describe_buildroot(id: u64, row: &Json) -> Value {
    const KEPT: [&str; 8] = [
        "cg_id",
        "cg_name",
        "cg_version",
        "container_type",
        "container_arch",
        "host_os",
        "host_arch",
        "extra",
    ];
    const EMPTY: [&str; 16] = [
        "create_event_id",
        "create_event_time",
        "create_ts",
        "host_id",
        "host_name",
        "repo_create_event_id",
        "repo_create_event_time",
        "repo_id",
        "repo_state",
        "retire_event_id",
        "retire_event_time",
        "retire_ts",
        "state",
        "tag_id",
        "tag_name",
        "task_id",
    ];
    let kept = |name: &str| row.get(name).map_or(Value::Nil, json);
    let answer = record([("id", number(id)), ("br_type", Value::Int(1)), ("arch", kept("container_arch"))]);
    let answer = KEPT.iter().fold(answer, |answer, name| with(answer, name, kept(name)));
    EMPTY.iter().fold(answer, |answer, name| with(answer, name, Value::Nil))
}
