//! Calls about what this hub does not have: Maven, Windows, groups, repositories
//! of others. The command line asks for them on its way to other things.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    Entry,
    arguments::given,
    record::{number, record},
    tags,
};
use crate::hub::context::Context;

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::read("mavenEnabled", "mavenEnabled()", no),
    Entry::read("winEnabled", "winEnabled()", no),
    Entry::read("getMavenBuild", "get_maven_build(buildInfo, strict=False)", nil),
    Entry::read("getWinBuild", "get_win_build(buildInfo, strict=False)", nil),
    Entry::read("getChangelogEntries", "getChangelogEntries(*args, **opts)", nothing),
    Entry::read("getTagGroups", "getTagGroups(tag, **opts)", nothing),
    Entry::read("getTagExternalRepos", "get_tag_external_repos(tag_info=None, **opts)", nothing),
    Entry::read("getExternalRepoList", "get_external_repo_list(tag_info, event=None)", nothing),
    Entry::read("getAllPerms", "get_all_perms()", permissions),
    Entry::read("getInheritanceData", "getInheritanceData(tag, event=None)", inheritance),
];

fn no(_: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::Bool(false))
}

fn nil(_: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::Nil)
}

fn nothing(_: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::Array(Vec::new()))
}

fn permissions(_: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    let known = [(1, "admin"), (2, "tag"), (3, "target")];
    let describe = |(id, name): (i64, &str)| {
        record([("id", Value::Int(id)), ("name", Value::from(name)), ("description", Value::Nil)])
    };
    Ok(Value::Array(known.map(describe).into()))
}

fn inheritance(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let id = tags::find_entry(context.state, given(arguments, "tag").unwrap_or(&Value::Nil))?;
    let parents = context.state.tags.get(&id).map(|tag| tag.parents.as_slice()).unwrap_or_default();
    let describe = |(priority, parent): (i64, &u64)| {
        let name = context.state.tags.get(parent).map(|tag| tag.name.as_str());
        record([
            ("parent_id", number(*parent)),
            ("child_id", number(id)),
            ("name", name.map_or(Value::Nil, Value::from)),
            ("priority", Value::Int(priority)),
            ("maxdepth", Value::Nil),
            ("intransitive", Value::Bool(false)),
            ("noconfig", Value::Bool(false)),
            ("pkg_filter", Value::from("")),
        ])
    };
    Ok(Value::Array((0..).zip(parents).map(describe).collect()))
}
