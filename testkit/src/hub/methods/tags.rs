//! Tags and what they inherit.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    Entry,
    arguments::{flag, given, required_text, text, wrong_type},
    python::{from_wire, repr},
    record::{maybe_text, number, record, with},
    tagging::inheritance,
    users::require,
};
use crate::hub::{
    context::{Context, fault},
    state::{State, Tag},
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::read("getTag", "get_tag(tagInfo, strict=False, event=None, blocked=False)", get_tag),
    Entry::read("getTagID", "get_tag_id(info, strict=False, create=False)", get_tag_id),
    Entry::read("getBuildConfig", "getBuildConfig(tag, event=None)", get_build_config),
    Entry::write(
        "createTag",
        "create_tag(name, parent=None, locked=False, perm=None, arches='', maven_support=False, \
         maven_include_all=False, extra=None)",
        create_tag,
    ),
];

/// The tag that a number, a name or a struct with one of them stands for.
///
/// # Errors
/// It is none of these: fault 1019.
pub(super) fn find(state: &State, which: &Value) -> Result<Option<u64>, Fault> {
    Ok(match which {
        Value::Int(id) => u64::try_from(*id).ok().filter(|id| state.tags.contains_key(id)),
        Value::String(name) => state.tag_id(name),
        Value::Struct(members) => match members.get("id").or_else(|| members.get("name")) {
            Some(inner @ (Value::Int(_) | Value::String(_))) => return find(state, inner),
            _ => None,
        },
        other => return Err(wrong_type(other, "str")),
    })
}

/// The same, for a tag that must be there.
///
/// # Errors
/// It is not: fault 1000, `No such tagInfo: …`.
pub(super) fn find_strictly<'a>(state: &'a State, which: &Value) -> Result<(u64, &'a Tag), Fault> {
    let id = find(state, which)?;
    let tag = id.and_then(|id| Some((id, state.tags.get(&id)?)));
    tag.ok_or_else(|| fault::generic(format!("No such tagInfo: {}", repr(&from_wire(which)))))
}

/// The same, with the words of calls that look the tag up in its table.
///
/// # Errors
/// It is not there: fault 1000, `No such entry in table tag: …`.
pub(super) fn find_entry(state: &State, which: &Value) -> Result<u64, Fault> {
    find(state, which)?.ok_or_else(|| {
        let shown = match which {
            Value::String(name) => name.clone(),
            other => repr(&from_wire(other)),
        };
        fault::generic(format!("No such entry in table tag: {shown}"))
    })
}

fn described(id: u64, tag: &Tag) -> Value {
    record([
        ("id", number(id)),
        ("name", Value::from(tag.name.as_str())),
        ("arches", Value::from(tag.arches.as_deref().unwrap_or_default())),
        ("locked", Value::Bool(tag.locked)),
        ("perm", maybe_text(tag.permission.as_deref())),
        // Permissions have no numbers here; one that is needed is not nil.
        ("perm_id", tag.permission.as_ref().map_or(Value::Nil, |_| Value::Int(1))),
        ("maven_support", Value::Bool(false)),
        ("maven_include_all", Value::Bool(false)),
        ("extra", record([])),
    ])
}

fn get_tag(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let which = given(arguments, "tagInfo").unwrap_or(&Value::Nil);
    if flag(arguments, "strict") {
        return find_strictly(context.state, which).map(|(id, tag)| described(id, tag));
    }
    let found = find(context.state, which)?.and_then(|id| Some((id, context.state.tags.get(&id)?)));
    Ok(found.map_or(Value::Nil, |(id, tag)| described(id, tag)))
}

fn get_tag_id(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let which = given(arguments, "info").unwrap_or(&Value::Nil);
    if flag(arguments, "strict") {
        return find_entry(context.state, which).map(number);
    }
    Ok(find(context.state, which)?.map_or(Value::Nil, number))
}

fn get_build_config(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let which = given(arguments, "tag").unwrap_or(&Value::Nil);
    let (id, tag) = find_strictly(context.state, which)?;
    let own = |id: &u64| {
        let tag = context.state.tags.get(id)?;
        Some((*id, tag.name.clone(), tag.arches.clone().filter(|arches| !arches.is_empty())?))
    };
    let inherited = inheritance(context.state, id).iter().find_map(own);
    let mut answer = described(id, tag);
    let mut origin = Value::Nil;
    if let Some((from, name, arches)) = inherited {
        answer = with(answer, "arches", Value::String(arches));
        if from != id {
            origin = record([("id", number(from)), ("name", Value::String(name))]);
        }
    }
    let heritage = record([("arches", origin), ("extra", record([]))]);
    Ok(with(answer, "config_inheritance", heritage))
}

fn create_tag(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    require(context, "tag")?;
    let name = required_text(arguments, "name")?;
    if context.state.tag_id(name).is_some() {
        return Err(fault::generic(format!("A tag with the name {name:?} already exists")));
    }
    let parent = match given(arguments, "parent") {
        None => None,
        Some(which) => Some(find_strictly(context.state, which)?.0),
    };
    let arches = text(arguments, "arches")?.filter(|arches| !arches.is_empty()).map(str::to_owned);
    let permission = text(arguments, "perm")?.map(str::to_owned);
    let id = context.state.add_tag(name);
    if let Some(tag) = context.state.tags.get_mut(&id) {
        tag.arches = arches;
        tag.locked = flag(arguments, "locked");
        tag.permission = permission;
        tag.parents = parent.into_iter().collect();
    }
    Ok(number(id))
}
