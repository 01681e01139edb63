//! Builds: how they are named, looked up and answered.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    Entry,
    arguments::{flag, given, integer, text},
    python, query_options,
    record::{json, maybe_number, maybe_text, number, record, seconds, time, with, without},
};
use crate::hub::{
    context::{Context, fault},
    state::{Build, State, build_state},
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::read("getBuild", "get_build(buildInfo, strict=False)", get_build),
    Entry::read(
        "listBuilds",
        "listBuilds(packageID=None, userID=None, taskID=None, prefix=None, state=None, volumeID=None, \
         source=None, createdBefore=None, createdAfter=None, completeBefore=None, completeAfter=None, \
         type=None, typeInfo=None, queryOpts=None, pattern=None, cgID=None, draft=None, \
         promotedBefore=None, promotedAfter=None, promoter=None)",
        list_builds,
    ),
    Entry::read("getBuildType", "get_build_type(buildInfo, strict=False)", get_build_type),
    Entry::read("getImageBuild", "get_image_build(buildInfo, strict=False)", get_image_build),
    Entry::write("cancelBuild", "cancelBuild(buildID, strict=False)", cancel_build),
];

/// The name of a state of builds.
pub(super) fn state_name(state: u8) -> &'static str {
    match state {
        build_state::BUILDING => "BUILDING",
        build_state::COMPLETE => "COMPLETE",
        build_state::DELETED => "DELETED",
        build_state::FAILED => "FAILED",
        _ => "CANCELED",
    }
}

/// Name, version and release of a text. An epoch in front of the name is dropped.
///
/// # Errors
/// It has not two dashes with something behind them: fault 1000.
pub(super) fn parse_nvr(nvr: &str) -> Result<(&str, &str, &str), Fault> {
    let invalid = || fault::generic(format!("invalid format: {nvr}"));
    let (front, release) = nvr.rsplit_once('-').ok_or_else(invalid)?;
    let (name, version) = front.rsplit_once('-').ok_or_else(invalid)?;
    if release.is_empty() || version.is_empty() {
        return Err(invalid());
    }
    let name = name.split_once(':').map_or(name, |(_, name)| name);
    Ok((name, version, release))
}

/// The number of a build that is named by number, NVR or name, version and release.
///
/// # Errors
/// It is named in no such way: fault 1000.
pub(super) fn find(state: &State, wanted: &Value) -> Result<Option<u64>, Fault> {
    match wanted {
        Value::Int(id) => Ok(u64::try_from(*id).ok().filter(|id| state.builds.contains_key(id))),
        Value::String(nvr) => {
            let (name, version, release) = parse_nvr(nvr)?;
            Ok(state.build_id(name, version, release))
        }
        Value::Struct(members) => {
            let [Some(name), Some(version), Some(release)] =
                ["name", "version", "release"].map(|key| members.get(key))
            else {
                return Err(fault::generic("did not provide name, version, and release"));
            };
            let [Some(name), Some(version), Some(release)] = [name, version, release].map(Value::as_str)
            else {
                return Ok(None);
            };
            Ok(state.build_id(name, version, release))
        }
        other => {
            let class = python::class(&python::from_wire(other));
            Err(fault::generic(format!("Invalid type for argument: <class '{class}'>")))
        }
    }
}

/// The same, for a build that must be there.
///
/// # Errors
/// There is none: fault 1000.
pub(super) fn require(state: &State, wanted: &Value) -> Result<u64, Fault> {
    find(state, wanted)?
        .ok_or_else(|| fault::generic(format!("No such build: {}", python::repr(&python::from_wire(wanted)))))
}

/// The same for an argument.
///
/// # Errors
/// As for [`find`], and if it must be there.
fn find_argument(state: &State, arguments: &Arguments, name: &str) -> Result<Option<u64>, Fault> {
    let wanted = arguments.named.get(name).unwrap_or(&Value::Nil);
    if flag(arguments, "strict") { require(state, wanted).map(Some) } else { find(state, wanted) }
}

/// A build as `getBuild` answers it.
///
/// # Errors
/// There is none with this number: fault 1000.
pub(super) fn describe(state: &State, id: u64) -> Result<Value, Fault> {
    let build = state.builds.get(&id).ok_or_else(|| fault::generic(format!("No such build: {id}")))?;
    let generator = build.content_generator.as_deref();
    let owner = state.users.get(&build.owner).map(|user| user.name.as_str());
    Ok(record([
        ("id", number(id)),
        ("build_id", number(id)),
        ("package_id", number(build.package)),
        ("package_name", Value::from(build.name.as_str())),
        ("name", Value::from(build.name.as_str())),
        ("version", Value::from(build.version.as_str())),
        ("release", Value::from(build.release.as_str())),
        ("epoch", build.epoch.map_or(Value::Nil, Value::Int)),
        ("nvr", Value::String(build.nvr())),
        ("draft", Value::Bool(is_draft(build))),
        ("state", Value::Int(build.state.into())),
        ("task_id", maybe_number(build.task)),
        ("owner_id", number(build.owner)),
        ("owner_name", maybe_text(owner)),
        ("source", maybe_text(build.source.as_deref())),
        ("extra", build.extra.as_ref().map_or(Value::Nil, json)),
        (
            "cg_id",
            maybe_number(generator.and_then(|name| state.content_generators.get(name)).map(|cg| cg.id)),
        ),
        ("cg_name", maybe_text(generator)),
        ("volume_id", Value::Int(0)),
        ("volume_name", Value::from("DEFAULT")),
        ("start_time", time(build.start_time)),
        ("start_ts", seconds(build.start_time)),
        ("completion_time", time(build.completion_time)),
        ("completion_ts", seconds(build.completion_time)),
        ("creation_time", time(Some(build.creation_time))),
        ("creation_ts", seconds(Some(build.creation_time))),
        ("creation_event_id", number(build.creation_event)),
        ("promotion_time", Value::Nil),
        ("promotion_ts", Value::Nil),
        ("promoter_id", Value::Nil),
        ("promoter_name", Value::Nil),
    ]))
}

