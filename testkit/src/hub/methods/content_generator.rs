//! Imports by content generators.
//!
//! An import checks everything that it can before it touches a file: metadata,
//! access, the build, its build roots and its outputs. Then come the rows of the
//! database, which the caller throws away if anything fails, and last the files,
//! which are moved out of the upload directory. If that fails the directory of the
//! build is deleted with the files that are in it already.

pub(super) mod access;
mod buildroots;
mod check;
mod components;
mod files;
mod import;
mod metadata;
pub(super) mod paths;
#[cfg(test)]
mod rejections;
#[cfg(test)]
mod tests;

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    Entry,
    arguments::{given, required_text, text},
    builds,
};
use crate::hub::context::{Context, fault};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] =
    &[Entry::write("CGImport", "cg_import(metadata, directory, token=None)", cg_import)];

/// Lines of the import's log, which is kept with the build if there are any.
#[derive(Debug, Default)]
struct ImportLog(Vec<String>);

fn cg_import(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    crate::hub::tasks::settle(context.state, context.now);
    let directory = required_text(arguments, "directory")?;
    let token = text(arguments, "token")?;
    let metadata = metadata::read(context.top_directory, directory, given(arguments, "metadata"))?;
    let version = super::python::key(&metadata.content, "metadata_version")?;
    if version.as_i64() != Some(0) {
        return Err(fault::generic(format!("No such metadata version: {}", super::python::repr(version))));
    }
    let (generator, caller) = access::generator(context, &metadata.content)?;
    let mut log = ImportLog::default();
    let build = check::build(context, &metadata.content, &generator, token)?;
    let buildroots = buildroots::check(context.state, &metadata.content, &mut log)?;
    let outputs = files::check(
        &files::Place { state: context.state, top: context.top_directory, directory },
        &metadata.content,
        &build.types,
        &buildroots,
        &mut log,
    )?;
    if context.settings.refused_packages.contains(&build.name) {
        let text = "policy violation (cg_import): content generator import is not allowed for this package";
        return Err(fault::not_allowed(text));
    }
    let id = import::rows(context, build, caller, &outputs)?;
    let numbers = buildroots::store(context.state, buildroots, &generator)?;
    import::files(context, id, &outputs, &numbers, &metadata.raw, log)?;
    builds::describe(context.state, id)
}
