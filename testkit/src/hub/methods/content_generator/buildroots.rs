//! Build roots of an import.

use koji_bridge::xmlrpc::Fault;
use serde_json::{Value as Json, json};

use super::{super::python, ImportLog, components};
use crate::hub::{context::fault, state::State};

/// A build root that is fit to be stored.
#[derive(Debug)]
pub(super) struct Buildroot {
    /// What the outputs call it: text or a number.
    id: Json,
    version: Json,
    container_type: Json,
    container_arch: Json,
    host_os: Json,
    host_arch: Json,
    extra: Json,
    tools: Json,
}

/// Build roots by what the outputs call them.
#[derive(Debug)]
pub(super) struct Buildroots(Vec<Buildroot>);

impl Buildroots {
    /// Whether there is a build root of a name.
    pub(super) fn has(&self, id: &Json) -> bool {
        self.0.iter().any(|buildroot| buildroot.id == *id)
    }
}

/// Numbers of stored build roots by what the outputs call them.
#[derive(Debug)]
pub(super) struct BuildrootNumbers(Vec<(Json, u64)>);

impl BuildrootNumbers {
    /// The number of a build root.
    pub(super) fn get(&self, id: &Json) -> Option<u64> {
        self.0.iter().find(|(known, _)| known == id).map(|(_, number)| *number)
    }
}

/// Checks the build roots: each has a name of its own that some output uses.
///
/// # Errors
/// The first thing that is wrong with one of them.
pub(super) fn check(state: &State, metadata: &Json, log: &mut ImportLog) -> Result<Buildroots, Fault> {
    let outputs = python::items(python::key(metadata, "output")?)?;
    let used: Vec<&Json> =
        outputs.iter().map(|output| python::key(output, "buildroot_id")).collect::<Result<_, _>>()?;
    let mut checked = Buildroots(Vec::new());
    for buildroot in python::items(python::key(metadata, "buildroots")?)? {
        let id = python::key(buildroot, "id")?;
        if !used.contains(&id) {
            return Err(fault::generic(format!("Buildroot id not used in output: {}", python::repr(id))));
        }
        if checked.has(id) {
            let text = format!("Duplicate buildroot id in metadata: {}", python::repr(id));
            return Err(fault::generic(text));
        }
        let value = |part: &str, field: &str| -> Result<Json, Fault> {
            python::key(python::key(buildroot, part)?, field).cloned()
        };
        let prepared = Buildroot {
            id: id.clone(),
            version: value("content_generator", "version")?,
            container_type: value("container", "type")?,
            container_arch: value("container", "arch")?,
            host_os: value("host", "os")?,
            host_arch: value("host", "arch")?,
            extra: buildroot.get("extra").cloned().unwrap_or_default(),
            tools: {
                components::check(state, python::key(buildroot, "components")?, log)?;
                python::key(buildroot, "tools")?.clone()
            },
        };
        checked.0.push(prepared);
    }
    Ok(checked)
}

/// Stores build roots, with the checks that the database makes.
///
/// # Errors
/// One has no container, or a tool has no name or version or is there twice.
pub(super) fn store(
    state: &mut State,
    buildroots: Buildroots,
    generator: &str,
) -> Result<BuildrootNumbers, Fault> {
    let generator_id = state.content_generators.get(generator).map(|generator| generator.id);
    let mut numbers = BuildrootNumbers(Vec::new());
    for buildroot in buildroots.0 {
        let number = state.buildroots.last_key_value().map_or(1, |(last, _)| last + 1);
        if buildroot.container_type.is_null() || buildroot.container_arch.is_null() {
            return Err(fault::uncaught(
                "psycopg2.errors.CheckViolation",
                &format!(
                    "new row for relation \"buildroot\" violates check constraint \"container_sane\"\n\
                     DETAIL:  Failing row contains ({number}, 1, {generator}).\n"
                ),
            ));
        }
        let mut seen: Vec<&Json> = Vec::new();
        for tool in python::items(&buildroot.tools)? {
            let name = python::key(tool, "name")?;
            python::key(tool, "version")?;
            if seen.contains(&name) {
                return Err(fault::uncaught(
                    "psycopg2.errors.UniqueViolation",
                    &format!(
                        "duplicate key value violates unique constraint \"buildroot_tools_info_pkey\"\n\
                         DETAIL:  Key (buildroot_id, tool)=({number}, {}) already exists.\n",
                        python::text(name)
                    ),
                ));
            }
            seen.push(name);
        }
        let row = json!({
            "cg_id": generator_id,
            "cg_name": generator,
            "cg_version": buildroot.version,
            "container_type": buildroot.container_type,
            "container_arch": buildroot.container_arch,
            "host_os": buildroot.host_os,
            "host_arch": buildroot.host_arch,
            "extra": buildroot.extra,
            "tools": buildroot.tools,
        });
        state.buildroots.insert(number, row);
        numbers.0.push((buildroot.id, number));
    }
    Ok(numbers)
}
