//! Package lists of tags.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    Entry,
    arguments::{flag, given, text, wrong_type},
    query_options,
    record::{number, record},
    tagging::inheritance,
    tags, users,
};
use crate::hub::{
    context::{Context, fault},
    state::{PackageEntry, State, Tag},
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::read("getPackageID", "get_package_id(name, strict=False)", get_id),
    Entry::read("getPackage", "lookup_package(info, strict=False, create=False)", get_package),
    Entry::read("getPackageConfig", "getPackageConfig(tag, pkg, event=None)", get_configuration),
    Entry::read("checkTagPackage", "checkTagPackage(tag, pkg)", check),
    Entry::read(
        "listPackages",
        "listPackages(tagID=None, userID=None, pkgID=None, prefix=None, inherited=False, \
         with_dups=False, event=None, queryOpts=None, with_owners=True, with_blocked=True)",
        list,
    ),
    Entry::write(
        "packageListAdd",
        "packageListAdd(taginfo, pkginfo, owner=None, block=None, extra_arches=None, force=False, \
         update=False)",
        add,
    ),
    Entry::write("packageListBlock", "packageListBlock(taginfo, pkginfo, force=False)", block),
    Entry::write("packageListRemove", "packageListRemove(taginfo, pkginfo, force=False)", remove),
];

/// The package that a number or a name stands for.
fn find(state: &State, which: &Value) -> Option<u64> {
    match which {
        Value::Int(id) => {
            let id = u64::try_from(*id).ok()?;
            state.packages.values().find(|known| **known == id).copied()
        }
        Value::String(name) => state.packages.get(name).copied(),
        _ => None,
    }
}

fn name(state: &State, package: u64) -> &str {
    state.packages.iter().find(|(_, id)| **id == package).map_or("", |(name, _)| name.as_str())
}

fn argument<'a>(arguments: &'a Arguments, name: &str) -> &'a Value {
    given(arguments, name).unwrap_or(&Value::Nil)
}

/// The nearest entry for a package, with the tag that has it.
fn entry(state: &State, tag: u64, package: u64) -> Option<(u64, &PackageEntry)> {
    let own = |tag: u64| Some((tag, state.tags.get(&tag)?.packages.get(&package)?));
    inheritance(state, tag).into_iter().find_map(own)
}

fn described(state: &State, tag: u64, package: u64, entry: &PackageEntry) -> Value {
    let owner = state.users.get(&entry.owner).map(|user| user.name.as_str());
    let tag_name = state.tags.get(&tag).map(|tag| tag.name.as_str());
    record([
        ("package_id", number(package)),
        ("package_name", Value::from(name(state, package))),
        ("tag_id", number(tag)),
        ("tag_name", tag_name.map_or(Value::Nil, Value::from)),
        ("owner_id", number(entry.owner)),
        ("owner_name", owner.map_or(Value::Nil, Value::from)),
        ("blocked", Value::Bool(entry.blocked)),
        ("extra_arches", Value::Nil),
    ])
}

fn get_id(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let which = argument(arguments, "name");
    match find(context.state, which) {
        Some(id) => Ok(number(id)),
        None if flag(arguments, "strict") => Err(missing(which)),
        None => Ok(Value::Nil),
    }
}

fn missing(which: &Value) -> Fault {
    let shown = which.as_str().map_or_else(|| which.as_i64().unwrap_or_default().to_string(), str::to_owned);
    fault::generic(format!("No such entry in table package: {shown}"))
}

fn get_package(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let which = argument(arguments, "info");
    match find(context.state, which) {
        Some(id) => Ok(record([("id", number(id)), ("name", Value::from(name(context.state, id)))])),
        None if flag(arguments, "strict") => Err(missing(which)),
        None => Ok(Value::Nil),
    }
}

fn get_configuration(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let tag = tags::find(context.state, argument(arguments, "tag"))?;
    let package = find(context.state, argument(arguments, "pkg"));
    let (Some(tag), Some(package)) = (tag, package) else { return Ok(Value::Nil) };
    let found = entry(context.state, tag, package);
    Ok(found.map_or(Value::Nil, |(tag, entry)| described(context.state, tag, package, entry)))
}

