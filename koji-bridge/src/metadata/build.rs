//! The build of a document.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Context, Report, Reservation, cursor::Cursor, kinds};

/// Types that stand directly in `extra`, from before there was `typeinfo`.
pub(super) const LEGACY_TYPES: [&str; 3] = ["image", "maven", "win"];

/// Longest name of a package.
const MAX_NAME: usize = 256;

/// What the outputs need to know of the build.
#[derive(Debug, Default)]
pub(super) struct Build<'a> {
    /// Its types; `None` when that is wrong already.
    pub(super) types: Option<BTreeSet<&'a str>>,
    /// Where it says that it is a draft, if it does.
    pub(super) draft: Option<Cursor<'a>>,
}

/// Checks `build`.
pub(super) fn check<'a>(root: &Cursor<'a>, context: &Context, report: &mut Report) -> Build<'a> {
    let Some(build) = root.field("build", report).filter(|build| build.is_map(report)) else {
        return Build::default();
    };
    nvr(&build, report);
    if let Some(source) = build.field("source", report).filter(|source| !source.value().is_null()) {
        source.text(report);
    }
    times(&build, report);
    if let Some(owner) = build.some("owner").filter(|owner| !owner.value().is_string()) {
        owner.is_not("the name of a user", report);
    }
    if let Some(epoch) = build.some("epoch") {
        epoch.integer(report);
    }
    let extra = build.field("extra", report).filter(|extra| extra.is_map(report));
    let task = task(&build, extra.as_ref(), report);
    reservation(&build, task, context.reservation.as_ref(), report);
    let types = extra.and_then(|extra| types(&extra, context, report));
    let draft = build.some("draft").filter(|draft| draft.value() != &Value::Bool(false));
    Build { types, draft }
}

fn nvr(build: &Cursor<'_>, report: &mut Report) {
    for key in ["name", "version", "release"] {
        let Some(part) = build.field(key, report) else { continue };
        let Some(text) = part.text(report) else { continue };
        let wrong = match key {
            _ if text.is_empty() => "is empty",
            "name" if text.chars().count() > MAX_NAME => "is longer than 256 characters",
            "name" if !text.chars().all(|c| c.is_ascii_alphanumeric() || "/_.+-".contains(c)) => {
                "has a character that names may not have"
            }
            "version" | "release" if text.contains('-') => "has a dash",
            _ => continue,
        };
        report.add(&kinds::BAD_NVR, &part, format!("{part}: it {wrong}"));
    }
}

fn times(build: &Cursor<'_>, report: &mut Report) {
    let [start, end] = ["start_time", "end_time"].map(|key| {
        let at = build.field(key, report)?;
        let seconds = match at.value() {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let seconds = seconds.filter(|seconds| seconds.is_finite());
        if seconds.is_none() {
            report.add(&kinds::BAD_TIME, &at, format!("{at}, and must be a number of seconds"));
        }
        Some((at, seconds?))
    });
    if let (Some((start, from)), Some((end, to))) = (start, end)
        && to < from
    {
        report.add(&kinds::TIMES_REVERSED, &end, format!("{end}, before {start}"));
    }
}

/// The task that the build names, if it does.
fn task(build: &Cursor<'_>, extra: Option<&Cursor<'_>>, report: &mut Report) -> Option<i128> {
    let task = build.some("task_id").and_then(|task| Some((task.integer(report)?, task)));
    let container = extra.and_then(|extra| extra.some("container_koji_task_id")).and_then(|task| {
        let text = task.value().as_str();
        let number = match text {
            Some(text) => text.trim().parse().ok(),
            None => return Some((task.integer(report)?, task)),
        };
        if number.is_none() {
            task.is_not("the number of a task", report);
        }
        Some((number?, task))
    });
    if let (Some((first, one)), Some((second, other))) = (&task, &container)
        && first != second
    {
        report.add(&kinds::TASK_MISMATCH, one, format!("{one}, and {other}"));
    }
    task.or(container).map(|(number, _)| number)
}

fn reservation(
    build: &Cursor<'_>,
    task: Option<i128>,
    reservation: Option<&Reservation>,
    report: &mut Report,
) {
    let id = build.some("build_id");
    let Some(reservation) = reservation else {
        if let Some(id) = id {
            report.add(&kinds::NO_TOKEN, &id, format!("{id}, and no token of a reservation is given"));
        }
        return;
    };
    match &id {
        None => {
            let message = "build.build_id is missing, and the token of a reservation is given".to_owned();
            // The place is the missing key, which has no cursor.
            report.add_missing(&kinds::NO_BUILD_ID, build, "build_id", message);
        }
        Some(id) => {
            let number = id.integer(report);
            if let (Some(number), Some(reserved)) = (number, reservation.build_id)
                && number != i128::from(reserved)
            {
                let message = format!("{id}, and the reserved build is {reserved}");
                report.add(&kinds::RESERVATION_DIFFERS, id, message);
            }
        }
    }
    if let Some(nvr) = &reservation.nvr {
        for (key, reserved) in [("name", nvr.name()), ("version", nvr.version()), ("release", nvr.release())]
        {
            let part = build.key(key).filter(|part| part.value().as_str().is_some_and(|it| it != reserved));
            if let Some(part) = part {
                let message = format!("{part}, and {reserved:?} was reserved");
                report.add(&kinds::RESERVATION_DIFFERS, &part, message);
            }
        }
    }
    if let Some(reserved) = reservation.task_id
        && task != Some(i128::from(reserved))
    {
        let named = task.map_or_else(|| "no task".to_owned(), |task| format!("task {task}"));
        let message = format!("the build names {named}, and was reserved for task {reserved}");
        report.add_missing(&kinds::RESERVATION_DIFFERS, build, "task_id", message);
    }
}

fn types<'a>(extra: &Cursor<'a>, context: &Context, report: &mut Report) -> Option<BTreeSet<&'a str>> {
    let found = types_in(extra, report)?;
    if found.is_empty() {
        let message = "build.extra names no build type".to_owned();
        report.add(&kinds::NO_BUILD_TYPE, extra, message);
        return None;
    }
    if let Some(known) = &context.build_types {
        for unknown in found.iter().filter(|name| !known.contains(**name)) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let message = format!(
                "build.extra names the build type {unknown:?}, and the hub has {} only",
                known.join(", ")
            );
            let at = extra.key("typeinfo").and_then(|info| info.key(unknown)).or_else(|| extra.key(unknown));
            report.add(&kinds::UNKNOWN_BUILD_TYPE, at.as_ref().unwrap_or(extra), message);
        }
    }
    Some(found)
}

/// The types that an `extra` map of a build or a file names; `None` when
/// `typeinfo` cannot be read.
pub(super) fn types_in<'a>(extra: &Cursor<'a>, report: &mut Report) -> Option<BTreeSet<&'a str>> {
    let mut found: BTreeSet<&'a str> =
        LEGACY_TYPES.into_iter().filter(|name| extra.key(name).is_some()).collect();
    if let Some(info) = extra.key("typeinfo") {
        if !info.is_map(report) {
            return None;
        }
        for name in info.value().as_object().into_iter().flat_map(|map| map.keys()) {
            if !found.insert(name)
                && let Some(at) = info.key(name)
            {
                let message = format!("the type {name:?} is in extra and in extra.typeinfo");
                report.add(&kinds::TYPE_TWICE, &at, message);
            }
        }
    }
    Some(found)
}
