//! What the metadata says of the build.

use koji_bridge::xmlrpc::Fault;
use serde_json::{Map, Value as Json};

use super::{
    super::{builds, new_build::NewBuild, python, record::json, reservation::no_dash},
    paths,
};
use crate::hub::{
    context::{Context, fault},
    state::build_state,
};

/// Build types whose details may stand in `extra` itself.
pub(super) const LEGACY_TYPES: [&str; 3] = ["maven", "win", "image"];

/// A build that is fit to be imported.
#[derive(Debug)]
pub(super) struct CheckedBuild {
    /// The number of its reservation.
    pub(super) reserved: Option<u64>,
    pub(super) name: String,
    version: String,
    release: String,
    epoch: Option<i64>,
    draft: bool,
    pub(super) source: Option<String>,
    /// Its extra, with the details of all types in `typeinfo`.
    pub(super) extra: Json,
    start_time: f64,
    end_time: f64,
    /// Its owner if one is named, else it is the caller.
    pub(super) owner: Option<u64>,
    pub(super) task: Option<i64>,
    /// Its types and their details.
    pub(super) types: Map<String, Json>,
    generator: String,
}

impl CheckedBuild {
    /// The same as a new row.
    pub(super) fn into_new(self, caller: u64) -> NewBuild {
        NewBuild {
            name: self.name,
            version: self.version,
            release: self.release,
            epoch: self.epoch,
            draft: self.draft,
            state: build_state::COMPLETE,
            task: self.task,
            owner: self.owner.unwrap_or(caller),
            source: self.source,
            extra: Some(self.extra),
            start_time: self.start_time,
            completion_time: Some(self.end_time),
            content_generator: self.generator,
        }
    }
}

/// Checks the build that metadata describes, against its reservation or against the
/// builds there are.
///
/// # Errors
/// The first thing that is wrong with it.
pub(super) fn build(
    context: &Context<'_>,
    metadata: &Json,
    generator: &str,
    token: Option<&str>,
) -> Result<CheckedBuild, Fault> {
    let build = python::key(metadata, "build")?;
    let members = python::members(build)?;
    let reserved = match members.get("build_id").filter(|id| python::truth(id)) {
        Some(id) => Some(reservation(context, build, id, generator, token)?),
        None if token.is_some() => {
            return Err(fault::generic("Reservation token given, but no build_id in metadata"));
        }
        None => {
            not_there(context, build)?;
            None
        }
    };
    for field in ["name", "version", "release", "extra", "source"] {
        python::key(build, field)?;
    }
    let start_time = python::float(python::key(build, "start_time")?)?;
    let end_time = python::float(python::key(build, "end_time")?)?;
    let task = task(build)?;
    let owner = match members.get("owner").filter(|owner| python::truth(owner)) {
        None => None,
        Some(Json::String(name)) => Some(
            context
                .state
                .user_id(name)
                .ok_or_else(|| fault::generic(format!("No such user: {}", python::quoted(name))))?,
        ),
        Some(other) => {
            let text = format!("Invalid owner format (expected username): {}", python::text(other));
            return Err(fault::generic(text));
        }
    };
    let version = no_dash(build, "version")?;
    let release = no_dash(build, "release")?;
    let (extra, types) = types(context, python::key(build, "extra")?)?;
    let checked = CheckedBuild {
        reserved,
        name: python::text(python::key(build, "name")?),
        version,
        release,
        epoch: members.get("epoch").and_then(Json::as_i64),
        draft: members.get("draft").is_some_and(python::truth),
        source: python::key(build, "source")?.as_str().map(str::to_owned),
        extra,
        start_time,
        end_time,
        owner,
        task,
        types,
        generator: generator.to_owned(),
    };
    Ok(checked)
}

/// The directory of the build must not be there yet.
///
/// # Errors
/// It is: fault 1000.
pub(super) fn no_directory(
    context: &Context<'_>,
    name: &str,
    version: &str,
    release: &str,
) -> Result<(), Fault> {
    let path = paths::build_path(context.top_directory, name, version, release);
    match std::fs::symlink_metadata(&path) {
        Ok(_) => Err(fault::generic(format!("Destination directory already exists: {path}"))),
        Err(_) => Ok(()),
    }
}

