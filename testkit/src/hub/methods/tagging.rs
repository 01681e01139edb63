//! Tagging: what is checked at once, and what only the task finds out.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};
use serde_json::{Value as Json, json};

use super::{
    Entry,
    arguments::{flag, given},
    builds, python,
    record::number,
};
use crate::hub::{
    context::{Context, fault},
    state::{Build, PackageEntry, State, User, build_state},
    tasks::{self, NewTask},
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::write("tagBuild", "tagBuild(tag, build, force=False, fromtag=None)", tag_build),
    Entry::write("tagBuildBypass", "tagBuildBypass(tag, build, force=False, notify=False)", tag_build_bypass),
    Entry::write("untagBuild", "untagBuild(tag, build, strict=True, force=False)", untag_build),
];

/// Priority and channel of tasks that tag.
const PRIORITY: i64 = 10;
const CHANNEL: u64 = 1;

/// The number of a tag that is named by number or name.
///
/// # Errors
/// There is none: fault 1000.
pub(super) fn require_tag(state: &State, wanted: &Value) -> Result<u64, Fault> {
    find_tag(state, wanted).ok_or_else(|| {
        fault::generic(format!("No such tagInfo: {}", python::repr(&python::from_wire(wanted))))
    })
}

/// The same; `None` if there is none.
pub(super) fn find_tag(state: &State, wanted: &Value) -> Option<u64> {
    match wanted {
        Value::Int(id) => u64::try_from(*id).ok().filter(|id| state.tags.contains_key(id)),
        Value::String(name) => state.tag_id(name),
        _ => None,
    }
}

/// A tag and all that it inherits from, nearest first.
pub(super) fn inheritance(state: &State, tag: u64) -> Vec<u64> {
    fn follow(state: &State, tag: u64, seen: &mut Vec<u64>) {
        if seen.contains(&tag) {
            return;
        }
        seen.push(tag);
        for parent in state.tags.get(&tag).into_iter().flat_map(|tag| &tag.parents) {
            follow(state, *parent, seen);
        }
    }
    let mut seen = Vec::new();
    follow(state, tag, &mut seen);
    seen
}

/// A package in the list of a tag; inherited lists count.
pub(super) fn listed(state: &State, tag: u64, package: u64) -> Option<&PackageEntry> {
    inheritance(state, tag).into_iter().find_map(|tag| state.tags.get(&tag)?.packages.get(&package))
}

/// Whether somebody may change what a tag has.
///
/// # Errors
/// The tag is locked or needs a permission: fault 1004. An administrator's force
/// overrides both.
fn may_change(state: &State, tag: u64, user: Option<&User>, force: bool) -> Result<(), Fault> {
    let may = |permission: &str| user.is_some_and(|user| user.permissions.contains(permission));
    let Some(tag) = state.tags.get(&tag).filter(|_| !(force && may("admin"))) else {
        return Ok(());
    };
    if tag.locked {
        return Err(fault::not_allowed("tag is locked"));
    }
    match &tag.permission {
        Some(permission) if !may(permission) => {
            Err(fault::not_allowed(format!("tag requires {permission} permission")))
        }
        _ => Ok(()),
    }
}

/// Whether the package of a build is in the list of a tag.
fn package_listed(state: &State, tag: u64, build: &Build) -> Result<(), Fault> {
    let name = tag_name(state, tag);
    match listed(state, tag, build.package) {
        None => Err(fault::tag(format!("Package {} not in list for {name}", build.name))),
        Some(entry) if entry.blocked => Err(fault::tag(format!("Package {} blocked in {name}", build.name))),
        Some(_) => Ok(()),
    }
}

fn complete(build: &Build) -> Result<(), Fault> {
    if build.state == build_state::COMPLETE {
        return Ok(());
    }
    let state = builds::state_name(build.state);
    Err(fault::tag(format!("build {} not complete: state {state}", build.nvr())))
}

fn tag_name(state: &State, tag: u64) -> &str {
    state.tags.get(&tag).map_or("", |tag| tag.name.as_str())
}

/// The build that an argument names.
fn build<'a>(state: &'a State, arguments: &Arguments) -> Result<(u64, &'a Build), Fault> {
    let id = builds::require(state, arguments.named.get("build").unwrap_or(&Value::Nil))?;
    let build = state.builds.get(&id).ok_or_else(|| fault::generic(format!("No such build: {id}")))?;
    Ok((id, build))
}

