//! The methods that the hub has.
//!
//! Every topic has a file with a table of its methods, `ENTRIES`. An entry says
//! whether the method writes and how its parameters are called; a call's arguments
//! are brought to these names before the method sees them, so that it does not
//! matter whether they came by position or by name.

mod archive_types;
mod archives;
pub mod arguments;
#[cfg(test)]
mod bench;
mod builds;
mod content_generator;
mod elsewhere;
mod login;
mod new_build;
mod packages;
mod python;
mod query_options;
mod record;
#[cfg(test)]
mod recorded;
mod releases;
mod reservation;
mod search;
mod sessions;
mod signature;
mod submissions;
mod system;
mod tagged;
mod tagging;
mod tags;
mod targets;
mod tasks;
mod uploads;
mod users;

use koji_bridge::xmlrpc::{Arguments, Call, Fault, Value};

use serde_json::Value as Json;

use super::{
    context::{Context, Method, fault},
    state::State,
};

pub(crate) use signature::Signature;

/// All tables, in the order in which a name is looked up.
const TABLES: &[&[Entry]] = &[
    system::ENTRIES,
    login::ENTRIES,
    sessions::ENTRIES,
    users::ENTRIES,
    tags::ENTRIES,
    targets::ENTRIES,
    uploads::ENTRIES,
    content_generator::ENTRIES,
    reservation::ENTRIES,
    tagging::ENTRIES,
    tasks::ENTRIES,
    archives::ENTRIES,
    builds::ENTRIES,
    releases::ENTRIES,
    search::ENTRIES,
    submissions::ENTRIES,
    tagged::ENTRIES,
    packages::ENTRIES,
    elsewhere::ENTRIES,
];

/// Whether a method changes the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It does not: nothing is stored, not even the call's number.
    Read,
    /// It does: when it ends well, what it changed is stored with the call's number.
    Write,
}

/// A method of the hub.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name in calls. Example: `getBuild`.
    pub name: &'static str,
    /// Whether it writes.
    pub kind: Kind,
    /// Its name in complaints and its parameters, as Python would declare it.
    /// Example: `get_build(buildInfo, strict=False)`. Parameters with `=` may be
    /// left out; what stands behind `=` is for the reader, absent arguments stay
    /// absent. `*args` takes further positional arguments, `**opts` further named
    /// ones.
    pub signature: &'static str,
    /// What carries it out. Its arguments are all named, but for those of `*args`.
    pub method: Method,
}

impl Entry {
    /// A method that changes nothing.
    pub(crate) const fn read(name: &'static str, signature: &'static str, method: Method) -> Self {
        Self { name, kind: Kind::Read, signature, method }
    }

    /// A method that changes the database.
    pub(crate) const fn write(name: &'static str, signature: &'static str, method: Method) -> Self {
        Self { name, kind: Kind::Write, signature, method }
    }
}

/// All methods.
pub(crate) fn entries() -> impl Iterator<Item = &'static Entry> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// The method of a name.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.name == name)
}

/// Carries out a call. What it did to the state when it failed is for the caller to
/// undo.
///
/// # Errors
/// There is no such method (1000), its arguments do not fit (1019), or it refuses.
pub(crate) fn carry_out(context: &mut Context<'_>, call: &Call) -> Result<Value, Fault> {
    let entry =
        find(&call.method).ok_or_else(|| fault::generic(format!("Invalid method: {}", call.method)))?;
    let arguments: Arguments = Signature::parse(entry.signature).bind(&call.arguments)?;
    (entry.method)(context, &arguments)
}

/// Whether a call changes the database.
pub(crate) fn writes(call: &Call) -> bool {
    system::writes(call)
}

/// What a task that ends by itself ends with, after it has done what it is for.
pub(in crate::hub) fn end_task(state: &mut State, id: u64) -> Result<Json, (i64, String)> {
    let Some((method, request, owner)) =
        state.tasks.get(&id).map(|task| (task.method.clone(), task.request.clone(), task.owner))
    else {
        return Ok(Json::Null);
    };
    if method == "tagBuild" {
        tagging::carry_out(state, &request, owner).map_err(|fault| (fault.code, fault.text))?;
    }
    Ok(Json::Null)
}

/// Cancels a build that is being made; says whether it was.
pub(in crate::hub) fn cancel_build(state: &mut State, id: u64, now: f64) -> bool {
    builds::cancel(state, id, now)
}
