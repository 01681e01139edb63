//! Components of buildroots and outputs.

use super::{Report, cursor::Cursor, kinds};

/// Checks one component.
pub(super) fn check(component: &Cursor<'_>, report: &mut Report) {
    let Some(kind) = component.field("type", report) else { return };
    let Some(name) = kind.text(report) else { return };
    match name {
        "rpm" => rpm(component, report),
        "kojifile" => koji_file(component, report),
        "file" => {
            for key in ["filename", "filesize", "checksum", "checksum_type"] {
                component.field(key, report);
            }
            let message = format!("{component} of a file, which is left out unless Koji knows the file");
            report.add(&kinds::COMPONENT_SKIPPED, component, message);
        }
        _ => report.add(&kinds::COMPONENT_TYPE, &kind, format!("{kind}, a type that hubs do not know")),
    }
}

fn rpm(component: &Cursor<'_>, report: &mut Report) {
    for key in ["name", "version", "release", "arch"] {
        if let Some(value) = component.field(key, report) {
            value.text(report);
        }
    }
    if let Some(epoch) = component.some("epoch") {
        epoch.integer(report);
    }
    if let Some(location) = component.key("location") {
        report.add(
            &kinds::COMPONENT_LOCATION,
            &location,
            format!("{location}; external packages are refused"),
        );
    }
    if let Some(id) = component.key("id") {
        report.add(&kinds::COMPONENT_ID, &id, format!("{id}; packages are looked up by name"));
    }
    if component.key("sigmd5").is_none() {
        let message = "the package has no sigmd5".to_owned();
        report.add_missing(&kinds::COMPONENT_UNVERIFIED, component, "sigmd5", message);
    }
}

fn koji_file(component: &Cursor<'_>, report: &mut Report) {
    if let Some(id) = component.field("archive_id", report) {
        id.integer(report);
    }
    for key in ["nvr", "filename"] {
        if let Some(value) = component.field(key, report) {
            value.text(report);
        }
    }
}