/// The tag that an argument names.
fn tag(state: &State, arguments: &Arguments) -> Result<u64, Fault> {
    require_tag(state, arguments.named.get("tag").unwrap_or(&Value::Nil))
}

fn tag_build(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let owner = context.logged_in()?;
    tasks::settle(context.state, context.now);
    let force = flag(arguments, "force");
    let (id, build) = build(context.state, arguments)?;
    let tag = tag(context.state, arguments)?;
    let from = given(arguments, "fromtag").filter(|from| super::arguments::truth(from));
    let from = from.map(|from| require_tag(context.state, from)).transpose()?;
    complete(build)?;
    may_change(context.state, tag, context.caller(), force)?;
    if let Some(from) = from {
        may_change(context.state, from, context.caller(), force)?;
    }
    let list = package_listed(context.state, tag, build);
    let package = build.package;
    match list {
        Err(_) if force && context.may("admin") => {
            if let Some(tag) = context.state.tags.get_mut(&tag) {
                tag.packages.insert(package, PackageEntry { owner, blocked: false });
            }
        }
        list => list?,
    }
    let new = NewTask {
        method: "tagBuild".to_owned(),
        request: json!([tag, id, force, from]),
        owner,
        channel: CHANNEL,
        priority: PRIORITY,
        parent: None,
        ends_at: Some(context.now + context.settings.task_time.as_secs_f64()),
    };
    Ok(number(tasks::make(context.state, new, context.now)))
}

/// What a task that tags does in the end, with what it was asked for.
///
/// # Errors
/// The build may not be tagged, or is already.
pub(super) fn carry_out(state: &mut State, request: &Json, owner: u64) -> Result<(), Fault> {
    let at = |index: usize| request.get(index).and_then(Json::as_u64);
    let (Some(tag), Some(id)) = (at(0), at(1)) else {
        return Err(fault::generic("a task that tags names a tag and a build"));
    };
    let force = request.get(2).and_then(Json::as_bool).unwrap_or(false);
    let build = state.builds.get(&id).ok_or_else(|| fault::generic(format!("No such build: {id}")))?;
    package_listed(state, tag, build)?;
    if let Some(from) = at(3) {
        may_change(state, from, state.users.get(&owner), force)?;
        take_away(state, from, id, true)?;
    }
    may_change(state, tag, state.users.get(&owner), force)?;
    put(state, tag, id, force)
}

/// Gives a build a tag. With force it gets it anew, which makes it the latest.
fn put(state: &mut State, tag: u64, id: u64, force: bool) -> Result<(), Fault> {
    let build = state.builds.get(&id).ok_or_else(|| fault::generic(format!("No such build: {id}")))?;
    complete(build)?;
    if state.tagged.contains(&(tag, id)) {
        if !force {
            let name = tag_name(state, tag);
            return Err(fault::tag(format!("build {} already tagged ({name})", build.nvr())));
        }
        state.tagged.retain(|entry| *entry != (tag, id));
    }
    state.next_event();
    state.tagged.push((tag, id));
    state.tag_history.insert((tag, id));
    Ok(())
}

fn take_away(state: &mut State, tag: u64, id: u64, strict: bool) -> Result<(), Fault> {
    let before = state.tagged.len();
    state.tagged.retain(|entry| *entry != (tag, id));
    if state.tagged.len() == before && strict {
        let nvr = state.builds.get(&id).map(Build::nvr).unwrap_or_default();
        return Err(fault::tag(format!("build {nvr} not in tag {}", tag_name(state, tag))));
    }
    Ok(())
}

fn tag_build_bypass(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    context.logged_in()?;
    if !context.may("tag") {
        return Err(fault::not_allowed("tag permission required"));
    }
    tasks::settle(context.state, context.now);
    let force = flag(arguments, "force");
    let tag = tag(context.state, arguments)?;
    let (id, _) = build(context.state, arguments)?;
    may_change(context.state, tag, context.caller(), force)?;
    put(context.state, tag, id, force)?;
    Ok(Value::Nil)
}

fn untag_build(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    context.logged_in()?;
    tasks::settle(context.state, context.now);
    let strict = given(arguments, "strict").is_none_or(super::arguments::truth);
    let tag = tag(context.state, arguments)?;
    let (id, _) = build(context.state, arguments)?;
    may_change(context.state, tag, context.caller(), flag(arguments, "force"))?;
    take_away(context.state, tag, id, strict)?;
    Ok(Value::Nil)
}

#[cfg(test)]
mod tests;
