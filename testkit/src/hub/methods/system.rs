//! Calls about the hub itself, and calls that carry calls.

use koji_bridge::xmlrpc::{Arguments, Call, Fault, Value};

use super::{
    Entry, Kind, Signature,
    arguments::{flag, given},
    carry_out, entries, find,
    python::{from_wire, repr},
    record::record,
};
use crate::hub::context::{Context, fault};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::read("echo", "echo(*args)", echo),
    Entry::read("getAPIVersion", "getAPIVersion()", api_version),
    Entry::read("getKojiVersion", "getKojiVersion()", koji_version),
    Entry::read("getChannel", "get_channel(channelInfo, strict=False)", get_channel),
    Entry::read("listChannels", "list_channels(hostID=None, event=None, enabled=None)", list_channels),
    Entry::read("system.listMethods", "system_listMethods()", list_methods),
    Entry::read("_listapi", "list_api()", list_api),
    Entry::read(MULTICALL, "multiCall(calls)", multicall),
    Entry::read(MULTICALL_ALIAS, "multiCall(calls)", multicall),
];

const MULTICALL: &str = "multiCall";
const MULTICALL_ALIAS: &str = "system.multicall";

/// What a hub without a version says that it is.
const OLD_VERSION: &str = "1.30.1";

/// Channels by Koji's numbers.
const CHANNELS: &[(i64, &str)] = &[
    (1, "default"),
    (2, "createrepo"),
    (3, "maven"),
    (7, "image"),
    (10, "container-binary"),
    (11, "container"),
];

fn echo(_: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    Ok(Value::Array(arguments.positional.clone()))
}

fn api_version(_: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::Int(1))
}

fn koji_version(context: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::from(context.settings.version.as_deref().unwrap_or(OLD_VERSION)))
}

fn channel((id, name): &(i64, &str)) -> Value {
    record([
        ("id", Value::Int(*id)),
        ("name", Value::from(*name)),
        ("enabled", Value::Bool(true)),
        ("description", Value::Nil),
        ("comment", Value::Nil),
    ])
}

fn get_channel(_: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let which = given(arguments, "channelInfo").unwrap_or(&Value::Nil);
    let fits = |(id, name): &&(i64, &str)| which.as_i64() == Some(*id) || which.as_str() == Some(name);
    match CHANNELS.iter().find(fits) {
        Some(found) => Ok(channel(found)),
        None if flag(arguments, "strict") => {
            Err(fault::generic(format!("Invalid type for channelInfo: {}", repr(&from_wire(which)))))
        }
        None => Ok(Value::Nil),
    }
}

fn list_channels(_: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(Value::Array(CHANNELS.iter().map(channel).collect()))
}

fn list_methods(_: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    let mut names: Vec<&str> = entries().map(|entry| entry.name).filter(|name| *name != MULTICALL).collect();
    names.sort_unstable();
    names.dedup();
    Ok(Value::Array(names.into_iter().map(Value::from).collect()))
}

fn list_api(_: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    let describe = |entry: &Entry| {
        let signature = Signature::parse(entry.signature);
        let names = signature.parameters().iter().map(|(name, _)| Value::from(*name)).collect();
        let inner = entry.signature.split_once('(').map_or("()", |(name, _)| &entry.signature[name.len()..]);
        record([
            ("name", Value::from(entry.name)),
            ("doc", Value::Nil),
            ("argdesc", Value::from(inner)),
            ("args", Value::Array(names)),
        ])
    };
    Ok(Value::Array(entries().map(describe).collect()))
}

/// Whether a call changes the database; a call that carries calls does if one of
/// them does.
pub(super) fn writes(call: &Call) -> bool {
    if call.method == MULTICALL || call.method == MULTICALL_ALIAS {
        return carried(&call.arguments).iter().flatten().any(writes);
    }
    find(&call.method).is_some_and(|entry| entry.kind == Kind::Write)
}

/// The calls that a multicall carries; `None` stands for one that is none.
fn carried(arguments: &Arguments) -> Vec<Option<Call>> {
    let list = arguments.named.get("calls").or_else(|| arguments.positional.first());
    let Some(Value::Array(list)) = list else { return Vec::new() };
    let read = |one: &Value| {
        let method = one.get("methodName")?.as_str()?;
        let Some(Value::Array(parameters)) = one.get("params") else { return None };
        Some(Call::new(method, Arguments::from_parameters(parameters.clone())))
    };
    list.iter().map(read).collect()
}

fn multicall(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let mut answers = Vec::new();
    for call in carried(arguments) {
        // The savepoint: a call that fails is undone alone.
        let before = context.state.clone();
        let answer = match call {
            Some(call) => carry_out(context, &call),
            None => Err(fault::uncaught("KeyError", "'methodName'")),
        };
        answers.push(match answer {
            Ok(value) => Value::Array(vec![value]),
            Err(fault) => {
                *context.state = before;
                refused(fault)
            }
        });
    }
    Ok(Value::Array(answers))
}

fn refused(fault: Fault) -> Value {
    let class = if fault.code == 1 { "Exception" } else { "koji.GenericError" };
    let traceback = ["Traceback (most recent call last):\n".to_owned(), format!("{class}: {}\n", fault.text)];
    record([
        ("faultCode", Value::Int(fault.code)),
        ("faultString", Value::String(fault.text)),
        ("traceback", Value::Array(traceback.map(Value::String).into())),
    ])
}
