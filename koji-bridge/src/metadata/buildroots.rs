//! The buildroots of a document.

use std::collections::BTreeSet;

use super::{Context, Report, components, cursor::Cursor, kinds};

/// What the outputs need to know of buildroots.
#[derive(Debug, Default)]
pub(super) struct Buildroots<'a> {
    /// Where each id stands, by first appearance; its value is the id. `None` when
    /// there is no list of buildroots.
    pub(super) ids: Option<Vec<Cursor<'a>>>,
    /// Whether each buildroot has an id.
    are_all_known: bool,
}

impl Buildroots<'_> {
    /// Whether there is one with this id. Only equal types are equal: the number 1
    /// is not the text "1".
    pub(super) fn has(&self, id: &serde_json::Value) -> bool {
        !self.are_all_known || self.ids.as_ref().is_none_or(|ids| ids.iter().any(|known| known.value() == id))
    }
}

/// Checks `buildroots`.
pub(super) fn check<'a>(root: &Cursor<'a>, context: &Context, report: &mut Report) -> Buildroots<'a> {
    let Some(buildroots) = root.list_of_maps("buildroots", report) else { return Buildroots::default() };
    if let Some(list) = root.key("buildroots").filter(|list| list.elements().next().is_none()) {
        report.add(&kinds::NO_BUILDROOTS, &list, "buildroots is empty".to_owned());
        return Buildroots::default();
    }
    let mut ids: Vec<Cursor<'a>> = Vec::new();
    let mut named = 0;
    let mut first_generator: Option<Cursor<'a>> = None;
    for buildroot in &buildroots {
        if let Some(id) = buildroot.field("id", report) {
            if !(id.value().is_string() || id.value().is_i64() || id.value().is_u64()) {
                id.is_not("text or a whole number", report);
            } else if ids.iter().any(|known| known.value() == id.value()) {
                report.add(&kinds::BUILDROOT_TWICE, &id, format!("{id}, as is another buildroot's"));
                named += 1;
            } else {
                named += 1;
                ids.push(id);
            }
        }
        for (key, needed) in [("host", ["os", "arch"]), ("container", ["type", "arch"])] {
            let Some(map) = buildroot.field(key, report).filter(|map| map.is_map(report)) else { continue };
            for name in needed {
                let Some(value) = map.field(name, report) else { continue };
                if key == "container" || !value.value().is_null() {
                    value.text(report);
                }
            }
        }
        if let Some(name) = generator(buildroot, report) {
            generator_is_ours(&name, first_generator.as_ref(), context, report);
            first_generator.get_or_insert(name);
        }
        tools(buildroot, report);
        if let Some(list) = buildroot.list_of_maps("components", report) {
            list.iter().for_each(|component| components::check(component, report));
        }
    }
    let count = root.key("buildroots").map_or(0, |list| list.elements().count());
    Buildroots { ids: Some(ids), are_all_known: named == count }
}

/// The name of the content generator, if it is text.
fn generator<'a>(buildroot: &Cursor<'a>, report: &mut Report) -> Option<Cursor<'a>> {
    let generator = buildroot.field("content_generator", report).filter(|map| map.is_map(report))?;
    generator.field("version", report);
    generator.field("name", report).filter(|name| name.text(report).is_some())
}

fn generator_is_ours(name: &Cursor<'_>, first: Option<&Cursor<'_>>, context: &Context, report: &mut Report) {
    if let Some(first) = first.filter(|first| first.value() != name.value()) {
        report.add(&kinds::GENERATORS_DIFFER, name, format!("{name}, and {first}"));
    } else if first.is_none()
        && let Some(ours) = context.generator.as_deref().filter(|ours| name.value() != ours)
    {
        report.add(&kinds::GENERATOR_NOT_OURS, name, format!("{name}, and the bridge imports as {ours:?}"));
    }
}

fn tools(buildroot: &Cursor<'_>, report: &mut Report) {
    let mut names = BTreeSet::new();
    for tool in buildroot.list_of_maps("tools", report).unwrap_or_default() {
        tool.field("version", report);
        let Some(name) = tool.field("name", report) else { continue };
        if let Some(text) = name.text(report)
            && !names.insert(text)
        {
            report.add(&kinds::TOOL_TWICE, &name, format!("{name}, as is another tool's of this buildroot"));
        }
    }
}
