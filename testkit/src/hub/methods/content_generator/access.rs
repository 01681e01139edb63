//! Who may import for a content generator.

use koji_bridge::xmlrpc::Fault;
use serde_json::Value as Json;

use super::super::python;
use crate::hub::context::{Context, fault};

/// The number of the caller, who may use a content generator.
///
/// # Errors
/// There is no such generator (1000), nobody is logged in, or the generator is not
/// granted (1002).
pub(in crate::hub::methods) fn assert(context: &Context<'_>, generator: &str) -> Result<u64, Fault> {
    let found =
        context.state.content_generators.get(generator).ok_or_else(|| {
            fault::generic(format!("No such entry in table content_generator: {generator}"))
        })?;
    let caller = context.user.ok_or_else(|| fault::auth("Not logged-in"))?;
    if !found.users.contains(&caller) {
        return Err(fault::auth(format!("Content generator access required ({generator})")));
    }
    Ok(caller)
}

/// The one content generator of all build roots, and the caller, who may use it.
///
/// # Errors
/// There is none or more than one, or it is not the caller's.
pub(super) fn generator(context: &Context<'_>, metadata: &Json) -> Result<(String, u64), Fault> {
    let mut generator: Option<String> = None;
    for buildroot in python::items(python::key(metadata, "buildroots")?)? {
        let name = python::text(python::key(python::key(buildroot, "content_generator")?, "name")?);
        if !context.state.content_generators.contains_key(&name) {
            return Err(fault::generic(format!("No such entry in table content_generator: {name}")));
        }
        if generator.as_ref().is_some_and(|known| *known != name) {
            return Err(fault::generic("Koji now support only one content-generator per import"));
        }
        generator = Some(name);
    }
    let generator = generator.ok_or_else(|| fault::parameter("Invalid name or id value: None"))?;
    let caller = assert(context, &generator)?;
    Ok((generator, caller))
}
