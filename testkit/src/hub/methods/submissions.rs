//! Tasks that a caller asks for.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};
use serde_json::{Value as Json, json};

use super::{
    Entry,
    arguments::{integer, required_text, text, wrong_type},
    python,
    record::number,
};
use crate::hub::{
    context::{Context, fault},
    tasks::{self, NewTask},
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::write(
        "buildContainer",
        "buildContainer(src, target, opts=None, priority=None, channel='container-binary')",
        build_container,
    ),
    Entry::write(
        "buildSourceContainer",
        "buildSourceContainer(target, opts=None, priority=None, channel='container-source')",
        build_source_container,
    ),
    Entry::write(
        "buildImageOz",
        "buildImageOz(name, version, arches, target, inst_tree, opts=None, priority=None)",
        build_image,
    ),
    Entry::write("makeTask", "makeTask(*args, **opts)", make_task),
];

/// Priority of a task of which nothing is said.
const USUAL_PRIORITY: i64 = 20;

/// Channels, in the order of their numbers from 1.
const CHANNELS: [&str; 11] = [
    "default",
    "createrepo",
    "maven",
    "livecd",
    "appliance",
    "vm",
    "image",
    "livemedia",
    "container",
    "container-binary",
    "container-source",
];

/// The number of a channel.
fn channel(name: &str) -> Result<u64, Fault> {
    let at = CHANNELS.iter().position(|known| *known == name);
    at.map(|at| at as u64 + 1).ok_or_else(|| fault::generic(format!("No such channel: {name}")))
}

/// A task's priority: what the caller says comes on top of the usual one.
fn priority(context: &Context<'_>, arguments: &Arguments) -> Result<i64, Fault> {
    let relative = integer(arguments, "priority")?.unwrap_or(0);
    if relative < 0 && !context.may("admin") {
        return Err(fault::not_allowed("only admins may create high-priority tasks"));
    }
    Ok(USUAL_PRIORITY.saturating_add(relative))
}

fn submit(
    context: &mut Context<'_>,
    arguments: &Arguments,
    method: &str,
    request: Json,
    channel_name: &str,
) -> Result<Value, Fault> {
    let priority = priority(context, arguments)?;
    let channel = channel(channel_name)?;
    let owner = context.user.ok_or_else(|| fault::generic("task must have an owner"))?;
    let new =
        NewTask { method: method.to_owned(), request, owner, channel, priority, parent: None, ends_at: None };
    Ok(number(tasks::make(context.state, new, context.now)))
}

fn plain(arguments: &Arguments, name: &str) -> Json {
    arguments.named.get(name).map(python::from_wire).unwrap_or_default()
}

/// The hub does not look at source, target and options.
fn build_container(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let request = json!([plain(arguments, "src"), plain(arguments, "target"), plain(arguments, "opts")]);
    let channel = text(arguments, "channel")?.unwrap_or("container-binary");
    submit(context, arguments, "buildContainer", request, channel)
}

fn build_source_container(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let request = json!([plain(arguments, "target"), plain(arguments, "opts")]);
    let channel = text(arguments, "channel")?.unwrap_or("container-source");
    submit(context, arguments, "buildSourceContainer", request, channel)
}

fn build_image(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    for field in ["name", "inst_tree", "version"] {
        required_text(arguments, field)?;
    }
    context.logged_in()?;
    if !context.may("image") {
        return Err(fault::not_allowed("image permission required"));
    }
    let fields = ["name", "version", "arches", "target", "inst_tree", "opts"];
    let request = Json::Array(fields.iter().map(|field| plain(arguments, field)).collect());
    submit(context, arguments, "image", request, "image")
}

fn make_task(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    context.logged_in()?;
    if !context.may("admin") {
        return Err(fault::not_allowed("admin permission required"));
    }
    if arguments.named.contains_key("owner") {
        return Err(fault::not_allowed("The owner option is not allowed here"));
    }
    let mut positional = arguments.positional.iter();
    let method = positional.next().or_else(|| arguments.named.get("method")).unwrap_or(&Value::Nil);
    let Value::String(method) = method else {
        return Err(wrong_type(method, "str"));
    };
    let request = positional.next().or_else(|| arguments.named.get("arglist"));
    let request = request.map(python::from_wire).unwrap_or_else(|| json!([]));
    let channel = text(arguments, "channel")?.unwrap_or("default");
    submit(context, arguments, method, request, channel)
}

#[cfg(test)]
mod tests;
