//! What has which tags.

use std::collections::BTreeMap;

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    Entry,
    arguments::{flag, given, text},
    builds, python, query_options,
    record::{maybe_number, maybe_text, number, record, with, without},
    tagging::{find_tag, inheritance, listed},
};
use crate::hub::{
    context::{Context, fault},
    state::{State, Tag, build_state},
    tasks,
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::read(
        "listTags",
        "list_tags(build=None, package=None, perms=True, queryOpts=None, pattern=None)",
        list_tags,
    ),
    Entry::read(
        "listTagged",
        "listTagged(tag, event=None, inherit=False, prefix=None, latest=False, package=None, owner=None, \
         type=None, strict=True, extra=True, draft=None)",
        list_tagged,
    ),
    Entry::read(
        "getLatestBuilds",
        "getLatestBuilds(tag, event=None, package=None, type=None, draft=None)",
        get_latest_builds,
    ),
];

/// Permissions of a new hub, in the order of their numbers from 1.
const PERMISSIONS: [&str; 12] = [
    "admin",
    "appliance",
    "dist-repo",
    "host",
    "image",
    "image-import",
    "livecd",
    "maven-import",
    "repo",
    "sign",
    "tag",
    "target",
];

fn describe_tag(id: u64, tag: &Tag) -> Value {
    let permission = tag.permission.as_deref();
    let number_of = |name: &str| PERMISSIONS.iter().position(|known| *known == name).map(|at| at as u64 + 1);
    record([
        ("id", number(id)),
        ("name", Value::from(tag.name.as_str())),
        ("arches", maybe_text(tag.arches.as_deref())),
        ("locked", Value::Bool(tag.locked)),
        ("perm", maybe_text(permission)),
        ("perm_id", maybe_number(permission.and_then(number_of))),
        ("maven_support", Value::Bool(false)),
        ("maven_include_all", Value::Bool(false)),
    ])
}

fn list_tags(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    tasks::settle(context.state, context.now);
    let state = &*context.state;
    let build = given(arguments, "build").map(|build| builds::require(state, build)).transpose()?;
    let package = match given(arguments, "package") {
        None => None,
        Some(Value::Int(id)) => u64::try_from(*id).ok(),
        Some(name) => {
            let known = name.as_str().and_then(|name| state.packages.get(name).copied());
            Some(known.ok_or_else(|| {
                fault::generic(format!("No such package: {}", python::text(&python::from_wire(name))))
            })?)
        }
    };
    let pattern = text(arguments, "pattern")?.map(query_options::glob_expression);
    let pattern = pattern.as_deref().map(query_options::expression).transpose()?;
    let rows = state.tags.iter().filter(|(id, tag)| {
        build.is_none_or(|build| state.tagged.contains(&(**id, build)))
            && package.is_none_or(|package| tag.packages.contains_key(&package))
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(&tag.name))
    });
    query_options::apply(rows.map(|(id, tag)| describe_tag(*id, tag)).collect(), arguments)
}

/// How many builds of a package are wanted.
enum Wanted {
    All,
    Latest(usize),
}

fn list_tagged(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let wanted = match given(arguments, "latest") {
        Some(Value::Bool(true)) => Wanted::Latest(1),
        Some(Value::Int(count)) if *count > 0 => {
            Wanted::Latest(usize::try_from(*count).unwrap_or(usize::MAX))
        }
        _ => Wanted::All,
    };
    tagged(context, arguments, flag(arguments, "inherit"), &wanted)
}

fn get_latest_builds(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    tagged(context, arguments, true, &Wanted::Latest(1))
}

/// Builds of a tag, those that were tagged last first. Packages that the tag does not
/// list, or that are blocked, do not count.
fn tagged(
    context: &mut Context<'_>,
    arguments: &Arguments,
    inherit: bool,
    wanted: &Wanted,
) -> Result<Value, Fault> {
    tasks::settle(context.state, context.now);
    let state = &*context.state;
    let named = arguments.named.get("tag").unwrap_or(&Value::Nil);
    let tag = find_tag(state, named).ok_or_else(|| {
        fault::generic(format!("No such entry in table tag: {}", python::text(&python::from_wire(named))))
    })?;
    let build_type = text(arguments, "type")?;
    if let Some(name) = build_type.filter(|name| !state.build_types.contains_key(*name)) {
        return Err(fault::generic(format!("unsupported build type: {name}")));
    }
    let (package, owner) = (text(arguments, "package")?, text(arguments, "owner")?);
    let prefix = text(arguments, "prefix")?.map(str::to_lowercase);
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    let tags = if inherit { inheritance(state, tag) } else { vec![tag] };
    for level in tags {
        for (at, (_, id)) in state.tagged.iter().enumerate().rev().filter(|(_, (tag, _))| *tag == level) {
            let Some(build) = state.builds.get(id).filter(|build| build.state == build_state::COMPLETE)
            else {
                continue;
            };
            let owned = |name: &str| state.user_id(name) == Some(build.owner);
            let fits = package.is_none_or(|package| build.name == package)
                && owner.is_none_or(owned)
                && build_type.is_none_or(|name| build.types.contains_key(name))
                && prefix
                    .as_ref()
                    .is_none_or(|prefix| build.name.to_lowercase().starts_with(prefix.as_str()))
                && listed(state, tag, build.package).is_some_and(|entry| !entry.blocked);
            if !fits {
                continue;
            }
            let count = seen.entry(build.package).or_default();
            if matches!(wanted, Wanted::Latest(most) if *count >= *most) {
                continue;
            }
            *count += 1;
            rows.push(describe_tagged(state, *id, level, at)?);
        }
    }
    Ok(Value::Array(rows))
}

fn describe_tagged(state: &State, id: u64, tag: u64, at: usize) -> Result<Value, Fault> {
    const NOT_ANSWERED: [&str; 8] =
        ["cg_id", "cg_name", "completion_ts", "creation_ts", "extra", "promotion_ts", "source", "start_ts"];
    let row = without(builds::describe(state, id)?, &NOT_ANSWERED);
    let name = state.tags.get(&tag).map(|tag| tag.name.as_str());
    let row = with(with(row, "tag_id", number(tag)), "tag_name", maybe_text(name));
    // The database keeps no events of tags; their order is that of the entries.
    Ok(with(row, "create_event", number(at as u64 + 1)))
}
