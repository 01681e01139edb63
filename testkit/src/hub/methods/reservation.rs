//! Reservations of builds by content generators.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};
use serde_json::Value as Json;

use super::{
    Entry,
    arguments::{given, integer, required_text},
    builds,
    content_generator::access,
    new_build::{self, NewBuild},
    python,
    record::{number, record},
};
use crate::hub::{
    context::{Context, fault},
    state::build_state,
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::write("CGInitBuild", "cg_init_build(cg, data)", init_build),
    Entry::write("CGRefundBuild", "cg_refund_build(cg, build_id, token, state=3)", refund_build),
];

/// Reserves a name, version and release. What else the data may have (`source`,
/// `extra`) is kept with the build, as for any new one.
fn init_build(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let generator = required_text(arguments, "cg")?;
    let caller = access::assert(context, generator)?;
    crate::hub::tasks::settle(context.state, context.now);
    let data = python::from_wire(arguments.named.get("data").unwrap_or(&Value::Nil));
    let version = no_dash(&data, "version")?;
    let release = no_dash(&data, "release")?;
    let members = python::members(&data)?;
    let name = members.get("name").filter(|name| python::truth(name));
    let name = name.ok_or_else(|| fault::generic("No name or package id provided for build"))?;
    let kept = |key: &str| members.get(key).filter(|_| context.settings.keeps_reservation_extra);
    let new = NewBuild {
        name: python::text(name),
        version,
        release,
        epoch: members.get("epoch").and_then(Json::as_i64),
        draft: members.get("draft").is_some_and(python::truth),
        state: build_state::BUILDING,
        task: members.get("task_id").filter(|task| !task.is_null()).map(python::integer).transpose()?,
        owner: caller,
        source: kept("source").and_then(Json::as_str).map(str::to_owned),
        extra: kept("extra").filter(|extra| !extra.is_null()).cloned(),
        start_time: context.now,
        completion_time: None,
        content_generator: generator.to_owned(),
    };
    let id = new_build::store(context, new)?;
    let token = hex::encode(rand::random::<[u8; 32]>());
    match context.state.builds.get_mut(&id) {
        Some(build) if build.token.is_none() => build.token = Some(token.clone()),
        _ => return Err(fault::generic("Build is already reserved")),
    }
    Ok(record([("build_id", number(id)), ("token", Value::String(token))]))
}

/// The version or release of a build: text without a dash.
///
/// # Errors
/// There is none (fault 1), or it has a dash (1000).
pub(super) fn no_dash(data: &Json, field: &str) -> Result<String, Fault> {
    let value = python::key(data, field)?;
    if python::holds(value, "-")? {
        return Err(fault::generic(format!("The \"-\" character not allowed in {field} field")));
    }
    Ok(python::text(value))
}

fn refund_build(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let state = match integer(arguments, "state")? {
        None | Some(3) => build_state::FAILED,
        Some(4) => build_state::CANCELED,
        Some(_) => return Err(fault::generic("Only FAILED/CANCELED build states are allowed")),
    };
    let generator = required_text(arguments, "cg")?;
    access::assert(context, generator)?;
    let id = builds::require(context.state, arguments.named.get("build_id").unwrap_or(&Value::Nil))?;
    let token = given(arguments, "token").and_then(Value::as_str);
    let now = context.now;
    let Some(build) = context.state.builds.get_mut(&id) else {
        return Ok(Value::Nil);
    };
    if build.state != build_state::BUILDING {
        return Err(fault::generic(format!("Build ID {id} is not in BUILDING state")));
    }
    if build.token.is_none() || build.token.as_deref() != token {
        return Err(fault::generic(format!("Token doesn't match build ID {id}")));
    }
    if build.content_generator.as_deref() != Some(generator) {
        return Err(fault::generic(format!("Build ID {id} is not reserved by this CG")));
    }
    build.state = state;
    build.completion_time = Some(now);
    build.token = None;
    Ok(Value::Nil)
}

#[cfg(test)]
mod tests;