fn check(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let tag = tags::find(context.state, argument(arguments, "tag"))?;
    let package = find(context.state, argument(arguments, "pkg"));
    let (Some(tag), Some(package)) = (tag, package) else { return Ok(Value::Bool(false)) };
    Ok(Value::Bool(entry(context.state, tag, package).is_some_and(|(_, entry)| !entry.blocked)))
}

/// The packages in the lists of a tag or of a user, or all that there are.
fn list(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let state = &*context.state;
    let only = given(arguments, "pkgID").map(|package| find(state, package));
    let found = || state.packages.values().filter(|id| only.is_none_or(|only| only == Some(**id)));
    let user = given(arguments, "userID").map(|who| users::find_strictly(context, who)).transpose()?;
    let owned = |entry: &PackageEntry| user.is_none_or(|user| user == entry.owner);
    let rows = match given(arguments, "tagID") {
        Some(which) => {
            let tag = tags::find_entry(state, which)?;
            let inherited = flag(arguments, "inherited");
            let row = |id: &u64| {
                let (from, entry) = entry(state, tag, *id).filter(|(from, _)| inherited || *from == tag)?;
                owned(entry).then(|| described(state, from, *id, entry))
            };
            found().filter_map(row).collect()
        }
        None if user.is_some() => {
            let of_tag = |(tag, entries): (&u64, &Tag)| {
                let row = |id: &u64| {
                    let entry = entries.packages.get(id).filter(|entry| owned(entry))?;
                    Some(described(state, *tag, *id, entry))
                };
                found().filter_map(row).collect::<Vec<_>>()
            };
            state.tags.iter().flat_map(of_tag).collect()
        }
        None => {
            let row = |id: &u64| {
                record([("package_id", number(*id)), ("package_name", Value::from(name(state, *id)))])
            };
            found().map(row).collect()
        }
    };
    query_options::apply(rows, arguments)
}

/// Only some may change lists.
fn permitted(context: &Context<'_>) -> Result<(), Fault> {
    context.logged_in()?;
    if context.may("tag") {
        return Ok(());
    }
    let text = "policy violation (package_list): Only admin/tag can do this via default policy";
    Err(fault::not_allowed(text))
}

fn package_name(arguments: &Arguments) -> Result<&str, Fault> {
    text(arguments, "pkginfo")?.ok_or_else(|| wrong_type(&Value::Nil, "str"))
}

fn add(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    context.logged_in()?;
    let (tag, _) = tags::find_strictly(context.state, argument(arguments, "taginfo"))?;
    let package = package_name(arguments)?;
    let owner = given(arguments, "owner").map(|who| users::find_strictly(context, who)).transpose()?;
    permitted(context)?;
    let known = find(context.state, &Value::from(package)).and_then(|id| entry(context.state, tag, id));
    let Some(owner) = owner.or(known.map(|(_, entry)| entry.owner)) else {
        return Err(fault::generic("owner not specified"));
    };
    context.state.list_package(tag, package, owner, flag(arguments, "block"));
    Ok(Value::Nil)
}

fn block(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (tag, _) = tags::find_strictly(context.state, argument(arguments, "taginfo"))?;
    permitted(context)?;
    let package = package_name(arguments)?;
    let known = find(context.state, &Value::from(package)).and_then(|id| entry(context.state, tag, id));
    let owner = known.map_or(context.user.unwrap_or_default(), |(_, entry)| entry.owner);
    context.state.list_package(tag, package, owner, true);
    Ok(Value::Nil)
}

fn remove(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (tag, _) = tags::find_strictly(context.state, argument(arguments, "taginfo"))?;
    permitted(context)?;
    let package = find(context.state, argument(arguments, "pkginfo"));
    let removed = package.and_then(|id| context.state.tags.get_mut(&tag)?.packages.remove(&id));
    if removed.is_none() {
        let shown = package_name(arguments)?;
        let tag = context.state.tags.get(&tag).map_or("", |tag| tag.name.as_str());
        return Err(fault::generic(format!("package {shown} not in list for tag {tag}")));
    }
    Ok(Value::Nil)
}
