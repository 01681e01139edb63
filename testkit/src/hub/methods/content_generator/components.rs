//! Components of build roots and images.
//!
//! The hub has no rpms, so that none is ever found: it goes by without a fault,
//! as an rpm that a hub does not know does.

use koji_bridge::xmlrpc::Fault;
use serde_json::Value as Json;

use super::{super::python, ImportLog};
use crate::hub::{
    context::fault,
    state::{Archive, State},
};

/// Names of the checksum types of archives, by Koji's numbers.
pub(super) const CHECKSUM_TYPES: [&str; 3] = ["md5", "sha1", "sha256"];

/// Checks a list of components.
///
/// # Errors
/// One is of an unknown type, lacks something, or is a file of a build and not as
/// it says.
pub(super) fn check(state: &State, components: &Json, log: &mut ImportLog) -> Result<(), Fault> {
    for component in python::items(components)? {
        let kind = python::key(component, "type")?;
        match kind.as_str() {
            Some("rpm") => rpm(component, log)?,
            Some("file") => file(state, component, log)?,
            Some("kojifile") => koji_file(state, component)?,
            _ => return Err(fault::generic(format!("No such component type: {}", python::text(kind)))),
        }
    }
    Ok(())
}

fn rpm(component: &Json, log: &mut ImportLog) -> Result<(), Fault> {
    if python::holds(component, "location")? {
        return Err(fault::generic("External rpms not allowed"));
    }
    if python::holds(component, "id")? {
        return Err(fault::generic("Unexpected 'id' field in component"));
    }
    for field in ["name", "version", "release", "arch"] {
        python::key(component, field)?;
    }
    log.0.push(format!("IGNORING unmatched rpm component: {}", python::repr(component)));
    Ok(())
}

fn file(state: &State, component: &Json, log: &mut ImportLog) -> Result<(), Fault> {
    let name = python::key(component, "filename")?;
    let size = python::key(component, "filesize")?;
    let known: Vec<&Archive> = state
        .archives
        .values()
        .filter(|archive| {
            Some(archive.filename.as_str()) == name.as_str() && Some(archive.size) == size.as_u64()
        })
        .collect();
    for archive in known {
        let same_type = python::key(component, "checksum_type")?.as_str() == checksum_type(archive);
        if same_type && python::key(component, "checksum")?.as_str() == Some(archive.checksum.as_str()) {
            return Ok(());
        }
    }
    log.0.push(format!("IGNORING unmatched archive: {}", python::repr(component)));
    Ok(())
}

fn koji_file(state: &State, component: &Json) -> Result<(), Fault> {
    let id = python::key(component, "archive_id")?;
    let found = id.as_u64().and_then(|id| Some((id, state.archives.get(&id)?)));
    let (id, archive) =
        found.ok_or_else(|| fault::generic(format!("No such archive: {}", python::text(id))))?;
    let Some(build) = state.builds.get(&archive.build) else {
        return Err(fault::generic(format!("No such build: {}", archive.build)));
    };
    let members = python::members(component)?;
    for field in ["nvr", "filename"] {
        if !members.contains_key(field) {
            return Err(fault::generic(format!("{field} field missing for component, archive_id={id}")));
        }
    }
    let expected = [
        ("nvr", Json::from(build.nvr())),
        ("filename", Json::from(archive.filename.as_str())),
        ("filesize", Json::from(archive.size)),
        ("checksum", Json::from(archive.checksum.as_str())),
        ("checksum_type", Json::from(checksum_type(archive))),
    ];
    for (field, expected) in expected {
        if let Some(found) = members.get(field).filter(|found| **found != expected) {
            return Err(fault::generic(format!(
                "Component field {field} does not match for archive_id={id}: {} != {}",
                python::text(&expected),
                python::text(found)
            )));
        }
    }
    Ok(())
}

fn checksum_type(archive: &Archive) -> Option<&'static str> {
    CHECKSUM_TYPES.get(usize::from(archive.checksum_type)).copied()
}
