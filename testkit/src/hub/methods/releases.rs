//! Release numbers.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};
use serde_json::Value as Json;

use super::{Entry, arguments::integer, python};
use crate::hub::{
    context::{Context, fault},
    state::{State, build_state},
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] =
    &[Entry::read("getNextRelease", "get_next_release(build_info, incr=1)", get_next_release)];

fn get_next_release(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let step = integer(arguments, "incr")?.unwrap_or(1);
    let info = python::from_wire(arguments.named.get("build_info").unwrap_or(&Value::Nil));
    let name = python::key(&info, "name")?.clone();
    let version = python::key(&info, "version")?;
    next(newest(context.state, &name, version), step).map(Value::String)
}

/// The release of the build that was created last. Failed, cancelled and draft
/// builds do not count.
fn newest<'a>(state: &'a State, name: &Json, version: &Json) -> Option<&'a str> {
    let counts = [build_state::COMPLETE, build_state::DELETED, build_state::BUILDING];
    let newest = state.builds.values().rev().find(|build| {
        Some(build.name.as_str()) == name.as_str()
            && Some(build.version.as_str()) == version.as_str()
            && counts.contains(&build.state)
            && !super::builds::is_draft(build)
    });
    newest.map(|build| build.release.as_str())
}

/// The release behind one. Of two parts the first counts, of three the last.
///
/// # Errors
/// It has no number where one counts: fault 1005.
fn next(release: Option<&str>, step: i64) -> Result<String, Fault> {
    let Some(release) = release.filter(|release| !release.is_empty()) else {
        return Ok(step.to_string());
    };
    let parts: Vec<&str> = release.split('.').collect();
    let more = |digits: &str| -> Option<String> {
        let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = if all_digits { digits.parse::<i64>().ok()? } else { return None };
        number.checked_add(step).map(|number| number.to_string())
    };
    let next = match parts.as_slice() {
        [number] => more(number),
        [number, rest] => more(number).map(|number| format!("{number}.{rest}")),
        [date, word, number] => more(number).map(|number| format!("{date}.{word}.{number}")),
        _ => None,
    };
    next.ok_or_else(|| fault::build(format!("Unable to increment release value: {release}")))
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn the_next_release() {
        for (release, expected) in [
            (None, Some("1")),
            (Some("10"), Some("11")),
            (Some("20180425"), Some("20180426")),
            (Some("3.el7"), Some("4.el7")),
            (Some("7.1"), Some("8.1")),
            (Some("20180425.nightly.2"), Some("20180425.nightly.3")),
            (Some("5.1.fc27"), None),
            (Some("r8"), None),
            (Some("1.2.3.4"), None),
        ] {
            assert_eq!(next(release, 1).ok().as_deref(), expected, "{release:?}");
        }
        let fault = next(Some("5.1.fc27"), 1).unwrap_err();
        assert_eq!((fault.code, fault.text.as_str()), (1005, "Unable to increment release value: 5.1.fc27"));
    }
}