/// Whether a build is a draft: the hub marks them in the release.
pub(super) fn is_draft(build: &Build) -> bool {
    build.release.contains(",draft_")
}

fn get_build(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    crate::hub::tasks::settle(context.state, context.now);
    match find_argument(context.state, arguments, "buildInfo")? {
        Some(id) => describe(context.state, id),
        None => Ok(Value::Nil),
    }
}

fn list_builds(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let state = &*context.state;
    let by_name = |name: &str| state.packages.get(name).copied();
    let package = query_options::number_or_name(given(arguments, "packageID"), by_name);
    let owner = query_options::number_or_name(given(arguments, "userID"), |name| state.user_id(name));
    let generator = query_options::number_or_name(given(arguments, "cgID"), |name| {
        state.content_generators.get(name).map(|generator| generator.id)
    });
    let (Ok(package), Ok(owner), Ok(generator)) = (package, owner, generator) else {
        return query_options::apply(Vec::new(), arguments);
    };
    let build_type = text(arguments, "type")?;
    if let Some(name) = build_type.filter(|name| !state.build_types.contains_key(*name)) {
        return Err(fault::generic(format!("unsupported build type: {name}")));
    }
    let task = integer(arguments, "taskID")?;
    let wanted_state = integer(arguments, "state")?;
    let prefix = text(arguments, "prefix")?.map(str::to_lowercase);
    let glob = |name: &str| {
        text(arguments, name)?
            .map(query_options::glob_expression)
            .as_deref()
            .map(query_options::expression)
            .transpose()
    };
    let (source, pattern) = (glob("source")?, glob("pattern")?);
    let draft = given(arguments, "draft").map(super::arguments::truth);
    let between = |before: &str, after: &str, time: Option<f64>| {
        let bound = |name: &str| match given(arguments, name) {
            Some(Value::Double(bound)) => Some(*bound),
            Some(Value::Int(bound)) => Some(*bound as f64),
            _ => None,
        };
        bound(before).is_none_or(|bound| time.is_some_and(|time| time < bound))
            && bound(after).is_none_or(|bound| time.is_some_and(|time| time > bound))
    };
    let number_of = |name: &Option<String>| {
        name.as_ref().and_then(|name| state.content_generators.get(name)).map(|generator| generator.id)
    };
    let rows = state.builds.iter().filter(|(_, build)| {
        package.is_none_or(|package| build.package == package)
            && owner.is_none_or(|owner| build.owner == owner)
            && generator.is_none_or(|generator| number_of(&build.content_generator) == Some(generator))
            && build_type.is_none_or(|name| build.types.contains_key(name))
            && wanted_state.is_none_or(|wanted| i64::from(build.state) == wanted)
            && prefix.as_ref().is_none_or(|prefix| build.name.to_lowercase().starts_with(prefix.as_str()))
            && source
                .as_ref()
                .is_none_or(|source| build.source.as_ref().is_some_and(|text| source.is_match(text)))
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(&build.nvr()))
            && draft.is_none_or(|draft| is_draft(build) == draft)
            && between("createdBefore", "createdAfter", Some(build.creation_time))
            && between("completeBefore", "completeAfter", build.completion_time)
            && task.is_none_or(|task| match task {
                -1 => build.task.is_some(),
                task => build.task.is_some_and(|number| i64::try_from(number) == Ok(task)),
            })
    });
    let rows: Vec<Value> = rows
        .map(|(id, _)| Ok(without(describe(state, *id)?, &["id", "cg_id", "cg_name"])))
        .collect::<Result<_, Fault>>()?;
    query_options::apply(rows, arguments)
}

fn get_build_type(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let Some((id, build)) = find_argument(context.state, arguments, "buildInfo")?
        .and_then(|id| Some((id, context.state.builds.get(&id)?)))
    else {
        return Ok(Value::Nil);
    };
    Ok(build.types.iter().fold(record([]), |types, (name, details)| {
        let details = if name == "image" { record([("build_id", number(id))]) } else { json(details) };
        with(types, name, details)
    }))
}

fn get_image_build(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let found = find_argument(context.state, arguments, "buildInfo")?;
    let is_image =
        |id: &u64| context.state.builds.get(id).is_some_and(|build| build.types.contains_key("image"));
    Ok(found.filter(is_image).map_or(Value::Nil, |id| record([("build_id", number(id))])))
}

fn cancel_build(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let caller = context.logged_in()?;
    let Some(id) = find_argument(context.state, arguments, "buildID")? else {
        return Ok(Value::Bool(false));
    };
    let owner = context.state.builds.get(&id).map(|build| build.owner);
    if owner != Some(caller) && !context.may("admin") {
        return Err(fault::not_allowed("Cannot cancel build, not owner"));
    }
    let task = context.state.builds.get(&id).and_then(|build| build.task);
    let canceled = cancel(context.state, id, context.now);
    if let Some(task) = task.filter(|_| canceled) {
        crate::hub::tasks::cancel(context.state, task, context.now);
    }
    Ok(Value::Bool(canceled))
}

/// Cancels a build that is being made; says whether it was. Its reservation ends.
pub(in crate::hub) fn cancel(state: &mut State, id: u64, now: f64) -> bool {
    let Some(build) = state.builds.get_mut(&id).filter(|build| build.state == build_state::BUILDING) else {
        return false;
    };
    build.state = build_state::CANCELED;
    build.completion_time = Some(now);
    build.token = None;
    true
}

#[cfg(test)]
mod tests;
