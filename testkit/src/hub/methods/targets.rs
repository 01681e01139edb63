//! Targets, and the repositories and events that go with them.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    Entry,
    arguments::{flag, given, integer, required_integer, required_text},
    python::{from_wire, repr},
    record::{number, record, seconds, time, with},
    tags,
    users::require,
};
use crate::hub::{
    context::{Context, fault},
    state::{Repository, State, Target},
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::read("getBuildTarget", "get_build_target(info, event=None, strict=False)", get_target),
    Entry::read(
        "getBuildTargets",
        "get_build_targets(info=None, event=None, buildTagID=None, destTagID=None, queryOpts=None)",
        get_targets,
    ),
    Entry::write("createBuildTarget", "create_build_target(name, build_tag, dest_tag)", create_target),
    Entry::read(
        "getRepo",
        "get_repo(tag, state=None, event=None, dist=False, min_event=None)",
        get_repository,
    ),
    Entry::read("repoInfo", "repo_info(repo_id, strict=False)", repository_info),
    Entry::read("getLastEvent", "getLastEvent(before=None)", get_last_event),
];

/// State of a repository that is asked for when none is named.
const READY: i64 = 1;

fn described(state: &State, id: u64, target: &Target) -> Value {
    let name = |id: &u64| state.tags.get(id).map_or(Value::Nil, |tag| Value::from(tag.name.as_str()));
    record([
        ("id", number(id)),
        ("name", Value::from(target.name.as_str())),
        ("build_tag", number(target.build_tag)),
        ("build_tag_name", name(&target.build_tag)),
        ("dest_tag", number(target.destination_tag)),
        ("dest_tag_name", name(&target.destination_tag)),
    ])
}

fn matches(which: &Value, id: u64, target: &Target) -> bool {
    match which {
        Value::Int(number) => u64::try_from(*number) == Ok(id),
        Value::String(name) => *name == target.name,
        _ => false,
    }
}

fn get_target(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let which = given(arguments, "info").unwrap_or(&Value::Nil);
    let found = context.state.targets.iter().find(|(id, target)| matches(which, **id, target));
    match found {
        Some((id, target)) => Ok(described(context.state, *id, target)),
        None if flag(arguments, "strict") => {
            Err(fault::generic(format!("No such build target: {}", plain(which))))
        }
        None => Ok(Value::Nil),
    }
}

/// A value as `%s` prints it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| repr(&from_wire(value)), str::to_owned)
}

fn get_targets(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let which = given(arguments, "info");
    let tag = |name: &str| Ok::<_, Fault>(integer(arguments, name)?.and_then(|id| u64::try_from(id).ok()));
    let (build_tag, destination_tag) = (tag("buildTagID")?, tag("destTagID")?);
    let fits = |id: u64, target: &Target| {
        which.is_none_or(|which| matches(which, id, target))
            && build_tag.is_none_or(|tag| tag == target.build_tag)
            && destination_tag.is_none_or(|tag| tag == target.destination_tag)
    };
    let found = context.state.targets.iter().filter(|(id, target)| fits(**id, target));
    Ok(Value::Array(found.map(|(id, target)| described(context.state, *id, target)).collect()))
}

fn create_target(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    require(context, "target")?;
    let name = required_text(arguments, "name")?;
    if context.state.targets.values().any(|target| target.name == name) {
        return Err(fault::generic(format!("A build target with the name '{name}' already exists")));
    }
    let tag = |name: &str| {
        let which = given(arguments, name).unwrap_or(&Value::Nil);
        Ok::<_, Fault>(tags::find_strictly(context.state, which)?.0)
    };
    let (build_tag, destination_tag) = (tag("build_tag")?, tag("dest_tag")?);
    context.state.add_target(name, build_tag, destination_tag);
    Ok(Value::Nil)
}

/// A repository as `getRepo` describes it, with the members that hubs of before
/// the header `Koji-Version` do not have left out.
fn described_repository(context: &Context<'_>, id: u64, repository: &Repository) -> Value {
    let created = Some(repository.created);
    let answer = record([
        ("id", number(id)),
        ("state", Value::Int(repository.state.into())),
        ("create_event", number(repository.event)),
        ("create_ts", seconds(created)),
        ("creation_time", time(created)),
        ("dist", Value::Bool(false)),
        ("task_id", Value::Nil),
    ]);
    if context.settings.version.is_none() {
        return answer;
    }
    let name = context.state.tags.get(&repository.tag).map(|tag| tag.name.as_str());
    let options = ["src", "maven", "debuginfo", "separate_src"];
    [
        ("creation_ts", seconds(created)),
        ("begin_event", number(repository.event)),
        ("begin_ts", seconds(created)),
        ("end_event", Value::Nil),
        ("end_ts", Value::Nil),
        ("state_time", time(created)),
        ("state_ts", seconds(created)),
        ("tag_id", number(repository.tag)),
        ("tag_name", name.map_or(Value::Nil, Value::from)),
        ("task_state", Value::Nil),
        ("custom_opts", record([])),
        ("opts", record(options.map(|name| (name, Value::Bool(false))))),
    ]
    .into_iter()
    .fold(answer, |answer, (name, member)| with(answer, name, member))
}

fn get_repository(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let which = given(arguments, "tag").unwrap_or(&Value::Nil);
    let tag = tags::find_entry(context.state, which)?;
    let state = integer(arguments, "state")?.unwrap_or(READY);
    let least = integer(arguments, "min_event")?.unwrap_or(0);
    let newest = context.state.repositories.iter().rev().find(|(_, repository)| {
        repository.tag == tag
            && i64::from(repository.state) == state
            && i64::try_from(repository.event).unwrap_or(i64::MAX) >= least
    });
    Ok(newest.map_or(Value::Nil, |(id, repository)| described_repository(context, *id, repository)))
}

fn repository_info(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let id = required_integer(arguments, "repo_id")?;
    let found = u64::try_from(id).ok().and_then(|id| Some((id, context.state.repositories.get(&id)?)));
    match found {
        Some((id, repository)) => Ok(described_repository(context, id, repository)),
        None if flag(arguments, "strict") => Err(fault::generic(format!("No such repository (ID): {id}"))),
        None => Ok(Value::Nil),
    }
}

fn get_last_event(context: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(record([
        ("id", number(context.state.last_event)),
        ("ts", Value::Double(context.state.last_event_time)),
    ]))
}
