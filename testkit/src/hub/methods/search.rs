//! Searches by name.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    Entry,
    arguments::required_text,
    query_options,
    record::{number, record},
};
use crate::hub::context::{Context, fault};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] =
    &[Entry::read("search", "search(terms, type, matchType, queryOpts=None)", search)];

/// Things whose name matches a glob, a regular expression (neither looks at case)
/// or is the terms. A build's name is its NVR, so that even a build that cannot be
/// read can be found.
fn search(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let terms = required_text(arguments, "terms")?;
    if terms.is_empty() {
        return Err(fault::generic("empty search terms"));
    }
    let state = &*context.state;
    let names: Vec<(u64, String)> = match required_text(arguments, "type")? {
        "build" => state.builds.iter().map(|(id, build)| (*id, build.nvr())).collect(),
        "package" => state.packages.iter().map(|(name, id)| (*id, name.clone())).collect(),
        "tag" => state.tags.iter().map(|(id, tag)| (*id, tag.name.clone())).collect(),
        "target" => state.targets.iter().map(|(id, target)| (*id, target.name.clone())).collect(),
        "user" => state.users.iter().map(|(id, user)| (*id, user.name.clone())).collect(),
        "file" | "rpm" | "host" | "maven" | "win" => Vec::new(),
        other => return Err(fault::generic(format!("No such search type: {other}"))),
    };
    let pattern = match required_text(arguments, "matchType")? {
        "glob" => Some(query_options::expression(&query_options::glob_expression(terms))?),
        "regexp" => Some(query_options::expression(terms)?),
        _ => None,
    };
    let matches = |name: &str| pattern.as_ref().map_or(name == terms, |pattern| pattern.is_match(name));
    let rows = names
        .into_iter()
        .filter(|(_, name)| matches(name))
        .map(|(id, name)| record([("id", number(id)), ("name", Value::String(name))]));
    query_options::apply(rows.collect(), arguments)
}