/// The number of the reservation that the metadata names, whose token fits.
fn reservation(
    context: &Context<'_>,
    build: &Json,
    named: &Json,
    generator: &str,
    token: Option<&str>,
) -> Result<u64, Fault> {
    let id = builds::require(context.state, &json(named))?;
    let refuse = |text: String| Err(fault::generic(text));
    let Some(reserved) = context.state.builds.get(&id) else {
        return refuse(format!("No such build: {id}"));
    };
    let task = task(build)?;
    if reserved.token.is_none() || reserved.token.as_deref() != token {
        return refuse(format!("Token doesn't match build ID {id}"));
    }
    if reserved.content_generator.as_deref() != Some(generator) {
        return refuse(format!("Build ID {id} is not reserved by this CG"));
    }
    if let Some(owner) = reserved.task
        && i64::try_from(owner).ok() != task
    {
        return refuse(format!("Build is owned by task {owner}"));
    }
    if reserved.state != build_state::BUILDING {
        return refuse(format!("Build ID {id} is not in BUILDING state"));
    }
    let members = python::members(build)?;
    if builds::is_draft(reserved) != members.get("draft").is_some_and(python::truth) {
        return refuse(format!("Draft field does not match reservation (build id = {id})"));
    }
    let release = match builds::is_draft(reserved) {
        true => format!("{},draft_{id}", python::text(python::key(build, "release")?)),
        false => python::text(python::key(build, "release")?),
    };
    if python::key(build, "name")?.as_str() != Some(reserved.name.as_str())
        || python::key(build, "version")?.as_str() != Some(reserved.version.as_str())
        || release != reserved.release
    {
        return refuse(format!("Build ({id}) NVR is different"));
    }
    if members.get("epoch").is_some_and(|epoch| epoch.as_i64() != reserved.epoch) {
        return refuse(format!("Build ({id}) epoch is different"));
    }
    Ok(id)
}

/// No build may have this name, version and release, but for a failed or cancelled
/// one where the hub takes these again.
fn not_there(context: &Context<'_>, build: &Json) -> Result<(), Fault> {
    let Some(id) = builds::find(context.state, &json(build))? else {
        return Ok(());
    };
    let Some(there) = context.state.builds.get(&id) else {
        return Ok(());
    };
    let recycled = matches!(there.state, build_state::FAILED | build_state::CANCELED);
    if !context.settings.recycles_builds {
        let printed = python::repr(&python::from_wire(&builds::describe(context.state, id)?));
        return Err(fault::generic(format!("Build already exists: {printed}")));
    }
    if !recycled {
        return Err(fault::generic(format!("Build already exists: {} (id={id})", there.nvr())));
    }
    Ok(())
}

/// The task that the build or, for container builds, its extra names.
fn task(build: &Json) -> Result<Option<i64>, Fault> {
    let members = python::members(build)?;
    let task = members.get("task_id").map(python::integer).transpose()?;
    let Some(extra) = members.get("extra") else {
        return Ok(task);
    };
    if !python::holds(extra, "container_koji_task_id")? {
        return Ok(task);
    }
    let container = python::integer(python::key(extra, "container_koji_task_id")?)?;
    match task {
        Some(task) if task != container => Err(fault::generic(format!(
            "CG provided non-matching task_id {task} and container_koji_task_id {container}"
        ))),
        _ => Ok(Some(container)),
    }
}

/// The types of a build, and its extra with the details of all of them in
/// `typeinfo`.
fn types(context: &Context<'_>, extra: &Json) -> Result<(Json, Map<String, Json>), Fault> {
    let members = python::members(extra)?;
    let mut types = match members.get("typeinfo") {
        None => Map::new(),
        Some(typeinfo) => python::members(typeinfo)?.clone(),
    };
    for legacy in LEGACY_TYPES {
        let Some(details) = members.get(legacy) else {
            continue;
        };
        if types.insert(legacy.to_owned(), details.clone()).is_some() {
            return Err(fault::generic(format!("Duplicate typeinfo for {}", python::quoted(legacy))));
        }
    }
    if let Some(unknown) = types.keys().find(|name| !context.state.build_types.contains_key(*name)) {
        return Err(fault::generic(format!("No such entry in table btype: {unknown}")));
    }
    let mut members = members.clone();
    members.insert("typeinfo".to_owned(), Json::Object(types.clone()));
    Ok((Json::Object(members), types))
}
